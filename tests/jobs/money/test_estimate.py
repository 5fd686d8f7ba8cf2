"""Estimates: what history says, what it covers, and what slots do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digpt.errors import UserError
from jobs.money import PriceTable
from jobs.money.estimate import Calibration, Estimate, History, StageWork, estimate

PRICES = PriceTable.load()
HERE = Calibration("cpu", 1, 50.0)
STEADY = [History("pretrain", seconds, 1000, 1.0, "cpu") for seconds in (99.0, 100.0, 101.0)]


def work(key: str, *parents: str, units: float = 1000, reused: bool = False) -> StageWork:
    return StageWork(key, "pretrain", units, 1.0, reused, parents)


def plan(*stages: StageWork, slots: int = 1, history: list[History] = STEADY) -> Estimate:
    return estimate(
        stages, calibration=HERE, history=history, prices=PRICES, currency="JPY", slots=slots
    )


def test_likely_seconds_are_those_of_like_stages_scaled_by_size():
    seen = plan(work("a"), work("b", units=3000))
    assert [stage.seconds.likely for stage in seen.stages] == pytest.approx([100, 300])
    assert seen.device_seconds.likely == pytest.approx(400)
    assert seen.stages[0].observations == 3


def test_a_reused_stage_costs_nothing_and_is_shown_as_saved():
    seen = plan(work("a", reused=True), work("b", "a"))
    assert seen.stages[0].seconds.high == 0
    assert seen.device_seconds.likely == pytest.approx(100)
    assert seen.saved_by_reuse.likely == pytest.approx(100)
    assert seen.wall_seconds.likely == pytest.approx(100)


@pytest.mark.parametrize(
    ("slots", "wall"),
    [
        (1, 500),
        (2, 400),  # a | b c | d | e: a free slot takes what is ready, in plan order
        (3, 300),  # a | b c d | e
        (9, 300),
    ],
)
def test_wall_time_fills_the_slots_and_keeps_parents_first(slots: int, wall: float):
    stages = [work("e", "d"), work("a"), work("b", "a"), work("c", "a"), work("d", "a")]
    seen = plan(*stages, slots=slots)
    assert seen.wall_seconds.likely == pytest.approx(wall)
    assert seen.device_seconds.likely == pytest.approx(500)


def test_money_is_device_seconds_at_the_price_and_the_rate_is_shown():
    seen = plan(work("a"))
    assert seen.money.likely == pytest.approx(PRICES.cost("cpu", 100, "JPY"))
    assert seen.energy_kwh.likely == pytest.approx(PRICES.energy_kwh("cpu", 100))
    assert (seen.rate_shown.source, seen.rate_shown.target) == ("USD", "JPY")
    assert seen.money.low <= seen.money.likely <= seen.money.high


def test_without_history_the_calibration_speaks_and_the_interval_is_wide():
    stage = StageWork("a", "pretrain", 1000, 35e6, False)  # 35 GFLOP at 35% of 50 GFLOP/s: 2 s
    cold = plan(stage, history=[]).stages[0].seconds
    assert cold.likely == pytest.approx(2 + 1)
    fast = estimate(
        [stage], calibration=Calibration("cpu", 1, 500.0), prices=PRICES, currency="USD"
    )
    assert fast.stages[0].seconds.likely == pytest.approx(0.2 + 1)
    warm = plan(work("a")).stages[0].seconds
    assert (cold.high - 1) / (cold.low - 1) > 3 * warm.high / warm.low


def test_an_accelerator_neither_hurries_work_of_a_core_nor_the_launch_of_kernels():
    def seconds(kind: str, device: str, gflops: float) -> float:
        stage = StageWork("a", kind, 10_000, 1e6, False)
        seen = estimate(
            [stage], calibration=Calibration(device, 1, gflops), prices=PRICES, currency="USD"
        )
        return seen.stages[0].seconds.likely

    assert seconds("prepare", "NVIDIA H100", 50_000.0) == pytest.approx(
        seconds("prepare", "cpu", 60.0)
    )
    assert seconds("pretrain", "NVIDIA H100", 50_000.0) == pytest.approx(1 + 10_000 * 2e-4)


def test_a_stage_that_holds_more_cores_is_charged_for_them():
    def money(cores: float) -> float:
        seen = estimate(
            [work("a")], calibration=HERE, prices=PRICES, currency="USD", cores_per_slot=cores
        )
        return seen.money.likely

    assert money(4.0) == pytest.approx(4 * money(1.0))


def test_another_devices_history_does_not_count():
    elsewhere = [History("pretrain", 1.0, 1000, 1.0, "NVIDIA H100")] * 9
    assert plan(work("a"), history=elsewhere).stages[0].observations == 0


@pytest.mark.parametrize("scatter", [0.15, 0.4])
def test_the_interval_holds_about_eighty_percent_of_what_comes(scatter: float):
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        logs = rng.normal(math.log(100), scatter, 13)
        history = [History("pretrain", math.exp(x), 1000, 1.0, "cpu") for x in logs[:12]]
        seen = plan(work("a"), history=history).stages[0].seconds
        hits += seen.low <= math.exp(logs[12]) <= seen.high
    assert 0.72 <= hits / 300 <= 0.95


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1, 1e4), min_size=1, max_size=6), st.integers(1, 4))
def test_wall_time_lies_between_a_perfect_share_and_one_after_the_other(
    sizes: list[float], slots: int
):
    seen = plan(*[work(str(n), units=size) for n, size in enumerate(sizes)], slots=slots)
    whole = seen.device_seconds.likely
    longest = max(stage.seconds.likely for stage in seen.stages)
    assert max(whole / slots, longest) * (1 - 1e-9) <= seen.wall_seconds.likely
    assert seen.wall_seconds.likely <= whole * (1 + 1e-9)


def test_an_empty_plan_takes_no_time():
    seen = plan()
    assert (seen.wall_seconds.likely, seen.money.high) == (0, 0)


def test_no_slots_is_refused():
    with pytest.raises(UserError, match="at least 1"):
        plan(work("a"), slots=0)


def test_calibration_measures_this_machine():
    from jobs.money.calibrate import calibrate  # noqa: PLC0415  # imports torch

    seen = calibrate("cpu", 1, seconds=0.1)
    assert seen.device == "cpu"
    assert seen.gflops > 0.5
