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


def by_class(budget: int) -> ArmEvidence:
    """Cracks stand apart the further the more labels there are, dents always as far."""
    rng = np.random.default_rng(1)
    names = np.array(["normal", "crack", "dent", "normal"] * 150)
    gap = np.select([names == "crack", names == "dent"], [3.5 - 5 / np.sqrt(budget), 2.0], 0.0)
    scores = [gap + rng.normal(size=len(names))]
    return evidence(
        label_budget=budget,
        labels_used=3 * budget,
        labels_by_class=dict.fromkeys(("normal", "crack", "dent"), budget),
        **{f"{split}_scores": scores for split in ("val", "test")},
        **{f"{split}_positive": names != "normal" for split in ("val", "test")},
        **{f"{split}_class": names for split in ("val", "test")},
    )


def test_the_class_whose_errors_fall_with_labels_is_the_one_to_label():
    dear = case(one_off=5.05e6, labels={"price_per_label": 1000}, stage_budget=1e5)
    (chosen,) = choose_evidence(dear, [by_class(b) for b in PER_CLASS])
    result = evaluate_case(dear, [chosen], draws=DRAWS)
    found = figures(result)
    assert "dent" not in [x.name for x in found.class_labels]
    best = found.class_labels[0]
    assert best.name == "crack"
    assert best.labels_now == 50
    assert best.price == 1000 * best.labels
    assert best.worth == pytest.approx(best.value + best.price)
    labels = [x for x in result.experiments if x.kind == "more-labels"]
    assert [x.of_class for x in labels] == ["crack", ""]
    assert result.reasons[0].facts["of_class"] == "crack"


def test_a_class_alone_cannot_save_more_than_its_own_errors_cost():
    (chosen,) = choose_evidence(case(), [by_class(b) for b in PER_CLASS])
    found = figures(evaluate_case(case(), [chosen], draws=DRAWS))
    items = 200_000 * sum(1.08**-y for y in range(1, 6))
    for x in found.class_labels:
        assert x.worth <= items * found.cost_per_item


def test_without_the_labels_of_each_class_none_is_singled_out():
    plain = [replace(by_class(b), labels_by_class={}) for b in PER_CLASS]
    (chosen,) = choose_evidence(case(), plain)
    assert figures(evaluate_case(case(), [chosen], draws=DRAWS)).class_labels == ()
