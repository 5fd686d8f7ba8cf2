"""Break-even: the value of one input at which NPV is 0, all else at likely (ROI.md §2.8)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from jobs.roi.cashflow import Economics, cash_flow, discounted, npv, npv_roots
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
        return _of_discount_rate(e)
    money = float(np.abs(discounted(cash_flow(e), e.discount_rate)).sum())
    if name in RATES:
        return linear(lambda x: float(npv(replace(e, **{name: x}))), money, step=1.0, high=1.0)
    step = max(1.0, float(getattr(e, name)), money if name in WHOLE_AMOUNTS else 0.0)
    return linear(lambda x: float(npv(replace(e, **{name: x}))), money, step=step)


def linear(
    value: Callable[[float], float], money: float, *, step: float, high: float = np.inf
) -> BreakEven:
    """Root in [0, high] of a function that is linear there.

    `money` is the size of what is summed in `value`, to tell an effect from rounding; `step` a
    change of the input that should be felt.
    """
    at_0 = value(0.0)
    rise = value(step) - at_0
    if abs(rise) <= NO_EFFECT * max(abs(at_0), money):
        return NOWHERE
    root = -at_0 / rise * step
    if 0 < root <= high:  # once more from the root itself, where rounding is least
        root = root * at_0 / (at_0 - value(root))
    if high < root < high * (1 + 1e-12):
        root = high
    if not 0 <= root <= high:
        return NOWHERE
    return BreakEven(abs(root), "above" if rise > 0 else "below")


def _of_discount_rate(e: Economics) -> BreakEven:
    roots = [r for r in npv_roots(cash_flow(e)) if -1 < r <= 10]
    if not roots:
        return NOWHERE
    likely = float(e.discount_rate)
    root = min(roots, key=lambda r: abs(r - likely))
    step = 1e-6 * (1 + root)
    return BreakEven(root, _side(lambda r: float(npv(replace(e, discount_rate=r))), root, step))


def bracketed(
    value: Callable[[float], float], likely: float, low: float, high: float, points: int = 2001
) -> BreakEven:
    """Root nearest to `likely` of a function that need not be linear, searched on [low, high]."""
    grid = np.unique(np.append(np.linspace(low, high, points), likely))
    values = np.array([value(float(x)) for x in grid])
    roots = [float(x) for x, v in zip(grid, values, strict=True) if v == 0]
    crossings = np.flatnonzero(values[:-1] * values[1:] < 0)
    roots += [root_between(value, float(grid[i]), float(grid[i + 1])) for i in crossings]
    if not roots or np.all(values == 0):
        return NOWHERE
    root = min(roots, key=lambda x: abs(x - likely))
    return BreakEven(root, _side(value, root, 1e-7 * max(abs(root), 1e-9)))


def _side(value: Callable[[float], float], root: float, step: float) -> str | None:
    """The side of a root on which the function is positive; None where it only touches 0."""
    above, below = value(root + step) > 0, value(root - step) > 0
    if above == below:
        return None
    return "above" if above else "below"
