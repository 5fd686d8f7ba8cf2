"""YOLO, versions 5 to 11: a YAML file, images and labels."""

import numpy as np
import pytest

from digpt.data.importers import read
from tests.digpt.data.formats.conftest import Files, corners_in_pixels, picture, said

YAML = b"""path: ../datasets/parts
train: images/train
val: images/val
names:
  0: scratch
  1: dent
"""
LABELS = b"0 0.5 0.5 0.2 0.1\n1 0.25 0.75 0.1 0.2\n"


def yolo_files(yaml: bytes = YAML, labels: bytes = LABELS) -> Files:
    files: Files = {"data.yaml": yaml}
    for split, count in (("train", 8), ("val", 4)):
        for k in range(count):
            files[f"images/{split}/{k}.png"] = picture(k + 100 * len(split))
            files[f"labels/{split}/{k}.txt"] = labels
    return files


def test_boxes_names_and_splits_are_read(folder):
    found = read(folder(yolo_files()), name="x", task="detection")
    assert found.format == "YOLO data.yaml (folder)"
    assert found.dataset is not None
    assert found.dataset.classes == ("dent", "scratch")
    assert corners_in_pixels(found, 0) == [[24, 18, 36, 22], [12, 26, 18, 34]]
    held_out = found.dataset.ids[found.dataset.split != "train"]  # test is cut from val
    assert [p.rpartition("/")[0] for p in held_out] == ["images/val"] * 4


def test_the_yaml_file_itself_can_be_the_source(folder):
    found = read(folder(yolo_files()) / "data.yaml", name="x", task="detection")
    assert found.format == "YOLO data.yaml (folder)"


def test_roboflow_folders_and_name_lists_are_read(folder):
    yaml = b"train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['scratch', 'dent']\n"
    files: Files = {"data.yaml": yaml}
    for k, split in enumerate(("train", "valid", "test")):
        for i in range(5):
            files[f"{split}/images/{i}.png"] = picture(10 * k + i)
            files[f"{split}/labels/{i}.txt"] = LABELS
    found = read(folder(files), name="x", task="detection")
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(train=5, val=5, test=5)


def test_a_wrong_path_in_the_yaml_file_is_named_and_folders_tell_the_splits(folder):
    yaml = YAML.replace(b"images/val", b"images/holdout") + b"test: ../elsewhere/test.txt\n"
    found = read(folder(yolo_files(yaml)), name="x", task="detection")
    warned = said(found, "warning")
    assert "What val names is not here: images/holdout." in warned
    assert "What test names is not here: ../elsewhere/test.txt." in warned
    assert found.dataset is not None
    kept = dict(zip(found.dataset.ids, found.dataset.split, strict=True))
    assert {split for path, split in kept.items() if "/val/" in path} <= {"val", "test"}
    assert "names is not here" not in said(read(folder(yolo_files()), name="x"), "warning")


def test_polygons_become_masks_and_boxes(folder):
    labels = b"0 0.2 0.2 0.4 0.2 0.4 0.6 0.2 0.6\n"
    source = folder(yolo_files(labels=labels))
    boxes = read(source, name="x", task="detection")
    assert corners_in_pixels(boxes, 0) == [[12, 8, 24, 24]]
    masks = read(source, name="x", task="segmentation").dataset
    assert masks is not None
    assert masks.masks is not None
    assert np.argwhere(masks.masks.pixels(0)).min(axis=0).tolist() == [8, 12]


def test_labels_without_a_yaml_file_are_read_by_classes_txt(folder):
    files = yolo_files()
    del files["data.yaml"]
    found = read(folder(files | {"classes.txt": b"scratch\ndent\n"}), name="x", task="detection")
    assert found.dataset is not None
    assert found.format == "YOLO without YAML (folder)"
    assert found.dataset.classes == ("dent", "scratch")


@pytest.mark.parametrize(
    ("below", "listing"), [("", "classes.txt"), ("obj_train_data/", "obj.names")]
)
def test_labels_beside_pictures_are_read_as_labelimg_and_cvat_write_them(folder, below, listing):
    files = {listing: b"scratch\ndent\n"}
    for i in range(10):
        files |= {f"{below}{i}.png": picture(i), f"{below}{i}.txt": b"1 .5 .5 .2 .2\n"}
    found = read(folder(files), name="x", task="detection")
    assert found.dataset is not None
    assert found.dataset.classes == ("dent",)


def test_captions_beside_pictures_are_no_labels(folder):
    files = {f"{i}.png": picture(i) for i in range(6)}
    files |= {f"{i}.txt": b"3 grey parts on a belt\n" for i in range(6)}
    assert read(folder(files), name="x").format == "plain folder without classes (folder)"


def test_a_picture_without_labels_shows_nothing(folder):
    found = read(folder(yolo_files() | {"images/train/e.png": picture(9)}), name="x",
                 task="detection")  # fmt: skip
    assert "1 pictures have no label file" in said(found, "warning")


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"labels/train/0.txt": b"5 .5 .5 .1 .1"}, "class 5 is not among the 2 names"),
        ({"labels/train/0.txt": b"-1 .5 .5 .1 .1"}, "class -1 is not among"),
        ({"labels/train/0.txt": b"0 .5 .5 .1"}, "it has 3 numbers after the class"),
        ({"labels/train/0.txt": b"0 .5 x .1 .1"}, "line 1: The line cannot be used"),
        ({"labels/train/0.txt": b"0 300 200 10 10"}, "no shares from 0 to 1"),
        ({"labels/train/0.txt": b"0 .5 .5 0 .1"}, "has no area"),
        ({"labels/train/0.txt": b"0 1.5 .5 .1 .1"}, "lies outside the picture"),
        ({"labels/train/0.txt": b"0 nan .5 .1 .1"}, "is no number that can be right"),
        ({"labels/train/0.txt": b"inf .5 .5 .1 .1"}, "The line cannot be used"),
        ({"labels/train/0.txt": b"0 .1 .1 .2 .2 .3 .3 .4"}, "are no polygon"),
        ({"labels/train/0.txt": b"\xff\xfe\x00"}, "The label file cannot be read"),
        ({"labels/train/gone.txt": LABELS}, "The label file has no picture"),
        ({"data.yaml": YAML.replace(b"dent", b"scratch")}, "stands there more than once"),
    ],
)
def test_a_mistake_is_named_and_can_be_left_out(refused_then_skipped, files: Files, what: str):
    refused_then_skipped(yolo_files() | files, what)


def test_a_yaml_bomb_is_not_followed(folder):
    bomb = b"names: &a [x, x]\n" + b"".join(
        b"b%d: &b%d [*a, *a]\n" % (i, i) for i in range(600)
    )  # fmt: skip
    found = read(folder(yolo_files(yaml=bomb)), name="x", task="detection")
    assert found.format.startswith("YOLO")  # by its labels
