"""Uncertain inputs of a case: what is drawn, what moves the money, and where it stops paying."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from digpt.errors import UserError
from jobs.roi import cashflow, evaluate_case, parse_case, ranges
from jobs.roi.case import converted, with_rates
from jobs.roi.cashflow import Economics
from jobs.roi.inputs import inputs_of
from jobs.roi.ranges import Range
from tests.jobs.roi.cases import DRAWS, VALUES, case, evidence, figures

UNSURE: dict[str, Any] = {
    "cost_miss": {"low": 3000, "likely": 5000, "high": 9000},
    "one_off": {"low": 3e6, "likely": 4e6, "high": 7e6, "distribution": "triangular"},
    "run_per_year": [5e5, 6e5, 9e5],
    "today": {
        "miss_rate": [0.1, 0.2, 0.3],
        "false_alarm_rate": [0.01, 0.03, 0.04],
        "process_per_item": [9, 12, 13],
    },
}


def npv_of(e: Economics, **changes: Any) -> float:
    return float(cashflow.npv(replace(e, **changes)))


def test_headline_is_at_likely_and_expected_npv_is_the_npv_at_the_means():
    found = figures(evaluate_case(case(**UNSURE), [evidence()]))
    points = figures(evaluate_case(case(), [evidence()]))
    assert found.npv == pytest.approx(points.npv)
    e, labels = found.economics, 160 * 30
    today = {
        f"today_{n}": ranges.pert_mean(Range(*UNSURE["today"][n]))
        for n in ("miss_rate", "false_alarm_rate", "process_per_item")
    }
    means = npv_of(
        e,
        cost_miss=ranges.pert_mean(Range(3000, 5000, 9000)),
        one_off=ranges.triangular_mean(Range(3e6, 4e6, 7e6)) + labels,
        run_per_year=ranges.pert_mean(Range(5e5, 6e5, 9e5)),
        **today,
    )
    # NPV is linear in each of these and in the rates, so only chance lies between: 5 errors
    error = found.npv_spread.sd / np.sqrt(10_000)
    assert found.npv_spread.mean == pytest.approx(means, abs=5 * error)
    assert abs(means - found.npv) > 5 * error


def test_an_input_is_drawn_alike_for_all_arms_and_whatever_else_is_uncertain():
    one, two = (
        inputs_of(case(**{n: UNSURE[n] for n in names}))
        for names in (("cost_miss",), ("cost_miss", "one_off", "run_per_year"))
    )
    drawn = one.drawn(500, 0)["cost_miss"]
    assert np.array_equal(drawn, two.drawn(500, 0)["cost_miss"])
    assert not np.array_equal(drawn, one.drawn(500, 1)["cost_miss"])
    twins = evaluate_case(case(**UNSURE), [evidence("a"), evidence("b")], draws=DRAWS)
    assert figures(twins, "b").increment.q05 == figures(twins, "b").increment.q95 == 0


@pytest.mark.parametrize(
    ("name", "field", "ends"),
    [
        ("cost_miss", "cost_miss", (3000, 9000)),
        ("run_per_year", "run_per_year", (5e5, 9e5)),
        ("today.miss_rate", "today_miss_rate", (0.1, 0.3)),
    ],
)
def test_a_bar_of_the_tornado_is_the_npv_with_one_input_at_its_ends(
    name: str, field: str, ends: tuple[float, float]
):
    found = figures(evaluate_case(case(**UNSURE), [evidence()], draws=DRAWS))
    (bar,) = (b for b in found.tornado if b.name == name)
    assert (bar.low, bar.high) == ends
    at_ends = [npv_of(found.economics, **{field: x}) for x in ends]
    assert (bar.npv_low, bar.npv_high) == pytest.approx(at_ends)
    assert bar.swing == pytest.approx(abs(at_ends[1] - at_ends[0]))


def test_the_tornado_holds_every_uncertain_input_and_rate_the_longest_bar_first():
    found = figures(evaluate_case(case(**UNSURE), [evidence()], draws=DRAWS))
    today = {f"today.{n}" for n in UNSURE["today"]}
    rates = {"model.miss_rate", "model.false_alarm_rate"}
    assert {b.name for b in found.tornado} == {*UNSURE, *today, *rates} - {"today"}
    swings = [b.swing for b in found.tornado]
    assert swings == sorted(swings, reverse=True)
    (rate,) = (b for b in found.tornado if b.name == "model.miss_rate")
    assert (rate.low, rate.high) == found.miss_rate_interval


def test_npv_is_zero_where_an_input_breaks_even():
    found = figures(evaluate_case(case(**UNSURE), [evidence()], draws=DRAWS))
    fields = {
        "items_per_year": "items_per_year",
        "prevalence": "prevalence",
        "cost_miss": "cost_miss",
        "today.miss_rate": "today_miss_rate",
        "today.process_per_item": "today_process_per_item",
        "inference_per_item": "inference_per_item",
        "run_per_year": "run_per_year",
        "model.miss_rate": "miss_rate",
        "discount_rate": "discount_rate",
    }
    for name, field in fields.items():
        there = found.break_evens[name]
        if there.value is None:
            continue
        assert npv_of(found.economics, **{field: there.value}) == pytest.approx(0, abs=1e-2)
        above = npv_of(found.economics, **{field: there.value * 1.001}) > 0
        assert there.positive_side == ("above" if above else "below")
    labels = 160 * 30
    one_off = found.break_evens["one_off"].value
    assert one_off is not None
    assert npv_of(found.economics, one_off=one_off + labels) == pytest.approx(0, abs=1e-2)
    assert found.break_evens["discount_rate"].value == found.to_come.irr.rate
    assert set(found.break_evens) == set(found.likely_inputs)


def test_break_even_follows_the_capacity_that_a_growing_volume_uses_up():
    review = {"cost_per_item": 5, "miss_rate": 0.02, "capacity_per_year": 20_000}
    arm = evidence(gap=2, seeds=1)
    found = figures(evaluate_case(case(review=review, one_off=3e7), [arm], draws=DRAWS))
    volume = found.break_evens["items_per_year"].value
    assert volume is not None
    # by hand, at the chosen thresholds: beyond 20,000 a year the band's items are rejected
    (cut,), scores, positive = found.cuts, arm.test_scores[0], arm.test_positive
    in_band = (scores >= cut.low) & (scores < cut.high)
    bands = [in_band[positive].mean(), in_band[~positive].mean()]
    band = 0.01 * bands[0] + 0.99 * bands[1]
    kept = min(1.0, 20_000 / volume / band)
    miss = (scores < cut.low)[positive].mean() + bands[0] * kept * 0.02
    alarm = (scores >= cut.high)[~positive].mean() + bands[1] * (1 - kept)
    rates = {"miss_rate": miss, "false_alarm_rate": alarm, "review_share": kept * band}
    assert kept < 1
    at_root = npv_of(found.economics, items_per_year=volume, **rates)
    assert at_root == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("name", "changes"), [
    ("prevalence", {"cost_miss": 100, "one_off": 1e5}),  # 0.01 is likely
    ("items_per_year", {"one_off": 5e8}),  # 200,000 are likely
])  # fmt: skip
def test_a_break_even_far_from_the_likely_value_is_found_with_a_capacity_too(
    name: str, changes: dict[str, float]
):
    ample = {"cost_per_item": 50, "miss_rate": 0.02}
    with_end = ample | {"capacity_per_year": 1e11}  # never used up, so it changes nothing
    free, limited = (
        figures(evaluate_case(case(review=r, **changes), [evidence(gap=2)], draws=DRAWS))
        for r in (ample, with_end)
    )
    found = free.break_evens[name]
    assert found.value is not None
    assert found.value > 20 * free.likely_inputs[name]
    assert limited.break_evens[name].value == pytest.approx(found.value, rel=1e-9)
    assert limited.break_evens[name].positive_side == found.positive_side


def test_knowing_more_is_never_worth_less_than_nothing_nor_more_than_everything():
    unsure = case(**UNSURE | {"one_off": [4e6, 1e7, 2e7]})
    result = evaluate_case(unsure, [evidence("a"), evidence("b", gap=2.5)], draws=DRAWS)
    for name in ("a", "b"):
        found = figures(result, name)
        assert found.evpi >= 0
        assert all(0 <= worth <= found.evpi for worth in found.evppi.values())
        assert {"one_off", "model.rates", "model.miss_rate"} <= set(found.evppi)
    assert result.evpi is not None
    assert all(0 <= worth <= result.evpi for worth in result.evppi.values())
    assert {"cost_miss", "model.rates:a", "model.rates:b"} <= set(result.evppi)


def test_more_than_the_baseline_is_the_difference_of_both_arms():
    arms = [evidence("cheap", gap=2.6, labels_used=0), evidence("good", gap=4)]
    result = evaluate_case(case(**UNSURE), arms, draws=DRAWS)
    assert result.baseline == "cheap"
    cheap, good = figures(result, "cheap"), figures(result, "good")
    over = good.over_baseline
    assert cheap.over_baseline is None
    assert over is not None
    assert over.npv == pytest.approx(good.npv - cheap.npv)
    pairs = zip(good.to_come.flows, cheap.to_come.flows, strict=True)
    assert over.flows == pytest.approx([a - b for a, b in pairs])
    (bar,) = (b for b in over.tornado if b.name == "cost_miss")
    ends = [
        npv_of(good.economics, cost_miss=x) - npv_of(cheap.economics, cost_miss=x)
        for x in (3000, 9000)
    ]
    assert (bar.npv_low, bar.npv_high) == pytest.approx(ends)
    # run costs are the same for both, so they never decide between them
    assert over.break_evens["run_per_year"].value is None
    price = over.break_evens["labels.price_per_label"].value
    assert price is not None
    assert over.npv - 160 * (price - 30) == pytest.approx(0, abs=1e-2)


def test_people_of_today_add_their_cost_to_the_process():
    # 3 x 4,000,000 a year over 200,000 items: 60 per item, on top of 12
    today = VALUES["today"] | {"inspectors": 3, "cost_per_inspector": 4e6}
    found = figures(evaluate_case(case(today=today), [evidence()], draws=DRAWS))
    assert found.economics.today_process_per_item == pytest.approx(72)
    # what people cost does not grow with the volume: half of it doubles their cost per item
    volume = found.break_evens["items_per_year"]
    half = inputs_of(case(today=today)).likely() | {"items_per_year": 100_000.0}
    assert inputs_of(case(today=today)).terms(half).today_process_per_item == pytest.approx(132)
    assert volume.value is None  # the wages saved alone pay for it


def test_integration_and_labels_are_part_of_one_off():
    given = case(integration=2e6, labels={"price_per_label": 30, "number": 1000})
    found = figures(evaluate_case(given, [evidence()], draws=DRAWS))
    assert found.economics.one_off == pytest.approx(4e6 + 2e6 + 1000 * 30)


def test_volumes_by_year_may_be_uncertain():
    yearly: list[Any] = [1e5, {"low": 1e5, "likely": 2e5, "high": 3e5}, 2e5, 2e5, 2e5]
    result = evaluate_case(case(items_per_year=yearly), [evidence()], draws=DRAWS)
    found = figures(result)
    assert set(result.inputs) == {"items_per_year.2"}
    points = figures(
        evaluate_case(case(items_per_year=[1e5, 2e5, 2e5, 2e5, 2e5]), [evidence()], draws=DRAWS)
    )
    assert found.npv == pytest.approx(points.npv)
    high = figures(
        evaluate_case(case(items_per_year=[1e5, 3e5, 2e5, 2e5, 2e5]), [evidence()], draws=DRAWS)
    )
    (bar,) = (b for b in found.tornado if b.name == "items_per_year.2")
    assert bar.npv_high == pytest.approx(high.npv)


def test_an_uncertain_exchange_rate_is_an_input_like_any_other():
    class Prices:
        def convert(self, amount: float, source: str, target: str) -> float:
            return amount * {("USD", "JPY"): 150.0}[source, target]

    dollars = case(one_off="20_000 USD", exchange_rates={"USD": [120, 150, 165]})
    kept = converted(dollars, Prices())
    assert kept == dollars
    result = evaluate_case(kept, [evidence()], draws=DRAWS)
    found = figures(result)
    assert set(result.inputs) == {"exchange_rates.USD"}
    assert found.economics.one_off == pytest.approx(20_000 * 150 + 160 * 30)
    (bar,) = (b for b in found.tornado if b.name == "exchange_rates.USD")
    assert bar.npv_low - bar.npv_high == pytest.approx(20_000 * (165 - 120))
    fixed = with_rates(
        case(one_off={"low": 1, "likely": 2, "high": 3, "currency": "USD"}), Prices()
    )
    assert fixed.exchange_rates == {"USD": 150.0}
    assert converted(fixed, Prices()).one_off == Range(150, 300, 450)
    with pytest.raises(UserError, match="another currency"):
        evaluate_case(dollars.model_copy(update={"exchange_rates": {}}), [evidence()])


def test_prevalence_by_class_may_be_uncertain_and_breaks_even_as_a_whole():
    kinds = {
        split: np.where(
            positive, np.where(np.cumsum(positive) % 2 == 0, "crack", "stain"), "normal"
        )
        for split, positive in (
            ("val_class", evidence().val_positive),
            ("test_class", evidence().test_positive),
        )
    }
    shares = {"crack": [0.004, 0.008, 0.012], "stain": 0.002}
    given = case(prevalence=shares, one_off=1.4e7)
    result = evaluate_case(given, [evidence(**kinds)], draws=DRAWS)
    found = figures(result)
    assert set(result.inputs) == {"prevalence.crack"}
    total = found.break_evens["prevalence"].value
    assert total is not None
    assert npv_of(found.economics, prevalence=total) == pytest.approx(0, abs=1e-2)


def test_an_input_worth_finding_out_is_an_experiment_with_its_price():
    given = case(**UNSURE | {"one_off": [4e6, 1.2e7, 2e7]}, study_prices={"one_off": 1000})
    result = evaluate_case(given, [evidence()], draws=DRAWS)
    studies = {x.subject: x for x in result.experiments if x.kind == "study"}
    assert studies["one_off"].price == 1000
    assert studies["cost_miss"].price is None
    assert studies["one_off"].value == result.evppi["one_off"]
    with pytest.raises(UserError, match="study_prices"):
        evaluate_case(case(study_prices={"one_of": 3}), [evidence()])


def test_a_late_alarm_is_a_miss_and_a_stop_in_time_costs_less():
    arm = evidence(seeds=1)
    lead = {
        split: np.where(positive, np.where(np.cumsum(positive) % 2 == 0, 30.0, 2.0), np.nan)
        for split, positive in (
            ("val_lead_time", arm.val_positive),
            ("test_lead_time", arm.test_positive),
        )
    }
    values = {k: v for k, v in VALUES.items() if k != "cost_miss"}
    stops = {"unplanned_stop": 6000, "planned_stop": 1000, "minimum_lead_time": 24}
    timed = replace(arm, **lead)
    found = figures(evaluate_case(parse_case(values | {"failure": stops}), [timed], draws=DRAWS))
    assert found.economics.cost_miss == 5000
    passed = arm.test_scores[0] < found.cuts[0].low
    late = arm.test_positive & ~(lead["test_lead_time"] >= 24)
    assert found.miss_rate == pytest.approx((passed | late)[arm.test_positive].mean())
    any_time = figures(
        evaluate_case(
            parse_case(values | {"failure": stops | {"minimum_lead_time": 0}}), [timed], draws=DRAWS
        )
    )
    assert any_time.miss_rate < found.miss_rate
    with pytest.raises(UserError, match="no column that says") as caught:
        evaluate_case(parse_case(values | {"failure": stops}), [arm])
    assert caught.value.field == "failure.minimum_lead_time"


def test_objects_cannot_be_counted_where_images_were_tried():
    with pytest.raises(UserError, match="counts objects") as caught:
        evaluate_case(case(item="object"), [evidence()])
    assert caught.value.field == "item"
