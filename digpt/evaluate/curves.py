"""Learning curves: a - b * n^-c through the accuracies at several label budgets n.

K budgets, R bootstrap draws. With e = 1 - accuracy the fit is e = floor + b * n^-c, floor, b >= 0
and 0 < c <= 2 (Cortes et al. 1994; Figueroa et al. 2012), by weighted least squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from digpt.evaluate.intervals import Scores, interval, resample

LEAST_BUDGETS = 4
FAR = 4  # beyond this many times the largest budget an extrapolation is flagged
_EXPONENTS = np.geomspace(0.01, 2.0, 200)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected accuracy at a number of labels, with its 95% interval."""

    labels: float
    value: float
    low: float
    high: float
    is_far: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy a - b * n^-c at n labels; `draws` (R, 3) are a, b, c refitted in every resample."""

    a: float
    b: float
    c: float
    draws: np.ndarray
    largest_budget: float

    def at(self, labels: float) -> Forecast:
        """The accuracy to expect with so many labels."""
        values = self.draws[:, 0] - self.draws[:, 1] * labels ** -self.draws[:, 2]
        low, high = np.percentile(values, [2.5, 97.5])
        value = self.a - self.b * labels**-self.c
        return Forecast(labels, value, float(low), float(high), labels > FAR * self.largest_budget)


@dataclass(frozen=True, slots=True)
class NoCurve:
    """Why there is no curve."""

    reason: str


def learning_curve(labels: Sequence[float], scores: Sequence[Scores]) -> Curve | NoCurve:
    """The curve of one arm. labels: mean labels per class of each budget; scores: one for each.

    All scores must share their resamples, as `measure` gives them with equal draws and seed.
    """
    distinct = len(set(labels))
    if distinct < LEAST_BUDGETS:
        return NoCurve(
            f"A learning curve needs {LEAST_BUDGETS} label budgets, this arm has {distinct}."
        )
    intervals = [interval(s) for s in scores]
    values = np.array([i.value for i in intervals])
    spread = np.array([(i.high - i.low) / (2 * 1.96) for i in intervals])
    draws = np.stack([resample(s, with_pretraining=True) for s in scores], axis=1)  # (R, K)
    return fit_curve(np.asarray(labels, dtype=float), values, spread, draws)


def fit_curve(
    labels: np.ndarray, values: np.ndarray, standard_errors: np.ndarray, draws: np.ndarray
) -> Curve:
    """Curve through values (K,) at labels (K,), weighted by 1 / se², refitted to draws (R, K)."""
    least = max(float(standard_errors.max()) * 1e-3, 1e-9)  # one exact point must not take it all
    weights = np.maximum(standard_errors, least) ** -2.0
    fitted = _fit(labels, 1 - np.vstack([values, draws]), weights / weights.sum())  # (1 + R, 3)
    a, b, c = (float(x) for x in fitted[0])
    return Curve(a, b, c, fitted[1:], float(labels.max()))


def _fit(labels: np.ndarray, errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """a, b, c of each row of errors (R, K). Given c the fit is linear, so c is searched."""
    losses = np.stack([_linear(labels, errors, weights, c)[2] for c in _EXPONENTS], axis=1)
    best = _EXPONENTS[losses.argmin(axis=1)]  # (R,)
    floor, b, _ = _linear(labels, errors, weights, best[:, None])
    return np.stack([1 - floor, b, best], axis=1)


def _linear(
    labels: np.ndarray, errors: np.ndarray, weights: np.ndarray, c: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """floor, b >= 0 of least weighted square, and that square, for each row of errors (R, K)."""
    x = np.broadcast_to(labels**-c, errors.shape)
    mean_x, mean_e = x @ weights, errors @ weights  # (R,)
    centred = x - mean_x[:, None]
    slope = ((centred * errors) @ weights) / ((centred**2) @ weights)
    b = np.maximum(slope, 0)
    floor = mean_e - b * mean_x
    through_zero = ((x * errors) @ weights) / ((x**2) @ weights)
    b = np.where(floor < 0, through_zero, b)
    floor = np.maximum(floor, 0)
    rest = errors - floor[:, None] - b[:, None] * x
    return floor, b, (rest**2) @ weights
