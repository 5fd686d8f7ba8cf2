"""What more labels would do for an arm, from its own learning curve (ROI.md §3.8)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jobs.roi import cashflow
from jobs.roi.arm import Measured, economics_of, measure
from jobs.roi.class_labels import worth_by_class
from jobs.roi.evidence import ArmEvidence
from jobs.roi.figures import Figures, LabelCurve, MoreLabels
from jobs.roi.labels import MIN_BUDGETS, PowerLaw, fit_power_law, value_of_labels

STEPS = (0.25, 0.5, 1.0, 2.0, 3.0, 7.0)  # more labels, as multiples of those of now


def with_forecast(figures: Figures, m: Measured) -> Figures:
    """An arm's figures with the curve through its label budgets and what that promises.

    Below 4 budgets there is no forecast, and they stay as they are.
    """
    rungs = _rungs(m.evidence)
    if len(rungs) < MIN_BUDGETS:
        return figures
    measured = [m if r is m.evidence else measure(m.world, r) for r in rungs]
    counts = np.array([float(r.labels_used) for r in rungs])
    costs = np.array([_cost(x.likely) for x in measured], dtype=float)
    drawn = np.stack([np.broadcast_to(_cost(x.drawn), m.npv_draws.shape) for x in measured], axis=1)
    errors = np.array([_error(x) for x in measured])
    weights = errors if np.all(errors > 0) else None
    law, laws = (fit_power_law(counts, k, weights) for k in (costs, drawn))
    assert law is not None, "there are enough budgets"
    assert laws is not None, "there are enough budgets"
    curve = LabelCurve(
        labels=tuple(counts.tolist()),
        cost_per_item=tuple(costs.tolist()),
        error=tuple(errors.tolist()),
        a=float(law.a),
        b=float(law.b),
        c=float(law.c),
        labels_now=float(m.evidence.labels_used),
    )
    return replace(
        figures,
        label_curve=curve,
        more_labels=tuple(_step(m, laws, n) for n in _numbers(m.evidence.labels_used)),
        class_labels=worth_by_class(measured, m),
    )


def _rungs(evidence: ArmEvidence) -> list[ArmEvidence]:
    """The arm at each number of labels, ascending; the arm as judged stands for its own."""
    by_labels = {r.labels_used: r for r in evidence.ladder if r.labels_used > 0}
    if evidence.labels_used > 0:
        by_labels[evidence.labels_used] = evidence
    return [by_labels[n] for n in sorted(by_labels)]


def _numbers(now: int) -> Sequence[int]:
    return sorted({max(1, round(now * step)) for step in STEPS})


def _cost(e: cashflow.Economics) -> cashflow.Number:
    """k: what decisions cost per item, without inference."""
    return cashflow.cost_model(e) - e.inference_per_item


def _error(m: Measured) -> float:
    """Bootstrap standard error of k at likely inputs."""
    world = m.world
    e = economics_of(world.case, world.likely, m.evidence.labels_used, m.drawn_rates)
    return float(np.std(_cost(e)))


def _step(m: Measured, laws: PowerLaw, more: int) -> MoreLabels:
    per_label = float(np.mean(m.world.drawn.price_per_label))
    found = value_of_labels(
        laws,
        labels_now=m.evidence.labels_used,
        labels_more=more,
        price_per_label=per_label,
        cost_now=_cost(m.drawn),
        npv_now=m.npv_draws,
        discounted_items=cashflow.discounted_items(m.drawn),
    )
    low, high = np.quantile(found.cost_after, [0.05, 0.95])
    npv_mean = float(np.mean(found.npv_after))
    return MoreLabels(
        labels=more,
        total=float(m.evidence.labels_used + more),
        cost_per_item=float(np.mean(found.cost_after)),
        cost_per_item_interval=(float(low), float(high)),
        npv_mean=npv_mean,
        price=per_label * more if per_label > 0 else None,
        worth=found.value + per_label * more,
        value=found.value,
        is_far=found.is_far,
    )
