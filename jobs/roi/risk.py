"""Uncertain inputs: draws, what they say, and what it is worth to know more (ROI.md §3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy.stats import norm

from digpt.errors import UserError

LIKELY_WEIGHT = 4.0  # of the PERT distribution
TIED = 1e-9


@dataclass(frozen=True, slots=True)
class Range:
    """Low, likely and high of one input; low and high are the extreme values."""

    low: float
    likely: float
    high: float

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


@dataclass(frozen=True, slots=True)
class Spread:
    """Draws in five numbers."""

    mean: float
    sd: float
    q05: float
    q50: float
    q95: float


def spread(draws: np.ndarray) -> Spread:
    """Mean, standard deviation and 5-50-95% quantiles (linear interpolation)."""
    low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
    return Spread(float(draws.mean()), float(draws.std()), float(low), float(middle), float(high))


def share_positive(draws: np.ndarray) -> tuple[float, float]:
    """P = share of draws above 0 (strictly), and its standard error."""
    share = float((draws > 0).mean())
    return share, float(np.sqrt(share * (1 - share) / len(draws)))


def evpi(npv_draws: np.ndarray) -> float:
    """Expected value of perfect information; draws (arms, N), the other action is to do nothing."""
    npv_draws = np.atleast_2d(npv_draws)
    informed = np.maximum(npv_draws.max(axis=0), 0.0).mean()
    return max(0.0, float(informed - max(0.0, npv_draws.mean(axis=1).max())))


def evpi_normal(mean: float, sd: float) -> float:
    """EVPI of one arm whose NPV is normal, in closed form (Raiffa and Schlaifer 1961)."""
    if sd == 0:
        return 0.0
    u = abs(mean) / sd
    return float(sd * norm.pdf(u) - abs(mean) * norm.cdf(-u))


def evppi(inputs: np.ndarray, npv_draws: np.ndarray) -> float:
    """Value of knowing one input (N,) or a group of them (G, N), by regression of NPV on it.

    One input: a cubic; a group: all monomials to degree 2 (Strong, Oakley and Brennan 2014).
    """
    npv_draws = np.atleast_2d(npv_draws)  # (A, N)
    inputs = np.atleast_2d(inputs)  # (G, N)
    inputs = inputs[[not _is_constant(x) for x in inputs]]
    if len(inputs) == 0:
        return 0.0
    features = _features(inputs)  # (N, F)
    coefficients = np.linalg.lstsq(features, npv_draws.T, rcond=None)[0]
    fitted = (features @ coefficients).T  # (A, N)
    return min(evpi(fitted), evpi(npv_draws))


def _is_constant(x: np.ndarray) -> bool:
    return bool(np.ptp(x) <= 1e-12 * np.abs(x).max())


def _features(inputs: np.ndarray) -> np.ndarray:
    centred = inputs - inputs.mean(axis=1, keepdims=True)
    scaled = centred / centred.std(axis=1, keepdims=True)  # (G, N)
    degree = 3 if len(inputs) == 1 else 2
    columns = [np.ones(inputs.shape[1])]
    for power in range(1, degree + 1):
        columns += [
            np.prod(scaled[list(chosen)], axis=0)
            for chosen in combinations_with_replacement(range(len(inputs)), power)
        ]
    return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the tornado."""

    name: str
    npv_low: float
    npv_high: float

    @property
    def swing(self) -> float:
        return abs(self.npv_high - self.npv_low)


def tornado(
    npv_with: Callable[[str, float], float], ranges: Mapping[str, tuple[float, float]]
) -> list[Bar]:
    """NPV with one input at its low and high, the others likely; the longest bar first."""
    bars = [
        Bar(name, npv_with(name, low), npv_with(name, high)) for name, (low, high) in ranges.items()
    ]
    bars.sort(key=lambda bar: -bar.swing)
    ordered: list[Bar] = []
    while bars:  # equal swings, but for rounding, go by name
        tied = [bar for bar in bars if bar.swing >= bars[0].swing * (1 - TIED)]
        ordered += sorted(tied, key=lambda bar: bar.name)
        bars = bars[len(tied) :]
    return ordered
