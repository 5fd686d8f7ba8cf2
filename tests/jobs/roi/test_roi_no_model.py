"""One decision for every item, as a rule that needs no model."""

import numpy as np
import pytest

from jobs.roi import evaluate_case
from jobs.roi.arm import World
from jobs.roi.decision import GO, Reason
from jobs.roi.evaluate import CaseResult
from jobs.roi.no_model import best_rule
from tests.jobs.roi.cases import DRAWS, case, evidence, only
from tests.jobs.roi.test_roi_matrix_case import COSTS, by_class

ANNUITY = (1 - 1.08**-5) / 0.08  # five years at 8%


def said(result: CaseResult) -> Reason:
    (found,) = [r for r in only(result).reasons if r.code.endswith("no-model")]
    return found


def test_where_false_alarms_are_cheap_flagging_everything_is_told_beside_the_verdict():
    cheap = case(cost_false_alarm=4, ramp=[0.5])
    # today 10 + 0.99 * 0.03 * 4 + 12; every item flagged: 0.99 * 4. No ramp-up and no costs
    npv = 200_000 * (0.01 * 0.2 * 5000 + 0.99 * 0.03 * 4 + 12 - 0.99 * 4) * ANNUITY
    result = evaluate_case(cheap, [evidence()], draws=DRAWS)
    reason, figures = said(result), only(result).figures
    assert figures is not None
    assert (reason.code, reason.facts["rule"]) == ("worse-than-no-model", "flag")
    assert reason.facts["npv"] == pytest.approx(npv)
    assert reason.facts["mean"] == pytest.approx(figures.npv_spread.mean - npv)
    assert only(result).verdict == GO  # the verdict is that of ROI.md


def test_where_defects_cost_little_letting_everything_pass_is_told_and_a_good_arm_beats_it():
    result = evaluate_case(case(cost_miss=1500, one_off=1e5), [evidence(gap=5)], draws=DRAWS)
    reason = said(result)
    assert (reason.code, reason.facts["rule"]) == ("beats-no-model", "pass")
    today = 0.01 * 0.2 * 1500 + 0.99 * 0.03 * 80 + 12
    assert reason.facts["npv"] == pytest.approx(200_000 * (today - 0.01 * 1500) * ANNUITY)
    assert float(reason.facts["q05"]) > 0


def test_a_rule_that_does_not_pay_is_not_mentioned():
    codes = [r.code for r in only(evaluate_case(case(), [evidence()], draws=DRAWS)).reasons]
    assert codes == ["probability-high", "is-baseline", "within-budget"]


def test_with_costs_by_class_every_item_is_taken_for_one_class():
    rule = best_rule(World(by_class(), 10, 0))
    occurs = {"good": 0.96, "crack": 0.01, "stain": 0.03}
    costs = {j: sum(occurs[i] * COSTS[i][j] for i in COSTS) for j in COSTS}
    assert rule.decision == min(costs, key=lambda name: costs[name])
    today = 0.04 * 0.2 * 5000 + 0.96 * 0.03 * 80 + 12
    assert rule.npv == pytest.approx(200_000 * (today - min(costs.values())) * ANNUITY)


def test_draws_are_those_of_the_inputs_that_the_arms_share():
    world = World(case(cost_miss={"low": 1000, "likely": 1500, "high": 3000}), DRAWS, 0)
    rule = best_rule(world)
    saved = np.asarray(world.drawn.cost_miss) * 0.01 * (0.2 - 1) + 0.99 * 0.03 * 80 + 12
    assert rule.npv_draws == pytest.approx(200_000 * saved * ANNUITY)
