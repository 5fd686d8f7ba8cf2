"""Draws against closed forms; what knowing more is worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digpt.errors import UserError
from jobs.roi import ranges, risk
from jobs.roi.ranges import Range

COUNT = 20_000


@pytest.mark.parametrize("r", [Range(0, 2, 10), Range(-5, -5, 1), Range(3, 9, 9)])
def test_draws_have_the_closed_forms_mean_and_variance(r: Range):
    rng = np.random.default_rng(1)
    for draws, mean, variance in (
        (ranges.pert_draws(r, COUNT, rng), ranges.pert_mean(r), ranges.pert_variance(r)),
        (
            ranges.triangular_draws(r, COUNT, rng),
            ranges.triangular_mean(r),
            ranges.triangular_variance(r),
        ),
    ):
        assert draws.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / COUNT))
        assert draws.var() == pytest.approx(variance, rel=0.06)
        assert r.low <= draws.min() <= draws.max() <= r.high


def test_a_range_of_one_value_is_that_value():
    assert set(ranges.pert_draws(Range(4, 4, 4), 5, np.random.default_rng(0))) == {4.0}


def test_a_range_that_descends_is_refused():
    with pytest.raises(UserError, match="not ascending"):
        Range(3, 2, 4)


def test_evpi_of_five_scenarios_by_hand():
    small, large = [-200, 100, 300, 500, -100], [-900, -300, 600, 1800, -500]
    # best of each scenario, or nothing: mean(0, 100, 600, 1800, 0) = 500; best mean: 140
    assert risk.evpi(np.array([small, large])) == pytest.approx(500 - 140)
    assert risk.evpi(np.array(small)) == pytest.approx(900 / 5 - 120)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6), min_size=1, max_size=4))
def test_evpi_is_never_negative_and_bounds_evppi(rows: list[list[float]]):
    draws = np.array(rows)
    whole = risk.evpi(draws)
    assert whole >= 0
    assert 0 <= risk.evppi(np.arange(6.0), draws) <= whole
    assert risk.evppi(np.full(6, 3.0), draws) == 0


def test_evpi_and_evppi_of_a_normal_npv_equal_the_closed_form():
    rng = np.random.default_rng(3)
    a, b = rng.normal(50, 20, 100_000), rng.normal(10, 4, 100_000)
    npv = -15_000 + 1000 * a - 3000 * b
    assert risk.evpi(npv) == pytest.approx(risk.evpi_normal(5000, np.hypot(20e3, 12e3)), rel=0.03)
    assert risk.evppi(a, npv) == pytest.approx(risk.evpi_normal(5000, 20e3), rel=0.03)
    assert risk.evppi(np.stack([a, b]), npv) == pytest.approx(risk.evpi(npv), rel=1e-6)


def test_share_positive_is_strict():
    assert risk.share_positive(np.array([0.0, 0.0, 1.0, -1.0])) == (
        0.25,
        pytest.approx(0.2165, abs=1e-4),
    )


def test_tornado_orders_by_swing_and_ties_by_name():
    slope = {"b": 2.0, "a": 2.0, "c": 5.0}
    bars = risk.tornado(lambda name, x: slope[name] * x, {k: (0.0, 1.0) for k in slope})
    assert [bar.name for bar in bars] == ["c", "a", "b"]
    assert [bar.swing for bar in bars] == [5, 2, 2]
