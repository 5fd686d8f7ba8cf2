"""Trays of surfaces: what lies where, and whose state a feature is asked for."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.small_defects import FULL, SIDE, Trays, _of_surfaces, trays, ways
from digpt.data.dataset import ImageDataset
from digpt.data.surfaces import surfaces

PART = FULL // SIDE


@pytest.fixture(scope="module")
def single() -> ImageDataset:
    return surfaces(200)


@pytest.fixture(scope="module")
def made(single: ImageDataset) -> ImageDataset:
    return trays(single)


def cell(tray: np.ndarray, number: int) -> np.ndarray:
    """The surface of that number on a picture (FULL, FULL, 3), row by row."""
    top, left = PART * (number // SIDE), PART * (number % SIDE)
    return tray[top : top + PART, left : left + PART]


def test_a_tray_shows_surfaces_of_its_split_and_tells_their_states(
    single: ImageDataset, made: ImageDataset
) -> None:
    photos = single.images.load(np.arange(len(single)), PART)
    row_of = {photo.tobytes(): row for row, photo in enumerate(photos)}
    shown = []
    for tray, picture in enumerate(made.images.load(np.arange(len(made)), FULL)):
        rows = [row_of[cell(picture, i).tobytes()] for i in range(SIDE**2)]
        assert set(single.split[rows]) == {made.split[tray]}
        states = [made.attributes[f"state_{i:02d}"][tray] for i in range(SIDE**2)]
        assert states == single.labels[rows].tolist()
        shown += rows
    assert len(set(shown)) == len(shown) == len(made) * SIDE**2
    assert made.fingerprint == trays(single).fingerprint


def test_features_and_states_of_surfaces_come_in_one_order(made: ImageDataset, tmp_path) -> None:
    """The network here gives the mean of each patch, so a surface's feature is its own mean."""
    pool = nn.AvgPool2d(FULL // 16)
    vit = SimpleNamespace(
        features=lambda seen: SimpleNamespace(patches=pool(seen).permute(0, 2, 3, 1))
    )
    encoder = SimpleNamespace(vit=vit, eval=lambda: None)
    pictures = made.images.load(made.indices("test"), FULL)
    found = _of_surfaces(encoder, pictures)[:, :3]  # pyright: ignore[reportArgumentType] (a plain one)
    parts = [cell(picture, i) for picture in pictures for i in range(SIDE**2)]
    means = torch.from_numpy(np.stack(parts)).float().mean((1, 2)).numpy()
    for channel in range(3):
        assert np.corrcoef(found[:, channel], means[:, channel])[0, 1] == pytest.approx(1, abs=1e-4)
    labels = Trays(tmp_path, made, budgets=["all"]).labels()
    assert labels[SIDE**2 + 1] == made.attributes["state_01"][made.indices("test")[1]]
    assert len(labels) == len(found)


def test_rows_differ_in_one_thing_each() -> None:
    found = ways(3_000)
    full = {name: recipe.student for name, (recipe, _) in found.items() if name.startswith("256")}
    assert {student.image_size for student in full.values()} == {FULL}
    windows = {recipe.window for recipe, _ in found.values() if recipe.student.clusters == (4, 4)}
    assert windows == {0, 1, 3}
    assert [name for name, (_, tokenizer) in found.items() if tokenizer is None] == [
        "256 px, not pretrained"
    ]
