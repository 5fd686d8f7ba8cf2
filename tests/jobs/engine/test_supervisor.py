"""What the reconcile loop does with pilots, stages and attempts."""

import json
from typing import Any

from digpt.errors import UserError
from jobs.engine.artifacts import CHECKPOINTS
from jobs.engine.reconcile import BEAT_SECONDS, STALE_SECONDS
from jobs.engine.worker import attempt_folder


def test_stages_run_in_plan_order_as_their_inputs_are_done(house, stage) -> None:
    pilot = house.submit(stage("a"), stage("b", "a"), stage("c", "a"), stage("d", "b", "c"))
    house.tick()
    assert house.executor.names() == ["a"]
    assert house.pilot(pilot).status == "running"
    house.executor.end("a")
    house.tick()
    assert house.executor.names() == ["b", "c"]
    house.executor.end("c")
    house.executor.end("b")
    house.tick()
    house.executor.end("d")
    house.tick()
    assert house.pilot(pilot).status == "done"
    assert house.store.arms(pilot)[0].status == "done"


def test_a_ready_stage_without_a_slot_is_queued(house, stage) -> None:
    house.submit(stage("a"), stage("b"), stage("c"))
    house.tick()
    assert [house.state(n) for n in "abc"] == ["running", "running", "queued"]


def test_the_older_pilot_comes_first(house, stage) -> None:
    house.executor.size = 1
    house.submit(stage("a"))
    house.submit(stage("b"))
    house.tick()
    assert house.executor.names() == ["a"]


def test_a_shared_stage_runs_once_and_is_paid_by_who_asked_first(house, stage) -> None:
    first = house.submit(stage("a"))
    second = house.submit(stage("a"), stage("b", "a"))
    house.tick()
    house.executor.end("a", seconds=5.0)
    house.tick()
    house.executor.end("b", seconds=2.0)
    house.tick()
    assert [t.key for t in house.executor.tasks] == [stage("a").key, stage("b").key]
    assert house.pilot(first).status == house.pilot(second).status == "done"
    paid = {s.pilot_id: s.device_seconds for s in house.store.spending([first, second])}
    assert paid == {first: 5.0, second: 2.0}


def test_a_stage_that_was_done_before_is_reused(house, stage) -> None:
    house.submit(stage("a"))
    house.tick()
    house.executor.end("a")
    house.tick()
    again = house.submit(stage("a"))
    assert [s.reused for s in house.store.stages(again)] == [True]
    house.tick()
    assert house.pilot(again).status == "done"
    assert house.store.spending([again]) == []


def test_artifacts_are_believed_rather_than_the_store(house, stage) -> None:
    house.artifacts.open(stage("a").key, 1)
    house.artifacts.commit(stage("a").key, 1, {"found": True})
    house.submit(stage("a"), stage("b", "a"))
    house.tick()
    assert house.executor.names() == ["b"]
    assert house.store.stage(stage("a").key).summary == {"found": True}


def test_a_result_that_has_gone_is_made_again(house, stage) -> None:
    house.submit(stage("a"))
    house.tick()
    house.executor.end("a")
    house.tick()
    house.artifacts.remove(stage("a").key)
    house.submit(stage("a"), stage("b", "a"))
    house.tick()
    assert house.executor.names() == ["a"]


def test_a_lost_worker_is_retried_after_a_while(house, stage) -> None:
    pilot = house.submit(stage("a"))
    house.tick()
    house.executor.lose("a")
    house.tick(0.1)
    assert house.state("a") == "waiting"
    house.tick(5.0)
    assert house.executor.tasks[-1].number == 2
    house.executor.end("a")
    house.tick()
    assert house.pilot(pilot).status == "done"
    assert [a.state for a in house.store.attempts(stage("a").key)] == ["lost", "done"]


def test_a_worker_lost_too_often_fails_the_stage(house, stage) -> None:
    pilot = house.submit(stage("a"))
    for _ in range(4):
        house.tick(100.0)  # the back-off is over
        house.executor.lose("a")
        house.tick()
    house.tick()
    assert house.state("a") == "failed"
    assert house.pilot(pilot).status == "failed"
    assert house.pilot(pilot).error["code"] == "lost"


def test_the_same_fault_twice_is_not_tried_again(house, stage) -> None:
    house.submit(stage("a"))
    error = {"code": "fault", "message": "ValueError: a bug", "field": None}
    for number in (1, 2):
        house.tick(100.0)  # the back-off is over
        work = house.artifacts.open(stage("a").key, number)
        assert (work / CHECKPOINTS).exists() == (number == 2)
        (work / CHECKPOINTS).mkdir(exist_ok=True)
        house.executor.end("a", "fault", error=error)
        house.tick()
    house.tick()
    assert house.state("a") == "failed"
    # The checkpoint may be the reason, so that a retry by hand does not begin from it.
    assert not (house.artifacts.open(stage("a").key, 3) / CHECKPOINTS).exists()


def test_a_user_error_fails_one_arm_and_the_others_go_on(house, stage) -> None:
    stages = [
        stage("a", arms=("A", "B")),
        stage("b", "a", arms=("A",)),
        stage("c", "b", arms=("A",)),
        stage("d", "a", arms=("B",)),
    ]
    pilot = house.submit(*stages, arms=("A", "B"))
    house.tick()
    house.executor.end("a")
    house.tick()
    house.executor.end("b", "failed", error={"code": "bad", "message": "Bad.", "field": None})
    house.tick()
    assert house.state("c") == "cancelled"
    assert house.store.stage(stage("c").key).error["code"] == "upstream-failed"
    house.executor.end("d")
    house.tick()
    assert house.pilot(pilot).status == "partial"
    assert house.pilot(pilot).error["code"] == "bad"
    assert [a.status for a in house.store.arms(pilot)] == ["failed", "done"]
    assert [t.number for t in house.executor.tasks] == [1, 1, 1]


def test_a_retried_pilot_runs_only_what_did_not_finish(house, stage) -> None:
    pilot = house.submit(stage("a"), stage("b", "a"))
    house.tick()
    house.executor.end("a")
    house.tick()
    house.executor.end("b", "failed", error={"code": "bad", "message": "Bad.", "field": None})
    house.tick()
    assert house.store.request_retry(pilot)
    house.tick()
    assert house.executor.names() == ["b"]
    house.executor.end("b")
    house.tick()
    assert house.pilot(pilot).status == "done"
    assert house.pilot(pilot).error is None


def test_cancelling_stops_what_runs_and_what_waits(house, stage) -> None:
    pilot = house.submit(stage("a"), stage("b", "a"))
    house.tick()
    house.store.request_cancel(pilot)
    house.tick()
    assert house.executor.cancelled == [(stage("a").key, 1)]
    assert house.state("b") == "cancelled"
    house.executor.end("a", "cancelled")
    house.tick()
    assert house.pilot(pilot).status == "cancelled"
    assert house.state("a") == "cancelled"


def test_cancelling_a_pilot_that_has_not_begun_ends_it_at_once(house, stage) -> None:
    pilot = house.submit(stage("a"))
    house.store.request_cancel(pilot)
    house.tick()
    assert house.pilot(pilot).status == "cancelled"
    assert house.executor.tasks == []


def test_cancelling_one_pilot_leaves_what_another_needs(house, stage) -> None:
    first, second = house.submit(stage("a"), stage("b")), house.submit(stage("a"))
    house.tick()
    house.store.request_cancel(first)
    house.tick()
    assert house.executor.cancelled == [(stage("b").key, 1)]
    house.executor.end("b", "cancelled")
    house.tick()
    assert house.pilot(first).status == "cancelled"
    house.executor.end("a")
    house.tick()
    assert house.pilot(second).status == "done"


def test_a_pilot_submitted_while_its_stage_is_cancelled_gets_it_again(house, stage) -> None:
    first = house.submit(stage("a"))
    house.tick()
    house.store.request_cancel(first)
    house.tick()
    second = house.submit(stage("a"))
    house.executor.end("a", "cancelled")
    house.tick()
    house.tick()
    assert house.executor.tasks[-1].number == 2
    house.executor.end("a")
    house.tick()
    assert (house.pilot(first).status, house.pilot(second).status) == ("cancelled", "done")


def test_money_stops_a_pilot_with_what_it_has(house, stage) -> None:
    stages = [stage("a", arms=("A",)), stage("b", "a", arms=("B",))]
    pilot = house.submit(*stages, arms=("A", "B"), limit_money=3.0)
    house.tick()
    house.executor.end("a", seconds=4.0)
    house.tick()
    assert house.pilot(pilot).status == "partial"
    assert house.pilot(pilot).error["code"] == "limit-money"
    assert [a.status for a in house.store.arms(pilot)] == ["done", "cancelled"]


def test_hours_stop_a_pilot(house, stage) -> None:
    pilot = house.submit(stage("a"), limit_hours=1.0)
    house.tick()
    write_beat(house, stage("a").key, house.time + 3601)
    house.tick(3601)
    assert house.executor.cancelled == [(stage("a").key, 1)]
    house.executor.end("a", "cancelled")
    house.tick()
    assert house.pilot(pilot).status == "partial"
    assert house.pilot(pilot).error["code"] == "limit-hours"


def test_a_silent_attempt_is_killed_and_retried(house, stage) -> None:
    house.submit(stage("a"))
    house.tick()
    house.tick(STALE_SECONDS)
    assert house.executor.killed == []
    house.tick(BEAT_SECONDS)
    assert house.executor.killed == [(stage("a").key, 1)]
    assert house.state("a") == "waiting"


def test_an_attempt_that_beats_is_not_silent(house, stage) -> None:
    pilot = house.submit(stage("a"))
    house.tick()
    write_beat(house, stage("a").key, house.time + STALE_SECONDS)
    house.tick(STALE_SECONDS + 1)
    assert house.state("a") == "running"
    assert house.store.spending([pilot])[0].device_seconds == 7.0


def test_events_are_taken_over_once_and_whole_lines_only(house, stage) -> None:
    house.submit(stage("a"))
    house.tick()
    path = attempt_folder(house.settings, stage("a").key, 1) / "events.jsonl"
    path.parent.mkdir(parents=True)
    point = json.dumps({"step": 1, "name": "loss", "value": 0.5}) + "\n"
    path.write_text(point + '{"done": 3, "to')
    house.tick()
    with path.open("a") as file:
        file.write('tal": 10}\n')
    house.supervisor = house.new_supervisor()
    house.supervisor.take_over()
    house.tick()
    found = house.store.stage(stage("a").key)
    assert (found.done, found.total) == (3, 10)
    assert [(p.step, p.value) for p in house.store.points([stage("a").key])] == [(1, 0.5)]


def test_a_new_supervisor_adopts_what_still_runs(house, stage) -> None:
    pilot = house.submit(stage("a"))
    house.tick()
    house.supervisor = house.new_supervisor()
    house.supervisor.take_over()
    house.executor.end("a")
    house.tick()
    assert house.pilot(pilot).status == "done"
    assert len(house.executor.tasks) == 1


def test_a_new_supervisor_takes_what_ended_meanwhile(house, stage) -> None:
    pilot = house.submit(stage("a"))
    house.tick()
    house.executor.end("a", summary={"kept": 1})
    house.executor.over.clear()  # nobody was there to hear it
    house.supervisor = house.new_supervisor()
    house.supervisor.take_over()
    house.tick()
    assert house.pilot(pilot).status == "done"
    assert house.store.stage(stage("a").key).summary == {"kept": 1}


def test_results_go_to_every_pilot_and_arm_that_includes_the_evaluation(house, stage) -> None:
    row = {"task": "classification", "protocol": "probe", "label_budget": 20, "metric": "f1"}
    row |= {"value": 0.5, "low": 0.4, "high": 0.6, "n_seeds": 3, "spread": 0.1}
    first = house.submit(stage("a", kind="evaluate"))
    house.tick()
    house.executor.end("a", summary={"results": [row]})
    house.tick()
    second = house.submit(stage("a", kind="evaluate", arms=("B",)), arms=("B",))
    house.tick()
    found = house.store.results([first, second])
    assert [(r.pilot_id, r.arm, r.label_budget) for r in found] == [
        (first, "A", "20"),
        (second, "B", "20"),
    ]
    assert found[0].extra == {"spread": 0.1}


def test_a_pilot_that_cannot_get_ray_fails_with_the_reason(house, stage) -> None:
    pilot = house.submit(stage("a"))
    house.executor.problem = UserError("Ray did not start.", code="ray-start")
    house.tick()
    house.tick()
    assert house.pilot(pilot).status == "failed"
    assert house.pilot(pilot).error["code"] == "ray-start"


def write_beat(house: Any, key: str, at: float) -> None:
    """The worker's sign of life."""
    folder = attempt_folder(house.settings, key, 1)
    folder.mkdir(parents=True, exist_ok=True)
    beat = {"at": at, "pid": 1, "device_seconds": 7.0, "device_type": "cpu", "cores": 1.0}
    (folder / "beat.json").write_text(json.dumps(beat))
