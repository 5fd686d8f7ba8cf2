"""The reconcile loop: what pilots want against what runs.

It may be killed at any moment: intent is in the store before anything acts on it, and the next one
adopts what still runs.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Protocol

from digpt.errors import UserError
from jobs.engine.artifacts import Artifacts
from jobs.engine.events import BEAT, EVENTS, RESULT, read_events, read_json
from jobs.engine.executor import Ended, Slot
from jobs.engine.states import STAGE_OVER, UPSTREAM_FAILED, arm_status, pilot_end
from jobs.engine.worker import Task, attempt_folder, error_facts, read_cost
from jobs.settings import Settings
from jobs.store import Store
from jobs.store.records import AttemptRecord, Cost, Need, PilotRecord, ResultRecord

LOOK_SECONDS = 1.0  # at least one look at everything
BEAT_SECONDS = 2.0  # how often heartbeats go to the store
# An attempt silent for so long is lost. Ray tells of a dead process at once, so this is for one
# that hangs; on a busy machine the imports before a worker's first beat may take a minute.
STALE_SECONDS = 120.0
RETRIES, BACKOFF_SECONDS = 3, 2.0

Price = Callable[[str, float, str, float], float]  # device, seconds, currency, cores -> money
logger = logging.getLogger(__name__)


_CANCELLED: Mapping[str, Any] = {"code": "cancelled", "message": "Cancelled.", "field": None}


def _result(pilot_id: str, arm: str, row: Mapping[str, Any]) -> ResultRecord:
    known = {f.name for f in fields(ResultRecord)} - {"pilot_id", "arm", "extra", "label_budget"}
    values = {n: v for n, v in row.items() if n in known}
    extra = {n: v for n, v in row.items() if n not in known | {"label_budget", "arm", "extra"}}
    return ResultRecord(
        pilot_id=pilot_id,
        arm=arm,
        label_budget=str(row["label_budget"]),
        extra={**row.get("extra", {}), **extra},
        **values,
    )


def _is_limit(error: Mapping[str, Any] | None) -> bool:
    return error is not None and str(error["code"]).startswith("limit-")


def _is_broken(state: tuple[str, Any] | None) -> bool:
    return state is not None and state[0] in ("failed", "cancelled")


def _upstream(key: str) -> dict[str, Any]:
    message = f"Not run: stage {key[:12]}, whose result it needs, did not finish."
    return {"code": UPSTREAM_FAILED, "message": message, "field": None, "stage": key}


def _lost(reason: str) -> dict[str, Any]:
    message = f"The worker was lost ({reason})." if reason else "The worker was lost."
    return {"code": "lost", "message": message, "field": None}


def _limit(code: str, used: float, limit: float, unit: str) -> dict[str, Any]:
    message = (
        f"Stopped at its limit: {used:.4g} of {limit:.4g} {unit}. What is finished stays; raise "
        "the limit in a clone of the pilot to go on from there."
    )
    return {"code": code, "message": message, "field": "limits", "used": used, "limit": limit}


class Executor(Protocol):
    """What the supervisor needs of Ray; see `executor.RayExecutor`."""

    problem: UserError | None

    def adopt(self) -> set[tuple[str, int]]: ...
    def free(self) -> list[Slot]: ...
    def submit(self, slot: Slot, task: Task) -> None: ...
    def poll(self, seconds: float = 0.0) -> list[Ended]: ...
    def cancel(self, key: str, number: int) -> None: ...
    def kill(self, key: str, number: int) -> Ended | None: ...
    def rest(self) -> None: ...
    def close(self) -> None: ...


class Supervisor:
    """One leader's view. Everything it knows can be rebuilt from store, folders and Ray."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        artifacts: Artifacts,
        executor: Executor,
        *,
        price: Price | None = None,
        clock: Callable[[], float] = time.time,
        retries: int = RETRIES,
        backoff: float = BACKOFF_SECONDS,
    ) -> None:
        self.settings, self.store, self.artifacts = settings, store, artifacts
        self.executor, self.price, self.clock = executor, price, clock
        self.retries, self.backoff = retries, backoff
        self._running: dict[tuple[str, int], AttemptRecord] = {}
        self._beaten: dict[tuple[str, int], float] = {}
        self._met: set[str] = set()  # pilots whose artifacts were looked at
        self._recorded: set[tuple[str, str]] = set()  # (pilot, stage) whose results are stored
        self._arm_statuses: dict[str, dict[str, str]] = {}
        self._live: list[tuple[str, str, bool]] = []
        self._looked = 0.0
        self._is_hungry = False  # stages are ready, but there is no slot at all yet

    def take_over(self) -> None:
        """Adopt the attempts that still run; end those that do not."""
        recorded = {(a.stage_key, a.number): a for a in self.store.running_attempts()}
        alive = self.executor.adopt() if recorded else set()
        for key, number in alive - set(recorded):
            self.executor.kill(key, number)
        self._running = recorded
        for key, number in set(recorded) - alive:
            self._end(Ended(key, number, lost=True, reason="its worker was gone"))
        for key, number in set(recorded) & alive:
            logger.info("adopted %s attempt %s", key[:12], number)

    def tick(self, seconds: float = 0.0) -> bool:
        """Take what running attempts tell, waiting at most `seconds`; then look at everything.

        The look is left out while nothing has changed, but for one each second. True while a pilot
        is live.
        """
        ended = self.executor.poll(seconds)
        for attempt in ended:
            self._end(attempt)
        self._listen()
        live = self.store.live_marks()
        is_due = self.clock() - self._looked >= LOOK_SECONDS
        if ended or is_due or self._is_hungry or live != self._live:
            self._looked, self._live = self.clock(), live
            self._look()
        return bool(live)

    def _look(self) -> None:
        """Compare what live pilots want with what runs, and act."""
        pilots = self.store.live_pilots()
        self._meet(pilots)
        if self._check_limits(pilots):
            pilots = self.store.live_pilots()
        self._cancel(pilots)
        needs = self.store.needs()
        has_given_up, has_dispatched = self._give_up(needs), self._dispatch(needs)
        if has_given_up or has_dispatched:
            needs = self.store.needs()
        self._conclude(pilots, needs)

    # What runs

    def _listen(self) -> None:
        """Take over what running attempts tell; those silent for too long are lost."""
        for attempt in list(self._running):
            self._ingest(*attempt)
            self._beat(*attempt)

    def _ingest(self, key: str, number: int) -> None:
        record = self._running[key, number]
        path = attempt_folder(self.settings, key, number) / EVENTS
        batch = read_events(path, record.event_offset)
        if batch.offset == record.event_offset:
            return
        self.store.ingest(
            key,
            number,
            points=batch.points,
            logs=batch.logs,
            progress=batch.progress,
            offset=batch.offset,
        )
        self._running[key, number] = replace(record, event_offset=batch.offset)

    def _beat(self, key: str, number: int) -> None:
        now, record = self.clock(), self._running[key, number]
        if now - self._beaten.get((key, number), 0.0) < BEAT_SECONDS:
            return
        self._beaten[key, number] = now
        beat = read_json(attempt_folder(self.settings, key, number) / BEAT)
        if now - max(record.started_at, beat["at"] if beat else 0.0) > STALE_SECONDS:
            self.executor.kill(key, number)
            self._end(Ended(key, number, lost=True, reason="it gave no sign of life"))
        elif beat:
            seconds = beat["device_seconds"]
            self.store.heartbeat(key, number, pid=beat["pid"], device_seconds=seconds)

    def _end(self, ended: Ended) -> None:
        """An attempt is over: take its last words, then its outcome."""
        key, number = ended.key, ended.number
        record = self._running.get((key, number))
        if record is None:
            return
        before = -1
        while before != self._running[key, number].event_offset:  # a batch may not hold all
            before = self._running[key, number].event_offset
            self._ingest(key, number)
        self._finish(record, ended)
        del self._running[key, number]
        self._beaten.pop((key, number), None)

    def _finish(self, record: AttemptRecord, ended: Ended) -> None:
        key, number = record.stage_key, record.number
        folder = attempt_folder(self.settings, key, number)
        result = read_json(folder / RESULT) or {}
        cost = read_cost(result.get("cost") or read_json(folder / BEAT))
        state, error = result.get("state", "lost"), result.get("error")
        if state == "lost" and self.artifacts.is_complete(key):
            state = "done"  # killed between the commit and its last words
        is_wanted = self._is_wanted(key)
        if state == "done":
            summary = self.artifacts.summary(key)
            self.store.finish_attempt(
                key, number, "done", stage_state="done", cost=cost, summary=summary
            )
        elif state == "cancelled" or not is_wanted:
            self.artifacts.discard(key, number)
            self.store.finish_attempt(
                key, number, "cancelled", stage_state="cancelled", cost=cost, error=_CANCELLED
            )
        elif state == "failed":
            self.artifacts.discard(key, number, keep_checkpoint=False)
            self.store.finish_attempt(
                key, number, "failed", stage_state="failed", cost=cost, error=error
            )
        else:
            self._fault(record, cost, error or _lost(ended.reason))
        logger.info("%s attempt %s: %s %s", key[:12], number, state, error or ended.reason or "")

    def _fault(self, record: AttemptRecord, cost: Cost | None, error: Mapping[str, Any]) -> None:
        """Try again after a while, unless that was done often enough or would end the same."""
        key, number = record.stage_key, record.number
        faults = self.store.stage(key).faults + 1
        former = [a.error for a in self.store.attempts(key) if a.number < number][-1:]
        is_same = error["code"] == "fault" and former == [error]
        is_final = faults > self.retries or is_same
        wait = self.backoff * 2 ** (faults - 1)
        if is_same:  # the checkpoint may be the reason: whoever retries by hand starts afresh
            self.artifacts.discard(key, number, keep_checkpoint=False)
        self.store.finish_attempt(
            key,
            number,
            "lost",
            stage_state="failed" if is_final else "waiting",
            cost=cost,
            error=error,
            not_before=self.clock() + wait,
        )

    def _is_wanted(self, key: str) -> bool:
        live = {p.id for p in self.store.live_pilots() if not p.cancel_requested}
        return any(pilot_id in live for pilot_id, _ in self.store.owners(key))

    # What is wanted

    def _meet(self, pilots: Sequence[PilotRecord]) -> None:
        """A pilot seen for the first time: believe the artifacts, not the store."""
        for pilot in pilots:
            if pilot.id in self._met:
                continue
            for stage in self.store.stages(pilot.id):
                is_complete = self.artifacts.is_complete(stage.key)
                if is_complete and stage.state != "done" and stage.state != "running":
                    self.store.adopt(stage.key, self.artifacts.summary(stage.key))
                elif stage.state == "done" and not is_complete:
                    self.store.set_stage_state(stage.key, "waiting", ["done"], ended_at=None)
            self._met.add(pilot.id)

    def _check_limits(self, pilots: Sequence[PilotRecord]) -> bool:
        """Stop pilots that came to their limit of money or hours; whether there were any."""
        stopped = False
        capped = [p for p in pilots if not p.cancel_requested and p.started_at]
        for pilot in capped:
            hours = (self.clock() - (pilot.started_at or 0.0)) / 3600
            if pilot.limit_hours is not None and hours >= pilot.limit_hours:
                self._stop(pilot, _limit("limit-hours", hours, pilot.limit_hours, "hours"))
                stopped = True
            elif pilot.limit_money is not None and self.price is not None:
                stopped = self._check_money(pilot, pilot.limit_money) or stopped
        return stopped

    def _check_money(self, pilot: PilotRecord, limit: float) -> bool:
        try:
            spent = self._spent(pilot)
        except UserError as error:  # no price for the device: a limit nobody can watch
            self._stop(pilot, error_facts(error))
            return True
        if spent >= limit:
            self._stop(pilot, _limit("limit-money", spent, limit, pilot.currency))
        return spent >= limit

    def _spent(self, pilot: PilotRecord) -> float:
        assert self.price is not None
        paid = self.store.spending([pilot.id])
        return sum(
            self.price(s.device_type, s.device_seconds, pilot.currency, s.cores) for s in paid
        )

    def _stop(self, pilot: PilotRecord, error: Mapping[str, Any]) -> None:
        logger.info("pilot %s stops: %s", pilot.id, error["message"])
        self.store.request_cancel(pilot.id, error)

    def _cancel(self, pilots: Sequence[PilotRecord]) -> None:
        """Stop what only pilots that were cancelled, or came to a limit, still want."""
        numbers = dict(self._running)
        for pilot in pilots:
            if not pilot.cancel_requested:
                continue
            alone = set(self.store.drop_stages(pilot.id, pilot.error or _CANCELLED))
            for key, number in numbers:
                if key in alone:
                    self.executor.cancel(key, number)

    def _give_up(self, needs: Sequence[Need]) -> bool:
        """A stage whose input cannot be made is not waited for; whether there was one."""
        has_changed = False
        states = {n.key: (n.state, n.error) for n in needs}
        for need in needs:  # in plan order, so that one pass reaches all
            if need.state not in ("waiting", "queued") or states[need.key][0] == "cancelled":
                continue
            broken = [k for k in need.inputs.values() if _is_broken(states.get(k))]
            if broken:
                error = _upstream(broken[0])
                self.store.set_stage_state(need.key, "cancelled", error=error)
                states[need.key] = ("cancelled", error)
                has_changed = True
        return has_changed

    def _dispatch(self, needs: Sequence[Need]) -> bool:
        """Start ready stages in free slots: oldest pilot first, each in plan order."""
        ready = list(self._ready(needs))
        self._is_hungry = False
        if not ready:
            return False
        if self.executor.problem is not None:
            for pilot_id in {n.pilot_id for n in ready}:
                self.store.request_cancel(pilot_id, error_facts(self.executor.problem))
            self.executor.problem = None  # the next pilot tries again
            return True
        slots = self.executor.free()
        self._is_hungry = not slots and not self._running
        for need, slot in zip(ready, slots, strict=False):
            self._start(need, slot)
        late = [need for need in ready[len(slots) :] if need.state == "waiting"]
        for need in late:
            self.store.set_stage_state(need.key, "queued", ["waiting"])
        return bool(slots or late)

    def _ready(self, needs: Sequence[Need]) -> Iterator[Need]:
        """Stages whose inputs are done, each once."""
        states, seen = {n.key: n.state for n in needs}, set()
        now = self.clock()
        for need in needs:
            is_idle = need.state in ("waiting", "queued") and need.not_before <= now
            if is_idle and need.key not in seen:
                seen.add(need.key)
                if all(states.get(k) == "done" for k in need.inputs.values()):
                    yield need

    def _start(self, need: Need, slot: Slot) -> None:
        number = self.store.start_attempt(
            need.key, pilot_id=need.pilot_id, worker=slot.name, cost=slot.cost
        )
        if number is None:
            return  # it changed since we looked
        stage = self.store.stage(need.key)
        attempt = self.store.attempts(need.key)[-1]
        self._running[need.key, number] = attempt
        task = Task(
            key=need.key,
            number=number,
            kind=need.kind,
            params=stage.params,
            inputs=stage.inputs,
            source=stage.source,
        )
        self.executor.submit(slot, task)
        logger.info("%s %s attempt %s on %s", need.kind, need.key[:12], number, slot.name)

    # What came of it

    def _conclude(self, pilots: Sequence[PilotRecord], needs: Sequence[Need]) -> None:
        """Results, the arms' statuses, and the end of pilots with nothing left to do."""
        for pilot in pilots:
            mine = [n for n in needs if n.pilot_id == pilot.id]
            self._record(pilot, mine)
            arms = self._arms(pilot, mine)
            if pilot.status == "queued" and any(n.state == "running" for n in mine):
                self.store.start_pilot(pilot.id)  # perhaps by another pilot's attempt
            open_keys = [n.key for n in mine if n.state not in STAGE_OVER]
            if pilot.cancel_requested:  # what others need goes on without this pilot
                open_keys = [key for key in open_keys if not self._is_wanted(key)]
            if not open_keys:
                self._finish_pilot(pilot, arms)

    def _finish_pilot(self, pilot: PilotRecord, arms: dict[str, str]) -> None:
        is_capped = pilot.cancel_requested and _is_limit(pilot.error)
        is_cancelled = pilot.cancel_requested and pilot.error is None
        if pilot.cancel_requested:
            left = {n: "cancelled" for n, s in arms.items() if s not in ("done", "failed")}
            self.store.set_arm_status(pilot.id, left)
            arms = arms | left
        status = pilot_end(list(arms.values()), cancelled=is_cancelled, capped=is_capped)
        if status in ("done", "partial"):
            self.store.start_pilot(pilot.id)  # where everything was there already
        self.store.finish_pilot(pilot.id, status, pilot.error or self._first_error(pilot, status))
        self._met.discard(pilot.id)
        self._arm_statuses.pop(pilot.id, None)
        logger.info("pilot %s: %s", pilot.id, status)

    def _first_error(self, pilot: PilotRecord, status: str) -> Mapping[str, Any] | None:
        if status not in ("failed", "partial"):
            return None
        return next((s.error for s in self.store.stages(pilot.id) if s.state == "failed"), None)

    def _arms(self, pilot: PilotRecord, needs: Sequence[Need]) -> dict[str, str]:
        """Statuses of the pilot's arms, stored when they change."""
        known = self._arm_statuses.get(pilot.id)
        names = known or [arm.name for arm in self.store.arms(pilot.id)]
        found = {name: arm_status([n.state for n in needs if name in n.arms]) for name in names}
        if found != known:
            self.store.set_arm_status(pilot.id, found)
            self._arm_statuses[pilot.id] = found
        return found

    def _record(self, pilot: PilotRecord, needs: Sequence[Need]) -> None:
        """Results of evaluations that are done, once per pilot."""
        for need in needs:
            question = (pilot.id, need.key)
            if need.kind != "evaluate" or need.state != "done" or question in self._recorded:
                continue
            summary = self.store.stage(need.key).summary or {}
            rows = summary.get("results", [])
            self.store.put_results([_result(pilot.id, arm, r) for arm in need.arms for r in rows])
            self._recorded.add(question)
