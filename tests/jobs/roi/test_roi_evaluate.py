"""From scores to verdict, against the same figures put together by hand."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from digpt.errors import UserError
from jobs.roi import choose_evidence, evaluate_case
from jobs.roi.decision import COLLECT, GO, NO_GO, REASONS
from jobs.roi.export import as_plain, npv_histogram
from tests.jobs.roi.cases import DRAWS, case, evidence, only


def test_figures_of_one_arm_equal_the_sum_done_by_hand():
    given = evidence()
    result = evaluate_case(case(), [given], draws=DRAWS)
    figures = only(result).figures
    assert figures is not None
    misses, alarms = [], []
    for scores, cut in zip(given.test_scores, figures.cuts, strict=True):
        flagged = scores >= cut.low
        misses.append((~flagged[given.test_positive]).mean())
        alarms.append(flagged[~given.test_positive].mean())
    miss, alarm = np.mean(misses), np.mean(alarms)
    assert (figures.miss_rate, figures.false_alarm_rate) == pytest.approx((miss, alarm))
    today = 0.01 * 0.2 * 5000 + 0.99 * 0.03 * 80 + 12
    model = 0.01 * miss * 5000 + 0.99 * alarm * 80 + 0.5
    yearly = 200_000 * (today - model) - 6e5
    one_off = 4e6 + 160 * 30  # labels used are priced in
    assert figures.to_come.flows == pytest.approx((-one_off, *[yearly] * 5))
    annuity = (1 - 1.08**-5) / 0.08
    assert figures.npv == pytest.approx(yearly * annuity - one_off)
    assert figures.outlay == pytest.approx(one_off + (6e5 + 200_000 * 0.5) * annuity)
    # NPV is linear in the rates, so its mean is near the likely one
    sd = figures.npv_spread.sd
    assert figures.npv_spread.mean == pytest.approx(figures.npv, abs=6 * sd / np.sqrt(DRAWS))


def test_each_seed_keeps_its_own_threshold():
    scaled = evidence()
    scaled = replace(
        scaled,
        val_scores=[scaled.val_scores[0], scaled.val_scores[0] * 10],
        test_scores=[scaled.test_scores[0], scaled.test_scores[0] * 10],
    )
    figures = only(evaluate_case(case(), [scaled], draws=DRAWS)).figures
    assert figures is not None
    assert figures.cuts[1].low == pytest.approx(figures.cuts[0].low * 10)
    alone = replace(scaled, val_scores=scaled.val_scores[:1], test_scores=scaled.test_scores[:1])
    single = only(evaluate_case(case(), [alone], draws=DRAWS)).figures
    assert single is not None
    assert figures.miss_rate == single.miss_rate


def test_same_inputs_give_the_same_answer_and_another_seed_another_sample():
    arms = [evidence("a"), evidence("b", gap=2)]
    first, second = (as_plain(evaluate_case(case(), arms, draws=DRAWS)) for _ in range(2))
    assert first == second
    assert as_plain(evaluate_case(case(), arms, draws=DRAWS, seed=1)) != first


def test_two_equal_arms_differ_by_nothing_in_any_draw():
    twins = [evidence("a"), evidence("b", labels_used=161)]
    result = evaluate_case(case(), twins, draws=DRAWS)
    assert result.baseline == "a"
    figures = result.arms["b"].figures
    assert figures is not None
    assert (figures.increment.q05, figures.increment.q95) == pytest.approx((-30, -30), abs=1e-6)
    assert result.arms["b"].verdict == COLLECT
    assert (result.verdict, result.chosen_arm) == (GO, "a")


def test_a_good_arm_goes_a_poor_one_does_not():
    result = evaluate_case(case(), [evidence("good"), evidence("poor", gap=0.1)], draws=DRAWS)
    assert result.arms["good"].verdict == GO
    assert evaluate_case(case(one_off=9e8), [evidence()], draws=DRAWS).verdict == NO_GO
    assert result.evpi is not None
    assert result.evpi >= 0
    assert result.reasons[-1].code == "choice-repeated"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"next_stage_cost": None}, "no-next-stage-cost"),
        ({"stage_budget": None}, "no-stage-budget"),
        ({"good_classes": []}, "no-good-class"),
    ],
)
def test_missing_inputs_give_no_verdict_and_say_why(changes: dict[str, Any], code: str):
    result = evaluate_case(case(**changes), [evidence()], draws=DRAWS)
    assert result.verdict is None
    assert result.reasons[0].code == code
    assert only(result).verdict is None
    assert only(result).reasons[0].code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"failed": True}, "arm-failed"),
        ({"test_scores": []}, "no-evidence"),
        ({"test_positive": np.zeros(400, dtype=bool)}, "no-positive-items"),
        ({"val_positive": np.ones(300, dtype=bool)}, "no-negative-items"),
    ],
)
def test_an_arm_without_data_has_no_verdict_and_does_not_stop_the_others(
    changes: dict[str, Any], code: str
):
    result = evaluate_case(case(), [evidence("a"), evidence("b", **changes)], draws=DRAWS)
    assert result.arms["b"].verdict is None
    assert [reason.code for reason in result.arms["b"].reasons] == [code]
    assert result.arms["a"].verdict == result.verdict == GO


def test_no_arms_at_all_is_no_verdict():
    result = evaluate_case(case(), [], draws=DRAWS)
    assert (result.verdict, result.evpi, result.reasons[0].code) == (None, None, "no-arms")


def test_money_spent_is_sunk_for_the_verdict_and_shown_beside_it():
    free, paid = (
        only(evaluate_case(case(), [evidence(pilot_cost_money=spent)], draws=DRAWS)).figures
        for spent in (0.0, 5e5)
    )
    assert free is not None
    assert paid is not None
    assert paid.npv == free.npv
    assert paid.p_positive == free.p_positive
    assert paid.whole.npv == pytest.approx(paid.npv - 5e5)


def test_an_arm_below_a_minimum_rate_is_not_the_baseline():
    arms = [evidence("cheap", gap=2.6, labels_used=0), evidence("good", gap=4)]
    assert evaluate_case(case(), arms, draws=DRAWS).baseline == "cheap"
    strict = evaluate_case(case(minimum={"detection": 0.9}), arms, draws=DRAWS)
    assert strict.baseline == "good"
    missed = strict.arms["cheap"].reasons[-1]
    assert (missed.code, missed.facts["rate"]) == ("minimum-missed", "detection")


def test_prevalence_by_class_weighs_the_classes():
    given = evidence(seeds=1)
    kinds = {
        split: np.where(
            positive, np.where(np.cumsum(positive) % 2 == 0, "crack", "stain"), "normal"
        )
        for split, positive in (("val", given.val_positive), ("test", given.test_positive))
    }
    given = replace(given, val_class=kinds["val"], test_class=kinds["test"])
    figures = only(
        evaluate_case(case(prevalence={"crack": 0.009, "stain": 0.001}), [given], draws=DRAWS)
    ).figures
    assert figures is not None
    missed = given.test_scores[0] < figures.cuts[0].low
    by_class = [missed[kinds["test"] == name].mean() for name in ("crack", "stain")]
    assert figures.miss_rate == pytest.approx(0.9 * by_class[0] + 0.1 * by_class[1])
    with pytest.raises(UserError, match="no item of it"):
        evaluate_case(case(prevalence={"hole": 0.009}), [given], draws=DRAWS)
    with pytest.raises(UserError, match="do not say the items' classes"):
        evaluate_case(case(prevalence={"crack": 0.009}), [evidence()], draws=DRAWS)


def test_review_costs_what_the_band_holds_and_respects_the_capacity():
    review = {"cost_per_item": 5, "miss_rate": 0.02, "capacity_per_year": 20_000}
    figures = only(evaluate_case(case(review=review), [evidence(gap=2)], draws=DRAWS)).figures
    plain = only(evaluate_case(case(), [evidence(gap=2)], draws=DRAWS)).figures
    assert figures is not None
    assert plain is not None
    assert 0 < figures.review_share <= 0.1 + 1e-9
    assert figures.npv > plain.npv
    model = (
        0.01 * figures.miss_rate * 5000
        + 0.99 * figures.false_alarm_rate * 80
        + figures.review_share * 5
    )
    assert figures.cost_per_item == pytest.approx(model)
    sd = figures.npv_spread.sd
    assert figures.npv_spread.mean == pytest.approx(figures.npv, abs=0.5 * sd)


def test_the_same_arm_twice_is_refused():
    with pytest.raises(UserError, match="choose_evidence"):
        evaluate_case(case(), [evidence(), evidence()], draws=DRAWS)


def test_scores_that_are_no_numbers_are_refused():
    broken = evidence(seeds=1, test_scores=[np.full(400, np.nan)])
    with pytest.raises(UserError, match="not numbers"):
        evaluate_case(case(), [broken], draws=DRAWS)


def test_default_evidence_is_the_largest_common_budget_and_the_cheapest_protocol():
    tried = [
        evidence("a", label_budget=20),
        evidence("a", label_budget="all"),
        evidence("b", label_budget=20, gap=1),
        evidence("b", label_budget=20, gap=3, protocol="finetune"),
        evidence("b", label_budget=50, gap=5),
    ]
    chosen = choose_evidence(case(), tried)
    assert [(c.arm, c.protocol, c.label_budget) for c in chosen] == [
        ("a", "probe", 20),
        ("b", "finetune", 20),
    ]
    by_protocol = choose_evidence(case(protocol="probe", label_budget=50), tried)
    assert [(c.arm, len(c.test_scores)) for c in by_protocol] == [("a", 0), ("b", 2)]
    result = evaluate_case(case(), by_protocol, draws=DRAWS)
    assert result.arms["a"].reasons[0].code == "no-evidence"


def test_a_failed_arm_does_not_lower_the_common_budget():
    tried = [evidence("a", label_budget="all"), evidence("b", label_budget=5, failed=True)]
    assert [c.label_budget for c in choose_evidence(case(), tried)] == ["all", 5]


def test_the_result_is_plain_json_without_nan():
    flag_all = case(cost_false_alarm=0)  # then every threshold below the lowest defect ties
    result = evaluate_case(flag_all, [evidence(gap=0.0), evidence("x", failed=True)], draws=DRAWS)
    text = json.dumps(as_plain(result), allow_nan=False)
    assert '"-inf"' in text
    assert "npv_draws" not in text


def test_histogram_counts_every_draw_and_cuts_at_zero():
    draws = np.random.default_rng(0).normal(1, 2, 1000)
    edges, counts = npv_histogram(draws)
    assert sum(counts) == 1000
    assert 0.0 in edges
    below = sum(c for c, right in zip(counts, edges[1:], strict=True) if right <= 0)
    assert below == (draws < 0).sum()


def test_every_reason_given_is_documented():
    arms = [evidence("a"), evidence("b", gap=1), evidence("c", failed=True)]
    result = evaluate_case(case(minimum={"precision": 0.99}), arms, draws=DRAWS)
    given = [r for arm in result.arms.values() for r in arm.reasons] + result.reasons
    assert {reason.code for reason in given} <= set(REASONS)
