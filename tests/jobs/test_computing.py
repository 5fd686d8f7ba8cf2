"""The compute side of a pilot: spent, larger, per item."""

import json
from dataclasses import replace

import pytest

from digpt.errors import UserError
from digpt.flops import encoder_flops
from digpt.reporter import Quiet
from jobs import computing
from jobs.latency import measure
from jobs.service import PilotService
from jobs.spec import PRESETS
from tests.handmade import COST

Finished = tuple[PilotService, str]
LATENCY = {"arm": "scratch", "protocol": "probe", "seconds": 0.002, "low": 0.001, "high": 0.003,
           "alone": 0.004, "flops": 2e6, "device": "cpu"}  # fmt: skip


def test_what_was_spent_is_the_sum_of_the_attempts(finished: Finished):
    service, pilot = finished
    spent = service.compute(pilot).spent
    view = service.pilot(pilot)
    assert spent.money == pytest.approx(view.money)
    assert spent.device_seconds == view.device_seconds
    assert spent.co2_kg == pytest.approx(spent.energy_kwh * service._prices.grid.kg_per_kwh)


def test_a_larger_pretraining_starts_from_the_pilots_own(finished: Finished):
    service, pilot = finished
    own = service.compute(pilot).larger
    assert own is not None
    assert own.arm == "digpt × filters"
    assert own.cost == own.of_pilot
    stage = next(s for s in service._store.stages(pilot) if s.kind == "pretrain")
    assert own.images * own.epochs == pytest.approx(stage.units)
    tenfold = service.compute(pilot, computing.Wish(images_factor=10)).larger
    assert tenfold is not None
    assert tenfold.cost.flops == pytest.approx(10 * own.cost.flops)
    assert tenfold.epochs == own.epochs


def test_another_student_multiplies_the_work_by_its_flops(finished: Finished):
    service, pilot = finished
    own = service.compute(pilot).larger
    paper = service.compute(pilot, computing.Wish(student="paper", device="h100")).larger
    assert own is not None
    assert paper is not None
    flops = [encoder_flops(PRESETS[p].pretrain.student) for p in ("smoke", "paper")]
    assert paper.cost.flops / own.cost.flops == pytest.approx(flops[1] / flops[0])
    assert paper.cost.rate.device == "h100"


def test_an_unknown_device_is_refused_with_those_there_are(finished: Finished):
    service, pilot = finished
    with pytest.raises(UserError, match="abacus"):
        service.compute(pilot, computing.Wish(device="abacus"))
    assert "l4" in service.compute_devices()


@pytest.mark.parametrize("epochs", [0, -3, 1e9, float("nan")])
def test_a_pretraining_of_no_epochs_is_refused(epochs: float):
    with pytest.raises(UserError, match="epochs") as error:
        computing.Wish(epochs=epochs)
    assert error.value.field == "epochs"


def test_a_pilot_without_pretraining_has_nothing_to_scale(finished: Finished):
    service, pilot = finished
    stages = [s for s in service._store.stages(pilot) if s.kind != "pretrain"]
    found = computing.compute_view(
        service._store.arms(pilot),
        stages,
        PRESETS["smoke"],
        [LATENCY, LATENCY | {"flops": None}],
        wish=computing.Wish(),
        calibration=_calibration(),
        prices=service._prices,
        currency="USD",
    )
    assert found.larger is None
    assert found.per_item[0].there is not None
    assert found.per_item[1].there is None  # nothing to carry over
    here = found.per_item[0].here
    assert here.money.likely == pytest.approx(service._prices.cost("cpu", 0.002, "USD"))
    json.dumps(computing.as_plain(found), allow_nan=False)


def test_latency_is_measured_with_the_arms_own_network(finished: Finished):
    service, pilot = finished
    stages = [
        s for s in service._store.stages(pilot) if s.arms == ("scratch",) and s.kind != "evaluate"
    ]
    found = measure(stages, service._artifacts, Quiet())
    assert [(x.arm, x.protocol) for x in found] == [
        ("scratch", p) for p in ("probe", "knn", "finetune")
    ]
    forward = encoder_flops(PRESETS["smoke"].pretrain.student)
    for x in found:
        assert 0 < x.low <= x.seconds <= x.high < 1
        assert x.alone > x.low
        assert x.flops == pytest.approx(forward, rel=0.5)


def test_stages_that_failed_have_no_latency(finished: Finished):
    service, pilot = finished
    stages = [replace(s, state="failed") for s in service._store.stages(pilot)]
    assert measure(stages, service._artifacts, Quiet()) == []


def _calibration():
    from jobs.money.estimate import Calibration  # noqa: PLC0415 - scipy

    assert COST.device_type == "cpu"
    return Calibration("cpu", 1, 20.0)
