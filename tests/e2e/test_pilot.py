"""A small pilot through the service with a real Ray: what every part says of it fits together."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.roi import load_case
from jobs.service import PilotService
from jobs.settings import Settings
from jobs.spec import PilotSpec, load_spec
from jobs.views import PilotView

pytestmark = [pytest.mark.ray, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples"
ENDED = ("done", "partial", "failed", "cancelled")
AT = {"label_budget": "10", "metric": "balanced_accuracy"}
SPEC = """\
name: small
dataset: {name: digits, images: 500}
preset: smoke
arms:
  - {method: frozen, tokenizer: filters}
  - {method: scratch}
  - {method: digpt, tokenizer: filters}
pretrain: {images_seen: 640}
transfer: {label_seeds: 1, finetune_epochs: 2, bootstrap: 100}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PilotService]:
    found = PilotService(Settings(home=tmp_path_factory.mktemp("home"), currency="USD", slots=2))
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def pilot(service: PilotService) -> PilotView:
    return ended(service, service.submit(load_spec(SPEC)))


def ended(service: PilotService, pilot: str, seconds: float = 240) -> PilotView:
    """The pilot once it is over."""
    deadline = time.monotonic() + seconds
    while (view := service.pilot(pilot)).card.status not in ENDED:
        assert time.monotonic() < deadline, service.logs(pilot)
        time.sleep(0.25)
    return view


def test_every_stage_and_arm_is_done_and_paid_for(pilot: PilotView):
    assert pilot.card.status == "done", pilot.error
    assert {s.state for s in pilot.stages} == {"done"}
    assert {a.status for a in pilot.arms} == {"done"}
    assert pilot.card.progress.share == 1
    assert pilot.device_seconds == pytest.approx(sum(s.device_seconds for s in pilot.stages))
    assert pilot.card.spent == pytest.approx(pilot.money)
    assert pilot.money_stand_alone >= pilot.money > 0


def test_comparison_summary_and_gains_tell_the_same_figures(
    service: PilotService, pilot: PilotView
):
    frame = service.compare([pilot.card.id])
    for arm in service.summary(pilot.card.id)["arms"]:
        rows = frame[frame["arm"] == arm["arm"]]
        assert len(rows) == len(arm["metrics"]) > 0
        assert rows["cost_stand_alone"].iloc[0] == pytest.approx(arm["cost"]["money"])
        assert set(rows["device_seconds"]) == {arm["cost"]["device_seconds"]}
    value = frame[
        (frame["protocol"] == "probe")
        & (frame["label_budget"] == "10")
        & (frame["metric"] == "balanced_accuracy")
    ].set_index("arm")["value"]
    found = service.gains(pilot.card.id, protocol="probe", **AT).set_index("arm")
    gain = found.loc["digpt × filters", "difference"]
    assert gain == pytest.approx(value["digpt × filters"] - value["frozen × filters"])
    pairs = service.differences(pilot.card.id, protocol="probe", **AT)
    assert len(pairs) == 3


def test_curves_logs_and_token_maps_are_there(service: PilotService, pilot: PilotView):
    curves = service.curves(pilot.card.id)
    assert [c.arm for c in curves] == ["digpt × filters"]
    assert curves[0].values[-1] < curves[0].values[0]
    maps = service.token_maps(pilot.card.id, 4)
    assert maps is not None
    assert [row.tokenizer for row in maps.rows] == ["filters"]
    assert len(maps.photos) == len(maps.rows[0].images) == 4


def test_the_example_case_gives_every_arm_a_verdict_or_a_reason(
    service: PilotService, pilot: PilotView
):
    case = load_case(EXAMPLES / "case.yaml").model_copy(update={"good_classes": ("0",)})
    result = service.roi(pilot.card.id, case)
    assert result.verdict in ("GO", "NO-GO", "COLLECT MORE")
    assert set(result.arms) == {a.name for a in pilot.arms}
    assert all(a.verdict and a.reasons and a.figures for a in result.arms.values())


def test_every_arm_has_its_latency_and_its_cost_per_item(service: PilotService, pilot: PilotView):
    before = service.compute(pilot.card.id)
    assert before.per_item == ()
    found = service.compute(pilot.card.id, measure=True)
    assert {x.arm for x in found.per_item} == {a.name for a in pilot.arms}
    assert all(0 < x.here.money.likely < 0.01 for x in found.per_item)
    assert service.compute(pilot.card.id).per_item == found.per_item  # kept
    assert found.larger is not None
    hours = sum(s.device_seconds for s in pilot.stages if s.kind in ("pretrain", "tokenize")) / 3600
    assert found.larger.of_pilot.device_hours.likely <= hours


def test_the_same_pilot_again_reuses_everything_and_costs_nothing(
    service: PilotService, pilot: PilotView
):
    again = ended(service, service.submit(load_spec(SPEC)))
    assert again.card.id != pilot.card.id
    assert again.card.status == "done"
    assert {s.state for s in again.stages} == {"reused"}
    assert (again.money, again.device_seconds) == (0, 0)
    assert again.money_stand_alone == pytest.approx(pilot.money_stand_alone)
    first, second = (service.summary(v.card.id)["arms"] for v in (pilot, again))
    assert [a["metrics"] for a in first] == [a["metrics"] for a in second]


def test_cancel_ends_the_work_within_five_seconds(service: PilotService, pilot: PilotView):
    running = service.submit(_long())
    deadline = time.monotonic() + 60
    while not any(s.done for s in service.pilot(running).stages if s.kind == "pretrain"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    asked = time.monotonic()
    assert service.cancel(running)
    view = ended(service, running, seconds=30)
    assert time.monotonic() - asked < 5
    assert view.card.status == "cancelled"
    assert service.cluster().busy == 0


def _long() -> PilotSpec:
    return load_spec(SPEC.replace("images_seen: 640", "images_seen: 400000"))
