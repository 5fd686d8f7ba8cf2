"""Comparison: like with like, on predictions whose order is known."""

import pytest

from digpt.errors import UserError
from jobs.service import PilotService
from tests.handmade import SKILL, finish

Finished = tuple[PilotService, str]
AT = {"protocol": "finetune", "label_budget": "10", "metric": "balanced_accuracy"}


def test_a_pilot_becomes_one_row_for_each_arm_protocol_budget_and_metric(finished: Finished):
    service, pilot = finished
    frame = service.compare([pilot])
    assert not frame.duplicated(["arm", "protocol", "label_budget", "metric"]).any()
    assert set(frame["arm"]) == {"frozen × filters", "scratch", "digpt × filters"}
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()
    probes = frame[(frame["protocol"] == "probe") & (frame["arm"] == "scratch")]
    assert list(dict.fromkeys(probes["label_budget"])) == ["5", "10"]  # as numbers, not as text


def test_the_same_pilot_twice_is_compared_once(finished: Finished):
    service, pilot = finished
    assert len(service.compare([pilot, pilot])) == len(service.compare([pilot]))


def test_nothing_to_compare_is_an_empty_table_with_all_columns(service: PilotService):
    frame = service.compare([])
    assert frame.empty
    assert {"arm", "value", "cost_stand_alone", "currency"} <= set(frame.columns)


def test_fine_tuned_arms_are_measured_against_scratch_and_probed_ones_against_frozen(
    finished: Finished,
):
    service, pilot = finished
    tuned = service.gains(pilot, **AT)
    assert set(tuned["baseline"]) == {"scratch"}
    probed = service.gains(pilot, **(AT | {"protocol": "probe"}))
    assert set(probed["baseline"]) == {"frozen × filters"}
    assert tuned.loc[tuned["arm"] == "digpt × filters", "low"].item() > 0


def test_every_pair_is_compared_once_with_corrected_p_values(finished: Finished):
    service, pilot = finished
    found = service.differences(pilot, **(AT | {"protocol": "probe"}))
    assert len(found) == 3  # of three arms
    assert (found["p_holm"] >= found["p"]).all()


def test_one_arm_alone_has_no_differences(finished: Finished):
    service, pilot = finished
    found = service.differences(pilot, **(AT | {"label_budget": "777"}))
    assert found.empty
    assert service.gains(pilot, **(AT | {"label_budget": "777"})).empty


@pytest.mark.parametrize("wrong", [{"protocol": "prob"}, {"metric": "accuracy"}])
def test_an_unknown_question_names_what_can_be_asked(finished: Finished, wrong: dict[str, str]):
    service, pilot = finished
    with pytest.raises(UserError, match="Available"):
        service.gains(pilot, **(AT | wrong))


def test_the_card_shows_the_best_pretrained_arm_against_scratch(finished: Finished):
    service, pilot = finished
    card = service.pilot(pilot).card
    assert card.best_arm == "digpt × filters"
    assert card.gain is not None
    assert (card.gain.baseline, card.gain.protocol) == ("scratch", "finetune")
    assert 0 < card.gain.low <= card.gain.value <= card.gain.high


def test_the_best_arm_may_be_the_recogniser_as_it_is(
    service: PilotService, monkeypatch: pytest.MonkeyPatch
):
    """Each arm counts as a whole product: frozen features are only probed and may still win."""
    monkeypatch.setitem(SKILL, "frozen × filters", 9.0)
    card = service.pilot(finish(service)).card
    assert card.best_arm == "frozen × filters"
    assert card.gain is not None
    assert card.gain.arm == "digpt × filters"
