"""Import of real pictures, where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from digpt.data.importers import read

ROOT = Path(os.environ.get("DIGPT_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


def real(name: str) -> Path:
    if not (ROOT / name).is_dir():
        pytest.skip(f"{ROOT / name} is missing; set DIGPT_TEST_DATA to a folder that holds {name}")
    return ROOT / name


@pytest.mark.slow
def test_board_crops_come_in_without_leaks():
    found = read(real("deeppcb_crops"), name="boards")
    data = found.dataset
    assert data is not None
    assert len(data.classes) == 7
    assert data.good_classes == ("good",)
    # 38 files are equal byte for byte, a 39th in its pixels only; two contents in all
    assert "39 files hold 2 pictures" in found.problems[0].what
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(
        train=1344, val=336, test=552
    )
    assert data.groups is not None
    for split in ("train", "val", "test"):
        inside = set(data.groups[data.split == split])
        assert not inside & set(data.groups[data.split != split])
    assert data.groups[list(data.ids).index("test/short/12100044_1.jpg")] == "12100044"
    pixels = data.images.load(np.arange(len(data)), 64).reshape(len(data), -1)
    contents = [row.tobytes() for row in pixels]
    places: dict[bytes, set[str]] = {}
    for content, split in zip(contents, data.split, strict=True):
        places.setdefault(content, set()).add(split)
    assert max(map(len, places.values())) == 1


@pytest.mark.slow
def test_shop_photos_come_in_with_their_captions_and_splits():
    found = read(real("grocery"), name="grocery")
    data = found.dataset
    assert data is not None
    assert len(data.classes) == 43
    assert data.groups is None  # Golden-Delicious_001 is a variety and a counter, not a source
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(
        train=1134, val=180, test=486
    )
    assert 0.5 < data.caption_names_class["caption"] <= 1.0
    assert set(data.attributes) == {"coarse_class", "fine_class"}
