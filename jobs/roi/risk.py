"""What draws of NPV say, and what it is worth to know more (ROI.md §3)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy.stats import norm

TIED = 1e-9


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
    return min(evpi(Learned.of(*np.atleast_2d(inputs)).fit(npv_draws)), evpi(npv_draws))


@dataclass(frozen=True, slots=True)
class Learned:
    """Inputs ready to fit NPV on: what would be expected of NPV if they were known."""

    features: np.ndarray  # (N, F)
    moments: np.ndarray  # (F, F) of the features

    @staticmethod
    def of(*inputs: np.ndarray) -> "Learned":
        """One input (N,) by a cubic, several by all monomials to degree 2; constant ones by 1."""
        varying = [x for x in inputs if not _is_constant(x)]
        features = _features(varying, len(inputs[0])) if inputs else np.ones((1, 1))
        return Learned(features, features.T @ features)

    def fit(self, npv_draws: np.ndarray) -> np.ndarray:
        """E[NPV | inputs] in every draw, (N,) or (A, N) as the draws; least squares."""
        products = self.features.T @ npv_draws.T
        coefficients = np.linalg.lstsq(self.moments, products, rcond=None)[0]
        return (self.features @ coefficients).T


def _is_constant(x: np.ndarray) -> bool:
    return bool(np.ptp(x) <= 1e-12 * np.abs(x).max())


def _features(inputs: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Monomials (count, F) of the standardised inputs."""
    scaled = [(x - x.mean()) / x.std() for x in inputs]
    degree = 3 if len(scaled) == 1 else 2
    columns = [np.ones(count)]
    for power in range(1, degree + 1):
        columns += [
            np.prod(chosen, axis=0) for chosen in combinations_with_replacement(scaled, power)
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
    return in_order(
        Bar(name, npv_with(name, low), npv_with(name, high)) for name, (low, high) in ranges.items()
    )


def in_order(bars: Iterable[Bar]) -> list[Bar]:
    """The longest bar first; equal swings, but for rounding, go by name."""
    left = sorted(bars, key=lambda bar: -bar.swing)
    ordered: list[Bar] = []
    while left:
        tied = [bar for bar in left if bar.swing >= left[0].swing * (1 - TIED)]
        ordered += sorted(tied, key=lambda bar: bar.name)
        left = left[len(tied) :]
    return ordered
