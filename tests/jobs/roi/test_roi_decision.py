"""The gate, by hand and by what it must never do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.roi import decision
from jobs.roi.decision import (
    COLLECT,
    GO,
    NO_GO,
    REASONS,
    ArmFigures,
    Experiment,
    Gate,
    Reason,
    arm_verdict,
    find_baseline,
    increment,
    project_verdict,
    repeat_choice,
)

GATE = Gate(next_stage_cost=10, stage_budget=20)
ORDER = {NO_GO: 0, COLLECT: 1, GO: 2}


def arm(draws: list[float], *, outlay: float = 1, npv: float | None = None) -> ArmFigures:
    values = np.array(draws, dtype=float)
    return ArmFigures(
        npv=float(values.mean()) if npv is None else npv, npv_draws=values, outlay=outlay
    )


def test_baseline_is_the_adequate_arm_of_least_outlay_whatever_its_name():
    arms = {
        "frozen": arm([-1], outlay=1),
        "digpt": arm([5], outlay=3),
        "direct": arm([9], outlay=4),
    }
    assert find_baseline(arms) == "digpt"
    assert find_baseline({**arms, "digpt": replace(arms["digpt"], is_adequate=False)}) == "direct"
    assert find_baseline({"frozen": arms["frozen"]}) is None


def test_ties_of_outlay_go_to_the_higher_mean_then_the_name():
    assert find_baseline({"a": arm([5]), "b": arm([6])}) == "b"
    assert find_baseline({"b": arm([5]), "a": arm([5])}) == "a"


def test_increment_is_taken_draw_by_draw():
    base, other = arm([0, 100, 200]), arm([10, 110, 210])
    gain = increment(other, base)
    assert (gain.mean, gain.q05, gain.q95, gain.p) == (10, 10, 10, 1)
    assert increment(other, None).mean == 110


@pytest.mark.parametrize(
    ("draws", "gate", "verdict", "codes"),
    [
        ([1] * 10, GATE, GO, ["probability-high", "is-baseline", "within-budget"]),
        ([1] * 10, Gate(30, 20), COLLECT, ["probability-high", "is-baseline", "over-budget"]),
        ([1] * 9 + [-1], GATE, GO, ["probability-high", "is-baseline", "within-budget"]),
        (
            [1] * 8 + [-1] * 2,
            GATE,
            COLLECT,
            ["probability-between", "is-baseline", "within-budget"],
        ),
        ([1] + [-1] * 9, GATE, NO_GO, ["probability-low"]),
        ([1] * 10, Gate(None, 20), None, ["no-next-stage-cost"]),
        ([1] * 10, Gate(None, None), None, ["no-next-stage-cost", "no-stage-budget"]),
    ],
)
def test_verdict_of_the_baseline(draws: list, gate: Gate, verdict: str | None, codes: list[str]):
    seen, reasons = arm_verdict("a", arm(draws), gate, "a", increment(arm(draws), arm(draws)))
    assert seen == verdict
    assert [reason.code for reason in reasons] == codes


def test_a_dearer_arm_must_surely_beat_the_baseline():
    base = arm(list(range(10, 30)))
    surely = arm([x + 1 for x in range(10, 30)], outlay=5)
    perhaps = arm([x + (-1) ** x for x in range(10, 30)], outlay=5)
    for other, verdict, code in (
        (surely, GO, "beats-baseline"),
        (perhaps, COLLECT, "not-surely-better"),
    ):
        seen, reasons = arm_verdict("b", other, GATE, "a", increment(other, base))
        assert seen == verdict
        assert reasons[1].code == code
        assert reasons[1].facts["baseline"] == "a"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-10, 10), min_size=5, max_size=30),
    st.floats(0, 5),
    st.floats(0, 40),
    st.floats(0, 20),
)
def test_the_gate_never_falls_when_an_arm_gains_more_or_the_next_stage_costs_less(
    draws: list[float], better: float, cost: float, cheaper: float
):
    base = arm([0.5] * len(draws))

    def rank(values: list[float], price: float) -> int:
        other = arm(values, outlay=5)
        verdict, _ = arm_verdict("b", other, Gate(price, 20), "a", increment(other, base))
        assert verdict is not None
        return ORDER[verdict]

    assert rank([x + better for x in draws], cost) >= rank(draws, cost)
    assert rank(draws, max(0, cost - cheaper)) >= rank(draws, cost)


def test_project_goes_with_the_go_arm_of_highest_mean():
    verdicts = {"a": GO, "b": GO, "c": COLLECT}
    verdict, chosen, reasons = project_verdict(verdicts, {"a": 1, "b": 2, "c": 9})
    assert (verdict, chosen) == (GO, "b")
    assert reasons == [Reason("best-go-arm", {"arm": "b", "npv_mean": 2})]


def test_project_without_any_verdict_has_none():
    assert project_verdict({"a": None}, {})[0] is None


def test_an_arm_without_a_verdict_keeps_the_project_from_no_go_but_not_from_go():
    verdict, chosen, reasons = project_verdict({"a": None, "b": NO_GO}, {"b": -1})
    assert (verdict, chosen) == (COLLECT, None)
    assert reasons == [Reason("arms-unknown", {"unknown": 1, "arms": 2})]
    poor = Experiment("test-rates", "b", value=3, price=4)
    seen = project_verdict({"a": None, "b": COLLECT}, {"b": -7.0}, experiments=[poor], evpi=5)
    assert seen[0] == COLLECT
    assert project_verdict({"a": None, "b": GO}, {"b": 7.0})[:2] == (GO, "b")


def test_project_names_the_experiment_worth_most_after_its_price():
    dear = Experiment("test-rates", "a", value=100, price=90)
    cheap = Experiment("more-labels", "b", value=50, price=5, subject=200.0)
    verdict, _, reasons = project_verdict(
        {"a": COLLECT, "b": COLLECT}, {"a": 1, "b": 1}, experiments=[dear, cheap]
    )
    assert verdict == COLLECT
    assert reasons[0].facts == {
        "experiment": "more-labels",
        "of_class": "",
        "arm": "b",
        "subject": 200.0,
        "value": 50,
        "price": 5,
        "net": 45,
    }


@pytest.mark.parametrize(("mean", "verdict", "chosen"), [(7.0, GO, "a"), (-7.0, NO_GO, None)])
def test_where_no_experiment_pays_the_mean_decides(mean: float, verdict: str, chosen: str | None):
    poor = Experiment("test-rates", "a", value=3, price=4)
    seen = project_verdict({"a": COLLECT}, {"a": mean}, experiments=[poor], evpi=5)
    assert seen[:2] == (verdict, chosen)
    assert [reason.code for reason in seen[2]] == ["more-data-cannot-pay", "decided-by-mean"]


def test_what_is_over_budget_is_not_decided_by_the_mean():
    poor = Experiment("test-rates", "a", value=3, price=4)
    seen = project_verdict({"a": COLLECT}, {"a": 7.0}, experiments=[poor], gate=Gate(30, 20))
    assert seen[:2] == (COLLECT, None)
    assert [reason.code for reason in seen[2]] == ["more-data-cannot-pay", "over-budget"]


def test_the_best_of_equal_arms_flatters_itself():
    rng = np.random.default_rng(0)
    arms = {str(n): arm(rng.normal(0, 1, 4000).tolist(), npv=0.0) for n in range(10)}
    seen = repeat_choice(arms)
    assert seen.npv_corrected == pytest.approx(-1.539, abs=0.05)  # mean of the largest of ten
    assert seen.p == pytest.approx(0.5, abs=0.02)
    alone = repeat_choice({"0": arms["0"]})
    assert alone.npv_corrected == pytest.approx(0, abs=0.05)


def test_reasons_hold_exactly_the_facts_that_are_documented():
    with pytest.raises(AssertionError):
        Reason("is-baseline", {"arm": "a"})
    assert all(isinstance(facts, tuple) for facts in REASONS.values())
    assert decision.EXPERIMENTS == ("test-rates", "more-labels", "study")
