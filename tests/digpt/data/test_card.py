"""The data card counts what there is and warns of what makes figures doubtful."""

from dataclasses import replace

import numpy as np

from digpt.data.card import card, thumbnails
from digpt.data.dataset import ImageDataset
from digpt.data.images import ArrayImages


def dataset(train: tuple[int, int], test: tuple[int, int]) -> ImageDataset:
    sizes = [("train", k, n) for k, n in enumerate(train)] + [
        ("test", k, n) for k, n in enumerate(test)
    ]
    labels = np.concatenate([np.full(n, k) for _, k, n in sizes])
    split = np.concatenate([np.full(n, name) for name, _, n in sizes])
    pixels = np.zeros((len(labels), 8, 8, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(len(labels)) % 256
    return ImageDataset(
        name="d", classes=("ok", "bad"), images=ArrayImages(pixels), labels=labels, split=split,
        ids=np.arange(len(labels)).astype(str), fingerprint="f",
        captions={"caption": np.array(["a b c"] + [""] * (len(labels) - 1))},
        attributes={"t": np.arange(len(labels)) * 0.5, "who": np.array(["x"] * len(labels))},
    )  # fmt: skip


def warned(data: ImageDataset) -> str:
    return " ".join(one["words"] for one in card(data)["warnings"])


def test_counts_are_by_split_and_class():
    assert card(dataset((30, 20), (25, 20)))["counts"] == {
        "train": {"ok": 30, "bad": 20},
        "test": {"ok": 25, "bad": 20},
    }


def test_columns_are_summarised():
    found = card(dataset((30, 20), (25, 25)))
    assert found["captions"]["caption"] == {
        "share": 0.01,
        "captioned": 1,
        "distinct": 1,
        "words": 3.0,
        "example": "a b c",
    }
    assert found["attribute_values"]["t"] == {"known": 50, "min": 0.0, "max": 49.5}
    assert found["attribute_values"]["who"] == {"known": 50, "distinct": 1, "values": {"x": 100}}


def test_uneven_few_and_absent_classes_are_warned_of():
    text = warned(dataset((100, 5), (3, 40)))
    assert "largest has 100 images, the smallest 5" in text
    assert "Fewer than 20 test images of: ok" in text
    assert "no validation image at all" in text
    assert "No training image of: bad" in warned(dataset((10, 0), (30, 30)))


def test_a_sound_dataset_has_no_warnings():
    sound = dataset((30, 20), (25, 25))
    split = np.where(np.arange(100) % 5 == 0, "val", sound.split)
    assert card(replace(sound, split=split))["warnings"] == []


def test_thumbnails_take_turns_and_never_show_the_test_split():
    found = thumbnails(dataset((30, 3), (30, 30)), 8)
    assert [name for name, _ in found] == ["ok", "bad"] * 3 + ["ok", "ok"]
    assert len(thumbnails(dataset((2, 1), (30, 30)), 8)) == 3
