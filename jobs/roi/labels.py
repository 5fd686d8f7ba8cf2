"""What more labels are worth: a power law through the costs at label budgets (ROI.md §3.8)."""

from dataclasses import dataclass

import numpy as np

from jobs.roi.roots import root_between

MIN_BUDGETS = 4
FAR = 4  # more than this many times the labels of today is far extrapolation
LARGEST_EXPONENT = 2.0
GRID = np.geomspace(1e-3, LARGEST_EXPONENT, 96)  # exponents that are tried first


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """k(n) = a + b * n^-c; each a number, or an array with one fit per draw."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray

    def at(self, n: float) -> np.ndarray:
        return self.a + self.b * float(n) ** -self.c


def fit_power_law(
    counts: np.ndarray, costs: np.ndarray, errors: np.ndarray | None = None
) -> PowerLaw | None:
    """Weighted least squares of costs (..., budgets) on label counts; None below 4 budgets.

    a, b >= 0 and 0 < c <= 2 (Cortes et al. 1994; Figueroa et al. 2012). For a given c the fit is
    linear, so only c is searched: on a grid, then between its points. Of many draws the exponent is
    taken from a parabola between the grid's points; its error is far below their spread.
    """
    counts, costs = np.asarray(counts, dtype=float), np.asarray(costs, dtype=float)
    if len(np.unique(counts)) < MIN_BUDGETS:
        return None
    weights = np.ones(len(counts)) if errors is None else np.asarray(errors, dtype=float) ** -2.0
    weights = weights / weights.sum()
    losses = _grid_losses(counts, costs, weights)  # (..., G)
    best = losses.argmin(axis=-1)
    if costs.ndim == 1:
        low, high = GRID[max(best - 1, 0)], GRID[min(best + 1, len(GRID) - 1)]
        c = np.asarray(_between(float(low), float(high), counts, costs, weights))
    else:
        c = _lowest(losses, best, counts, costs, weights)
    a, b, _ = _fit_at(c, counts, costs, weights)
    return PowerLaw(a, b, c)


def _grid_losses(counts: np.ndarray, costs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted squared error (..., G) of the best a, b >= 0 at each exponent of the grid.

    Everything is a product of the costs with what the counts alone decide, so that ten thousand
    draws take a few milliseconds.
    """
    x = counts[:, None] ** -GRID  # (budgets, G)
    weighted = weights[:, None] * x
    mean_x, square = weighted.sum(axis=0), (weighted * x).sum(axis=0)
    centred = weighted - weights[:, None] * mean_x
    within = square - mean_x**2
    mean_k, square_k = costs @ weights, (costs * costs) @ weights
    along = costs @ centred  # (..., G) covariance of cost and x
    product = costs @ weighted
    slope = np.maximum(along / within, 0.0)
    free = (square_k - mean_k**2)[..., None] - slope * along
    through_zero = square_k[..., None] - np.maximum(product, 0.0) ** 2 / square
    return np.where(mean_k[..., None] < slope * mean_x, through_zero, free)


def _lowest(
    losses: np.ndarray, best: np.ndarray, counts: np.ndarray, costs: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The exponent (N,) of least loss: a parabola through the best and its neighbours, twice."""
    inner = np.clip(best, 1, len(GRID) - 2)
    step = np.log(GRID[1] / GRID[0])
    around = np.stack(
        [np.take_along_axis(losses, (inner + n)[:, None], axis=-1)[:, 0] for n in (-1, 0, 1)]
    )
    c = GRID[inner] * np.exp(step * _vertex(around))
    finer = step / 8
    tried = [c * np.exp(n * finer) for n in (-1, 0, 1)]
    around = np.stack([_fit_at(x, counts, costs, weights)[2] for x in tried])
    return np.minimum(c * np.exp(finer * _vertex(around)), LARGEST_EXPONENT)


def _vertex(around: np.ndarray) -> np.ndarray:
    """Where the parabola through values (3, N) at -1, 0 and 1 is lowest, kept between them."""
    left, middle, right = around
    bend = left - 2 * middle + right
    shift = np.divide(left - right, 2 * bend, out=np.sign(left - right), where=bend > 0)
    return np.clip(shift, -1.0, 1.0)


def _fit_at(
    c: np.ndarray, counts: np.ndarray, costs: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best a, b >= 0 and the weighted squared error, at exponent(s) c."""
    x = counts ** -np.asarray(c)[..., None]  # (..., budgets)
    mean_x, mean_k = (x * weights).sum(-1), (costs * weights).sum(-1)
    within = (weights * (x - mean_x[..., None]) ** 2).sum(-1)
    slope = (weights * (x - mean_x[..., None]) * (costs - mean_k[..., None])).sum(-1) / within
    through_zero = (weights * x * costs).sum(-1) / (weights * x * x).sum(-1)
    b = np.maximum(slope, 0.0)
    a = mean_k - b * mean_x
    b = np.where(a < 0, np.maximum(through_zero, 0.0), b)
    a = np.where(a < 0, 0.0, a)
    rest = costs - a[..., None] - b[..., None] * x
    return a, b, (weights * rest**2).sum(-1)


def _between(
    low: float, high: float, counts: np.ndarray, costs: np.ndarray, weights: np.ndarray
) -> float:
    """The exponent of least loss in an interval that holds one: where the loss stops falling."""

    def rise(c: float) -> float:
        """Half the derivative of the loss; a and b are at their best, so only x = n^-c moves."""
        a, b, _ = _fit_at(np.asarray(c), counts, costs, weights)
        x = counts**-c
        return float(b * (weights * (costs - a - b * x) * x * np.log(counts)).sum())

    if rise(low) >= 0:
        return low
    return root_between(rise, low, high) if rise(high) > 0 else high


@dataclass(frozen=True, slots=True)
class LabelValue:
    """What n more labels do: the model's cost, the NPV (labels unpaid) and their worth."""

    labels: float
    cost_after: np.ndarray
    npv_after: np.ndarray
    value: float
    is_far: bool


def value_of_labels(
    law: PowerLaw,
    *,
    labels_now: float,
    labels_more: float,
    price_per_label: float,
    cost_now: np.ndarray | float,
    npv_now: np.ndarray | float,
    discounted_items: np.ndarray | float,
) -> LabelValue:
    """Worth of a better model from `labels_more` labels, paid at time 0; draws broadcast."""
    total = labels_now + labels_more
    after = np.maximum(0.0, cost_now + law.at(total) - law.at(labels_now))
    npv_after = npv_now + discounted_items * (cost_now - after)
    paid = price_per_label * labels_more
    value = max(0.0, float(np.mean(npv_after)) - paid) - max(0.0, float(np.mean(npv_now)))
    return LabelValue(labels_more, after, npv_after, value, total > FAR * labels_now)
