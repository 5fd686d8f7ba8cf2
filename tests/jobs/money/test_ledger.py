"""Incremental and stand-alone cost of arms that share stages, by hand."""

import pytest

from jobs.money import PriceTable
from jobs.money.ledger import AttemptCost, attempt_cost, cost_by_arm, cost_of, total

PRICES = PriceTable.load()
HOUR = PRICES.devices["cpu-own"].price

# tokens -> train-a -> probe-a
#        -> train-b -> probe-b ; tokens were made by an earlier pilot; train-b failed once
PARENTS = {
    "train-a": ["tokens"],
    "train-b": ["tokens"],
    "probe-a": ["train-a"],
    "probe-b": ["train-b"],
}


def attempt(stage: str, hours: float, pilot: str = "new", **more) -> AttemptCost:
    return AttemptCost(stage, pilot, "cpu", hours * 3600, **more)


ATTEMPTS = [
    attempt("tokens", 1, "old"),
    attempt("train-a", 2),
    attempt("train-b", 0.5, succeeded=False),
    attempt("train-b", 3),
    attempt("probe-a", 0.25),
    attempt("probe-b", 0.25),
]
ARMS = {"a": ["probe-a"], "b": ["probe-b"]}


def test_reused_stages_are_free_now_and_counted_stand_alone():
    costs = cost_by_arm(ARMS, ATTEMPTS, PARENTS, pilot="new", prices=PRICES, currency="USD")
    assert costs["a"].incremental.money == pytest.approx(2.25 * HOUR)
    assert costs["a"].standalone.money == pytest.approx(3.25 * HOUR)
    # the failed attempt was paid, but a clean run would not have it
    assert costs["b"].incremental.money == pytest.approx(3.75 * HOUR)
    assert costs["b"].standalone.money == pytest.approx(4.25 * HOUR)


def test_a_pilot_counts_what_its_arms_share_once():
    every = ["probe-a", "probe-b"]
    costs = cost_of(every, ATTEMPTS, PARENTS, pilot="new", prices=PRICES, currency="USD")
    assert costs.incremental.device_seconds == pytest.approx(6 * 3600)
    assert costs.standalone.device_seconds == pytest.approx(6.5 * 3600)


def test_cost_is_given_in_the_reporting_currency():
    usd, jpy = (attempt_cost(attempt("tokens", 1, cores=2), PRICES, c) for c in ("USD", "JPY"))
    assert usd.money == pytest.approx(2 * HOUR)
    assert jpy.money == pytest.approx(PRICES.convert(usd.money, "USD", "JPY"))


def test_measured_energy_is_used_and_estimated_energy_is_marked():
    measured = attempt_cost(attempt("tokens", 1, energy_kwh=0.5), PRICES, "USD")
    guessed = attempt_cost(attempt("tokens", 1), PRICES, "USD")
    assert (measured.energy_kwh, measured.energy_estimated_kwh) == (0.5, 0)
    assert guessed.energy_kwh == guessed.energy_estimated_kwh == PRICES.energy_kwh("cpu", 3600)
    both = total([measured, guessed], "USD")
    assert both.energy_kwh == measured.energy_kwh + guessed.energy_kwh


def test_nothing_costs_nothing():
    assert total([], "JPY").money == 0
