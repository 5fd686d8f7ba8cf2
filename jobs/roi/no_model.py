"""What could be had without a model: to decide the same of every item.

Such a rule needs no camera, no labels and no ramp-up. Where it pays, an arm has to be better than
it, as a threshold of -inf or +inf is among every arm's candidates (ROI.md §1.2) and a weak model
comes out near one of them. The verdict follows ROI.md §4, which knows "do nothing" only; this
stands beside it.
"""

from dataclasses import dataclass, replace

import numpy as np

from jobs.roi import cashflow
from jobs.roi.arm import World, economics_of
from jobs.roi.behaviour import ByMatrix, Rates
from jobs.roi.decision import ArmFigures, Reason
from jobs.roi.inputs import Terms
from jobs.roi.risk import spread

FLAG, PASS = "flag", "pass"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One decision for all items."""

    decision: str  # FLAG | PASS, or the class that every item is taken for
    npv: float  # at likely values
    npv_draws: np.ndarray  # (N,), of the inputs that the arms share


def best_rule(world: World) -> Rule:
    """The rule of highest NPV at likely values."""
    return max((_rule(world, name) for name in _decisions(world)), key=lambda rule: rule.npv)


def against(arm: str, figures: ArmFigures, rule: Rule) -> list[Reason]:
    """What an arm is worth beyond a rule that pays; nothing where none does."""
    if rule.npv <= 0:
        return []
    gain = spread(figures.npv_draws - rule.npv_draws)
    if gain.q95 < 0:
        code = "worse-than-no-model"
    else:
        code = "beats-no-model" if gain.q05 > 0 else "not-surely-better-than-no-model"
    facts: dict[str, float | str] = {
        "arm": arm,
        "rule": rule.decision,
        "npv": rule.npv,
        "mean": gain.mean,
        "q05": gain.q05,
        "q95": gain.q95,
    }
    return [Reason(code, facts)]


def _decisions(world: World) -> tuple[str, ...]:
    return (FLAG, PASS) if world.setting.matrix is None else world.setting.matrix.classes


def _rule(world: World, decision: str) -> Rule:
    def npv(terms: Terms) -> np.ndarray:
        e = economics_of(world.case, terms, 0, _rates(world, decision, terms))
        alone = replace(e, inference_per_item=0.0, one_off=0.0, run_per_year=0.0, ramp=())
        return cashflow.npv(alone)

    draws = np.broadcast_to(npv(world.drawn), (world.draws,))
    return Rule(decision=decision, npv=float(npv(world.likely)), npv_draws=draws)


def _rates(world: World, decision: str, terms: Terms) -> Rates:
    matrix = world.setting.matrix
    if matrix is None:
        flags = float(decision == FLAG)
        return Rates(miss_rate=1 - flags, false_alarm_rate=flags)
    count = len(matrix.classes)
    always = np.tile(np.eye(count)[matrix.classes.index(decision)], (count, 1))  # (K, K)
    return ByMatrix(classes=matrix.classes, good=matrix.good, seen=always, drawn=always).measured(
        terms
    )
