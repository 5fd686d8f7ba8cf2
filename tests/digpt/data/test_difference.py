"""The difference between two versions names what came, went and changed."""

from dataclasses import replace

import numpy as np

from digpt.data.dataset import ImageDataset
from digpt.data.difference import difference
from digpt.data.images import ArrayImages
from digpt.reporter import Quiet


def dataset(names: str) -> ImageDataset:
    count = len(names)
    pixels = np.zeros((count, 4, 4, 3), np.uint8)
    pixels[:, 0, 0, 0] = [ord(name) for name in names]
    return ImageDataset(
        name="d",
        classes=("ok", "bad"),
        images=ArrayImages(pixels),
        labels=np.zeros(count, np.int64),
        split=np.array(["train"] * count),
        ids=np.array(list(names)),
        fingerprint="f",
    )


def test_a_dataset_does_not_differ_from_itself():
    found = difference(dataset("abc"), dataset("abc"), reporter=Quiet())
    assert found.is_empty
    assert found.unchanged == 3


def test_what_came_and_went_is_named_whatever_the_order():
    found = difference(dataset("abcd"), dataset("edcb"), reporter=Quiet())
    assert (found.added.files, found.removed.files) == (("e",), ("a",))
    assert found.unchanged == 3


def test_changed_pictures_labels_and_splits_are_told_apart():
    before = dataset("abcd")
    pixels = np.array(before.images.load(np.arange(4), 4))
    pixels[0, 1, 1] = 9
    after = replace(
        before,
        images=ArrayImages(pixels),
        labels=np.array([0, 1, 0, -1]),
        split=np.array(["train", "train", "test", "train"]),
    )
    found = difference(before, after, reporter=Quiet())
    assert found.pictures.files == ("a",)
    assert (found.labels.files, found.labels.remarks) == (("b", "d"), ("ok → bad", "ok → –"))
    assert (found.splits.files, found.splits.remarks) == (("c",), ("train → test",))
    assert found.unchanged == 0


def test_classes_are_compared_by_name_not_by_number():
    before = dataset("ab")
    after = replace(before, classes=("bad", "ok"), labels=np.ones(2, np.int64))
    assert difference(before, after, reporter=Quiet()).is_empty
