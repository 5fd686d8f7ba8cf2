"""Little picture folders for the tests of import."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Files = dict[str, bytes]


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    """Makes a picture that no other seed gives."""

    def make(seed: int, size: int = 8) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        return out.getvalue()

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[Files], Path]:
    """Writes files by relative path into a new folder."""

    def write(files: Files) -> Path:
        root = tmp_path / "data"
        root.mkdir(exist_ok=True)
        for path, data in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return root

    return write


@pytest.fixture(scope="session")
def class_files(png: Callable[..., bytes]) -> Callable[..., Files]:
    """Pictures of the classes good and scratch, by split where splits are given."""

    def make(each: int = 10, splits: tuple[str, ...] = ("",)) -> Files:
        paths = [
            f"{split}/{label}/p{i}.png".lstrip("/")
            for split in splits
            for label in ("good", "scratch")
            for i in range(each)
        ]
        return {path: png(seed) for seed, path in enumerate(paths)}

    return make
