"""Cash flow by hand, and NPV and IRR against closed forms and brute bracketing."""

from dataclasses import replace

import numpy as np
import numpy_financial
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.roi import cashflow
from jobs.roi.cashflow import Economics, internal_rate, net_present_value, npv, payback_years

# A shop with 1,000 items a year, one in ten defective.
#   today: 0.1*0.5*100 = 5 missed, 0.9*0.1*10 = 0.9 false alarms, 1 process       -> 6.9 per item
#   model: 0.1*0.2*100 = 2 missed, 0.9*0.2*10 = 1.8 false alarms, 0.1 inference   -> 3.9 per item
#   saving 3.0 per item = 3,000 a year, less 500 run = 2,500
SHOP = Economics(
    items_per_year=1000,
    prevalence=0.1,
    cost_miss=100,
    cost_false_alarm=10,
    today_miss_rate=0.5,
    today_false_alarm_rate=0.1,
    today_process_per_item=1,
    miss_rate=0.2,
    false_alarm_rate=0.2,
    inference_per_item=0.1,
    one_off=4000,
    run_per_year=500,
    horizon_years=3,
    discount_rate=0.1,
)


@pytest.mark.parametrize(
    ("change", "flows"),
    [
        ({}, [-4000, 2500, 2500, 2500]),
        # ramp 0.5 halves the saving of year 1, not the run costs: 1,500 - 500
        ({"ramp": (0.5,)}, [-4000, 1000, 2500, 2500]),
        # 20% of 2,500 less depreciation 4,000/2 = 2,000 is 100; year 3 has none: 500
        ({"tax": 0.2, "depreciation_years": 2}, [-4000, 2400, 2400, 2000]),
        # a base below 0 gives relief: 2,500 - 4,000 = -1,500, so +300
        ({"tax": 0.2, "depreciation_years": 1}, [-4000, 2800, 2000, 2000]),
        # a true alarm costs 5: today 0.1*0.5*5 = 0.25, model 0.1*0.8*5 = 0.40: -0.15 x 1,000
        ({"cost_true_alarm": 5}, [-4000, 2350, 2350, 2350]),
        # 10% reviewed at 2 each: 0.2 per item
        ({"review_share": 0.1, "cost_review": 2}, [-4000, 2300, 2300, 2300]),
        # volume 500, 1,000, 1,000 with ramp 0.5 in year 1: a quarter of 3,000
        ({"volume_by_year": (0.5, 1, 1), "ramp": (0.5,)}, [-4000, 250, 2500, 2500]),
    ],
)
def test_cash_flow_by_hand(change: dict, flows: list[float]):
    assert cashflow.cash_flow(replace(SHOP, **change)) == pytest.approx(flows)


def test_npv_roi_and_outlay_by_hand():
    annuity = (1 - 1.1**-3) / 0.1  # present value of 1 a year for three years
    assert npv(SHOP) == pytest.approx(-4000 + 2500 * annuity)
    # gross 9,000; paid 4,000 + 1,500
    assert cashflow.return_on_investment(SHOP) == pytest.approx((9000 - 5500) / 5500)
    # run 500 and inference 1,000 x 0.1 = 100 a year
    assert cashflow.outlay(SHOP) == pytest.approx(4000 + 600 * annuity)
    assert cashflow.discounted_items(SHOP) == pytest.approx(1000 * annuity)
    assert cashflow.return_on_investment(replace(SHOP, one_off=0, run_per_year=0)) is None


@pytest.mark.parametrize(
    ("flows", "years"),
    [
        ([-4000, 2500, 2500, 2500], 1.6),  # 4,000 / 2,500
        ([-100, 100, 5], 1.0),
        ([0, 5, 5], 0.0),
        ([-100, 60, 30], None),
        ([-100, 150, -80, 20, 60], 3 + 10 / 60),  # paid at first, then not: the last crossing
        ([-100, 100 - 1e-9, 0], 1.0),  # a rounding below 0 is 0
        ([100, -150, 60], 1 + 50 / 60),
    ],
)
def test_payback_is_the_moment_from_which_it_stays_paid(flows: list, years: float | None):
    assert payback_years(np.array(flows, dtype=float)) == pytest.approx(years)


@pytest.mark.parametrize(
    ("flows", "reason", "roots"),
    [
        ([-100, 110], "unique", [0.1]),
        ([0, -100, 0, 121], "unique", [0.1]),  # one year later, two years long
        ([-100, 50], "unique", [-0.5]),
        ([100, -110], "financing_pattern", [0.1]),
        ([100, 10], "no_sign_change", []),
        ([0, 0], "no_sign_change", []),
        ([-1, 3, -3], "no_root", []),  # discriminant 9 - 12
        ([-1000, 2500, -1540], "several_roots", [0.1, 0.4]),
        ([-1, 6, -11, 6], "several_roots", [0.0, 1.0, 2.0]),  # (z - 1)(z - 2)(z - 3)
        ([-1, 2.2, -1.21], "unique", [0.1]),  # touches 0 at 10%
        ([-1e-3, 1e9], "unique", [1e12 - 1]),
    ],
)
def test_irr_lists_every_root_and_says_why(flows: list, reason: str, roots: list):
    irr = internal_rate(np.array(flows, dtype=float))
    assert irr.reason == reason
    assert irr.roots == pytest.approx(roots, rel=1e-9, abs=1e-7)
    assert (irr.rate is None) == (reason != "unique")


flows_of_money = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 2)), min_size=2, max_size=12)


@settings(max_examples=60, deadline=None)
@given(flows_of_money)
def test_brute_bracketing_finds_no_root_that_irr_misses(flows: list[float]):
    values = np.array(flows)
    grid = np.concatenate([np.linspace(-0.95, 1, 2000), np.linspace(1.001, 50, 2000)])
    npvs = (values / (1 + grid[:, None]) ** np.arange(len(values))).sum(axis=1)
    roots = cashflow.npv_roots(values)
    for left in np.flatnonzero(npvs[:-1] * npvs[1:] < 0):
        assert any(grid[left] - 1e-9 <= root <= grid[left + 1] + 1e-9 for root in roots)
    for root in [root for root in roots if root > -0.99]:  # nearer to -1, 1 + i loses its digits
        parts = np.abs(cashflow.discounted(values, root)).sum()
        assert abs(float(net_present_value(values, root))) <= 1e-9 * parts


@settings(max_examples=60, deadline=None)
@given(flows_of_money, st.floats(-0.5, 1.0))
def test_npv_and_irr_agree_with_numpy_financial(flows: list[float], rate: float):
    values = np.array(flows)
    parts = float(np.abs(cashflow.discounted(values, rate)).sum())
    theirs = float(numpy_financial.npv(rate, flows))
    assert float(net_present_value(values, rate)) == pytest.approx(theirs, abs=1e-12 * parts)
    # an expense, then income: one rate, whatever the amounts
    spent = np.array([-1 - abs(flows[0]), *(1 + abs(x) for x in flows[1:])])
    ours = internal_rate(spent)
    assert ours.reason == "unique"
    if ours.rate is not None and -0.9 < ours.rate < 10:  # beyond, theirs loses digits
        assert ours.rate == pytest.approx(float(numpy_financial.irr(spent)), abs=1e-7)


rates = st.floats(0.001, 0.999)


@st.composite
def shops(draw: st.DrawFn) -> Economics:
    return replace(
        SHOP,
        prevalence=draw(rates),
        miss_rate=draw(rates),
        false_alarm_rate=draw(rates),
        one_off=draw(st.floats(0, 1e6)),
        discount_rate=draw(st.floats(-0.5, 1)),
        tax=draw(st.floats(0, 0.6)),
        ramp=(draw(rates),),
    )


MONEY = (
    "cost_miss",
    "cost_false_alarm",
    "today_process_per_item",
    "inference_per_item",
    "one_off",
    "run_per_year",
)


@settings(max_examples=40, deadline=None)
@given(shops(), st.floats(1e-3, 1e3))
def test_another_currency_scales_npv_and_nothing_else(shop: Economics, scale: float):
    other = replace(shop, **{name: getattr(shop, name) * scale for name in MONEY})
    size = float(np.abs(cashflow.cash_flow(shop)).sum()) * 2**3
    assert float(npv(other)) == pytest.approx(float(npv(shop)) * scale, abs=1e-9 * size * scale)
    before, after = (payback_years(cashflow.cash_flow(e)) for e in (shop, other))
    assert before == pytest.approx(after)


@settings(max_examples=40, deadline=None)
@given(shops(), rates)
def test_splitting_the_volume_over_two_plants_changes_nothing(shop: Economics, share: float):
    parts = [
        replace(
            shop,
            items_per_year=shop.items_per_year * s,
            one_off=shop.one_off * s,
            run_per_year=shop.run_per_year * s,
        )
        for s in (share, 1 - share)
    ]
    size = float(np.abs(cashflow.cash_flow(shop)).sum()) * 2**3
    assert sum(float(npv(part)) for part in parts) == pytest.approx(
        float(npv(shop)), abs=1e-9 * size
    )


def test_draws_give_what_single_evaluations_give():
    rng = np.random.default_rng(0)
    miss, rate = rng.random(5), rng.random(5)
    together = npv(replace(SHOP, miss_rate=miss, discount_rate=rate, tax=0.3))
    one_by_one = [
        float(npv(replace(SHOP, miss_rate=m, discount_rate=r, tax=0.3)))
        for m, r in zip(miss, rate, strict=True)
    ]
    assert together == pytest.approx(one_by_one)
