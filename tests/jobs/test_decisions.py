"""Cases fixed before launch, decisions that stay as they were, and what came of them."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from digpt.errors import UserError
from jobs.deciding import digest, parse_actual
from jobs.roi import parse_case
from jobs.roi.changes import case_hash, changes
from jobs.service import PilotService
from tests.handmade import SPEC, finish, service_in

CASE = {
    "currency": "USD",
    "items_per_year": 1_200_000,
    "prevalence": 0.008,
    "good_classes": ["0"],
    "cost_miss": 60,
    "cost_false_alarm": 0.5,
    "today": {"miss_rate": 0.06, "false_alarm_rate": 0.02, "process_per_item": 0.05},
    "one_off": 52_000,
    "run_per_year": 18_000,
    "horizon_years": 3,
    "discount_rate": 0.08,
    "next_stage_cost": 8_000,
    "stage_budget": 15_000,
}
Fixed = tuple[PilotService, str]


def case(**changed: object):
    return parse_case(CASE | changed)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Fixed:
    """A finished pilot whose case was fixed at submission."""
    service = service_in(tmp_path_factory.mktemp("fixed"))
    return service, finish(service, SPEC + f"case: {json.dumps(CASE)}\n")


class TestChanges:
    def test_the_hash_does_not_hang_on_how_a_case_is_written(self):
        written_out = case(p_go=0.9, tax=0.0, minimum={})
        assert case_hash(written_out) == case_hash(case())
        assert case_hash(case(p_go=0.8)) != case_hash(case())

    def test_every_changed_field_is_named_with_both_values(self):
        today = CASE["today"] | {"miss_rate": 0.1}
        found = changes(
            case(), case(cost_miss=80, today=today, p_go=0.8, minimum={"detection": 0.9})
        )
        assert [(c.field, c.before, c.after) for c in found] == [
            ("cost_miss", 60, 80),
            ("today.miss_rate", 0.06, 0.1),
            ("p_go", 0.9, 0.8),
            ("minimum.detection", None, 0.9),
        ]
        assert [c.is_rule for c in found] == [False, False, True, True]

    def test_a_case_has_not_changed_from_itself(self):
        assert changes(case(), case()) == ()


class TestFixedBeforeLaunch:
    def test_a_later_change_is_shown_as_one(self, fixed: Fixed):
        service, pilot = fixed
        assert service.case_changes(pilot, case()) == ()
        found = service.case_changes(pilot, case(cost_miss=80))
        assert [(c.field, c.before, c.after) for c in found or ()] == [("cost_miss", 60, 80)]
        assert service._store.pilot(pilot).case_hash == case_hash(case())

    def test_saving_another_case_does_not_move_what_was_fixed(self, fixed: Fixed):
        service, pilot = fixed
        service.save_case(pilot, case(cost_miss=99))
        assert service.fixed_case(pilot) == case()
        assert service.case_changes(pilot, case()) == ()

    def test_without_a_case_at_launch_nothing_was_fixed(self, finished: Fixed):
        service, pilot = finished
        assert service.case_changes(pilot, case()) is None

    def test_the_datasets_own_good_classes_are_no_change(self, service: PilotService):
        surfaces = SPEC.replace("digits, images: 400", "surfaces, images: 400")
        values = {k: v for k, v in CASE.items() if k != "good_classes"}
        pilot = finish(service, surfaces + f"case: {json.dumps(values)}\n")
        good = service.dataset("surfaces").good_classes
        assert service.case_changes(pilot, case(good_classes=good)) == ()


class TestDecide:
    def test_a_decision_keeps_all_it_rested_on(self, fixed: Fixed):
        service, pilot = fixed
        made = service.decide(pilot, case(cost_miss=80), "as agreed on Monday", "Ana")
        result = service.roi(pilot, case(cost_miss=80))
        assert (made.who, made.note, made.choice) == ("Ana", "as agreed on Monday", result.verdict)
        assert [c.field for c in made.changes] == ["cost_miss"]
        kept = json.loads(json.dumps(made.content, allow_nan=False))
        assert kept["case"]["cost_miss"] == 80
        assert kept["rates"]["per_usd"]["JPY"] > 0
        assert kept["fingerprint"]
        assert kept["fixed_hash"] == case_hash(case())
        figures = kept["result"]["arms"][made.arm]["figures"]
        assert figures["npv"] == pytest.approx(made.npv)
        assert made.is_intact

    def test_one_may_decide_otherwise_and_both_are_kept(self, fixed: Fixed):
        service, pilot = fixed
        made = service.decide(pilot, case(one_off=1e12), "for other reasons", "Ana", "GO")
        assert (made.verdict, made.choice) == ("NO-GO", "GO")
        assert service.decisions(pilot)[0].id == made.id

    def test_nothing_is_recorded_without_a_verdict_or_a_choice(self, finished: Fixed):
        service, pilot = finished
        values = {k: v for k, v in CASE.items() if k != "stage_budget"}
        with pytest.raises(UserError, match="no verdict") as caught:
            service.decide(pilot, parse_case(values), "", "Ana")
        assert caught.value.field == "decide"
        assert service.decisions(pilot) == []

    @pytest.mark.parametrize(("who", "note", "field"), [("", "", "who"), ("A", "x" * 5000, "note")])
    def test_who_decides_must_be_said_and_the_note_must_fit(
        self, fixed: Fixed, who: str, note: str, field: str
    ):
        service, pilot = fixed
        with pytest.raises(UserError) as caught:
            service.decide(pilot, case(), note, who)
        assert caught.value.field == field

    def test_the_database_refuses_to_change_or_delete_a_decision(self, fixed: Fixed):
        service, pilot = fixed
        service.decide(pilot, case(), "", "Ana")
        for statement in ("UPDATE decisions SET who = 'Bob'", "DELETE FROM decisions"):
            with pytest.raises(DatabaseError, match="final"), service._store.engine.begin() as c:
                c.execute(text(statement))

    def test_a_decision_altered_behind_our_back_is_noticed(self, tmp_path: Path):
        service = service_in(tmp_path)
        pilot = finish(service, SPEC + f"case: {json.dumps(CASE)}\n")
        for note in ("first", "second"):
            service.decide(pilot, case(), note, "Ana")
        with service._store.engine.begin() as connection:
            connection.execute(text("DROP TRIGGER decisions_no_update"))
            changed = "UPDATE decisions SET decision = replace(decision, 'first', 'never')"
            connection.execute(text(changed))
        assert [d.is_intact for d in service.decisions(pilot)] == [False, False]

    def test_a_digest_covers_the_one_before(self):
        assert digest({"note": "x", "previous": "a"}) != digest({"note": "x", "previous": "b"})
        assert digest({"note": "x", "digest": "whatever"}) == digest({"note": "x"})


class TestActual:
    def test_the_forecasts_error_is_shown(self, fixed: Fixed):
        service, pilot = fixed
        made = service.decide(pilot, case(), "", "Ana")
        figures = made.content["result"]["arms"][made.arm]["figures"]
        saving = figures["to_come"]["flows"][1]
        found = service.enter_actual(
            made.id,
            {"year": 1, "saving": saving / 2, "miss_rate": 1.0, "items": 1_000_000},
            "Ben",
        )
        by_measure = {o.measure: o for o in found.actuals[0].outcomes}
        assert by_measure["saving"].error == pytest.approx(-saving / 2)
        assert by_measure["saving"].relative == pytest.approx(-0.5)
        assert by_measure["miss_rate"].is_within is False
        assert by_measure["items"].forecast.likely == 1_200_000
        assert found.actuals[0].who == "Ben"

    def test_a_year_beyond_the_horizon_has_no_saving_to_compare(self, fixed: Fixed):
        service, pilot = fixed
        made = service.decide(pilot, case(), "", "Ana")
        found = service.enter_actual(made.id, {"year": 9, "saving": 1.0}, "Ben")
        assert found.actuals[0].outcomes == ()

    @pytest.mark.parametrize(
        ("values", "field"),
        [({}, "saving"), ({"miss_rate": 3}, "miss_rate"), ({"year": 0, "items": 1}, "year")],
    )
    def test_what_cannot_be_is_refused_at_its_field(self, values: dict, field: str):
        with pytest.raises(UserError) as caught:
            parse_actual(values)
        assert caught.value.field == field

    def test_an_unknown_decision_is_named(self, fixed: Fixed):
        service, _ = fixed
        with pytest.raises(UserError, match="no decision 999"):
            service.enter_actual(999, {"items": 1}, "Ben")


class TestScenarios:
    def test_scenarios_stand_beside_the_pilots_own_case(self, service: PilotService):
        pilot = finish(service)
        service.save_case(pilot, case())
        service.save_case(pilot, case(items_per_year=9e5), "less")
        service.save_case(pilot, case(items_per_year=2e6), "more")
        service.save_case(pilot, case(items_per_year=8e5), "less")
        found = service.scenarios(pilot)
        assert [(n, c.items_per_year) for n, c in found.items()] == [("less", 8e5), ("more", 2e6)]
        assert service.saved_case(pilot) == case()
        service.remove_scenario(pilot, "less")
        assert list(service.scenarios(pilot)) == ["more"]
        with pytest.raises(UserError, match="no scenario 'less'"):
            service.remove_scenario(pilot, "less")
