"""COCO files come in with their boxes, outlines and splits; each mistake is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digpt.data import load_prepared, open_dataset, prepare, store_dataset
from digpt.data.importers import read
from digpt.data.layouts.coco import rle_counts
from digpt.data.shapes import Rle, rle_pixels
from digpt.reporter import Quiet
from tests.digpt.data.formats.conftest import (
    coco_files,
    coco_json,
    corners_in_pixels,
    picture,
    said,
)


def test_boxes_are_kept_for_detection(folder):
    found = read(folder(coco_files(coco_json())), name="x", task="detection")
    assert found.format == "COCO annotations.json (folder)"
    assert found.task == "detection"
    assert found.dataset is not None
    assert found.dataset.classes == ("dent", "scratch")
    assert corners_in_pixels(found, 3) == [[10, 5, 18, 9], [30, 20, 36, 26]]
    assert sum(sum(c.values()) for c in found.counts.values()) == 12
    assert "24 boxes: 12 dent, 12 scratch" in said(found, "note")


def test_boxes_are_the_same_after_storing_preparing_and_choosing(folder, tmp_path: Path):
    dataset = read(folder(coco_files(coco_json())), name="x", task="detection").dataset
    assert dataset is not None
    store_dataset(dataset, tmp_path / "kept", reporter=Quiet())
    prepare(open_dataset(tmp_path / "kept"), tmp_path / "ready", size=8, reporter=Quiet())
    again = load_prepared(tmp_path / "ready")
    assert dataset.boxes is not None
    assert again.boxes is not None
    assert again.boxes.classes == dataset.boxes.classes
    for name in ("rows", "labels", "corners"):
        assert np.array_equal(getattr(again.boxes, name), getattr(dataset.boxes, name))
    few = again.subset(np.array([5, 2]))
    assert few.boxes is not None
    assert few.boxes.rows.tolist() == [0, 0, 1, 1]
    assert np.array_equal(few.boxes.of(1)[0], dataset.boxes.of(2)[0])


def test_for_classification_objects_are_cut_out_and_stay_with_their_picture(folder):
    found = read(folder(coco_files(coco_json(40), 40)), name="x")
    data = found.dataset
    assert data is not None
    assert found.format == "COCO annotations.json (folder), each object cut out"
    assert data.classes == ("dent", "scratch")  # no room for background in 60 × 40
    assert "80 of the 80 marked ones were cut out" in said(found, "note")
    assert data.groups is not None
    for group in set(data.groups):
        assert len(set(data.split[data.groups == group])) == 1
    assert data.images.load([0], 16).shape == (1, 16, 16, 3)


def test_a_cut_out_object_is_the_same_after_storing(folder, tmp_path: Path):
    dataset = read(folder(coco_files(coco_json())), name="x").dataset
    assert dataset is not None
    store_dataset(dataset, tmp_path / "kept", reporter=Quiet())
    kept = open_dataset(tmp_path / "kept")
    rows = np.arange(len(dataset))
    assert np.array_equal(kept.images.load(rows, 32), dataset.images.load(rows, 32))


def test_pictures_of_one_class_of_objects_take_that_class(folder):
    content = coco_json(20)
    marked = {k: (7 if k % 2 else 9) for k in range(14)}  # six pictures show nothing
    content["annotations"] = [
        {"id": k, "image_id": k, "category_id": c, "bbox": [1, 1, 5, 5]} for k, c in marked.items()
    ]
    found = read(folder(coco_files(content, 20)), name="x")
    assert found.dataset is not None
    assert found.dataset.classes == ("background", "dent", "scratch")
    assert len(found.dataset) == 20
    assert "Each picture has the class of the objects" in said(found, "note")


def test_splits_come_from_file_and_folder_names(folder):
    files = {}
    for k, split in enumerate(("train", "valid", "test")):
        content = coco_json(6)
        files |= {f"{split}/{i}.png": picture(10 * k + i) for i in range(6)}
        files[f"{split}/_annotations.coco.json"] = json.dumps(content).encode()
    found = read(folder(files), name="x", task="detection")
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(train=6, val=6, test=6)


def test_official_folder_names_are_found(folder):
    files = {f"images/{s}2017/{k}.png": picture(k + 10 * len(s)) for s in ("train", "val")
             for k in range(5)}  # fmt: skip
    for split in ("train", "val"):
        text = json.dumps(coco_json(5)).encode()
        files[f"annotations/instances_{split}2017.json"] = text
    found = read(folder(files), name="x", task="detection")
    assert found.dataset is not None
    held_out = found.dataset.ids[found.dataset.split != "train"]  # test is cut from val
    assert [p.rpartition("/")[0] for p in held_out] == ["images/val2017"] * 5
    assert all(p.startswith("images/") for p in found.dataset.ids)


def test_polygons_and_run_lengths_become_masks(folder, tmp_path: Path):
    content = coco_json(6)
    square = [10, 5, 20, 5, 20, 15, 10, 15]
    mask = np.zeros((40, 60), bool)
    mask[20:30, 30:50] = True
    runs = np.diff(np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=0, append=0)),
                   prepend=0).tolist()  # fmt: skip
    runs.append(mask.size - sum(runs))
    content["annotations"] = [
        annotation
        for k in range(6)
        for annotation in (
            {"id": 2 * k, "image_id": k, "category_id": 7, "segmentation": [square]},
            {"id": 2 * k + 1, "image_id": k, "category_id": 9,
             "segmentation": {"size": [40, 60], "counts": runs}},
        )
    ]  # fmt: skip
    dataset = read(folder(coco_files(content, 6)), name="x", task="segmentation").dataset
    assert dataset is not None
    assert dataset.masks is not None
    assert dataset.masks.classes == ("dent", "scratch")
    pixels = dataset.masks.pixels(0)
    assert (pixels == 1).sum() == mask.sum()
    assert np.array_equal(pixels == 1, mask)
    assert 100 <= (pixels == 2).sum() <= 121  # the drawn edge counts
    store_dataset(dataset, tmp_path / "kept", reporter=Quiet())
    kept = open_dataset(tmp_path / "kept")
    assert kept.masks is not None
    assert np.array_equal(kept.masks.pixels(0), pixels)
    prepare(kept, tmp_path / "ready", size=20, reporter=Quiet())
    ready = load_prepared(tmp_path / "ready")
    assert ready.masks is not None
    assert ready.masks.load([0, 1], 20).shape == (2, 20, 20)
    assert set(np.unique(ready.masks.load([0], 20))) == {0, 1, 2}


def compressed(counts: list[int]) -> str:
    """COCO's text of run lengths, written from the definition in its maskApi."""
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            code = value & 31
            value >>= 5
            more = value != -1 if code & 16 else value != 0
            text += chr((code | 32 if more else code) + 48)
    return text


@pytest.mark.parametrize("seed", range(5))
def test_compressed_run_lengths_are_read_back(seed: int):
    draw = np.random.default_rng(seed)
    counts = draw.integers(0, 3000, draw.integers(1, 40)).tolist()
    assert list(rle_counts(compressed(counts))) == counts


def test_run_lengths_go_down_the_columns():
    assert rle_pixels(Rle((1, 2, 3), 2, 3)).tolist() == [[False, True, False], [True, False, False]]


def annotated(**changed: Any) -> dict[str, Any]:
    """One more annotation, with a mistake."""
    content = coco_json()
    base = {"id": 99, "image_id": 0, "category_id": 7, "bbox": [1, 1, 5, 5]}
    content["annotations"].append(base | changed)
    return content


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (annotated(bbox=[1, 1, 0, 5]), "annotation 25: 0.png: the box (1, 1) – (1, 6) has no area"),
        (annotated(bbox=[70, 1, 5, 5]), "lies outside the picture (60 × 40)"),
        (annotated(bbox=[1, 1, -5, 5]), "has no area"),
        (annotated(bbox=[1, 1, float("nan"), 5]), "is no number that can be right"),
        (annotated(bbox=[1, 2, 3]), "Its outline cannot be read"),
        (annotated(bbox="no box"), "Its outline cannot be read"),
        (annotated(category_id=8), "Its category 8 is not among the categories"),
        (annotated(category_id=[7]), "Its category [7] is not among the categories"),
        (annotated(image_id=77), "Its image 77 is not in the file"),
        (annotated(bbox=None), "neither bbox nor segmentation"),
        (annotated(segmentation=[[1, 2, 3]]), "a polygon needs three points"),
        (annotated(segmentation={"size": [40, 60], "counts": [1]}), "do not fill the picture"),
        (annotated(segmentation={"size": [40, 60], "counts": "~~~"}), "run lengths are damaged"),
        (
            coco_json(images=[*coco_json()["images"], {"id": 50, "file_name": "gone.png"}]),
            "image 13: gone.png does not exist",
        ),
        (
            coco_json(images=[*coco_json()["images"], {"id": 3, "file_name": "4.png"}]),
            "The image id 3 is used more than once",
        ),
        (coco_json(images=[*coco_json()["images"], "x"]), "image 13: It has no id or no file_name"),
        (
            coco_json(categories=[*coco_json()["categories"], {"id": 7, "name": "other"}]),
            "The category id 7 is used more than once",
        ),
        (
            coco_json(images=[*coco_json(11)["images"],
                              {"id": 11, "file_name": "11.png", "width": 120, "height": 80}]),
            "The annotations are for 120 × 80 pixels, the picture has 60 × 40",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_can_be_left_out(refused_then_skipped, content, what: str):
    refused_then_skipped(coco_files(content), what)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b'{"images": [], "annotations": [', "The file cannot be read"),
        (b'{"images": 3, "annotations": []}', "'images' is no list"),
        (b'{"images": [], "annotations": []}', "No usable picture was found"),
        (b'[{"images": 1}, {"annotations": 1}]', "it is no object"),
        (b'{"images": ' + b"[" * 100_000 + b', "annotations"', "The file cannot be read"),
    ],
)
def test_a_broken_file_is_refused(folder, text: bytes, what: str):
    found = read(folder(coco_files(text)), name="x", task="detection")
    assert found.dataset is None
    assert what in said(found)


def test_a_box_beyond_the_edge_is_cut_and_said(folder):
    found = read(folder(coco_files(annotated(bbox=[50, 30, 20, 20]))), name="x", task="detection")
    assert corners_in_pixels(found, 0)[-1] == [50, 30, 60, 40]
    assert "reaches beyond the picture" in said(found, "warning")


def test_pictures_without_an_entry_are_said(folder):
    files = coco_files(coco_json()) | {"extra.png": picture(500)}
    found = read(folder(files), name="x", task="detection")
    assert "1 pictures are in none of the files, e.g. extra.png" in said(found, "warning")


def rewritten(images: Any = str, categories: Any = str) -> dict[str, Any]:
    """Annotations that write the ids of their image and category otherwise than these do."""
    content = coco_json()
    for one in content["annotations"]:
        one["image_id"], one["category_id"] = (
            images(one["image_id"]),
            categories(one["category_id"]),
        )
    return content


@pytest.mark.parametrize("write", [str, "{:012d}".format, float, " {} ".format])
def test_ids_that_are_written_otherwise_are_matched_and_told(folder, write):
    found = read(folder(coco_files(rewritten(write, write))), name="x", task="detection")
    assert found.dataset is not None, said(found)
    assert found.dataset.classes == ("dent", "scratch")
    assert corners_in_pixels(found, 3) == [[10, 5, 18, 9], [30, 20, 36, 26]]
    told = said(found, "note")
    is_told = write(7) != 7
    assert ("24 annotations write the id of their image otherwise" in told) == is_told
    assert ("24 annotations write the id of their category otherwise" in told) == is_told


def test_ids_of_text_come_in(folder):
    content = rewritten("img-{:04x}".format, "{:032X}".format)
    for one in content["images"]:
        one["id"] = f"img-{one['id']:04x}"
    for one in content["categories"]:
        one["id"] = f"{one['id']:032x}"  # a UUID in small letters
    found = read(folder(coco_files(content)), name="x", task="detection")
    assert found.dataset is not None, said(found)
    assert corners_in_pixels(found, 3) == [[10, 5, 18, 9], [30, 20, 36, 26]]


def test_ids_that_differ_in_writing_only_are_told_and_never_guessed(folder):
    content = coco_json()
    content["images"][1]["id"] = "2"
    for one in content["annotations"]:
        one["image_id"] = {1: "2", 5: "05"}.get(one["image_id"], one["image_id"])
    content["annotations"][0]["image_id"] = "02"  # of 2 and "2"
    found = read(folder(coco_files(content)), name="x", task="detection")
    assert "image 3: The ids 2 and '2' differ in writing only" in said(found, "warning")
    assert said(found).count("Its image") == 1
    assert "annotation 1: Its image '02' is not in the file" in said(found)


@pytest.mark.parametrize("part", ["image", "category"])
def test_ids_of_another_file_are_said_in_one_sentence(folder, part: str):
    content = coco_json()
    for one in content["annotations"]:
        one[f"{part}_id"] = f"other-{one[f'{part}_id']}"
    found = read(folder(coco_files(content)), name="x", task="detection")
    assert found.dataset is None
    assert sum(part in p.code for p in found.problems if p.severity == "error") == 1
    assert "None of the 24 annotations names" in said(found)


def test_annotations_of_a_missing_picture_are_not_blamed(folder):
    files = coco_files(coco_json())
    del files["3.png"]
    assert said(read(folder(files), name="x", task="detection")).count("3.png") == 1
