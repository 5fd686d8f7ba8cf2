"""The worked cases, run through the real functions by the benchmark's own command."""

import importlib
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPO = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("DIGPT_TEST_GOLDEN", REPO.parent / "shared" / "golden"))
CASES = FOLDER / "roi_cases.json"


@pytest.fixture
def golden(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPO))
    return importlib.import_module("benchmarks.roi_golden")


@pytest.mark.skipif(not CASES.is_file(), reason=f"no {CASES}; set DIGPT_TEST_GOLDEN to its folder")
def test_all_worked_cases_agree(golden: ModuleType, capsys: pytest.CaptureFixture[str]):
    count = len(json.loads(CASES.read_text("utf-8"))["cases"])
    status = golden.main([str(CASES)])
    assert capsys.readouterr().out == f"{count} of {count} cases agree\n"
    assert status == 0


def test_a_wrong_figure_is_named_and_fails(
    golden: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    wrong = {
        "name": "two flows",
        "kind": "flows",
        "inputs": {"cash_flow_money_by_year": [-100.0, 110.0], "discount_rate_per_year": 0.0},
        "outputs": {"npv_money": 11.0, "irr_reason": "unique"},
        "tolerance": {"npv_money": {"rel": 1e-9}, "irr_reason": {"exact": True}},
    }
    file = tmp_path / "cases.json"
    file.write_text(json.dumps({"format": 1, "cases": [wrong]}))
    assert golden.main([str(file)]) == 1
    out = capsys.readouterr().out
    assert "two flows: npv_money: got 10.0, expected 11.0" in out
    assert out.endswith("0 of 1 cases agree\n")


def test_files_add_up_and_years_may_be_written_with_a_point(
    golden: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    files = []
    for years, npv in ((2.0, 3000.0), (3, 6000.0)):
        case = {
            "tolerance": {"npv_money": {"rel": 1e-9}},
            "outputs": {"npv_money": npv},
            "inputs": FLAT | {"horizon_years": years, "another_field": "unread"},
            "kind": "cashflow",
            "name": f"{years} years",
        }
        files.append(tmp_path / f"{years}.json")
        files[-1].write_text(json.dumps({"cases": [case], "format": 1}))
    assert golden.main([str(f) for f in files]) == 0
    assert capsys.readouterr().out == "2 of 2 cases agree\n"


def test_text_and_null_are_compared_exactly(golden: ModuleType):
    assert golden.differences(None, 1.0, {"abs": 9.0}, "x")
    assert golden.differences({"input": "a"}, {"input": "b"}, {"rel": 1.0}, "x")
    assert not golden.differences([1.0, None], [1.05, None], {"abs": 0.1}, "x")


FLAT = {  # 1,000 items a year, one in ten bad; misses 0.1*0.5*100 = 5 today, 0.1*0.2*100 = 2 after
    "items_per_year": 1000, "prevalence_share": 0.1, "cost_miss_money_per_item": 100.0,
    "cost_false_alarm_money_per_item": 10.0, "today_miss_rate_share": 0.5,
    "today_false_alarm_rate_share": 0.0, "today_process_money_per_item": 0.0,
    "model_miss_rate_share": 0.2, "model_false_alarm_rate_share": 0.0,
    "inference_money_per_item": 0.0, "one_off_money": 3000.0, "run_money_per_year": 0.0,
    "horizon_years": 2, "discount_rate_per_year": 0.0,
}  # fmt: skip
SCORES = {  # half of the positives lie above both negatives
    "validation_positive_scores": [0.2, 0.8], "validation_negative_scores": [0.2, 0.4],
    "test_positive_scores": [0.2, 0.8], "test_negative_scores": [0.2, 0.4],
    "prevalence_share": 0.5, "cost_miss_money_per_item": 10.0,
    "cost_false_alarm_money_per_item": 10.0, "items_per_year": 100,
}  # fmt: skip
REVIEW = SCORES | {
    "cost_review_money_per_item": 1.0, "reviewer_miss_rate_share": 0.0,
    "reviewer_false_alarm_rate_share": 0.5, "overflow": "pass",
}  # fmt: skip
GATE = {"stage_budget_money": 5.0, "p_go_share": 0.9, "p_no_share": 0.1}
BY_HAND: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # saving (5 - 2) x 1,000 = 3,000 a year: -3,000 + 3,000 + 3,000; z + 1 = z^2 at the golden ratio
    ("cashflow", FLAT, {"cash_flow_money_by_year": [-3000, 3000, 3000], "npv_money": 3000.0,
        "roi_ratio": 1.0, "payback_years": 1.0, "irr_per_year": (5**0.5 - 1) / 2}),
    # 20% reviewed at 5 is 1 per item: 2,000 a year; tax 25% of 2,000 - 3,000/1, then of 2,000
    ("cashflow", FLAT | {"model_review_share": 0.2, "cost_review_money_per_item": 5.0,
        "tax_share": 0.25, "depreciation_years": 1},
        {"cash_flow_money_by_year": [-3000, 2250, 1500], "payback_years": 1.5}),
    # what is null takes its default, as what is absent
    ("cashflow", FLAT | {"tax_share": None, "depreciation_years": None,
        "ramp_share_by_year": None}, {"cash_flow_money_by_year": [-3000, 3000, 3000]}),
    # written off over 3 years, 2 of them inside the horizon: tax 10% of 3,000 - 1,000
    ("cashflow", FLAT | {"tax_share": 0.1, "depreciation_years": 3},
        {"cash_flow_money_by_year": [-3000, 2800, 2800]}),
    # nothing to pay at first, a loss in year 1 (0.1 x 3,000 - 1,000), then 2,000: paid 0.35 into it
    ("cashflow", FLAT | {"one_off_money": 0.0, "run_money_per_year": 1000.0,
        "ramp_share_by_year": [0.1]},
        {"cash_flow_money_by_year": [0, -700, 2000], "payback_years": 1.35,
         "irr_per_year": 2000 / 700 - 1, "roi_ratio": (3300 - 2000) / 2000}),
    # today as good as the model: the one-off is lost; a rate of -50% doubles each year's flow
    ("cashflow", FLAT | {"today_miss_rate_share": 0.2}, {"npv_money": -3000.0,
        "payback_years": None, "irr_reason": "no_sign_change"}),
    ("cashflow", FLAT | {"discount_rate_per_year": -0.5}, {"npv_money": -3000.0 + 6000 + 12000}),
    # income first: the rate exists but is that of a loan
    ("flows", {"cash_flow_money_by_year": [100.0, -110.0], "discount_rate_per_year": 0.0},
        {"irr_per_year": None, "irr_reason": "financing_pattern", "irr_all_per_year": [0.1]}),
    # a reviewer without time: no band fits, so one threshold; +inf misses 0.5*10 = 5, 0.8: 2.5
    ("review_band", REVIEW | {"review_capacity_items_per_year": 0},
        {"threshold_low_score": 0.8, "threshold_high_score": 0.8, "test_kept_of_band_share": 1.0,
         "validation_cost_money_per_item": 2.5}),
    # time for all, but half of the good ones seen are rejected: -inf to 0.8 costs 0.5*0.5*10 + 0.75
    # = 3.25, -inf to 0.4 costs 0.5*0.75*10 + 0.5 = 4.25; 0.8 alone 2.5
    ("review_band", REVIEW | {"review_capacity_items_per_year": None},
        {"threshold_low_score": 0.8, "test_reviewed_share": 0.0,
         "validation_cost_money_per_item": 2.5}),
    # a reviewer who never errs: -inf to 0.8 costs the 0.5*0.5 + 0.5*1 = 0.75 seen, and fits
    ("review_band", REVIEW | {"review_capacity_items_per_year": 75,
        "reviewer_false_alarm_rate_share": 0.0}, {"threshold_low_score": "-inf",
         "threshold_high_score": 0.8, "test_band_share": 0.75, "test_cost_money_per_item": 0.75}),
    # in test all items lie in that band: a quarter passes unseen, and a quarter of the bad with it
    ("review_band", REVIEW | {"review_capacity_items_per_year": 75,
        "reviewer_false_alarm_rate_share": 0.0, "test_positive_scores": [0.2, 0.2]},
        {"test_band_share": 1.0, "test_kept_of_band_share": 0.75, "test_miss_rate_share": 0.25,
         "test_cost_money_per_item": 0.5 * 0.25 * 10 + 0.75}),
    # a class that never comes and was never seen: its rates do not exist, and cost nothing
    ("matrix", {"confusion_counts_true_by_decided": [[3, 1], [0, 0]],
        "cost_money_true_by_decided": [[0, 8], [9, 9]], "prevalence_share_by_class": [1.0, 0.0]},
        {"confusion_rate_share_true_by_decided": [[0.75, 0.25], [None, None]],
         "cost_money_per_item": 2.0}),
    # certain to be of a class that never comes: the mix decides, 0.25 x 8 against 0.75 x 1
    ("matrix", {"confusion_counts_true_by_decided": [[3, 1, 0], [1, 1, 0], [0, 0, 2]],
        "cost_money_true_by_decided": [[0, 1, 9], [8, 0, 9], [9, 9, 0]],
        "prevalence_share_by_class": [0.75, 0.25, 0.0],
        "posterior_prior_share_by_class": [0.5, 0.25, 0.25], "posteriors_share": [[0, 0, 1]]},
        {"shifted_posteriors_share": [[0.75, 0.25, 0.0]], "decided_class_index": [1],
         "expected_cost_money_by_decision": [[2.0, 0.75, 9.0]]}),
    # NPV 3,000 = 2 x 3,000 - 3,000: half the volume, half the cost of a miss, twice the one-off, a
    # miss rate halfway to today's 0.5, or all of the profit taxed away
    ("break_even", FLAT, {
        "break_even__items_per_year": 500.0, "break_even__one_off_money": 6000.0,
        "break_even__model_miss_rate_share": 0.35, "break_even__tax_share": 1.0,
        "npv_positive_side__tax_share": "below", "break_even__cost_miss_money_per_item": 50.0,
        "break_even__cost_review_money_per_item": None,
        "break_even__discount_rate_per_year": (5**0.5 - 1) / 2}),
    # it pays for itself exactly: NPV is 0 as it stands
    ("break_even", FLAT | {"one_off_money": 6000.0}, {"npv_money": 0.0,
        "break_even__run_money_per_year": 0.0, "npv_positive_side__run_money_per_year": "below",
        "break_even__inference_money_per_item": 0.0}),
    # no effect comes last, and equal bars by name
    ("tornado", FLAT | {"ranges_low_high": {"run_money_per_year": [0, 500],
        "one_off_money": [3000, 4000], "cost_false_alarm_money_per_item": [5, 20]}},
        {"bars": [{"input": "one_off_money", "npv_at_low_money": 3000, "npv_at_high_money": 2000,
                   "swing_money": 1000},
                  {"input": "run_money_per_year", "npv_at_low_money": 3000,
                   "npv_at_high_money": 2000, "swing_money": 1000},
                  {"input": "cost_false_alarm_money_per_item", "npv_at_low_money": 3000,
                   "npv_at_high_money": 3000, "swing_money": 0}]}),
    # no arm pays at likely values, so each is held against doing nothing
    ("arms", GATE | {"npv_draws_money_by_arm": {"a": [-1.0, 3.0], "b": [-2.0, -4.0]},
        "npv_at_likely_money_by_arm": {"a": 0.0, "b": -3.0},
        "outlay_money_by_arm": {"a": 1.0, "b": 1.0},
        "next_stage_cost_money_by_arm": {"a": 5.0, "b": 5.0}},
        {"baseline_arm": None, "increment_mean_money_by_arm": {"a": 1.0, "b": -3.0},
         "verdict_by_arm": {"a": "COLLECT MORE", "b": "NO-GO"}, "project_verdict": "COLLECT MORE",
         "evpi_all_arms_money": 0.5}),  # mean(0, 3) - 1
    # equal outlay and mean: the first by name; a cost that nobody gave leaves an arm unjudged
    ("arms", GATE | {"npv_draws_money_by_arm": {"b": [1.0, 1.0], "a": [2.0, 0.0], "c": None},
        "npv_at_likely_money_by_arm": {"b": 1.0, "a": 1.0, "c": None},
        "outlay_money_by_arm": {"b": 1.0, "a": 1.0, "c": None},
        "next_stage_cost_money_by_arm": {"b": 5.0}},
        {"baseline_arm": "a", "verdict_by_arm": {"b": "COLLECT MORE", "a": None, "c": None},
         "share_npv_positive_by_arm": {"b": 1.0, "a": 0.5, "c": None}}),
    # an arm that failed is not a NO-GO: while it may pay, neither is the project
    ("arms", GATE | {"npv_draws_money_by_arm": {"a": [-1.0, -3.0], "b": None},
        "npv_at_likely_money_by_arm": {"a": -2.0, "b": None},
        "outlay_money_by_arm": {"a": 1.0, "b": None},
        "next_stage_cost_money_by_arm": {"a": 5.0, "b": None}},
        {"verdict_by_arm": {"a": "NO-GO", "b": None}, "project_verdict": "COLLECT MORE"}),
    # a discount rate that is a point leaves NPV linear: 3,000 a year of half to one and a half
    ("pert_monte_carlo", FLAT | {"draws_count": 100, "pert_low_likely_high": {
        "discount_rate_per_year": [0, 0, 0], "items_per_year": [500, 1000, 1500]}},
        {"npv_mean_closed_form_money": 3000.0}),
    # arm a makes no error in 3: Beta(1/2, 7/2) has variance 0.5 * 3.5 / (4^2 * 5); arm b misses
    # 1 of 3: (1/3 * 2/3) / 3; no false alarm in either. Misses cost 0.5 * 10, false alarms nothing
    ("paired_bootstrap", {"arm_a_missed_by_positive_item": [0, 0, 0],
        "arm_b_missed_by_positive_item": [0, 0, 1], "arm_a_alarmed_by_negative_item": [0, 0],
        "arm_b_alarmed_by_negative_item": [0, 0], "prevalence_share": 0.5, "draws_count": 100,
        "cost_miss_money_per_item": 10.0, "cost_false_alarm_money_per_item": 0.0},
        {"unpaired_sd_for_contrast_money_per_item": 5 * (1.75 / 80 + 2 / 27) ** 0.5}),
    # three budgets are no curve
    ("labels", {"label_counts": [1, 2, 3], "model_cost_money_per_item": [3.0, 2.0, 1.0],
        "labels_now_count": 3, "labels_more_count": [1], "price_money_per_label": 1.0,
        "discounted_items_count": 1.0, "npv_now_money": 1.0},
        {"fit_c_exponent": None, "value_of_labels_money": None}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "inputs", "outputs"), BY_HAND)
def test_cases_by_hand(golden: ModuleType, kind: str, inputs: dict, outputs: dict):
    tolerance = {key: {"rel": 1e-9, "abs": 1e-9} for key in outputs}
    case = {"kind": kind, "inputs": inputs, "outputs": outputs, "tolerance": tolerance}
    assert golden.check(case) == []


def test_an_error_in_one_case_is_its_own(golden: ModuleType):
    nobody = SCORES | {"test_positive_scores": []}
    case = {"kind": "threshold", "inputs": nobody, "outputs": {"threshold_score": 0.8}}
    assert "no item of a defect class" in golden.check(case)[0]
    short = {"kind": "cashflow", "inputs": {"items_per_year": 1}, "outputs": {"npv_money": 0.0}}
    assert golden.check(short) != []
    long = FLAT | {"ramp_share_by_year": [0.1, 0.2, 0.3]}
    refused = {"kind": "cashflow", "inputs": long, "outputs": {"npv_money": 0.0}}
    assert golden.check(refused) != []
