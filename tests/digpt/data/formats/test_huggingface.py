"""Hugging Face datasets on disk, as `save_to_disk` and the hub's Parquet files leave them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from digpt.data import open_dataset, store_dataset
from digpt.data.importers import read
from digpt.reporter import Quiet
from tests.digpt.data.formats.conftest import corners_in_pixels, picture, said

FEATURES: dict[str, Any] = {
    "image": {"_type": "Image"},
    "label": {"_type": "ClassLabel", "names": ["良品", "傷"]},
    "camera": {"_type": "Value", "dtype": "string"},
}


def table(
    seed: int, n: int = 10, labels: list[int] | None = None, **columns: list[Any]
) -> pa.Table:
    images = [{"bytes": picture(100 * seed + k), "path": None} for k in range(n)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    content = {"label": labels or [k % 2 for k in range(n)], "camera": ["c1"] * n} | columns
    return pa.table(
        {"image": pa.array(images, kind)} | {k: pa.array(v) for k, v in content.items()}
    )


def save_to_disk(root: Path, features: dict[str, Any] = FEATURES, **splits: pa.Table) -> Path:
    """The files that `DatasetDict.save_to_disk` writes."""
    root.mkdir(exist_ok=True)
    (root / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    for split, content in splits.items():
        folder = root / split
        folder.mkdir()
        name = "data-00000-of-00001.arrow"
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
        (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
        with (
            pa.OSFile(str(folder / name), "wb") as out,
            pa.ipc.new_stream(out, content.schema) as w,
        ):
            w.write_table(content, max_chunksize=4)
    return root


def test_a_saved_dataset_comes_in_with_its_class_names_and_splits(tmp_path: Path):
    root = save_to_disk(tmp_path / "hf", train=table(1), validation=table(2), test=table(3))
    found = read(root, name="x")
    data = found.dataset
    assert data is not None
    assert found.format == "Hugging Face dataset (folder)"
    assert data.classes == ("傷", "良品")
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(train=10, val=10, test=10)
    assert data.attributes["camera"].tolist() == ["c1"] * 30
    store_dataset(data, tmp_path / "kept", reporter=Quiet())
    kept = open_dataset(tmp_path / "kept").images.load(range(30), 16)
    assert np.array_equal(kept, data.images.load(range(30), 16))


def test_parquet_files_of_the_hub_come_in(tmp_path: Path):
    (tmp_path / "data").mkdir()
    meta = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    for k, split in enumerate(("train", "test")):
        content = table(k).replace_schema_metadata(meta)
        path = tmp_path / "data" / f"{split}-00000-of-00001.parquet"
        pq.write_table(content, path, row_group_size=3)
    found = read(tmp_path, name="x")
    assert found.dataset is not None
    assert found.dataset.classes == ("傷", "良品")
    assert sum(found.counts["test"].values()) == 10
    assert found.dataset.images.load([0, 9, 4], 8).shape == (3, 8, 8, 3)


def test_boxes_of_objects_come_in(tmp_path: Path):
    objects = [{"bbox": [[10.0, 5.0, 8.0, 4.0]], "category": [1]} for _ in range(10)]
    features = FEATURES | {"objects": {"bbox": {}, "category": {"feature": FEATURES["label"]}}}
    root = save_to_disk(tmp_path / "hf", features, train=table(1, objects=objects))
    found = read(root, name="x", task="detection")
    assert found.dataset is not None
    assert found.dataset.classes == ("傷",)
    assert corners_in_pixels(found, 4) == [[10, 5, 18, 9]]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (table(1, labels=[9] + [0, 1] * 5, n=11), "The class 9 is not among the 2 names"),
        (table(1, n=11).set_column(0, "image", pa.array(
            [{"bytes": b"no", "path": None}, *table(1).column("image").to_pylist()])),
         "cannot be read"),
        (table(1, n=11).set_column(0, "image", pa.array(
            [{"bytes": None, "path": "gone.png"}, *table(1).column("image").to_pylist()])),
         "its file 'gone.png' is not in the folder"),
        (table(1, objects=[{"bbox": [[1.0, 2.0]], "category": [1]}]
               + [{"bbox": [[1.0, 2.0, 3.0, 3.0]], "category": [1]}] * 9),
         "The box of object 1 is no x, y, width, height"),
        (table(1, objects=[{"bbox": [[70.0, 2.0, 3.0, 3.0], [1.0, 1.0, 9.0, 9.0]],
                            "category": [1, 1]}] * 10), "lies outside the picture"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_can_be_left_out(tmp_path: Path, content: pa.Table, what: str):
    features = FEATURES | {"objects": {"category": {"feature": FEATURES["label"]}}}
    root = save_to_disk(tmp_path / "hf", features, train=content)
    task = "detection" if "objects" in content.column_names else "classification"
    found = read(root, name="x", task=task)
    assert found.dataset is None
    assert what in said(found), said(found)
    assert read(root, name="x", task=task, skip_bad=True).dataset is not None


@pytest.mark.parametrize("at", [0, 10, 300, 900])
def test_a_damaged_file_is_refused(tmp_path: Path, at: int):
    root = save_to_disk(tmp_path / "hf", train=table(1), test=table(2))
    path = root / "train" / "data-00000-of-00001.arrow"
    data = bytearray(path.read_bytes())
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    found = read(root, name="x")
    assert found.dataset is None or "image" not in said(found)


def test_a_file_without_pictures_is_refused(tmp_path: Path):
    root = save_to_disk(tmp_path / "hf", train=table(1).drop_columns(["image"]))
    assert "no column holds pictures" in said(read(root, name="x"))


def parquet(content: pa.Table) -> bytes:
    out = pa.BufferOutputStream()
    meta = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    pq.write_table(content.replace_schema_metadata(meta), out, row_group_size=3)
    return out.getvalue().to_pybytes()


WHOLE = parquet(table(1))
DAMAGE = {
    "empty file": b"",
    "cut short as by a broken transfer": WHOLE[: len(WHOLE) // 2],
    "a part of it is damaged": WHOLE[:-8] + b"\xff\xff\xff\x7f" + WHOLE[-4:],
    "git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n",
    "it is a web page": b"\n<!DOCTYPE html><html></html>",
    "it is encrypted": b"PARE" + WHOLE[4:-4] + b"PARE",
    "it is no Parquet file": picture(1),
}


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("others", [0, 1])
def test_a_damaged_parquet_file_is_named_in_our_own_words(tmp_path: Path, what: str, others: int):
    (tmp_path / "a-test.parquet").write_bytes(DAMAGE[what])
    for k in range(others):
        (tmp_path / f"train-{k}.parquet").write_bytes(WHOLE)
    found = read(tmp_path, name="x")
    errors = said(found)
    assert found.dataset is None
    assert errors.startswith("a-test.parquet: The file cannot be read: ")
    assert what in errors
    assert not {"thrift", "footer", "deserialize", "bytes"} & set(errors.lower().split())


def test_a_damaged_row_group_costs_its_pictures_only(tmp_path: Path):
    (tmp_path / "train.parquet").write_bytes(WHOLE[:4] + b"\xff" * 8 + WHOLE[12:])
    assert "a part of it is damaged" in said(read(tmp_path, name="x"))
    kept = read(tmp_path, name="x", skip_bad=True)
    assert sum(sum(c.values()) for c in kept.counts.values()) == 7


def test_class_names_are_found_beside_another_split(tmp_path: Path):
    root = save_to_disk(tmp_path / "hf", train=table(1), test=table(2))
    (root / "train" / "dataset_info.json").write_text('{"features": {')
    found = read(root, name="x")
    assert found.dataset is not None
    assert found.dataset.classes == ("傷", "良品")
    assert "train/dataset_info.json: The description of the columns" in said(found, "warning")
    (root / "train" / "dataset_info.json").unlink()
    (root / "test" / "dataset_info.json").unlink()
    found = read(root, name="x")
    assert found.dataset is not None
    assert found.dataset.classes == ("0", "1")
    assert "classes are called by their numbers" in said(found, "warning")


def test_what_is_missing_of_a_dataset_is_told_and_what_map_left_is_not_read(tmp_path: Path):
    root = save_to_disk(tmp_path / "hf", train=table(1), test=table(2))
    shard = root / "train" / "data-00000-of-00001.arrow"
    (root / "train" / "cache-0123456789abcdef.arrow").write_bytes(shard.read_bytes())
    assert sum(read(root, name="x").counts["test"].values()) == 10
    assert sum(sum(c.values()) for c in read(root, name="x").counts.values()) == 20
    shard.rename(root / "train" / "data-00000-of-00003.arrow")
    found = read(root, name="x", skip_bad=True)
    assert "missing: 1, e.g. train/data-00000-of-00001.arrow" in said(found)
    assert "2 are not here, e.g. train/data-00001-of-00003.arrow" in said(found, "warning")


def test_arrow_files_of_the_format_for_files_come_in(tmp_path: Path):
    with pa.ipc.new_file(tmp_path / "train.arrow", table(1).schema) as out:
        out.write_table(table(1))
    assert sum(sum(c.values()) for c in read(tmp_path, name="x").counts.values()) == 10


NAMES: dict[str, Any] = {"_type": "ClassLabel", "names": ["a", "b"]}


@pytest.mark.parametrize(
    ("columns", "features", "classes", "told"),
    [
        ({"label": [0.0, 1.0] * 5}, {}, ("傷", "良品"), ""),
        ({"coarse_label": [0] * 10}, {"coarse_label": NAMES}, ("傷", "良品"), "not coarse_label"),
        ({"class": ["x", "y"] * 5}, {}, ("傷", "良品"), "'label' is taken as the classes"),
        ({"label": [[0, 1], [1]] * 5}, {}, ("傷", "良品"), "5 pictures have several classes"),
        ({"label": [k % 2 for k in range(10)]}, {"label": NAMES}, ("a", "b"), ""),
    ],
)
def test_one_column_is_that_of_classes(
    tmp_path: Path, columns: dict[str, Any], features: dict[str, Any], classes, told: str
):
    content = table(1).drop_columns([name for name in columns if name == "label"])
    for name, cells in columns.items():
        content = content.append_column(name, pa.array(cells))
    found = read(save_to_disk(tmp_path / "hf", FEATURES | features, train=content), name="x")
    assert found.dataset is not None, said(found)
    assert found.dataset.classes == classes
    assert told in said(found, "note") + said(found, "warning")


def test_the_picture_and_not_its_mask_is_read(tmp_path: Path):
    masks = table(7).column("image").combine_chunks()
    content = table(1).add_column(0, "mask", masks)
    plain = read(save_to_disk(tmp_path / "a", train=table(1)), name="x").dataset
    both = read(save_to_disk(tmp_path / "b", train=content), name="x").dataset
    assert plain is not None
    assert both is not None
    assert np.array_equal(both.images.load(range(10), 8), plain.images.load(range(10), 8))


@pytest.mark.parametrize(
    ("objects", "what"),
    [
        ([{"boxes": [[10.0, 5.0, 8.0, 4.0]], "category_id": [1]}] * 10, ""),
        ([[{"bbox": [10.0, 5.0, 8.0, 4.0], "class": 1}]] * 10, ""),
        ([{"bbox": [[1.0, 1.0, 5.0, 5.0]], "category": [1, 0]}] * 10, "1 boxes and 2 classes"),
    ],
)
def test_objects_come_by_the_names_that_people_use(tmp_path: Path, objects: list, what: str):
    features = FEATURES | {"objects": {"category": {"feature": FEATURES["label"]}}}
    root = save_to_disk(tmp_path / "hf", features, train=table(1, objects=objects))
    found = read(root, name="x", task="detection")
    assert what in said(found)
    if not what:
        assert corners_in_pixels(found, 4) == [[10, 5, 18, 9]]
