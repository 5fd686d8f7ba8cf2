"""Carrying measured work over to a larger run or another device."""

from dataclasses import replace

import pytest

from digpt.errors import UserError
from jobs.money import PriceTable
from jobs.money.estimate import Calibration, Range
from jobs.money.scale import Metered, Scale, devices, item_cost, item_cost_on, rate_on, scale_cost

PRICES = PriceTable.load()
CALIBRATION = Calibration("cpu", 2, 100.0)  # 50 GFLOP/s for each core
# 1,000 images in 20 s on one core, 4e11 FLOPs: 20 GFLOP/s, 40% of the core's peak
RUN = Metered(device="cpu", cores=1.0, seconds=20.0, images=1_000, flops=4e11)
TOKENS = Metered(device="cpu", cores=1.0, seconds=5.0, images=500)
SAME = Scale(images=500, epochs=2)


def cost(scale: Scale = SAME, device: str = "cpu", runs=(RUN,)):
    return scale_cost(
        runs, [TOKENS], scale, device=device, calibration=CALIBRATION, prices=PRICES, currency="USD"
    )


def test_the_pilots_own_size_costs_what_was_measured():
    found = cost()
    hours = (20.0 + 5.0) / 3600  # pretraining and tokens
    assert found.device_hours.likely == pytest.approx(hours)
    assert found.money.likely == pytest.approx(hours * PRICES.devices["cpu-own"].price)
    assert found.energy_kwh.likely == pytest.approx(hours * 8 / 1000)
    assert found.co2_kg.likely == pytest.approx(found.energy_kwh.likely * PRICES.grid.kg_per_kwh)
    assert found.rate.basis == "measured"


def test_more_images_epochs_and_a_larger_student_multiply_the_pretraining():
    found = cost(Scale(images=5_000, epochs=6, work_factor=4.0))
    assert found.flops == pytest.approx(4e11 / 1_000 * 4 * 30_000)
    pretraining, tokens = found.flops / 20e9, 5.0 * 10
    assert found.device_hours.likely == pytest.approx((pretraining + tokens) / 3600)


def test_another_device_reaches_the_same_share_of_its_peak():
    found = cost(device="l4")
    assert found.rate.share_of_peak == pytest.approx(0.4)
    assert found.rate.per_second == pytest.approx(0.4 * 121e12)
    assert found.device_hours.likely == pytest.approx(25.0 / 3600 * 20e9 / (0.4 * 121e12))
    assert found.rate.basis == "share-of-peak"


def test_an_interval_is_wider_the_further_it_is_carried():
    def width(found) -> float:
        return found.device_hours.high / found.device_hours.low

    larger = cost(Scale(images=500, epochs=2, work_factor=16.0))
    assert width(cost()) < width(larger) < width(cost(device="h100"))


def test_more_runs_that_agree_narrow_the_interval():
    one, many = cost(), cost(runs=[RUN] * 8)
    assert many.device_hours.high < one.device_hours.high
    assert many.rate.observations == 8


def test_cores_held_longer_for_one_result_are_paid_for():
    two = replace(RUN, cores=2.0, seconds=10.0)  # the same core-seconds
    assert cost(runs=[two]).money.likely == pytest.approx(cost().money.likely)


def test_a_device_without_a_known_speed_is_refused_with_those_that_have_one():
    with pytest.raises(UserError, match="tflops") as caught:
        rate_on("a10g", [RUN], CALIBRATION, PRICES)
    assert caught.value.field == "device"
    assert "h100" in caught.value.message
    assert set(devices(PRICES)) >= {"t4", "l4", "a100", "h100"}


def test_without_metered_flops_there_is_nothing_to_carry_over():
    with pytest.raises(UserError, match="FLOPs"):
        cost(runs=[replace(RUN, flops=None)])


def test_an_item_costs_its_seconds_and_less_time_on_a_faster_device():
    here = item_cost(
        Range(0.001, 0.002, 0.003), device="cpu", cores=1, prices=PRICES, currency="USD"
    )
    assert here.money.likely == pytest.approx(0.002 / 3600 * PRICES.devices["cpu-own"].price)
    assert here.money.low < here.money.likely < here.money.high
    there = item_cost_on("l4", RUN, calibration=CALIBRATION, prices=PRICES, currency="USD")
    assert there.seconds.likely == pytest.approx(4e8 / (0.4 * 121e12))
    assert there.basis == "share-of-peak"
