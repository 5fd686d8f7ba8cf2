"""Read models: sums of stages, progress and what is left."""

import json
from dataclasses import replace

import pytest

from jobs import reading
from jobs.money.pricing import PriceTable, Tariff
from jobs.service import PilotService
from jobs.store.records import Tally

Finished = tuple[PilotService, str]


PRICES = PriceTable.load()
BY_SECOND = Tariff(  # one core-second costs 1
    PRICES.model_copy(
        update={
            "devices": {
                name: d.model_copy(update={"price": 3600.0, "currency": "USD", "watts": 36.0})
                for name, d in PRICES.devices.items()
            }
        }
    ),
    "USD",
)


def tally(state: str, work: float, done: float, *, reused: bool = False, stages: int = 1) -> Tally:
    return Tally(pilot_id="p", state=state, reused=reused, stages=stages, work=work, work_done=done)


def test_shares_of_all_arms_add_up_to_what_the_pilot_paid(finished: Finished):
    service, pilot = finished
    stages, arms = service._store.stages(pilot), service._store.arms(pilot)
    costs = [reading.arm_costs(a.name, stages, BY_SECOND) for a in arms]
    assert sum(c["money_now"] for c in costs) == pytest.approx(
        sum(s.device_seconds for s in stages)
    )
    assert sum(c["money"] for c in costs) > sum(c["money_now"] for c in costs)  # shared stages


def test_a_reused_stage_counts_alone_but_is_not_paid_again(finished: Finished):
    service, pilot = finished
    stages = [replace(s, reused=True) for s in service._store.stages(pilot)]
    cost = reading.arm_costs("scratch", stages, BY_SECOND)
    assert cost["money_now"] == 0
    assert cost["money"] > 0


def test_the_images_an_arm_saw_are_its_own_not_those_of_the_arm_it_starts_from(finished: Finished):
    service, pilot = finished
    stages = service._store.stages(pilot)
    assert reading.arm_costs("digpt × filters", stages, BY_SECOND)["images_seen"] == 2_000
    assert reading.arm_costs("scratch", stages, BY_SECOND)["images_seen"] == 0
    own = next(s for s in stages if s.kind == "pretrain")
    before = replace(own, label=reading.EARLIER, units=7.0)
    found = reading.arm_costs("digpt × filters", [before, *stages], BY_SECOND)
    assert found["images_seen"] == 2_000
    assert reading.arm_costs("digpt × filters", [before], BY_SECOND)["images_seen"] == 0


def test_energy_is_as_measured_else_from_the_power_of_the_device(finished: Finished):
    service, pilot = finished
    stage = replace(
        service._store.stages(pilot)[0], device_type="cpu", device_seconds=100.0, cores=1.0
    )
    measured, unmeasured = (replace(stage, energy_kwh=e) for e in (0.5, None))
    assert reading.stage_energy(measured, BY_SECOND) == 0.5
    assert reading.stage_energy(unmeasured, BY_SECOND) == pytest.approx(36.0 * 100 / 3.6e6)


def test_progress_is_the_share_of_work_not_of_stages():
    found = reading.progress([tally("done", 90, 90), tally("waiting", 10, 0)], "running", 0.0, 90.0)
    assert found.share == pytest.approx(0.9)
    assert (found.stages_done, found.stages_total) == (1, 2)
    assert found.eta_seconds is not None
    assert found.eta_seconds.likely == pytest.approx(10)


def test_no_time_is_told_before_something_was_done_nor_after_the_end():
    begun = [tally("running", 100, 1)]
    assert reading.progress(begun, "running", 0.0, 50.0).eta_seconds is None
    assert reading.progress([tally("done", 1, 1)], "done", 0.0, 50.0).eta_seconds is None
    assert reading.progress([], "queued", None, 50.0).share == 0


def test_reused_work_does_not_make_the_rest_look_fast():
    tallies = [tally("done", 50, 50, reused=True), tally("running", 50, 25)]
    found = reading.progress(tallies, "running", 0.0, 100.0)
    assert found.eta_seconds is not None
    assert found.eta_seconds.likely == pytest.approx(100)


def test_an_estimate_survives_the_store(finished: Finished):
    service, pilot = finished
    estimate = service.pilot(pilot).estimate
    assert estimate is not None
    assert reading.estimate_from_json(json.loads(json.dumps(reading.to_json(estimate)))) == estimate
