"""Low, likely and high: an uncertain number and its draws (ROI.md §3.1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from digpt.errors import UserError, pick

LIKELY_WEIGHT = 4.0  # of the PERT distribution


@dataclass(frozen=True, slots=True)
class Range:
    """Low, likely and high of one input; low and high are the extreme values."""

    low: float
    likely: float
    high: float
    distribution: str = "pert"  # a key of DRAWS
    currency: str | None = None  # of an amount in another currency than the case

    def __post_init__(self) -> None:
        if not self.low <= self.likely <= self.high:
            raise UserError(
                f"The range {self.low:g} / {self.likely:g} / {self.high:g} is not ascending. "
                "Give low <= likely <= high.",
                code="range-order",
                low=self.low,
                likely=self.likely,
                high=self.high,
            )


def pert_mean(r: Range) -> float:
    return (r.low + LIKELY_WEIGHT * r.likely + r.high) / (LIKELY_WEIGHT + 2)


def pert_variance(r: Range) -> float:
    mean = pert_mean(r)
    return (mean - r.low) * (r.high - mean) / (LIKELY_WEIGHT + 3)


def pert_draws(r: Range, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (count,) of the PERT distribution: a stretched Beta (Malcolm et al. 1959; Vose)."""
    width = r.high - r.low
    if width == 0:
        return np.full(count, float(r.low))
    rise = 1 + LIKELY_WEIGHT * (r.likely - r.low) / width
    fall = 1 + LIKELY_WEIGHT * (r.high - r.likely) / width
    return r.low + width * rng.beta(rise, fall, count)


def triangular_mean(r: Range) -> float:
    return (r.low + r.likely + r.high) / 3


def triangular_variance(r: Range) -> float:
    a, m, b = r.low, r.likely, r.high
    return (a * a + m * m + b * b - a * m - a * b - m * b) / 18


def triangular_draws(r: Range, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (count,) of the triangular distribution."""
    if r.high == r.low:
        return np.full(count, float(r.low))
    return rng.triangular(r.low, r.likely, r.high, count)


DRAWS: Mapping[str, Callable[[Range, int, np.random.Generator], np.ndarray]] = {
    "pert": pert_draws,
    "triangular": triangular_draws,
}
MEANS: Mapping[str, Callable[[Range], float]] = {"pert": pert_mean, "triangular": triangular_mean}


def draws_of(r: Range, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (count,) of the range's own distribution."""
    return pick(DRAWS, r.distribution, "distribution")(r, count, rng)


def mean_of(r: Range) -> float:
    """Mean of the range's own distribution."""
    return pick(MEANS, r.distribution, "distribution")(r)
