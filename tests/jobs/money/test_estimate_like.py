"""Only like stages tell how long a planned one takes."""

from jobs.money.estimate import Calibration, History, StageWork, estimate
from jobs.money.pricing import PriceTable

CALIBRATION = Calibration("cpu", 1, 100.0)
WORK = StageWork("key", "pretrain", units=40_000, unit_cost_hint=1e8, reused=False)


def seconds_after(past: History) -> tuple[float, int]:
    found = estimate(
        [WORK],
        calibration=CALIBRATION,
        history=[past],
        prices=PriceTable.load(),
        currency="USD",
    )
    return found.stages[0].seconds.likely, found.stages[0].observations


def test_a_like_stage_sets_the_estimate():
    likely, seen = seconds_after(History("pretrain", 50.0, 20_000, 1e8, "cpu"))
    assert (round(likely), seen) == (100, 1)


def test_a_tiny_stage_does_not_make_a_large_one_dear():
    """A smoke run with a small student reaches a small part of the matrix rate."""
    without, _ = seconds_after(History("probe", 1.0, 1, 1, "cpu"))
    assert seconds_after(History("pretrain", 60.0, 2_000, 1e7, "cpu")) == (without, 0)
