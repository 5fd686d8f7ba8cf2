"""The learning curve of money, and what more labels are worth."""

import numpy as np
import pytest

from jobs.roi.labels import fit_power_law, value_of_labels

COUNTS = np.array([20.0, 40, 80, 160, 320])


@pytest.mark.parametrize(("a", "b", "c"), [(2, 40, 0.5), (0, 9, 1.3), (1, 0, 1), (0.3, 5, 2.0)])
def test_an_exact_power_law_is_found(a: float, b: float, c: float):
    law = fit_power_law(COUNTS, a + b * COUNTS**-c)
    assert law is not None
    for n in (20, 320, 1000):
        assert float(law.at(n)) == pytest.approx(a + b * n**-c, rel=1e-4)


def test_one_fit_per_draw():
    costs = np.stack([2 + 40 * COUNTS**-0.5, 1 + 10 * COUNTS**-1.0])
    law = fit_power_law(COUNTS, costs)
    assert law is not None
    assert law.c == pytest.approx([0.5, 1.0], rel=1e-3)


def test_a_precise_budget_weighs_more():
    costs = np.array([5.0, 4, 3, 2.5, 9.0])  # the last one is an outlier, and known to be poor
    law = fit_power_law(COUNTS, costs, np.array([0.01, 0.01, 0.01, 0.01, 100]))
    assert law is not None
    assert float(law.at(160)) == pytest.approx(2.5, abs=0.15)


def test_three_budgets_give_no_forecast():
    assert fit_power_law(COUNTS[:3], np.array([3.0, 2, 1])) is None


def test_costs_that_rise_with_labels_promise_nothing():
    law = fit_power_law(COUNTS, np.array([1.0, 2, 3, 4, 5]))
    assert law is not None
    assert float(law.b) == 0


def test_value_of_labels_by_hand():
    law = fit_power_law(COUNTS, 2 + 40 * COUNTS**-0.5)
    assert law is not None
    # 300 -> 1,200 labels: 40/sqrt(1200) - 40/sqrt(300) = -1.1547 per item, on 1,000 items
    worth = value_of_labels(
        law,
        labels_now=300,
        labels_more=900,
        price_per_label=0.5,
        cost_now=5.0,
        npv_now=-500.0,
        discounted_items=1000,
    )
    assert float(worth.npv_after) == pytest.approx(-500 + 1154.7, abs=1)
    assert worth.value == pytest.approx(654.7 - 450, abs=1)  # max(0, 654.7 - 450) - max(0, -500)
    assert not worth.is_far  # exactly four times
