"""A folder of pictures to train on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """24 pictures in two class folders and two in a test folder."""
    rng = np.random.default_rng(0)
    for n in range(26):
        folder = tmp_path / "pictures" / ("test" if n >= 24 else f"class{n % 2}")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(256, size=(20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{n:02}.png")
    return tmp_path / "pictures"
