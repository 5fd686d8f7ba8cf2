"""Roboflow's exports: their licence is kept, and their augmented copies stay together."""

import json

import numpy as np
import pytest

from digpt.data.importers import read
from tests.digpt.data.formats.conftest import Files, coco_json, picture, said

README = """# Bolts > augmented
https://universe.roboflow.com/works/bolts

Provided by a Roboflow user
License: CC BY 4.0

"""
YAML = b"""train: ../train/images
val: ../valid/images
test: ../test/images
nc: 2
names: ['dent', 'scratch']
roboflow:
  workspace: works
  project: bolts
  version: 2
  license: CC BY-NC-SA 4.0
  url: https://universe.roboflow.com/works/bolts/dataset/2
"""


def name(source: str, copy: int) -> str:
    return f"{source}_jpg.rf.{copy:032x}"


def yolo_files(*splits: str) -> Files:
    """Three copies of each of eight pictures in every split."""
    files: Files = {"data.yaml": YAML, "README.dataset.txt": README.encode()}
    for split in splits:
        for k in range(24):
            stem = name(f"{split}-{k // 3}x", k)
            files[f"{split}/images/{stem}.jpg"] = picture(100 * len(split) + k)
            files[f"{split}/labels/{stem}.txt"] = b"0 0.5 0.5 0.2 0.1\n1 0.2 0.2 0.1 0.1\n"
    return files


@pytest.mark.parametrize("task", ["detection", "classification"])
def test_augmented_copies_never_cross_splits(folder, task):
    found = read(folder(yolo_files("train")), name="x", task=task)
    data = found.dataset
    assert data is not None
    assert data.groups is not None
    assert len(set(data.groups)) == 8
    for group in set(data.groups):
        assert len(set(data.split[data.groups == group])) == 1
    assert set(data.split) == {"train", "val", "test"}
    assert "24 files are augmented copies of 8 pictures, e.g. of train-0x" in said(found, "note")


def test_copies_that_the_export_has_torn_apart_are_reported(folder):
    files = yolo_files("train", "valid", "test")
    stem = name("train-0x", 999)
    files[f"test/images/{stem}.jpg"] = picture(999)
    files[f"test/labels/{stem}.txt"] = b"0 0.5 0.5 0.2 0.1\n"
    found = read(folder(files), name="x", task="detection")
    assert "1 groups are in several splits, e.g. 'train-0x'" in said(found, "warning")


def test_one_version_of_each_picture_makes_no_groups(folder):
    files = {f"{label}/{name(f'a{k}', k)}.jpg": picture(10 * n + k)
             for n, label in enumerate(("dent", "good")) for k in range(8)}  # fmt: skip
    data = read(folder(files), name="x").dataset
    assert data is not None
    assert data.groups is None  # the same name in another class is another picture


def test_licence_and_address_are_read_from_the_yaml_file(folder):
    data = read(folder(yolo_files("train")), name="x", task="detection").dataset
    assert data is not None
    assert data.licence == "CC BY-NC-SA 4.0"
    assert data.source == "https://universe.roboflow.com/works/bolts/dataset/2"


def test_licence_and_address_are_read_from_the_readme(folder):
    files = {f"export/{label}/{k}.png": picture(10 * n + k)
             for n, label in enumerate(("dent", "good")) for k in range(8)}  # fmt: skip
    data = read(folder(files | {"export/README.dataset.txt": README.encode()}), name="x").dataset
    assert data is not None
    assert data.licence == "CC BY 4.0"
    assert data.source == "https://universe.roboflow.com/works/bolts"


@pytest.mark.parametrize(("licences", "kept"), [
    ([{"id": 1, "url": "https://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"}],
     "CC BY 4.0"),
    ([{"name": 3}, None, {"name": "A"}, {"name": "B"}, {"name": "A"}], "A, B"),
    ("none", ""),
])  # fmt: skip
def test_the_licences_of_a_coco_file_are_kept(folder, licences, kept):
    files = {f"train/{k}.png": picture(k) for k in range(12)}
    files["train/_annotations.coco.json"] = json.dumps(coco_json(licenses=licences)).encode()
    data = read(folder(files), name="x", task="detection").dataset
    assert data is not None
    assert np.unique(data.split).tolist() == ["test", "train", "val"]
    assert data.licence == kept
