"""What the store promises: compare-and-set, fences, pages and sharing."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from digpt.errors import UserError
from jobs.store import Store
from jobs.store.records import ArmRecord, Cost, Log, NewPilot, Point, ResultRecord
from jobs.store.stages import MAX_LOGS


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Store:
    return Store(f"sqlite:///{tmp_path / 'a.sqlite'}", clock)


def stage(key: str, *inputs: str) -> Any:
    return SimpleNamespace(
        key=key,
        kind="fit",
        params={"名": "値", "n": 1},
        inputs={k: k for k in inputs},
        arms=("A",),
        label=key,
        units=10.0,
        cost_hint=2.0,
        source="builtin:surfaces",
    )


def submit(store: Store, stages: Sequence[Any] = (), name: str = "p", **values: Any) -> str:
    arm = ArmRecord(name="A", method="digpt", tokenizer="filters", look=1)
    new = NewPilot(name=name, spec={"arms": ["A"]}, dataset="surfaces", **values)
    return store.create_pilot(new, [arm], stages).id


def start(store: Store, key: str, pilot: str) -> int:
    number = store.start_attempt(key, pilot_id=pilot, worker="slot-1", cost=Cost())
    assert number is not None
    return number


def test_a_pilot_comes_back_as_it_was_given(store: Store, clock: Clock) -> None:
    pilot = store.pilot(submit(store, [stage("a")], limit_money=3.5, estimate={"x": [1]}))
    assert (pilot.status, pilot.created_at, pilot.limit_money) == ("queued", clock.now, 3.5)
    assert (pilot.spec, pilot.estimate, pilot.error) == ({"arms": ["A"]}, {"x": [1]}, None)
    assert store.arms(pilot.id)[0].tokenizer == "filters"
    assert store.stages(pilot.id)[0].params == {"名": "値", "n": 1}


def test_an_unknown_pilot_is_named(store: Store) -> None:
    with pytest.raises(UserError, match="'nobody'"):
        store.pilot("nobody")


def test_ids_sort_by_time(store: Store, clock: Clock) -> None:
    ids = []
    for _ in range(5):
        clock.now += 0.001
        ids.append(submit(store))
    assert ids == sorted(ids)


def test_pages_hold_the_newest_first_and_every_pilot_once(store: Store, clock: Clock) -> None:
    ids = []
    for _ in range(7):
        clock.now += 1
        ids.append(submit(store))
    pages = [store.pilots(page=n, size=3) for n in (1, 2, 3)]
    assert [p.id for page in pages for p in page.rows] == ids[::-1]
    assert {page.total for page in pages} == {7}


@pytest.mark.parametrize(("page", "size"), [(0, 10), (1, 0), (1, 501)])
def test_impossible_pages_are_refused(store: Store, page: int, size: int) -> None:
    with pytest.raises(UserError, match="pages count from 1"):
        store.pilots(page=page, size=size)


def test_search_takes_signs_literally_and_ignores_case(store: Store) -> None:
    submit(store, name="Boards 100%")
    submit(store, name="Boards 1000")
    assert [p.name for p in store.pilots(search="boards 100%").rows] == ["Boards 100%"]


def test_archived_pilots_are_out_of_sight(store: Store) -> None:
    pilot = submit(store)
    store.archive(pilot)
    assert store.pilots().total == 0
    assert store.pilots(archived=None).total == 1


def test_only_one_of_many_gets_a_stage(store: Store) -> None:
    pilot = submit(store, [stage("a")])
    with ThreadPoolExecutor(8) as pool:
        begun = pool.map(
            lambda _: store.start_attempt("a", pilot_id=pilot, worker="w", cost=Cost()), range(8)
        )
    assert sorted(begun, key=str) == [1, *[None] * 7]


@pytest.mark.parametrize("new", ["queued", "failed", "cancelled", "running"])
def test_a_done_stage_does_not_become_anything_else(store: Store, new: str) -> None:
    submit(store, [stage("a")])
    assert store.adopt("a", {})
    assert not store.set_stage_state("a", new)
    assert store.stage("a").state == "done"


def test_an_attempt_of_the_past_changes_nothing(store: Store) -> None:
    pilot = submit(store, [stage("a")])
    first = start(store, "a", pilot)
    assert store.finish_attempt("a", first, "lost", stage_state="waiting")
    second = start(store, "a", pilot)
    assert second == 2
    assert not store.heartbeat("a", first, device_seconds=99.0)
    assert not store.finish_attempt("a", first, "done", stage_state="done", summary={"old": 1})
    assert store.finish_attempt("a", second, "done", stage_state="done", summary={"new": 1})
    assert store.stage("a").summary == {"new": 1}


def test_events_up_to_an_offset_are_taken_over_once(store: Store) -> None:
    number = start(store, "a", submit(store, [stage("a")]))
    for _ in range(2):
        store.ingest(
            "a",
            number,
            points=[Point(1, "loss", 0.5)],
            logs=[Log(1.0, "info", "begun")],
            progress=(1, 4),
            offset=100,
        )
    assert len(store.logs(["a"])) == 1
    assert (store.stage("a").done, store.stage("a").total) == (1, 4)


def test_a_repeated_step_shows_the_later_attempt(store: Store) -> None:
    pilot = submit(store, [stage("a")])
    for value in (0.9, 0.5):
        number = start(store, "a", pilot)
        points = [Point(1, "loss", value)]
        store.ingest("a", number, points=points, logs=[], progress=None, offset=10)
        store.finish_attempt("a", number, "lost", stage_state="waiting")
    assert [(p.step, p.value, p.attempt) for p in store.points(["a"])] == [(1, 0.5, 2)]


def test_logs_are_bounded_and_say_so(store: Store) -> None:
    number = start(store, "a", submit(store, [stage("a")]))
    for offset in (1, 2, 3):
        lines = [Log(1.0, "info", "x" * 10_000)] * (MAX_LOGS // 2)
        store.ingest("a", number, points=[], logs=lines, progress=None, offset=offset)
    found = store.logs(["a"], limit=10_000)
    assert len(found) <= MAX_LOGS + 1
    assert "more than" in found[-1].text
    assert len(found[0].text) < 10_000


def test_new_logs_are_those_after_the_last_seen(store: Store) -> None:
    number = start(store, "a", submit(store, [stage("a")]))
    lines = [Log(float(i), "info", str(i)) for i in range(5)]
    store.ingest("a", number, points=[], logs=lines, progress=None, offset=1)
    assert [g.text for g in store.logs(["a"], limit=2)] == ["3", "4"]
    last = store.logs(["a"], limit=2, newest=False)[-1]
    assert [g.text for g in store.logs(["a"], since=last.id)] == ["2", "3", "4"]


def test_a_shared_stage_belongs_to_both_pilots(store: Store) -> None:
    first = submit(store, [stage("a")])
    store.adopt("a", {})
    second = submit(store, [stage("a"), stage("b", "a")])
    assert [s.reused for s in store.stages(first)] == [False]
    assert [s.reused for s in store.stages(second)] == [True, False]
    assert dict(store.owners("a")) == {first: ("A",), second: ("A",)}


def test_a_new_pilot_asks_again_for_what_failed(store: Store) -> None:
    pilot = submit(store, [stage("a")])
    number = start(store, "a", pilot)
    store.finish_attempt("a", number, "failed", stage_state="failed", error={"code": "bad"})
    assert store.stage("a").error == {"code": "bad"}
    submit(store, [stage("a")])
    assert (store.stage("a").state, store.stage("a").error) == ("waiting", None)


def test_only_a_pilot_that_ended_badly_is_retried(store: Store) -> None:
    pilot = submit(store, [stage("a")])
    assert not store.request_retry(pilot)
    store.start_pilot(pilot)
    store.finish_pilot(pilot, "partial", {"code": "limit-money"})
    assert store.request_retry(pilot)
    assert (store.pilot(pilot).status, store.pilot(pilot).error) == ("queued", None)


def test_a_pilot_that_is_over_cannot_be_cancelled(store: Store) -> None:
    pilot = submit(store)
    store.finish_pilot(pilot, "done")
    assert not store.request_cancel(pilot)


def test_tallies_count_work_by_state(store: Store) -> None:
    pilot = submit(store, [stage("a"), stage("b"), stage("c")])
    store.adopt("a", {})
    number = start(store, "b", pilot)
    store.ingest("b", number, points=[], logs=[], progress=(1, 4), offset=1)
    found = {t.state: (t.stages, t.work, t.work_done) for t in store.tallies([pilot])}
    assert found == {"done": (1, 20.0, 20.0), "running": (1, 20.0, 5.0), "waiting": (1, 20.0, 0.0)}


def test_history_holds_what_was_really_run(store: Store) -> None:
    pilot = submit(store, [stage("a"), stage("b")])
    store.adopt("b", {})
    number = start(store, "a", pilot)
    cost = Cost(device_seconds=4.0, device_type="cpu", cores=2.0)
    store.finish_attempt("a", number, "done", stage_state="done", cost=cost)
    found = store.history("fit")
    assert [(h.seconds, h.units, h.cost_hint, h.cores) for h in found] == [(4.0, 10.0, 2.0, 2.0)]


def test_a_result_for_the_same_question_replaces_the_former(store: Store) -> None:
    pilot = submit(store)
    base = {"pilot_id": pilot, "arm": "A", "task": "classification", "protocol": "probe"}
    for value in (0.1, 0.2):
        row = ResultRecord(**base, label_budget="20", metric="f1", value=value, extra={"k": 1})
        store.put_results([row])
    assert [(r.value, r.extra) for r in store.results([pilot])] == [(0.2, {"k": 1})]


def test_versions_of_a_dataset_count_up_and_can_be_hidden(store: Store) -> None:
    for fingerprint in ("x", "y"):
        store.add_dataset("boards", "/data", fingerprint, {"images": 3})
    assert [(d.version, d.fingerprint) for d in store.datasets("boards")] == [(2, "y"), (1, "x")]
    assert store.remove_dataset("boards", 2) == 1
    assert [d.version for d in store.datasets()] == [1]
    assert store.add_dataset("boards", "/data", "z", {}).version == 3


def test_cases_and_decisions_are_kept_newest_first(store: Store) -> None:
    pilot = submit(store)
    for rate in (1, 2):
        case = store.put_case(pilot, {"rate": rate}, {"npv": rate})
        store.put_decision(pilot, {"verdict": "GO"}, who="ana", case_id=case.id)
    assert [c.case["rate"] for c in store.cases(pilot)] == [2, 1]
    assert len(store.decisions(pilot)) == 2


def test_the_audit_trail_is_paged_by_subject(store: Store) -> None:
    for n in range(3):
        store.audit("ana", "submit", f"pilot-{n}", {"n": n})
    assert store.audits(size=2).total == 3
    assert [a.detail for a in store.audits("pilot-1").rows] == [{"n": 1}]


def test_values_are_kept_under_their_key(store: Store) -> None:
    assert store.get_value("currency", "USD") == "USD"
    store.set_value("currency", "JPY")
    store.set_value("currency", "EUR")
    assert store.get_value("currency") == "EUR"


def test_a_lease_binds_until_it_runs_out(store: Store, clock: Clock) -> None:
    assert store.take_lease("lead", "host:1", 10)
    assert not store.take_lease("lead", "other:2", 10)
    assert store.take_lease("lead", "host:1", 10)
    clock.now += 11
    assert store.lease_owner("lead") is None
    assert store.take_lease("lead", "other:2", 10)


def test_a_lease_of_an_owner_known_to_be_gone_does_not_bind(store: Store) -> None:
    store.take_lease("lead", "host:1", 10)
    assert store.take_lease("lead", "host:2", 10, over="host:")
    store.release_lease("lead", "host:1")
    assert store.lease_owner("lead") == "host:2"


def test_queries_of_long_lists_use_an_index(store: Store) -> None:
    queries = {
        "SELECT * FROM pilots WHERE archived = 0 ORDER BY id DESC LIMIT 50": "pilots_by_archived",
        "SELECT * FROM pilots WHERE status IN ('queued') ORDER BY id": "pilots_by_status",
        "SELECT * FROM points WHERE stage_key = 'a' AND name = 'loss'": "PRIMARY KEY",
        "SELECT * FROM logs WHERE stage_key = 'a' AND id > 5": "logs_by_stage",
        "SELECT * FROM attempts WHERE pilot_id = 'a'": "attempts_by_pilot",
        "SELECT * FROM results WHERE pilot_id = 'a'": "results",
    }
    with store.engine.connect() as connection:
        for query, index in queries.items():
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").fetchall()
            assert "SEARCH" in plan[0][3], query
            assert index in plan[0][3], query
