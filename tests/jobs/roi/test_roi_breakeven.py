"""Break-even: the NPV there is 0, and the stated side is the positive one."""

from dataclasses import replace

import numpy as np
import pytest

from jobs.roi import breakeven
from jobs.roi.breakeven import BreakEven, break_even
from jobs.roi.cashflow import Economics, npv

LINE = Economics(
    items_per_year=200_000,
    prevalence=0.01,
    cost_miss=5000,
    cost_false_alarm=80,
    today_miss_rate=0.2,
    today_false_alarm_rate=0.03,
    today_process_per_item=12,
    miss_rate=0.08,
    false_alarm_rate=0.02,
    inference_per_item=0.5,
    one_off=9e6,
    run_per_year=6e5,
    horizon_years=5,
    discount_rate=0.08,
    tax=0.25,
    cost_review=3,
    review_share=0.05,
)


@pytest.mark.parametrize("name", breakeven.INPUTS)
def test_npv_is_zero_at_break_even_and_positive_on_the_stated_side(name: str):
    found = break_even(LINE, name)
    if found.value is None:
        return
    value = found.value
    at = [float(npv(replace(LINE, **{name: value * f}))) for f in (1, 1.001, 0.999)]
    assert abs(at[0]) < 1e-6 * LINE.one_off
    assert (at[1] > 0) == (found.positive_side == "above")
    assert (at[2] > 0) == (found.positive_side == "below")


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("name", breakeven.AMOUNTS)
def test_break_even_scales_with_the_currency(name: str, scale: float):
    money = [n for n in breakeven.AMOUNTS if n != "items_per_year"]
    other = replace(LINE, **{n: getattr(LINE, n) * scale for n in money})
    before, after = break_even(LINE, name).value, break_even(other, name).value
    factor = scale if name in money else 1.0
    assert after == (None if before is None else pytest.approx(before * factor, rel=1e-9))


def test_an_input_without_effect_has_no_break_even():
    flat = replace(LINE, today_miss_rate=LINE.miss_rate)
    assert break_even(flat, "cost_miss") == BreakEven(None, None)


@pytest.mark.parametrize(("changes", "names"), [
    # all profit is taxed away, so only what is written off is left: 20% a year of the one-off
    ({"tax": 1.0}, ("items_per_year", "today_miss_rate", "cost_miss", "run_per_year")),
    # the saving is 0.1 * (0.5 - 0.2) * 100 = 3 an item and as much as the run costs: nothing to tax
    ({"prevalence": 0.1, "cost_miss": 100, "today_miss_rate": 0.5, "miss_rate": 0.2,
      "cost_false_alarm": 0, "today_process_per_item": 0, "inference_per_item": 0,
      "review_share": 0, "run_per_year": 600_000, "one_off": 0, "tax": 0.0}, ("tax",)),
    # as many misses as today, and amounts far below 1
    ({"miss_rate": 0.2, "cost_miss": 0, "cost_false_alarm": 1e-4, "one_off": 1e-3, "cost_review": 0,
      "run_per_year": 0.6, "today_process_per_item": 1e-5, "inference_per_item": 1e-6},
     ("cost_miss",)),
])  # fmt: skip
def test_rounding_is_no_effect(changes: dict[str, float], names: tuple[str, ...]):
    for name in names:
        assert break_even(replace(LINE, **changes), name) == BreakEven(None, None)


def test_a_root_outside_the_domain_does_not_count():
    assert break_even(replace(LINE, one_off=0), "one_off").value is not None
    assert break_even(replace(LINE, run_per_year=9e6), "one_off") == BreakEven(None, None)


def test_break_even_of_the_discount_rate_is_the_root_nearest_the_likely_value():
    near = breakeven.bracketed(lambda x: (x - 1) * (x - 4), 3.0, np.linspace(0, 10, 2001))
    assert near.value == pytest.approx(4)
    assert near.positive_side == "above"


def test_a_bracketed_root_that_only_touches_zero_has_no_positive_side():
    touched = breakeven.bracketed(lambda x: (x - 1) ** 2, 1.0, np.array([0.0, 1.0, 2.0]))
    assert touched == BreakEven(1.0, None)
    assert breakeven.bracketed(lambda x: 0 * x, 1.0, np.linspace(0, 2, 9)) == BreakEven(None, None)
    assert np.isfinite(
        breakeven.bracketed(lambda x: x - 0.3, 0.5, np.linspace(0, 1, 9)).value or np.nan
    )
