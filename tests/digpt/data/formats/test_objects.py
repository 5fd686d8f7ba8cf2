"""Marked objects of any format: what is left of a picture, and in which encoding names come."""

import io
import json
import os
import zipfile

import pytest

from digpt.data.importers import read
from tests.digpt.data.formats.conftest import Files, coco_files, coco_json, picture, said
from tests.digpt.data.formats.test_labelme import DENT, labelme_files, shape, written
from tests.digpt.data.formats.test_voc import voc_files, xml
from tests.digpt.data.formats.test_yolo import YAML, yolo_files

NO_CATEGORY = {"id": 99, "image_id": 0, "category_id": 8, "bbox": [1, 1, 5, 5]}
OTHERS = [a for a in coco_json()["annotations"] if a["image_id"] > 0]
SPOILT: dict[str, Files] = {  # the only object of the first picture cannot be used
    "coco": coco_files(coco_json(annotations=[*OTHERS, NO_CATEGORY])),
    "voc": voc_files() | {"Annotations/0.xml": xml("0.png", "dent,9,9,5,5")},
    "labelme": labelme_files() | {"0.json": written("0.png", shape("", "circle", [9, 9], [9, 12]))},
    "yolo": yolo_files() | {"labels/train/0.txt": b"7 .5 .5 .1 .1"},
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_picture_whose_objects_cannot_be_used_never_counts_as_one_without(folder, kind: str):
    source = folder(SPOILT[kind])
    assert read(source, name="x", task="detection").dataset is None
    kept = read(source, name="x", task="detection", skip_bad=True)
    assert kept.dataset is not None, said(kept)
    pictures = sum(path.endswith(".png") for path in SPOILT[kind])
    assert len(kept.dataset) == pictures - 1
    assert "1 pictures stay out, e.g." in said(kept, "warning")


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation"])
def test_pictures_in_which_nothing_is_marked_are_no_dataset_of_objects(folder, task: str):
    source = folder(coco_files(coco_json(annotations=[])))
    for skip_bad in (False, True):
        found = read(source, name="x", task=task, skip_bad=skip_bad)
        assert found.dataset is None
        assert task == "segmentation" or "marked in any of the 12 pictures" in said(found)


NAMES = "train: images/train\nval: images/val\nnames: [傷, 打痕]\n"
CATEGORIES = [{"id": 7, "name": "傷"}, {"id": 9, "name": "打痕"}]
RENAMED = written("0.png", DENT | {"label": "傷"})
DECLARED = '<?xml version="1.0" encoding="Shift_JIS"?>' + xml("0.png", "傷,10,5,18,9").decode()


@pytest.mark.parametrize(
    "files",
    [
        yolo_files(yaml=NAMES.encode("cp932")),
        {p: d for p, d in yolo_files().items() if p != "data.yaml"}
        | {"classes.txt": "傷\n打痕\n".encode("cp932")},
        coco_files(
            json.dumps(coco_json(categories=CATEGORIES), ensure_ascii=False).encode("cp932")
        ),
        voc_files() | {"Annotations/0.xml": DECLARED.encode("cp932")},
        labelme_files() | {"0.json": RENAMED.decode().encode("cp932")},
    ],
)  # fmt: skip
def test_names_of_classes_are_read_in_cp932_too(folder, files: Files):
    found = read(folder(files), name="x", task="detection")
    assert found.dataset is not None, said(found)
    assert "傷" in found.dataset.classes


@pytest.mark.parametrize(
    ("yaml", "what"),
    [
        (YAML.replace(b"  1:", b"\t1:"), "a mistake in line 6, column 1. Correct that place"),
        (b"", "The YAML file cannot be read"),
    ],
)
def test_a_yaml_file_beside_labels_that_cannot_be_read_is_said(folder, yaml: bytes, what: str):
    found = read(folder(yolo_files(yaml=yaml)), name="x", task="detection")
    assert found.dataset is None
    assert f"data.yaml: {'The YAML file cannot be read: ' * yaml.startswith(b'path')}{what}" in (
        said(found)
    )


def test_lists_of_splits_are_matched_by_path_and_their_mistakes_said(folder):
    listed = YAML.replace(b"images/train", b"train.txt")
    lines = b"./images/train/0.png\n./images/val/1.png\n./images/train/gone.png\n"
    found = read(folder(yolo_files(listed) | {"train.txt": lines}), name="x", task="detection")
    assert found.dataset is not None, said(found)
    split = dict(zip(found.dataset.ids, found.dataset.split, strict=True))
    assert (split["images/train/0.png"], split["images/val/1.png"]) == ("train", "train")
    assert split["images/val/0.png"] != "train"  # of the same name as a listed one
    warned = said(found, "warning")
    assert "1 pictures are listed in several splits, e.g. images/val/1.png" in warned
    assert (
        "train.txt: 1 names in the list belong to no picture here, e.g. ./images/train/gone.png"
        in warned
    )


def test_voc_lists_with_a_picture_in_two_splits_and_one_unknown_are_said(folder):
    lists = {"ImageSets/Main/test.txt": b"9\n8\n0\n", "ImageSets/Main/val.txt": b"6\n7\n77\n"}
    found = read(folder(voc_files() | lists), name="x", task="detection")
    assert found.dataset is not None
    assert (
        dict(zip(found.dataset.ids, found.dataset.split, strict=True))["JPEGImages/0.png"]
        == "train"
    )
    warned = said(found, "warning")
    assert "1 pictures are listed in several splits, e.g. 0" in warned
    assert (
        "ImageSets/Main/val.txt: 1 names in the list belong to no picture here, e.g. 77" in warned
    )


@pytest.mark.parametrize("task", ["classification", "detection"])
def test_annotations_that_are_damaged_or_cut_are_never_passed_over(folder, tmp_path, task: str):
    out, files = io.BytesIO(), coco_files(coco_json())
    with zipfile.ZipFile(out, "w") as packed:
        for path, data in files.items():
            packed.writestr(path, data)
    spoilt = out.getvalue().replace(b'"bbox": [10, 5, 8, 4]', b'"bbox": [11, 5, 8, 4]', 1)
    (tmp_path / "a.zip").write_bytes(spoilt)
    cut = folder(files | {"annotations.json": files["annotations.json"][:99]})
    for source, why in ((tmp_path / "a.zip", "damaged inside the ZIP"), (cut, "a mistake in line")):
        found = read(source, name="x", task=task)
        assert found.dataset is None
        assert f"annotations.json: The file cannot be read: {why}" in said(found)


def test_links_that_cannot_be_followed_are_said(folder):
    root = folder({f"{c}/{k}.png": picture(k + 10 * (c == "a")) for c in "ab" for k in range(6)})
    os.symlink("circle.png", root / "a" / "circle.png")
    os.symlink("nowhere.png", root / "a" / "gone.png")
    os.symlink("..", root / "b" / "up")
    found = read(root, name="x")
    assert found.dataset is None
    assert "a/circle.png: The link leads nowhere" in said(found)
    assert "a/gone.png: The link leads nowhere" in said(found)
    assert "b/up: A link to a folder is not followed" in said(found, "warning")
    kept = read(root, name="x", skip_bad=True).dataset
    assert kept is not None
    assert len(kept) == 12


def test_an_archive_inside_a_folder_is_pointed_at(folder):
    found = read(folder({"photos.zip": b"PK\x03\x04"}), name="x")
    assert found.dataset is None
    assert "1 packed files stay closed, e.g. photos.zip" in said(found, "warning")
