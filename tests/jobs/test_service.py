"""The service: what it stores, what it refuses, and what it survives."""

import dataclasses
import json

import pytest

from digpt.errors import UserError
from jobs.engine.artifacts import open_artifacts
from jobs.roi import parse_case
from jobs.service import PilotService
from jobs.spec import load_spec
from tests.handmade import SPEC, finish, service_in

Finished = tuple[PilotService, str]
NO_VAL = "Dataset 'digits' has no"


def case_for(service: PilotService, pilot: str, **changes: object):
    values = service.default_case(pilot).model_dump(mode="json", exclude_none=True)
    return parse_case(values | {"good_classes": ["0"]} | changes)


def test_summary_is_plain_json_with_every_arm_and_its_cost(finished: Finished):
    service, pilot = finished
    summary = json.loads(json.dumps(service.summary(pilot), allow_nan=False))
    assert summary["status"] == "done"
    assert summary["decision"] is None  # no case
    assert [a["arm"] for a in summary["arms"]] == ["frozen × filters", "scratch", "digpt × filters"]
    assert all(a["metrics"] and a["cost"]["device_seconds"] > 0 for a in summary["arms"])


def test_a_second_identical_pilot_reuses_everything_and_costs_nothing_now(service: PilotService):
    first = service.pilot(finish(service))
    again = service.pilot(finish(service))
    assert again.card.status == "done"
    assert again.card.progress.stages_reused == again.card.progress.stages_total
    assert (again.money, again.device_seconds, again.card.spent) == (0, 0, 0)
    assert again.money_stand_alone == pytest.approx(first.money_stand_alone)
    assert service.estimate(load_spec(SPEC)).device_seconds.likely == 0


def test_a_case_in_the_spec_is_decided_when_the_pilot_ends(finished: Finished, tmp_path):
    service, pilot = finished
    case = case_for(service, pilot).model_dump(mode="json", exclude_none=True)
    spec = SPEC + f"case: {json.dumps(case)}\n"
    other = service_in(tmp_path)
    decided = finish(other, spec)
    decision = other.summary(decided)["decision"]
    assert decision["verdict"] in ("GO", "NO-GO", "COLLECT MORE")
    assert decision["reasons"]
    assert other.pilot(decided).card.verdict == decision["verdict"]


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ("case: {currency: USD}", "items_per_year"),
        ("limits: {cost: 5 XXX}", None),
        ("case: {currency: 3}", "currency"),
    ],
)
def test_what_could_only_fail_later_is_refused_and_nothing_is_stored(
    service: PilotService, extra: str, field: str | None
):
    with pytest.raises(UserError) as caught:
        service.submit(load_spec(SPEC + extra), start=False)
    assert field is None or caught.value.field == field
    assert service.pilots().total == 0


def test_a_domain_clip_is_refused_where_there_are_too_few_images_to_learn_from(
    service: PilotService,
):
    arms = SPEC.replace("frozen, tokenizer: filters", "direct, tokenizer: domain-clip")
    service.estimate(load_spec(arms.replace("images: 400", "images: 1000")))  # 300 have a class
    with pytest.raises(UserError, match=r"at least 256 captioned .* it can learn from 120"):
        service.estimate(load_spec(arms))  # the pool's have none


def test_a_case_with_a_class_the_dataset_does_not_have_is_refused(finished: Finished):
    service, pilot = finished
    case = case_for(service, pilot, good_classes=["fine"])
    with pytest.raises(UserError, match="'fine'"):
        service.roi(pilot, case)


def test_a_case_that_names_defects_by_prevalence_counts_just_those(finished: Finished):
    service, pilot = finished
    by_class = {"1": 0.01, "2": 0.02}
    result = service.roi(pilot, case_for(service, pilot, prevalence=by_class, good_classes=[]))
    assert all(a.figures is not None for a in result.arms.values())


def test_money_already_spent_is_converted_into_the_currency_of_the_case(finished: Finished):
    service, pilot = finished
    result = service.roi(pilot, case_for(service, pilot, currency="JPY"))
    assert result.currency == "JPY"


def test_an_arm_that_failed_gets_a_reason_and_the_others_their_figures(service: PilotService):
    pilot = finish(service, fail=("scratch",))
    view = service.pilot(pilot)
    assert view.card.status == "partial"
    assert {a.name: a.status for a in view.arms}["scratch"] == "failed"
    result = service.roi(pilot, case_for(service, pilot))
    assert [r.code for r in result.arms["scratch"].reasons] == ["arm-failed"]
    assert result.arms["digpt × filters"].figures is not None
    summary = service.summary(pilot)
    assert summary["status"] == "partial"
    assert summary["error"] == view.error


def test_frozen_arms_alone_have_a_best_arm_but_no_gain(service: PilotService):
    text = "\n".join(line for line in SPEC.splitlines() if "scratch" not in line)
    pilot = finish(service, text.replace("  - {method: digpt, tokenizer: filters}", ""))
    card = service.pilot(pilot).card
    assert card.best_arm == "frozen × filters"
    assert card.gain is None


def test_results_that_were_taken_away_do_not_break_the_overview(service: PilotService):
    pilot = finish(service)
    artifacts = open_artifacts(service.settings)
    for stage in service.pilot(pilot).stages:
        artifacts.remove(stage.key)
    service._store.set_card(pilot, {})
    card = service.pilots().items[0]
    assert (card.best_arm, card.gain, card.verdict) == (None, None, None)


def test_a_saved_case_that_cannot_be_decided_is_no_verdict_but_no_error(service: PilotService):
    pilot = finish(service)
    service.save_case(pilot, case_for(service, pilot, good_classes=["fine"]))
    assert service.pilots().items[0].verdict is None
    decision = service.summary(pilot)["decision"]
    assert decision["verdict"] is None
    assert decision["reasons"][0]["code"] == "case-class"


def test_saving_another_case_changes_the_verdict_on_the_card(service: PilotService):
    pilot = finish(service)
    good = case_for(service, pilot, cost_miss=1e6, one_off=0)
    service.save_case(pilot, good)
    before = service.pilots().items[0].verdict
    hopeless = case_for(service, pilot, one_off=1e12)
    service.save_case(pilot, hopeless)
    assert service.pilots().items[0].verdict == "NO-GO"
    assert before != "NO-GO"


def test_only_a_pilot_that_ended_badly_can_be_tried_again(service: PilotService):
    pilot = finish(service)
    with pytest.raises(UserError, match="done"):
        service.retry(pilot, start=False)
    assert not service.cancel(pilot)


def test_an_unknown_pilot_is_named(service: PilotService):
    for ask in (service.pilot, service.cancel, service.summary, service.clone, service.logs):
        with pytest.raises(UserError, match="no pilot 'nope'"):
            ask("nope")


def test_a_clone_is_the_spec_that_was_submitted(finished: Finished):
    service, pilot = finished
    assert service.clone(pilot) == load_spec(SPEC)


def test_the_currency_of_a_home_is_chosen_once(tmp_path, monkeypatch: pytest.MonkeyPatch):
    settings = dataclasses.replace(service_in(tmp_path).settings, currency="")
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert PilotService(settings).currency == "JPY"
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    assert PilotService(settings).currency == "JPY"
    assert PilotService(dataclasses.replace(settings, currency="EUR")).currency == "EUR"


def test_a_limit_in_another_currency_is_kept_in_that_of_the_home(service: PilotService):
    pilot = service.submit(load_spec(SPEC + "limits: {cost: 1500 JPY}"), start=False)
    card = service.pilot(pilot).card
    assert card.currency == "USD"
    assert card.limit is not None
    assert 1 < card.limit < 100
