"""More labels for an arm, forecast from its own learning curve."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs.roi import ArmEvidence, choose_evidence, evaluate_case
from jobs.roi.decision import COLLECT
from tests.jobs.roi.cases import DRAWS, case, evidence, figures

PER_CLASS = (5, 10, 20, 50)


def rungs(budgets: tuple[int, ...] = PER_CLASS, **changes: Any) -> list[ArmEvidence]:
    """One arm at growing budgets: the more labels, the further defects stand apart."""
    return [
        evidence(gap=2.8 - 4 / np.sqrt(b), label_budget=b, labels_used=8 * b, seeds=1, **changes)
        for b in budgets
    ]


def test_the_forecast_goes_through_the_arms_own_budgets():
    (chosen,) = choose_evidence(case(), rungs())
    found = figures(evaluate_case(case(), [chosen], draws=DRAWS))
    curve = found.label_curve
    assert curve is not None
    assert curve.labels == (40, 80, 160, 400)
    assert curve.cost_per_item[-1] == pytest.approx(found.cost_per_item)
    alone = [figures(evaluate_case(case(), [replace(r, ladder=())], draws=DRAWS)) for r in rungs()]
    assert curve.cost_per_item == pytest.approx([f.cost_per_item for f in alone])


def test_labels_are_worth_what_they_add_less_their_price():
    (chosen,) = choose_evidence(case(), rungs())
    found = figures(evaluate_case(case(), [chosen], draws=DRAWS))
    now = max(0.0, found.npv_spread.mean)
    for step in found.more_labels:
        assert step.price == 30 * step.labels
        assert step.value == pytest.approx(max(0.0, step.npv_mean - step.price) - now)
        assert step.worth == pytest.approx(step.value + step.price)
        assert step.is_far == (step.total > 4 * 400)
    costs = [s.cost_per_item for s in found.more_labels]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize("budgets", [(20,), (5, 10, 20)])
def test_three_budgets_are_no_curve(budgets: tuple[int, ...]):
    (chosen,) = choose_evidence(case(), rungs(budgets))
    found = figures(evaluate_case(case(), [chosen], draws=DRAWS))
    assert found.label_curve is None
    assert found.more_labels == ()


def test_buying_labels_can_be_the_next_experiment():
    unsure = case(one_off=6.4e6, stage_budget=1e5)
    (chosen,) = choose_evidence(unsure, rungs())
    result = evaluate_case(unsure, [chosen], draws=DRAWS)
    (labels,) = (x for x in result.experiments if x.kind == "more-labels")
    best = max((m for m in figures(result).more_labels if not m.is_far), key=lambda m: m.value)
    assert (labels.subject, labels.value, labels.price) == (best.labels, best.worth, best.price)
    assert result.verdict == COLLECT
    assert result.reasons[0].facts["experiment"] == "more-labels"
