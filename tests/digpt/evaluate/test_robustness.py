"""Corruptions: seeded, of any size, stronger with severity, and nothing else changed."""

import numpy as np
import pytest

from digpt.data.surfaces import surfaces
from digpt.errors import UserError
from digpt.evaluate.robustness import CORRUPTIONS, SEVERITIES, corrupt, mean_relative_drop


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return surfaces(200).images.load(np.arange(12), 48)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_severer_corruption_moves_pixels_further(kind: str, images: np.ndarray) -> None:
    away = []
    for severity in SEVERITIES:
        changed = corrupt(images, kind, severity)
        assert (changed.shape, changed.dtype) == (images.shape, np.uint8)
        away.append(np.abs(changed.astype(float) - images).mean())
    assert away[0] > 0
    assert away == sorted(away)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_equal_seeds_give_equal_pixels_and_the_originals_stay(
    kind: str, images: np.ndarray
) -> None:
    before = images.copy()
    assert np.array_equal(corrupt(images, kind, 3, seed=5), corrupt(images, kind, 3, seed=5))
    assert np.array_equal(images, before)


@pytest.mark.parametrize("kind", ["noise", "exposure", "rotation"])
def test_another_seed_draws_another_corruption(kind: str, images: np.ndarray) -> None:
    assert not np.array_equal(corrupt(images, kind, 3, seed=0), corrupt(images, kind, 3, seed=1))


@pytest.mark.parametrize("kind", ["blur", "jpeg", "rotation"])
def test_a_plain_grey_picture_stays_as_it_is(kind: str) -> None:
    grey = np.full((2, 32, 32, 3), 128, np.uint8)
    assert np.abs(corrupt(grey, kind, 5).astype(int) - 128).max() <= 1


def test_exposure_doubles_or_halves_at_one_stop(images: np.ndarray) -> None:
    ratio = corrupt(np.full((64, 8, 8, 3), 100, np.uint8), "exposure", 4)[:, 0, 0, 0] / 100
    assert set(np.round(np.log2(ratio), 1)) == {-1.2, 1.2}


def test_unknown_kinds_and_severities_are_refused(images: np.ndarray) -> None:
    with pytest.raises(UserError, match="Did you mean 'blur'"):
        corrupt(images, "blurr", 1)
    with pytest.raises(UserError, match="slight"):
        corrupt(images, "blur", 6)


def test_the_mean_relative_drop_is_the_share_that_is_lost() -> None:
    assert mean_relative_drop(0.8, [0.8, 0.4]) == pytest.approx(0.25)
    assert np.isnan(mean_relative_drop(0.0, [0.1]))
