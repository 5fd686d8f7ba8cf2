"""Runs worked cases of return on investment through `jobs.roi` and prints every disagreement.

    python -m benchmarks.roi_golden FILE...

Ends with `N of M cases agree`; the exit status is 1 if not all do.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from digpt.errors import UserError
from jobs.roi import cashflow, decision, labels, matrix, ranges, rates, risk
from jobs.roi.bootstrap import make_units, rate_draws
from jobs.roi.breakeven import break_even
from jobs.roi.cashflow import Economics

Values = Mapping[str, Any]
SEED = 20240
FIELDS = {  # golden key -> field of Economics
    "items_per_year": "items_per_year",
    "prevalence_share": "prevalence",
    "cost_miss_money_per_item": "cost_miss",
    "cost_false_alarm_money_per_item": "cost_false_alarm",
    "cost_review_money_per_item": "cost_review",
    "today_miss_rate_share": "today_miss_rate",
    "today_false_alarm_rate_share": "today_false_alarm_rate",
    "today_process_money_per_item": "today_process_per_item",
    "model_miss_rate_share": "miss_rate",
    "model_false_alarm_rate_share": "false_alarm_rate",
    "model_review_share": "review_share",
    "inference_money_per_item": "inference_per_item",
    "one_off_money": "one_off",
    "run_money_per_year": "run_per_year",
    "horizon_years": "horizon_years",
    "discount_rate_per_year": "discount_rate",
    "tax_share": "tax",
    "depreciation_years": "depreciation_years",
}


def economics(given: Values) -> Economics:
    """A flat golden case as Economics; what is null takes its default, as what is absent."""
    known = {field: given[key] for key, field in FIELDS.items() if given.get(key) is not None}
    return Economics(**known, ramp=tuple(given.get("ramp_share_by_year") or ()))


def of_flows(flows: np.ndarray, rate: float) -> dict[str, Any]:
    irr = cashflow.internal_rate(flows)
    return {
        "npv_money": float(cashflow.net_present_value(flows, rate)),
        "irr_per_year": irr.rate,
        "irr_all_per_year": list(irr.roots),
        "irr_reason": irr.reason,
        "payback_years": cashflow.payback_years(flows),
        "discounted_payback_years": cashflow.payback_years(cashflow.discounted(flows, rate)),
    }


def run_flows(given: Values) -> dict[str, Any]:
    return of_flows(np.array(given["cash_flow_money_by_year"]), given["discount_rate_per_year"])


def run_cashflow(given: Values) -> dict[str, Any]:
    e = economics(given)
    flows = cashflow.cash_flow(e)
    return {
        "today_cost_money_per_item": cashflow.cost_today(e),
        "model_cost_money_per_item": cashflow.cost_model(e),
        "gross_saving_money_by_year": cashflow.gross_savings(e).tolist(),
        "cash_flow_money_by_year": flows.tolist(),
        "roi_ratio": cashflow.return_on_investment(e),
        **of_flows(flows, given["discount_rate_per_year"]),
    }


def _split(given: Values, name: str) -> rates.Scored:
    positives = np.array(given[f"{name}_positive_scores"])
    return rates.scored([positives], np.array(given[f"{name}_negative_scores"]))


def _costs(given: Values) -> rates.ItemCosts:
    return rates.ItemCosts(
        prevalence=given["prevalence_share"],
        miss=given["cost_miss_money_per_item"],
        false_alarm=given["cost_false_alarm_money_per_item"],
        review=given.get("cost_review_money_per_item", 0.0),
    )


def _end(threshold: float) -> float | str:
    return threshold if np.isfinite(threshold) else f"{threshold:+}"


def _tested(
    given: Values, cut: rates.Cut, reviewer: rates.Reviewer | None
) -> tuple[rates.Outcome, dict[str, Any]]:
    costs, pi = _costs(given), given["prevalence_share"]
    seen = rates.after_review(rates.shares_at(_split(given, "test"), cut), pi, reviewer)
    miss, alarm = float(seen.miss_rate), float(seen.false_alarm_rate)
    return seen, {
        "validation_cost_money_per_item": cut.cost,
        "candidates_tied_count": cut.tied,
        "test_miss_rate_share": miss,
        "test_false_alarm_rate_share": alarm,
        "test_cost_money_per_item": rates.cost_per_item(
            costs, miss, alarm, float(seen.review_share)
        ),
        "production_precision_share": rates.precision(pi, miss, alarm),
    }


def run_threshold(given: Values) -> dict[str, Any]:
    cut = rates.choose_threshold(_split(given, "validation"), _costs(given))
    return {"threshold_score": _end(cut.low), **_tested(given, cut, None)[1]}


def run_review_band(given: Values) -> dict[str, Any]:
    capacity = given.get("review_capacity_items_per_year")
    reviewer = rates.Reviewer(
        miss_rate=given["reviewer_miss_rate_share"],
        false_alarm_rate=given["reviewer_false_alarm_rate_share"],
        capacity=None if capacity is None else capacity / given["items_per_year"],
        overflow=given.get("overflow", "reject"),
    )
    validation = _split(given, "validation")
    cut = rates.choose_band(validation, _costs(given), reviewer)
    pi = given["prevalence_share"]
    on_validation = rates.after_review(rates.shares_at(validation, cut), pi, reviewer)
    seen, figures = _tested(given, cut, reviewer)
    return {
        "threshold_low_score": _end(cut.low),
        "threshold_high_score": _end(cut.high),
        "validation_band_share": float(on_validation.band),
        "test_band_share": float(seen.band),
        "test_reviewed_share": float(seen.review_share),
        "test_kept_of_band_share": float(seen.kept),
        **figures,
    }


def run_matrix(given: Values) -> dict[str, Any]:
    costs = np.array(given["cost_money_true_by_decided"])
    prevalence = np.array(given["prevalence_share_by_class"])
    shown = matrix.confusion_rates(np.array(given["confusion_counts_true_by_decided"]), prevalence)
    answer = {
        "confusion_rate_share_true_by_decided": [
            [None if np.isnan(x) else x for x in row] for row in shown.tolist()
        ],
        "cost_money_per_item": matrix.matrix_cost(shown, costs, prevalence),
    }
    if "posteriors_share" in given:
        prior = np.array(given["posterior_prior_share_by_class"])
        moved = matrix.shift_posteriors(np.array(given["posteriors_share"]), prior, prevalence)
        expected = matrix.expected_costs(moved, costs)
        answer["shifted_posteriors_share"] = moved.tolist()
        answer["expected_cost_money_by_decision"] = expected.tolist()
        answer["decided_class_index"] = matrix.decide(expected).tolist()
    return answer


def run_tornado(given: Values) -> dict[str, Any]:
    e = economics(given)

    def npv_with(name: str, value: float) -> float:
        return float(cashflow.npv(replace(e, **{FIELDS[name]: value})))

    bars = risk.tornado(npv_with, {k: tuple(v) for k, v in given["ranges_low_high"].items()})
    return {
        "npv_money": float(cashflow.npv(e)),
        "bars": [
            {
                "input": bar.name,
                "npv_at_low_money": bar.npv_low,
                "npv_at_high_money": bar.npv_high,
                "swing_money": bar.swing,
            }
            for bar in bars
        ],
    }


def run_break_even(given: Values) -> dict[str, Any]:
    e = economics(given)
    answer: dict[str, Any] = {"npv_money": float(cashflow.npv(e))}
    for key, field in FIELDS.items():
        if field in ("horizon_years", "depreciation_years"):
            continue
        found = break_even(e, field)
        answer[f"break_even__{key}"] = found.value
        answer[f"npv_positive_side__{key}"] = found.positive_side
    return answer


def run_pert_monte_carlo(given: Values) -> dict[str, Any]:
    pert = {k: ranges.Range(*v) for k, v in given["pert_low_likely_high"].items()}
    likely = e = economics({**given, **{k: r.likely for k, r in pert.items()}})
    means = replace(e, **{FIELDS[k]: ranges.pert_mean(r) for k, r in pert.items()})
    rng = np.random.default_rng(SEED)
    drawn = {FIELDS[k]: ranges.pert_draws(r, given["draws_count"], rng) for k, r in pert.items()}
    draws = cashflow.npv(replace(e, **drawn))
    seen = risk.spread(draws)
    rate = drawn.get("discount_rate")  # NPV is not linear in it, so it has to be a point
    is_rate_drawn = rate is not None and np.ptp(rate) > 0
    return {
        "pert_mean_by_input": {k: ranges.pert_mean(r) for k, r in pert.items()},
        "pert_variance_by_input": {k: ranges.pert_variance(r) for k, r in pert.items()},
        "triangular_mean_by_input": {k: ranges.triangular_mean(r) for k, r in pert.items()},
        "triangular_variance_by_input": {k: ranges.triangular_variance(r) for k, r in pert.items()},
        "npv_at_likely_money": float(cashflow.npv(likely)),
        "npv_mean_closed_form_money": None if is_rate_drawn else float(cashflow.npv(means)),
        "simulated_npv_mean_money": seen.mean,
        "simulated_npv_sd_money": seen.sd,
        "simulated_share_npv_positive": risk.share_positive(draws)[0],
        "simulated_npv_q05_money": seen.q05,
        "simulated_npv_q50_money": seen.q50,
        "simulated_npv_q95_money": seen.q95,
        "simulated_evpi_money": risk.evpi(draws),
    }


def run_normal_linear(given: Values) -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    drawn = {
        t["input"]: rng.normal(t["mean"], t["sd"], given["draws_count"]) for t in given["terms"]
    }
    npv = given["intercept_money"] + sum(
        t["slope_money_per_unit"] * drawn[t["input"]] for t in given["terms"]
    )
    seen = risk.spread(npv)
    return {
        "npv_mean_money": seen.mean,
        "npv_sd_money": seen.sd,
        "share_npv_positive": risk.share_positive(npv)[0],
        "evpi_money": risk.evpi(npv),
        "evppi_money_by_input": {name: risk.evppi(x, npv) for name, x in drawn.items()},
    }


def run_paired_bootstrap(given: Values) -> dict[str, Any]:
    costs, draws = _costs(given), given["draws_count"]
    by_arm = {}
    for arm in ("a", "b"):
        missed = np.array(given[f"arm_{arm}_missed_by_positive_item"])
        alarmed = np.array(given[f"arm_{arm}_alarmed_by_negative_item"])
        units = make_units(np.repeat([0, 1], [len(missed), len(alarmed)]))
        shares = rate_draws(units, np.concatenate([missed, alarmed])[None], draws, SEED)
        by_arm[arm] = rates.cost_per_item(costs, shares[0, :, 0], shares[1, :, 0])
    a, b = risk.spread(by_arm["a"]), risk.spread(by_arm["b"])
    difference = risk.spread(by_arm["a"] - by_arm["b"])
    return {
        "arm_a_cost_mean_money_per_item": a.mean,
        "arm_a_cost_sd_money_per_item": a.sd,
        "arm_b_cost_mean_money_per_item": b.mean,
        "arm_b_cost_sd_money_per_item": b.sd,
        "difference_a_minus_b_mean_money_per_item": difference.mean,
        "difference_a_minus_b_sd_money_per_item": difference.sd,
        "unpaired_sd_for_contrast_money_per_item": _unpaired_sd(given),
    }


def _unpaired_sd(given: Values) -> float:
    """What independent tests of the two arms would give: closed form of the variance drawn from."""
    pi = given["prevalence_share"]
    weights = {
        "missed_by_positive_item": pi * given["cost_miss_money_per_item"],
        "alarmed_by_negative_item": (1 - pi) * given["cost_false_alarm_money_per_item"],
    }
    errors = [
        (weight, np.array(given[f"arm_{arm}_{key}"]))
        for arm in ("a", "b")
        for key, weight in weights.items()
    ]
    return float(np.sqrt(sum(w**2 * _drawn_variance(e) for w, e in errors)))


def _drawn_variance(errors: np.ndarray) -> float:
    """Variance of a drawn rate: of resampled items, or of Jeffreys' Beta where all are alike."""
    items, found = len(errors), float(errors.sum())
    if 0 < found < items:
        return float(errors.var()) / items
    return (found + 0.5) * (items - found + 0.5) / ((items + 1) ** 2 * (items + 2))


def run_arms(given: Values) -> dict[str, Any]:
    given_draws = given["npv_draws_money_by_arm"]
    draws = {name: np.array(x) for name, x in given_draws.items() if x is not None}
    arms = {
        name: decision.ArmFigures(
            npv=given["npv_at_likely_money_by_arm"][name],
            npv_draws=x,
            outlay=given["outlay_money_by_arm"][name],
        )
        for name, x in draws.items()
    }
    baseline = decision.find_baseline(arms)
    gains = {
        n: decision.increment(a, arms[baseline] if baseline else None) for n, a in arms.items()
    }
    verdicts = {
        name: decision.arm_verdict(name, arm, _gate(given, name), baseline, gains[name])[0]
        for name, arm in arms.items()
    }
    means = {name: float(x.mean()) for name, x in draws.items()}
    of_all = {name: verdicts.get(name) for name in given_draws}
    verdict, chosen, _ = decision.project_verdict(of_all, means)
    by_arm: dict[str, Mapping[str, Any]] = {
        "npv_mean_money_by_arm": means,
        "share_npv_positive_by_arm": {n: risk.share_positive(x)[0] for n, x in draws.items()},
        "increment_q05_money_by_arm": {n: g.q05 for n, g in gains.items()},
        "increment_q95_money_by_arm": {n: g.q95 for n, g in gains.items()},
        "increment_mean_money_by_arm": {n: g.mean for n, g in gains.items()},
        "share_increment_positive_by_arm": {n: g.p for n, g in gains.items()},
        "verdict_by_arm": of_all,
        "evpi_one_arm_money_by_arm": {n: risk.evpi(x) for n, x in draws.items()},
    }
    return {
        "baseline_arm": baseline,
        **{key: {n: x.get(n) for n in given_draws} for key, x in by_arm.items()},
        "project_verdict": verdict,
        "chosen_arm": chosen,
        "evpi_all_arms_money": risk.evpi(np.stack(list(draws.values()))) if draws else None,
    }


def _gate(given: Values, name: str) -> decision.Gate:
    return decision.Gate(
        given.get("next_stage_cost_money_by_arm", {}).get(name),
        given.get("stage_budget_money"),
        given["p_go_share"],
        given["p_no_share"],
    )


def run_labels(given: Values) -> dict[str, Any]:
    costs = given["model_cost_money_per_item"]
    law = labels.fit_power_law(np.array(given["label_counts"]), np.array(costs))
    if law is None:
        return dict.fromkeys(
            (
                "fit_a_money_per_item",
                "fit_b_money_per_item",
                "fit_c_exponent",
                "model_cost_money_per_item_after",
                "npv_after_money",
                "value_of_labels_money",
                "far_extrapolation",
            )
        )
    now = given["labels_now_count"]
    measured = dict(zip(given["label_counts"], costs, strict=True))
    steps = [
        labels.value_of_labels(
            law,
            labels_now=now,
            labels_more=more,
            price_per_label=given["price_money_per_label"],
            cost_now=measured.get(now, float(law.at(now))),
            npv_now=given["npv_now_money"],
            discounted_items=given["discounted_items_count"],
        )
        for more in given["labels_more_count"]
    ]
    return {
        "fit_a_money_per_item": float(law.a),
        "fit_b_money_per_item": float(law.b),
        "fit_c_exponent": float(law.c),
        "model_cost_money_per_item_after": [float(step.cost_after) for step in steps],
        "npv_after_money": [float(step.npv_after) for step in steps],
        "value_of_labels_money": [step.value for step in steps],
        "far_extrapolation": [step.is_far for step in steps],
    }


def run_degenerate_rates(given: Values) -> dict[str, Any]:
    answer = {}
    for n, stratum in enumerate(given["strata"]):
        errors, items = stratum["errors_count"], stratum["items_count"]
        units = make_units(np.zeros(items, dtype=int))
        draws = rate_draws(units, np.arange(items)[None] < errors, given["draws_count"], SEED + n)
        answer[f"{stratum['stratum']}_mean_share"] = float(draws.mean())
        answer[f"{stratum['stratum']}_sd_share"] = float(draws.std())
    return answer


ADAPTERS: dict[str, Callable[[Values], dict[str, Any]]] = {
    "cashflow": run_cashflow,
    "flows": run_flows,
    "threshold": run_threshold,
    "review_band": run_review_band,
    "matrix": run_matrix,
    "tornado": run_tornado,
    "break_even": run_break_even,
    "pert_monte_carlo": run_pert_monte_carlo,
    "normal_linear": run_normal_linear,
    "paired_bootstrap": run_paired_bootstrap,
    "arms": run_arms,
    "labels": run_labels,
    "degenerate_rates": run_degenerate_rates,
}


def differences(got: Any, want: Any, tolerance: Values, path: str) -> list[str]:
    """Where `got` is not `want` within the tolerance, one line each."""
    if isinstance(want, Mapping) and isinstance(got, Mapping):
        if set(want) != set(got):
            return [f"{path}: keys {sorted(got)}, expected {sorted(want)}"]
        return [d for k in want for d in differences(got[k], want[k], tolerance, f"{path}.{k}")]
    if isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            return [f"{path}: {len(got)} values, expected {len(want)}"]
        pairs = enumerate(zip(got, want, strict=True))
        return [d for n, (g, w) in pairs for d in differences(g, w, tolerance, f"{path}[{n}]")]
    return [] if _agrees(got, want, tolerance) else [f"{path}: got {got!r}, expected {want!r}"]


def _agrees(got: Any, want: Any, tolerance: Values) -> bool:
    is_number = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (got, want))
    if tolerance.get("exact") or not is_number:
        return got == want
    allowed = max(tolerance.get("rel", 0.0) * abs(want), tolerance.get("abs", 0.0))
    return abs(got - want) <= allowed


def check(case: Values) -> list[str]:
    """Disagreements of one case."""
    if case["kind"] not in ADAPTERS:
        return [f"no adapter for kind {case['kind']!r}"]
    try:
        got = ADAPTERS[case["kind"]](case["inputs"])
    except UserError as error:  # the other cases still run
        return [error.message]
    except KeyError as error:
        return [f"no input {error}"]
    except Exception as error:  # so that one case cannot hide what the others say
        return [f"{type(error).__name__}: {error}"]
    lines = []
    for key, want in case["outputs"].items():
        if key not in got:
            lines.append(f"{key}: not computed")
        else:
            lines += differences(got[key], want, case.get("tolerance", {}).get(key, {}), key)
    return lines


def read_cases(file: Path) -> list[dict[str, Any]]:
    """The cases of a file; years and counts written as 5.0 are whole numbers too."""
    return json.loads(file.read_text("utf-8"), object_hook=_whole)["cases"]


def _whole(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: int(x)
        if key.endswith(("_years", "_count")) and isinstance(x, float) and x.is_integer()
        else x
        for key, x in values.items()
    }


def main(files: Sequence[str]) -> int:
    """Check every case of every file; 0 if all agree."""
    cases = [case for file in files for case in read_cases(Path(file))]
    agreed = 0
    for case in cases:
        lines = check(case)
        agreed += not lines
        for line in lines:
            print(f"{case['name']}: {line}")
    print(f"{agreed} of {len(cases)} cases agree")
    return 0 if cases and agreed == len(cases) else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("Give one or more files of cases: python -m benchmarks.roi_golden FILE...")
    absent = [file for file in sys.argv[1:] if not Path(file).is_file()]
    if absent:
        sys.exit(f"No such file of cases: {', '.join(absent)}.")
    sys.exit(main(sys.argv[1:]))
