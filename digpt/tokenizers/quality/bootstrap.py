"""Intervals of quality measures: images (or their groups) drawn anew. n images."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 1_000
BLOCKS = 20  # of the jackknife


@dataclass(frozen=True, slots=True)
class Measure:
    """A value with its 95% interval over images; NaN where it cannot be known."""

    value: float
    low: float
    high: float


UNKNOWN = Measure(math.nan, math.nan, math.nan)


def resampled(groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """How often each image is drawn when groups are drawn with replacement, (draws, n)."""
    _, which = np.unique(groups, return_inverse=True)
    count = int(which.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS)
    return drawn[:, which]


def ratio(above: np.ndarray, below: np.ndarray, groups: np.ndarray) -> Measure:
    """Sum of `above` (n,) over sum of `below` (n,)."""
    weights = resampled(groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = (weights @ above) / (weights @ below)
        value = above.sum() / below.sum()
    if not np.isfinite(value):
        return UNKNOWN
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Measure(float(value), float(low), float(high))


def by_class(is_right: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Measure:
    """Mean over classes of the share that is right; is_right (n,) may hold shares."""
    everyone = np.ones((1, len(labels)))
    value = balanced(is_right, labels, everyone)[0]
    low, high = np.nanquantile(balanced(is_right, labels, resampled(groups)), [0.025, 0.975])
    return Measure(float(value), float(low), float(high))


def balanced(is_right: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean recall over classes for each row of weights (draws, n) -> (draws,)."""
    recalls = []
    for label in np.unique(labels):
        mine = labels == label
        total = weights[:, mine].sum(axis=1)
        with np.errstate(invalid="ignore"):  # a class not drawn at all says nothing
            recalls.append((weights[:, mine] * is_right[mine]).sum(axis=1) / total)
    return np.nanmean(recalls, axis=0)


def jackknife(count: int, statistic: Callable[[np.ndarray], float]) -> Measure:
    """Of what cannot be drawn anew without bias (a rank, a perplexity): blocks are left out in
    turn. `statistic` is given which of the `count` images are kept."""
    block = np.arange(count) * BLOCKS // max(count, 1)
    blocks = np.unique(block)
    value = statistic(np.ones(count, bool))
    if len(blocks) < 2:
        return Measure(value, math.nan, math.nan)
    without: Sequence[float] = [statistic(block != b) for b in blocks]
    spread = (len(blocks) - 1) / len(blocks) * np.square(np.array(without) - np.mean(without)).sum()
    reach = 1.96 * math.sqrt(spread)
    return Measure(value, max(value - reach, 0.0), value + reach)
