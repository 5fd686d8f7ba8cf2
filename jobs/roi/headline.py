"""The first figures of a case, before all that takes longer: curves, break-evens, forecasts.

They are those that `evaluate_case` gives for the same arm, by the same functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jobs.roi import decision, risk
from jobs.roi.arm import Measured, World, check_and_resample, interval, measure, view_of
from jobs.roi.evaluate import ArmResult, CaseResult, blocked, gate_of
from jobs.roi.evidence import ArmEvidence, unusable
from jobs.roi.figures import Figures, View
from jobs.roi.risk import Spread
from jobs.roi.schema import Case


@dataclass(frozen=True, kw_only=True, slots=True)
class Headline:
    """What one arm comes to; `evpi` is that of the choice among all arms."""

    arm: str
    protocol: str
    currency: str
    draws: int
    npv: float  # at likely values, to come
    npv_spread: Spread
    p_positive: float
    to_come: View
    evpi: float | None
    miss_rate: float
    miss_rate_interval: tuple[float, float]  # 5-95%
    false_alarm_rate: float
    false_alarm_rate_interval: tuple[float, float]


def headline(
    case: Case, arms: Sequence[ArmEvidence], *, draws: int = 10_000, seed: int = 0
) -> Headline | None:
    """Figures of the foremost arm, the one that `foremost` finds in the whole result."""
    if blocked(case):
        return None
    world = World(case, draws, seed)
    usable = [e for e in arms if unusable(e) is None]
    if not usable:
        return None
    check_and_resample(world, usable)
    measured = {e.arm: measure(world, e) for e in usable}
    drawn = np.stack([m.npv_draws for m in measured.values()])
    return _headline(measured[_foremost(case, measured)], risk.evpi(drawn))


def foremost(result: CaseResult) -> ArmResult | None:
    """The arm that figures are shown of: the chosen one, else the first in `_order`."""
    found = [a for a in result.arms.values() if a.figures is not None]
    chosen = [a for a in found if a.arm == result.chosen_arm]
    ranked = sorted(found, key=lambda a: _order(a.verdict, _mean(a), a.arm))
    return next(iter([*chosen, *ranked]), None)


def _mean(arm: ArmResult) -> float:
    return arm.figures.npv_spread.mean if arm.figures else 0.0


def _order(verdict: str | None, mean: float, name: str) -> tuple[int, float, str]:
    """GO arms first, NO-GO arms last, then by mean: where the mean decides, it decides so too."""
    return {decision.GO: 0, decision.NO_GO: 2}.get(verdict or "", 1), -mean, name


def headline_of(result: CaseResult, arm: str) -> Headline | None:
    """The same figures of an arm of a whole result."""
    own = result.arms[arm]
    return own.figures and Headline(
        arm=arm,
        protocol=own.protocol,
        currency=result.currency,
        draws=result.draws,
        evpi=result.evpi,
        **{name: getattr(own.figures, name) for name in _SHARED},
    )


_SHARED = tuple(n for n in Headline.__slots__ if n in Figures.__dataclass_fields__ and n != "evpi")


def _foremost(case: Case, measured: dict[str, Measured]) -> str:
    figures = {name: m.gate_figures() for name, m in measured.items()}
    baseline = decision.find_baseline(figures)
    base = figures[baseline] if baseline is not None else None
    gate = gate_of(case)
    verdicts = {
        name: decision.arm_verdict(name, own, gate, baseline, decision.increment(own, base))[0]
        for name, own in figures.items()
    }
    return min(
        figures,
        key=lambda name: _order(verdicts[name], float(figures[name].npv_draws.mean()), name),
    )


def _headline(m: Measured, evpi: float) -> Headline:
    return Headline(
        arm=m.evidence.arm,
        protocol=m.evidence.protocol,
        currency=m.world.case.currency,
        draws=m.world.draws,
        npv=m.npv,
        npv_spread=risk.spread(m.npv_draws),
        p_positive=risk.share_positive(m.npv_draws)[0],
        to_come=view_of(m.likely),
        evpi=evpi,
        miss_rate=float(m.likely.miss_rate),
        miss_rate_interval=interval(m.drawn_rates.miss_rate),
        false_alarm_rate=float(m.likely.false_alarm_rate),
        false_alarm_rate_interval=interval(m.drawn_rates.false_alarm_rate),
    )
