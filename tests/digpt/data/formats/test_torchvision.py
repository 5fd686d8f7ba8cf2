"""Datasets of torchvision that lie on disk; nothing is fetched unless one asks."""

import struct
from pathlib import Path

import numpy as np
import pytest

from digpt.data.importers import read
from tests.digpt.data.formats.conftest import encoded


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MNIST in the four files of the original, written from its description."""
    root = tmp_path_factory.mktemp("mnist")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, n in (("train", 60), ("t10k", 30)):
        images = np.random.default_rng(n).integers(0, 256, (n, 28, 28), np.uint8)
        head = struct.pack(">4B3I", 0, 0, 8, 3, *images.shape)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = (np.arange(n) % 10).astype(np.uint8)
        head = struct.pack(">4BI", 0, 0, 8, 1, n)
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    return root


def test_a_dataset_on_disk_comes_in_by_name(mnist: Path):
    found = read(Path(f"torchvision:MNIST@{mnist}"), name="x")
    data = found.dataset
    assert data is not None
    assert found.format == "torchvision MNIST"
    assert data.classes[3] == "3 - three"
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(train=50, val=10, test=30)
    assert data.images.load([0], 28).shape == (1, 28, 28, 3)


def test_its_folder_alone_is_told_how_to_be_named(mnist: Path):
    found = read(mnist, name="x")
    assert [p.fix for p in found.problems][:1] == [
        "Give torchvision:MNIST@ and the folder that holds MNIST."
    ]


def test_a_set_without_splits_gets_some(tmp_path: Path):
    for k, label in enumerate(("Forest", "River")):
        folder = tmp_path / "eurosat" / "2750" / label
        folder.mkdir(parents=True)
        for i in range(10):
            pixels = np.random.default_rng(10 * k + i).integers(0, 256, (8, 8, 3), np.uint8)
            (folder / f"{label}_{i}.jpg").write_bytes(encoded(pixels, "JPEG"))
    found = read(Path(f"torchvision:EuroSAT@{tmp_path}"), name="x")
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(train=12, val=4, test=4)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("torchvision:CIFAR10@{empty}", "torchvision's CIFAR10 is not complete in"),
        ("torchvision:MNIST@{empty}", "is not complete in"),
        ("torchvision:CIFAR11@{empty}", "Unknown torchvision dataset 'CIFAR11'"),
        ("torchvision:MNIST", "is no torchvision dataset"),
        ("torchvision:MNIST@", "is no torchvision dataset"),
        ("torchvision:MNIST@{empty}?force", "is no torchvision dataset"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path: Path, address: str, what: str):
    found = read(Path(address.format(empty=tmp_path)), name="x")
    assert found.dataset is None
    assert what in found.problems[0].what


def test_a_broken_file_is_refused(mnist: Path, tmp_path: Path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (mnist / "MNIST" / "raw").iterdir():
        (raw / file.name).write_bytes(file.read_bytes()[:50])
    found = read(Path(f"torchvision:MNIST@{tmp_path}"), name="x")
    assert found.dataset is None
    assert "is not complete" in found.problems[0].what
