"""Prepared and stored datasets come back exactly as they were."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from digpt.data import builtin, load_prepared, open_dataset, prepare, store_dataset
from digpt.data.dataset import ImageDataset
from digpt.data.images import ArrayImages
from digpt.data.remarks import Remark
from digpt.errors import Cancelled, UserError
from digpt.reporter import Quiet


def small(**changes: object) -> ImageDataset:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)
    values = dict(
        name="s", classes=("ok", "傷"), images=ArrayImages(pixels),
        labels=np.array([0, 1, -1, 0, 1]),
        split=np.array(["train", "train", "pool", "val", "test"]),
        ids=np.array(["a/1.png", "a/2.png", "b/3.png", "b/4.png", "b/5.png"]), fingerprint="f",
        groups=np.array(["g", "g", "h", "i", "j"]),
        captions={"caption": np.array(["a", "", "b", "c", "d"]),
                  "cap/日本": np.array(list("vwxyz"))},
        caption_names_class={"caption": 0.25, "cap/日本": 1.0},
        attributes={"temp/°C": np.array([1.5, np.nan, 2, 3, 4]), "who": np.array(list("abcde"))},
        good_classes=("ok",), image_size=(12, 12), source="made", licence="MIT",
        notes=(Remark("n"),),
    )  # fmt: skip
    return ImageDataset(**(values | changes))  # pyright: ignore[reportArgumentType]


def assert_same(one: ImageDataset, other: ImageDataset) -> None:
    """Every field but the images, whatever fields there are."""
    for field in (f.name for f in fields(ImageDataset) if f.name != "images"):
        a, b = getattr(one, field), getattr(other, field)
        if isinstance(a, dict) and a and isinstance(next(iter(a.values())), np.ndarray):
            assert list(a) == list(b)
            for name in a:
                np.testing.assert_array_equal(a[name], b[name])
                assert a[name].dtype == b[name].dtype
        else:
            np.testing.assert_array_equal(a, b)


def test_a_prepared_dataset_comes_back_with_every_field(tmp_path: Path):
    dataset = small()
    prepare(dataset, tmp_path, size=6, reporter=Quiet())
    found = load_prepared(tmp_path)
    assert_same(dataset, found)
    assert isinstance(found.images, ArrayImages)
    assert isinstance(found.images.array, np.memmap)
    assert np.array_equal(found.images.array, dataset.images.load(np.arange(5), 6))


def test_a_dataset_without_groups_comes_back_without(tmp_path: Path):
    prepare(small(groups=None), tmp_path, size=6, reporter=Quiet())
    assert load_prepared(tmp_path).groups is None


def test_columns_of_python_objects_are_kept_as_text(tmp_path: Path):
    dataset = small(attributes={"who": np.array(["x", "yy", "", "z", "w"], dtype=object)})
    prepare(dataset, tmp_path, size=6, reporter=Quiet())
    assert load_prepared(tmp_path).attributes["who"].tolist() == ["x", "yy", "", "z", "w"]


def test_a_stored_array_comes_back_with_its_pixels(tmp_path: Path):
    dataset = small()
    store_dataset(dataset, tmp_path, reporter=Quiet())
    found = open_dataset(tmp_path)
    assert_same(dataset, found)
    assert np.array_equal(
        found.images.load(np.arange(5), 12), dataset.images.load(np.arange(5), 12)
    )


def test_preparing_stops_when_it_is_cancelled(tmp_path: Path):
    class Stopped(Quiet):
        def check(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        prepare(small(), tmp_path, size=6, reporter=Stopped())


def test_preparing_reports_every_image(tmp_path: Path):
    class Counting(Quiet):
        seen: tuple[int, int] = (0, 0)

        def progress(self, done: int, total: int) -> None:
            self.seen = (done, total)

    reporter = Counting()
    prepare(builtin("surfaces", n=300), tmp_path, size=16, reporter=reporter)
    assert reporter.seen == (300, 300)


@pytest.mark.parametrize("size", [0, -3, 5000])
def test_an_absurd_size_is_refused(tmp_path: Path, size: int):
    with pytest.raises(UserError, match="1 to 4096"):
        prepare(small(), tmp_path, size=size, reporter=Quiet())


def test_an_empty_folder_is_no_prepared_dataset(tmp_path: Path):
    with pytest.raises(UserError, match="no prepared images"):
        load_prepared(tmp_path)
    with pytest.raises(UserError, match="holds no dataset"):
        open_dataset(tmp_path)


def test_what_is_drawn_on_demand_is_not_stored(tmp_path: Path):
    with pytest.raises(UserError, match="prepare it"):
        store_dataset(builtin("surfaces", n=200), tmp_path, reporter=Quiet())


def test_a_changed_dataset_is_a_new_one():
    assert replace(small(), name="other").name == "other"
