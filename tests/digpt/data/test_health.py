"""Health finds what was put in, names the files, and says nothing of a sound dataset."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from digpt.data.dataset import ImageDataset
from digpt.data.duplicates import joined
from digpt.data.health import CODES, SEVERITIES, Finding, examine
from digpt.data.images import ArrayImages, FileImages
from digpt.data.importers import read
from digpt.errors import Cancelled
from digpt.reporter import Quiet

Pictures = list[Image.Image]


def texture(seed: int, size: int = 96) -> Image.Image:
    """A picture like no other seed's: coarse patches of colour with fine grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(60, 200, (12, 12, 3), np.uint8))
    big = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray(np.clip(big + rng.normal(0, 12, big.shape), 0, 255).astype(np.uint8))


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., ImageDataset]:
    """A dataset of the pictures as PNG files: two classes in turn, the last quarter for test."""

    def make(pictures: Pictures, **changes: object) -> ImageDataset:
        names = [f"{i:03d}.png" for i in range(len(pictures))]
        for name, picture in zip(names, pictures, strict=True):
            picture.save(tmp_path / name)
        count = len(pictures)
        made = ImageDataset(
            name="d",
            classes=("ok", "bad"),
            images=FileImages(tmp_path, names),
            labels=np.arange(count) % 2,
            split=np.where(np.arange(count) < 0.75 * count, "train", "test"),
            ids=np.array(names),
            fingerprint="f",
            image_size=(96, 96),
        )
        return replace(made, **changes)

    return make


def found(dataset: ImageDataset) -> dict[str, Finding]:
    return {f.code: f for f in examine(dataset, embed=None, reporter=Quiet()).findings}


def sound(n: int = 80) -> Pictures:
    return [texture(seed) for seed in range(n)]


def test_a_sound_dataset_has_no_findings(stored):
    assert found(stored(sound())) == {}


def test_equal_pictures_on_both_sides_are_an_error_with_their_files(stored):
    pictures = sound()
    pictures[79] = pictures[3]
    pictures[5] = pictures[4]
    leak = found(stored(pictures))["exact-leak"]
    assert leak.severity == "error"
    assert leak.sets == (("003.png", "079.png"),)
    assert found(stored(pictures))["exact-duplicates"].files == ("004.png", "005.png")


def test_equal_pictures_of_two_classes_contradict_each_other(stored):
    pictures = sound()
    pictures[5] = pictures[4]
    assert found(stored(pictures))["conflicting-labels"].files == ("004.png", "005.png")


@pytest.mark.parametrize(
    "copy",
    [
        lambda p: p.resize((64, 64), Image.Resampling.BICUBIC),
        lambda p: p.point([min(255, int(1.1 * v)) for v in range(256)] * 3),
        lambda p: Image.open(_jpeg(p)).convert("RGB"),
    ],
    ids=["resized", "brighter", "re-encoded"],
)
def test_an_altered_copy_in_test_is_a_near_leak(stored, copy):
    pictures = sound()
    pictures[79] = copy(pictures[3])
    assert found(stored(pictures))["near-leak"].sets == (("003.png", "079.png"),)


def _jpeg(picture: Image.Image) -> io.BytesIO:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=60)
    return out


def test_a_group_on_both_sides_is_named(stored):
    groups = np.array([f"part{i // 2}" for i in range(80)])
    groups[79] = "part0"
    leak = found(stored(sound(), groups=groups))["group-leak"]
    assert leak.facts["groups"] == 1
    assert leak.files == ("000.png", "001.png", "079.png")


def test_pool_and_training_are_one_side(stored):
    pictures = sound()
    pictures[10] = pictures[3]
    data = stored(pictures)
    split = data.split.copy()
    split[:5] = "pool"
    assert "exact-leak" not in found(replace(data, split=split))


def test_blurred_dark_and_empty_pictures_are_told_apart(stored):
    pictures = sound()
    pictures[7] = pictures[7].filter(ImageFilter.GaussianBlur(6))
    pictures[8] = pictures[8].point([v // 8 for v in range(256)] * 3)
    pictures[9] = Image.new("RGB", (96, 96), "white")
    findings = found(stored(pictures))
    assert findings["blurred"].files == ("007.png",)
    assert findings["dark"].files == ("008.png",)
    assert findings["blank"].files == ("009.png",)


def test_odd_sizes_are_given_beside_the_typical_one(stored):
    pictures = sound()
    pictures[11] = pictures[11].resize((96, 20))
    odd = found(stored(pictures))["odd-size"]
    assert odd.files == ("011.png",)
    assert (odd.remarks[0], odd.facts["typical"]) == ("96 × 20", "96 × 96")


def test_a_file_that_has_become_unreadable_is_an_error_and_stops_nothing(stored):
    data = stored(sound())
    assert isinstance(data.images, FileImages)
    (data.images.root / "013.png").write_bytes(b"no picture")
    (data.images.root / "014.png").unlink()
    findings = found(data)
    assert findings["unreadable"].files == ("013.png", "014.png")
    assert set(findings) == {"unreadable"}


def test_a_column_that_gives_the_class_away_and_values_only_in_test(stored):
    data = stored(sound())
    camera = np.where(data.labels == 0, "left", "right")
    day = np.where(np.arange(80) == 79, "Sunday", "Monday")
    findings = found(replace(data, attributes={"camera": camera, "day": day}))
    assert findings["attribute-tells-class"].facts["attribute"] == "camera"
    assert findings["attribute-unseen"].facts == {"attribute": "day", "values": {"Sunday": 1}}


def test_few_and_uneven_classes(stored):
    data = stored(sound())
    labels = np.where(np.arange(80) % 16 == 1, 1, 0)
    findings = found(replace(data, labels=labels))
    assert findings["few-images"].facts["classes"] == {"bad": 4}
    assert findings["uneven-classes"].facts == {"largest": 56, "smallest": 4}


def shaded(pictures: np.ndarray) -> np.ndarray:
    """Two features of pictures: light on the left, light on the right."""
    half = pictures.shape[2] // 2
    grey = pictures.mean(axis=3)
    return np.stack([grey[:, :, :half].mean((1, 2)), grey[:, :, half:].mean((1, 2))], axis=1)


def two_sided(n: int = 200) -> ImageDataset:
    """Class 0 is lighter on the left, class 1 on the right, with some noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    pixels = rng.integers(60, 120, (n, 32, 32, 3), np.uint8)
    pixels[labels == 0, :, :16] += 60
    pixels[labels == 1, :, 16:] += 60
    pixels += rng.integers(0, 20, (n, 1, 1, 1), np.uint8)
    return ImageDataset(
        name="d",
        classes=("left", "right"),
        images=ArrayImages(pixels),
        labels=labels,
        split=np.where(np.arange(n) < 0.75 * n, "train", "test"),
        ids=np.arange(n).astype(str),
        fingerprint="f",
        image_size=(32, 32),
    )


def test_wrong_labels_are_suspected_and_right_ones_are_not():
    data = two_sided()
    wrong = [10, 51, 160]
    labels = data.labels.copy()
    labels[wrong] = 1 - labels[wrong]
    health = examine(replace(data, labels=labels), embed=shaded, reporter=Quiet())
    doubt = next(f for f in health.findings if f.code == "label-suspects")
    assert sorted(map(int, doubt.files)) == wrong
    assert doubt.remarks[doubt.files.index("10")] == "right → left"


def test_where_features_cannot_tell_the_classes_no_label_is_doubted():
    data = two_sided()
    labels = np.random.default_rng(1).integers(0, 2, len(data))
    health = examine(replace(data, labels=labels), embed=shaded, reporter=Quiet())
    codes = {f.code for f in health.findings}
    assert "labels-unchecked" in codes
    assert "label-suspects" not in codes


def test_pairs_join_to_sets():
    assert [list(s) for s in joined([(1, 2), (5, 6), (2, 3)])] == [[1, 2, 3], [5, 6]]


def test_every_code_has_a_known_severity():
    assert set(CODES.values()) == set(SEVERITIES)


def test_it_stops_when_asked(stored):
    class Impatient(Quiet):
        def check(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        examine(stored(sound(8)), embed=None, reporter=Impatient())


@pytest.mark.slow
def test_the_known_leak_of_the_board_crops_is_found(real_data):
    data = read(
        real_data / "deeppcb_crops", name="boards", exclude_cross_split_duplicates=False
    ).dataset
    assert data is not None
    leak = found(data)["exact-leak"]
    # 38 files are equal byte for byte, a 39th in its pixels only; two contents in all
    assert (leak.count, leak.facts["sets"]) == (39, 2)
    assert all(name.split("/")[1] == "good" for name in leak.files)


@pytest.mark.slow
def test_experiments_on_both_sides_of_the_nuclei_are_found(real_data):
    from jobs.health import health  # noqa: PLC0415 - torch, and only here

    root = real_data / "nuclei"
    paths = sorted(p.relative_to(root).as_posix() for p in root.glob("*/images/*.jpg"))
    data = ImageDataset(
        name="nuclei",
        classes=("cell",),
        images=FileImages(root, paths),
        labels=np.full(len(paths), -1),
        split=np.array([path.split("/")[0] for path in paths]),
        ids=np.array(paths),
        fingerprint="f",
        image_size=(256, 256),
    )
    leak = next(f for f in health(data, Quiet()).findings if f.code == "session-leak")
    assert leak.facts["share"] > 0.1
    assert all(name.startswith("test/") for name in leak.files)
    assert all(name.startswith("train/") for name in leak.remarks)
