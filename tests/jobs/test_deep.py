"""The deep check: a priced pilot whose answer is read on validation images."""

import pytest

from digpt.errors import Cancelled
from jobs import deep
from jobs.service import PilotService
from jobs.spec import DatasetRef, PilotSpec, to_yaml
from tests import handmade


def test_images_are_what_a_minute_allows_but_never_more_than_the_quick_recipe():
    assert deep.images_in_time(lambda images, _: images / 123.0) == 7_400
    assert deep.images_in_time(lambda images, _: images / 1e9) == 40_000
    assert deep.images_in_time(lambda images, _: images * 1.0) == deep.FEWEST_IMAGES


def test_the_controls_are_always_there_and_nobody_twice():
    spec = deep.spec_of(DatasetRef(name="digits"), ["random", "filters"], 2_000)
    assert [a.name for a in spec.arms] == ["scratch", "digpt × random", "digpt × filters"]
    assert spec.resolved.transfer.protocols == deep.PROTOCOLS


def test_a_licence_that_was_accepted_goes_with_the_pilot(
    service: PilotService, monkeypatch: pytest.MonkeyPatch
):
    submitted: list[PilotSpec] = []

    def submit(spec: PilotSpec, **_: bool) -> str:
        submitted.append(spec)
        raise Cancelled

    monkeypatch.setattr(service, "submit", submit)
    with pytest.raises(Cancelled):
        service.deep_check("digits", ["hog"], accepted=["hog"])
    assert submitted[0].licence_accepted == ("hog",)


@pytest.mark.slow  # estimates and resamples three times
def test_it_is_priced_before_it_runs_and_found_again_afterwards(
    service: PilotService, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(handmade.SKILL, "digpt × random", 1.0)
    spec = service.deep_spec("digits", ["filters"])
    price = service.estimate(spec)
    assert price.money.likely > 0
    assert 60 < price.device_seconds.likely < 60 * 60
    assert service.known_deep("digits") is None

    handmade.finish(service, to_yaml(spec))
    found = service.known_deep("digits")
    assert found is not None
    assert {a.protocol for a in found.arms} == set(deep.PROTOCOLS)
    by_name = {a.tokenizer: a for a in found.arms if a.protocol == "finetune"}
    best, control = by_name["filters"], by_name["random"]
    assert best.accuracy.likely > control.accuracy.likely > by_name[None].accuracy.likely
    assert best.over_scratch.low > best.over_random.low > 0
    assert control.over_random is None
    assert by_name[None].over_scratch is None
    assert service.estimate(spec).money.likely == 0  # all of it is kept
    assert service.deep_check("digits", ["filters"]).pilot == found.pilot
