"""One input moved, the others likely: the tornado and the break-evens of every input."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jobs.roi.breakeven import NOWHERE, BreakEven, Line, bracketed
from jobs.roi.figures import Swing
from jobs.roi.risk import Bar, in_order

# NPV (J,) at J points: each input named has its values (J,), NaN where it stays at likely
NpvAt = Callable[[Mapping[str, np.ndarray]], np.ndarray]

NEAR = 20.0  # up to this many times its likely value an input is searched closely
FAR = 1e6  # beyond, up to so many times that where its domain has no end


def one_by_one(names: Sequence[str], values: Sequence[float]) -> dict[str, np.ndarray]:
    """For J inputs, J points: in the j-th only the j-th input is moved, NaN for the others."""
    points = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(points, values)
    return dict(zip(names, points, strict=True))


def tornado(npv_at: NpvAt, ends: Mapping[str, tuple[float, float]]) -> tuple[Swing, ...]:
    """A bar for every input from its low to its high, the longest first."""
    if not ends:
        return ()
    lows, highs = (npv_at(one_by_one(list(ends), [e[n] for e in ends.values()])) for n in (0, 1))
    bars = [
        Bar(name, float(low), float(high))
        for name, low, high in zip(ends, lows, highs, strict=True)
    ]
    return tuple(
        Swing(bar.name, *ends[bar.name], bar.npv_low, bar.npv_high, bar.swing)
        for bar in in_order(bars)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Lever:
    """How one input can be moved."""

    likely: float
    low: float = 0.0  # ends of its domain
    high: float = np.inf
    step: float  # a change that should be felt
    is_linear: bool


def break_evens(npv_at: NpvAt, levers: Mapping[str, Lever], money: float) -> dict[str, BreakEven]:
    """Where NPV is 0 for each input; `money` is the size of what NPV sums."""
    straight = {name: lever for name, lever in levers.items() if lever.is_linear}
    found = _of_lines(npv_at, straight, money)
    for name, lever in levers.items():
        if not lever.is_linear:
            found[name] = _of_curve(npv_at, name, lever)
    return {name: found[name] for name in levers}


def _of_lines(npv_at: NpvAt, levers: Mapping[str, Lever], money: float) -> dict[str, BreakEven]:
    """All linear inputs at once: two points each, and a third at the root."""
    if not levers:
        return {}
    names = list(levers)
    starts = [lever.likely for lever in levers.values()]
    ends = [lever.likely + lever.step for lever in levers.values()]
    at_start, at_end = npv_at(one_by_one(names, starts)), npv_at(one_by_one(names, ends))
    lines = {
        name: Line(*map(float, points))
        for name, *points in zip(names, starts, at_start, ends, at_end, strict=True)
    }
    lines = {name: line for name, line in lines.items() if line.is_felt(money)}
    inside = {n: x.root for n, x in lines.items() if 0 < x.root <= levers[n].high}
    at_root = npv_at(one_by_one(list(inside), list(inside.values()))) if inside else ()
    refined = dict(zip(inside, map(float, at_root), strict=True))
    found = {
        name: line.break_even(line.root, refined.get(name), levers[name].high)
        for name, line in lines.items()
    }
    return {name: found.get(name, NOWHERE) for name in names}


def _of_curve(npv_at: NpvAt, name: str, lever: Lever) -> BreakEven:
    return bracketed(lambda x: npv_at({name: x}), lever.likely, _points(lever))


def _points(lever: Lever) -> np.ndarray:
    """Where a root is looked for: close about the likely value, wider to the domain's end."""
    near = min(lever.high, NEAR * lever.likely) if lever.likely > 0 else lever.high
    end = lever.high if np.isfinite(lever.high) else FAR * near
    return np.concatenate([np.linspace(lever.low, near, 2001), np.geomspace(near, end, 401)])
