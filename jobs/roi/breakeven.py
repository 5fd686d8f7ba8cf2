"""Break-even: the value of one input at which NPV is 0, all else at likely (ROI.md §2.8)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from jobs.roi.cashflow import (
    Economics,
    cash_flow,
    net_present_value,
    npv,
    npv_roots,
    turnover,
)
from jobs.roi.roots import root_between

NO_EFFECT = 1e-13  # relative to the money in play

RATES = (
    "prevalence",
    "today_miss_rate",
    "today_false_alarm_rate",
    "miss_rate",
    "false_alarm_rate",
    "review_share",
    "tax",
)
AMOUNTS = (
    "items_per_year",
    "cost_miss",
    "cost_false_alarm",
    "cost_true_alarm",
    "cost_review",
    "today_process_per_item",
    "inference_per_item",
    "one_off",
    "run_per_year",
)
WHOLE_AMOUNTS = ("one_off", "run_per_year")  # not per item
INPUTS = (*RATES, *AMOUNTS, "discount_rate")


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where NPV is 0 and on which side it is positive; both None where there is no such value."""

    value: float | None
    positive_side: str | None  # above | below

    @property
    def exists(self) -> bool:
        return self.value is not None


NOWHERE = BreakEven(None, None)


def break_even(e: Economics, name: str) -> BreakEven:
    """Break-even of one input of fixed rates: closed form, or the IRR for the discount rate."""
    if name == "discount_rate":
        return of_discount_rate(e)
    money, high = turnover(e), 1.0 if name in RATES else np.inf
    step = max(1.0, float(getattr(e, name)), money if name in WHOLE_AMOUNTS else 0.0)
    money = max(money, turnover(replace(e, **{name: step})))
    return linear(lambda x: float(npv(replace(e, **{name: x}))), money, step=step, high=high)


def linear(
    value: Callable[[float], float], money: float, *, step: float, high: float = np.inf
) -> BreakEven:
    """Root in [0, high] of a function that is linear there.

    `money` is the size of what is summed in `value`, to tell an effect from rounding; `step` a
    change of the input that should be felt.
    """
    line = Line(0.0, value(0.0), step, value(step))
    if not line.is_felt(money):
        return NOWHERE
    root = line.root
    return line.break_even(root, value(root) if 0 < root <= high else None, high)


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through two points."""

    x: float
    y: float
    x2: float
    y2: float

    def is_felt(self, money: float) -> bool:
        """Whether the rise is more than rounding of sums of size `money`."""
        return abs(self.y2 - self.y) > NO_EFFECT * max(abs(self.y), money)

    @property
    def root(self) -> float:
        return self.x - self.y * (self.x2 - self.x) / (self.y2 - self.y)

    def break_even(self, root: float, at_root: float | None, high: float) -> BreakEven:
        """The root if it lies in [0, high], drawn once more through the value there.

        Rounding is least at the root itself.
        """
        if at_root is not None and self.y != at_root:
            root = self.x + (root - self.x) * self.y / (self.y - at_root)
        rounding = 1e-12 * max(abs(self.x), abs(self.x2))
        if -rounding < root < 0 or high < root < high + rounding:
            root = min(max(root, 0.0), high)
        if not 0 <= root <= high:
            return NOWHERE
        return BreakEven(abs(root), "above" if self.y2 > self.y else "below")


def of_discount_rate(e: Economics) -> BreakEven:
    """The IRR nearest to the likely rate, or nothing."""
    return of_flows(cash_flow(e), float(e.discount_rate))


def of_flows(flows: np.ndarray, likely: float) -> BreakEven:
    """The discount rate in (-1, 10] nearest to the likely one at which the flows' NPV is 0."""
    roots = [r for r in npv_roots(flows) if -1 < r <= 10]
    if not roots:
        return NOWHERE
    root = min(roots, key=lambda r: abs(r - likely))
    step = 1e-6 * (1 + root)
    return BreakEven(root, _side(lambda r: net_present_value(flows, r), root, step))


def bracketed(
    value: Callable[[np.ndarray], np.ndarray], likely: float, points: np.ndarray
) -> BreakEven:
    """Root nearest to `likely` of a function that need not be linear, searched between `points`.

    `value` takes an array of points at once.
    """
    grid = np.unique(np.append(points, likely))
    values = value(grid)

    def at(x: float) -> float:
        return float(value(np.array([x]))[0])

    roots = [float(x) for x in grid[values == 0]]
    crossings = np.flatnonzero(values[:-1] * values[1:] < 0)
    roots += [root_between(at, float(grid[i]), float(grid[i + 1])) for i in crossings]
    if not roots or np.all(values == 0):
        return NOWHERE
    root = min(roots, key=lambda x: abs(x - likely))
    return BreakEven(root, _side(at, root, 1e-7 * max(abs(root), 1e-9)))


def _side(value: Callable[[float], float | np.ndarray], root: float, step: float) -> str | None:
    """The side of a root on which the function is positive; None where it only touches 0."""
    above, below = bool(value(root + step) > 0), bool(value(root - step) > 0)
    if above == below:
        return None
    return "above" if above else "below"
