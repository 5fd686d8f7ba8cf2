"""Students that start from an earlier arm: which are taken, what is refused, what it costs."""

import pytest

from digpt.errors import UserError
from jobs.service import PilotService
from jobs.spec import load_spec
from tests.handmade import SPEC, finish

Finished = tuple[PilotService, str]


@pytest.fixture
def finished(service: PilotService) -> Finished:
    """A pilot that is done, in a home that a test may change."""
    return service, finish(service)


def spec_from(pilot: str, arm: str = "digpt × filters", **values: object):
    arms = [{"method": "masked", "tokenizer": "filters", "init": f"arm:{pilot}/{arm}"}]
    base = {"name": "next", "dataset": {"name": "digits", "images": 400}, "preset": "smoke"}
    return load_spec(base | {"arms": arms} | values)


def test_an_earlier_arms_student_is_reused_and_counted_stand_alone(finished: Finished) -> None:
    service, pilot = finished
    before = {s.key for s in service.pilot(pilot).stages if s.kind == "pretrain"}
    again = service.submit(spec_from(pilot), start=False)
    stages = service.pilot(again).stages
    assert before == {s.key for s in stages if s.kind == "pretrain" and s.state == "reused"}
    assert sum(s.kind == "pretrain" for s in stages) == 2
    assert not service.curves(again)  # the earlier arm's curve is not this pilot's
    estimate = service.pilot(again).estimate
    assert estimate is not None
    assert estimate.reused_stages == 4  # prepare, fit, tokenize, pretrain


def test_other_data_may_start_from_it_too(finished: Finished) -> None:
    service, pilot = finished
    other = spec_from(pilot, dataset={"name": "digits", "images": 500})
    stages = service.pilot(service.submit(other, start=False)).stages
    assert sum(s.state == "reused" for s in stages) == 4
    assert sum(s.kind == "prepare" for s in stages) == 2


@pytest.mark.parametrize(
    ("arm", "says"),
    [
        ("digpt × filter", "Did you mean 'digpt × filters'"),
        ("frozen × filters", "no pretrained student"),
        ("scratch", "no pretrained student"),
    ],
)
def test_an_arm_without_a_student_is_refused(finished: Finished, arm: str, says: str) -> None:
    service, pilot = finished
    with pytest.raises(UserError, match=says):
        service.estimate(spec_from(pilot, arm))


def test_a_student_of_other_sizes_is_refused_with_what_to_write(finished: Finished) -> None:
    service, pilot = finished
    larger = spec_from(pilot, pretrain={"student": {"dim": 32, "heads": 1}})
    with pytest.raises(UserError, match=r"student: \{dim: 64, heads: 2\}"):
        service.estimate(larger)


def test_an_unfinished_or_unknown_pilot_is_refused(service: PilotService) -> None:
    with pytest.raises(UserError, match="There is no pilot"):
        service.estimate(spec_from("0f3k2q"))
    waiting = service.submit(load_spec(SPEC), start=False)
    with pytest.raises(UserError, match="not finished"):
        service.estimate(spec_from(waiting))
    finish(service)  # the same stages, of another pilot
    assert service.estimate(spec_from(waiting)).reused_stages == 4


def test_equal_device_seconds_follow_what_was_measured_once(service: PilotService) -> None:
    arms = [{"method": m, "tokenizer": "filters"} for m in ("digpt", "masked")]
    values = {"name": "equal", "dataset": {"name": "digits", "images": 400}, "preset": "smoke"}
    spec = load_spec(values | {"arms": arms, "equalise": "device_seconds"})
    plan = service._plan(spec)
    assert [s.units for s in plan.stages if s.kind == "pretrain"] == [*plan.images_seen.values()]
    assert plan.images_seen["digpt × filters"] == 1984
    seconds = [service._seconds_per_image(arm, spec.resolved.pretrain) for arm in spec.arms]
    expected = 2000 * seconds[0] / seconds[1]
    assert plan.images_seen["masked × filters"] == pytest.approx(expected, abs=32 + 0.06 * expected)
    finish(service)
    again = service._plan(spec)  # a plan is not made anew by what was run since
    assert [s.key for s in again.stages] == [s.key for s in plan.stages]
    estimated = service.estimate(spec).arms
    assert {a.name: a.images_seen for a in estimated} == plan.images_seen
