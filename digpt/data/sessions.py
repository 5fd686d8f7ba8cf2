"""Test pictures whose like was trained on: one session, part or place on both sides of a split.

N images, F embedding width. Copies are a matter of `duplicates`; here are pictures that are not the
same and yet closer to each other than pictures of this dataset usually are.
"""

from dataclasses import dataclass

import numpy as np

from digpt.data.measures import Measures

# Measured with pooled filter tokens: of the nuclei, whose experiments are on both sides, one in
# six test pictures lies below; of shop photos and digits none, of board crops too few to count.
TWIN = 0.25  # of the median distance between any two pictures: closer is of one origin
LEAST_SHARE = 0.08  # of the pictures held out; fewer twins come by chance
SAMPLE = 2_000  # pictures that the median distance is taken from
BLOCK = 4_000_000  # distances in memory at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaks:
    """Rows on the side of evaluation, the closest first, and the training picture of each."""

    rows: np.ndarray
    twins: np.ndarray
    share: float  # of the pictures on the side of evaluation


def session_leaks(found: Measures, side: np.ndarray, known: np.ndarray) -> Leaks:
    """Pictures of validation and test with a twin on the training side, if there are many.

    Rows that are `known` to be leaks of another kind do not count.
    """
    assert found.embedding is not None
    seen = found.readable & (found.contrast > 0)
    trained = np.flatnonzero(seen & (side == "train"))
    held = np.setdiff1d(np.flatnonzero(seen & (side != "train")), known)
    none = np.zeros(0, np.int64)
    if not len(trained) or not len(held):
        return Leaks(rows=none, twins=none, share=0.0)
    points = standardised(found.embedding)
    usual = _usual_distance(points[np.flatnonzero(seen)])
    nearest, distance = nearest_rows(points[held], points[trained])
    close = np.flatnonzero(distance < TWIN * usual)
    close = close[np.argsort(distance[close], kind="stable")]
    share = len(close) / len(held)
    if share < LEAST_SHARE:
        return Leaks(rows=none, twins=none, share=share)
    return Leaks(rows=held[close], twins=trained[nearest[close]], share=share)


def standardised(embedding: np.ndarray) -> np.ndarray:
    """(N, F) with zero mean and unit variance in each direction that varies."""
    spread = embedding.std(axis=0)
    return (embedding - embedding.mean(axis=0)) / np.where(spread > 1e-6, spread, 1)


def nearest_rows(points: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each point its nearest row `among` and their distance."""
    nearest, distance = np.zeros(len(points), np.int64), np.zeros(len(points))
    square = (among**2).sum(axis=1)
    step = max(BLOCK // max(len(among), 1), 1)
    for start in range(0, len(points), step):
        mine = points[start : start + step]
        apart = (mine**2).sum(axis=1)[:, None] + square - 2 * mine @ among.T
        best = apart.argmin(axis=1)
        nearest[start : start + step] = best
        distance[start : start + step] = np.sqrt(apart[np.arange(len(mine)), best].clip(min=0))
    return nearest, distance


def _usual_distance(points: np.ndarray) -> float:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, len(points), (2, SAMPLE))
    return float(np.median(np.linalg.norm(points[first] - points[second], axis=1)))
