"""Small sets of marked objects, written in each format that people export."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digpt.data.importers import Imported, read

Files = dict[str, bytes]


def picture(seed: int, width: int = 60, height: int = 40) -> bytes:
    """A PNG that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return encoded(pixels)


def encoded(pixels: np.ndarray, format: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format)
    return out.getvalue()


def said(found: Imported, severity: str = "error") -> str:
    return " | ".join(
        f"{p.file}: {p.what} {p.fix}" for p in found.problems if p.severity == severity
    )


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[Files], Path]:
    """Writes files by relative path into a new folder."""

    def write(files: Files) -> Path:
        root = tmp_path / "data"
        for path, data in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return root

    return write


@pytest.fixture
def refused_then_skipped(folder: Callable[[Files], Path]) -> Callable[..., Imported]:
    """Reads files that hold a mistake: refused with a sentence, and usable without it."""

    def check(files: Files, what: str, task: str = "detection") -> Imported:
        source = folder(files)
        found = read(source, name="x", task=task)
        assert found.dataset is None
        assert what in said(found), said(found)
        kept = read(source, name="x", task=task, skip_bad=True)
        assert kept.dataset is not None, said(kept)
        return kept

    return check


def coco_json(pictures: int = 12, **changed: Any) -> dict[str, Any]:
    """Pictures 60 × 40, each with a box of class scratch at 10, 5 and one of dent at 30, 20."""
    content: dict[str, Any] = {
        "images": [
            {"id": k, "file_name": f"{k}.png", "width": 60, "height": 40} for k in range(pictures)
        ],
        "categories": [{"id": 7, "name": "scratch"}, {"id": 9, "name": "dent"}],
        "annotations": [
            {"id": 2 * k + i, "image_id": k, "category_id": (7, 9)[i], "bbox": box}
            for k in range(pictures)
            for i, box in enumerate(([10, 5, 8, 4], [30, 20, 6, 6]))
        ],
    }
    return content | changed


def coco_files(content: object, pictures: int = 12, folder: str = "") -> Files:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {f"{folder}{k}.png": picture(k) for k in range(pictures)} | {
        f"{folder}annotations.json": text
    }


def corners_in_pixels(found: Imported, row: int) -> Sequence[Sequence[float]]:
    """The boxes of one picture as whole pixels of 60 × 40."""
    assert found.dataset is not None
    assert found.dataset.boxes is not None
    corners, _ = found.dataset.boxes.of(row)
    return np.round(corners * [60, 40, 60, 40]).tolist()
