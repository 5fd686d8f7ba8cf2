"""Stages and their attempts: compare-and-set states, leases with a heartbeat, curves and logs."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from digpt.errors import UserError
from jobs.engine.states import PILOT_LIVE, STAGE
from jobs.store.database import Database, columns, many, one, upsert
from jobs.store.pilots import is_wanted
from jobs.store.records import (
    JSON,
    AttemptRecord,
    Cost,
    Log,
    LogRecord,
    Need,
    Past,
    PilotStage,
    Point,
    PointRecord,
    StageRecord,
)
from jobs.store.tables import Attempt, Pilot, Stage
from jobs.store.tables import Log as LogTable
from jobs.store.tables import PilotStage as PilotStageTable
from jobs.store.tables import Point as PointTable

MAX_LOGS = 2000  # lines kept of one stage
MAX_TEXT = 4000  # characters kept of one line


class Stages(Database):
    """Queries and changes of stages, attempts, points and logs."""

    _now: Any

    def stage(self, key: str) -> StageRecord:
        """The stage, or a UserError."""
        with self._reading() as connection:
            statement = select(*columns(Stage, StageRecord)).where(Stage.key == key)
            found = one(connection, statement, StageRecord)
        if found is None:
            raise UserError(f"There is no stage {key!r}.", code="unknown-stage", field="stage")
        return found

    def stages(self, pilot_id: str) -> list[PilotStage]:
        """The stages of a pilot in plan order."""
        statement = (
            select(*columns(Stage, StageRecord), *columns(PilotStageTable, PilotStage))
            .join(PilotStageTable, Stage.key == PilotStageTable.stage_key)
            .where(PilotStageTable.pilot_id == pilot_id)
            .order_by(PilotStageTable.position)
        )
        with self._reading() as connection:
            rows = connection.execute(statement).mappings()
            return [PilotStage(**{**row, "arms": tuple(row["arms"])}) for row in rows]

    def states(self, keys: Sequence[str]) -> dict[str, str]:
        """State of each stage that is known; for estimates and cache display."""
        statement = select(Stage.key, Stage.state).where(Stage.key.in_(keys))
        with self._reading() as connection:
            return {key: state for key, state in connection.execute(statement)}

    def needs(self) -> list[Need]:
        """Every stage that a live pilot needs: oldest pilot first, each in plan order."""
        table = PilotStageTable
        statement = (
            select(*columns(table, Need), *columns(Stage, Need))
            .join(Stage, Stage.key == table.stage_key)
            .join(Pilot, Pilot.id == table.pilot_id)
            .where(Pilot.status.in_(PILOT_LIVE))
            .order_by(table.pilot_id, table.position)
        )
        with self._reading() as connection:
            rows = connection.execute(statement).mappings()
            return [Need(**{**row, "arms": tuple(row["arms"])}) for row in rows]

    def owners(self, key: str) -> list[tuple[str, tuple[str, ...]]]:
        """(pilot, arms) of every pilot that includes the stage."""
        table = PilotStageTable
        rows = select(table.pilot_id, table.arms).where(table.stage_key == key)
        with self._reading() as connection:
            return [(p, tuple(a)) for p, a in connection.execute(rows.order_by(table.pilot_id))]

    def set_stage_state(
        self, key: str, new: str, from_states: Iterable[str] | None = None, **values: Any
    ) -> bool:
        """Compare-and-set; `values` are written with it. False if it was in another state."""
        with self._writing() as connection:
            return _set_state(connection, key, new, from_states, values)

    def adopt(self, key: str, summary: JSON, cost: Cost | None = None) -> bool:
        """A complete artifact was found: the stage is done, whoever made it."""
        values: dict[str, Any] = {"summary": dict(summary), "error": None}
        if cost is not None:
            values |= _cost(cost)
        ended = func.coalesce(Stage.ended_at, self._now())
        return self.set_stage_state(key, "done", done=Stage.total, ended_at=ended, **values)

    def start_attempt(self, key: str, *, pilot_id: str, worker: str, cost: Cost) -> int | None:
        """Number of the new attempt, now running; None if the stage is not waiting for one."""
        now = self._now()
        with self._writing() as connection:
            started = func.coalesce(Stage.started_at, now)
            values = {"attempts": Stage.attempts + 1, "started_at": started, "ended_at": None}
            if not _set_state(connection, key, "running", None, values | {"error": None}):
                return None
            number = connection.execute(select(Stage.attempts).where(Stage.key == key)).scalar_one()
            row = {"stage_key": key, "number": number, "pilot_id": pilot_id, "worker": worker}
            row |= {"state": "running", "started_at": now, "heartbeat_at": now}
            row |= {"device_type": cost.device_type, "cores": cost.cores}
            connection.execute(insert(Attempt), row)
        return number

    def heartbeat(
        self, key: str, number: int, *, pid: int | None = None, device_seconds: float = 0.0
    ) -> bool:
        """The attempt is alive; False if it is no longer the one that counts."""
        with self._writing() as connection:
            values = {"heartbeat_at": self._now(), "device_seconds": device_seconds, "pid": pid}
            return _change_attempt(connection, key, number, values)

    def finish_attempt(
        self,
        key: str,
        number: int,
        state: str,
        *,
        stage_state: str,
        cost: Cost | None = None,
        summary: JSON | None = None,
        error: JSON | None = None,
        not_before: float = 0.0,
    ) -> bool:
        """End an attempt and move its stage; False (and nothing written) if it does not count.

        `state` is done, failed, lost or cancelled. A lost attempt adds to the stage's faults. A
        stage that goes back to waiting keeps no error; the attempt does.
        """
        now = self._now()
        taken = _cost(cost) if cost is not None else {}
        with self._writing() as connection:
            ended = {"state": state, "ended_at": now, "error": error} | taken
            if not _change_attempt(connection, key, number, ended):
                return False
            if stage_state == "cancelled" and connection.execute(select(is_wanted(key))).scalar():
                stage_state = "waiting"  # a pilot submitted meanwhile needs it
            values: dict[str, Any] = {"not_before": not_before, **taken}
            values["error"] = None if stage_state in ("waiting", "done") else error
            values["faults"] = Stage.faults + (1 if state == "lost" else 0)
            if stage_state != "waiting":
                values["ended_at"] = now
            if stage_state == "done":
                values |= {"summary": dict(summary or {}), "done": Stage.total}
            return _set_state(connection, key, stage_state, ["running"], values)

    def ingest(
        self,
        key: str,
        number: int,
        *,
        points: Sequence[Point],
        logs: Sequence[Log],
        progress: tuple[int, int] | None,
        offset: int,
    ) -> bool:
        """Take over what an attempt reported up to a byte offset, once; False if already there."""
        with self._writing() as connection:
            is_new = and_(
                Attempt.stage_key == key, Attempt.number == number, Attempt.event_offset < offset
            )
            moved = connection.execute(update(Attempt).where(is_new).values(event_offset=offset))
            if not moved.rowcount:
                return False
            _put_points(connection, key, number, points)
            _put_logs(connection, key, number, logs)
            if progress is not None:
                done, total = progress
                connection.execute(
                    update(Stage)
                    .where(Stage.key == key, Stage.attempts == number)
                    .values(done=done, total=total)
                )
        return True

    def attempts(self, key: str) -> list[AttemptRecord]:
        """Attempts of a stage, first to last."""
        statement = select(*columns(Attempt, AttemptRecord)).where(Attempt.stage_key == key)
        with self._reading() as connection:
            return many(connection, statement.order_by(Attempt.number), AttemptRecord)

    def running_attempts(self) -> list[AttemptRecord]:
        statement = select(*columns(Attempt, AttemptRecord)).where(Attempt.state == "running")
        with self._reading() as connection:
            return many(connection, statement, AttemptRecord)

    def points(self, keys: Sequence[str], names: Sequence[str] = ()) -> list[PointRecord]:
        """Curve points by stage, name and step; where an attempt repeated a step, the later one."""
        where = [PointTable.stage_key.in_(keys)]
        if names:
            where.append(PointTable.name.in_(names))
        statement = select(*columns(PointTable, PointRecord)).where(*where)
        order = (PointTable.stage_key, PointTable.name, PointTable.step)
        with self._reading() as connection:
            return many(connection, statement.order_by(*order), PointRecord)

    def logs(
        self, keys: Sequence[str], *, since: int = 0, limit: int = 200, newest: bool = True
    ) -> list[LogRecord]:
        """Lines after id `since`, oldest first; of more than `limit`, the newest (or oldest)."""
        order = LogTable.id.desc() if newest else LogTable.id
        statement = (
            select(*columns(LogTable, LogRecord))
            .where(LogTable.stage_key.in_(keys), LogTable.id > since)
            .order_by(order)
            .limit(limit)
        )
        with self._reading() as connection:
            found = many(connection, statement, LogRecord)
        return sorted(found, key=lambda line: line.id)

    def history(self, kind: str, limit: int = 200) -> list[Past]:
        """Finished stages of a kind that were really run here, newest first."""
        statement = (
            select(Stage.device_seconds.label("seconds"), *columns(Stage, Past))
            .where(Stage.kind == kind, Stage.state == "done", Stage.device_seconds > 0)
            .order_by(Stage.ended_at.desc())
            .limit(limit)
        )
        with self._reading() as connection:
            return many(connection, statement, Past)


def _set_state(
    connection: Connection,
    key: str,
    new: str,
    from_states: Iterable[str] | None,
    values: dict[str, Any],
) -> bool:
    allowed = STAGE[new] if from_states is None else STAGE[new] & set(from_states)
    statement = update(Stage).where(Stage.key == key, Stage.state.in_(sorted(allowed)))
    return connection.execute(statement.values(state=new, **values)).rowcount == 1


def _change_attempt(connection: Connection, key: str, number: int, values: dict[str, Any]) -> bool:
    """Change the attempt if it still runs and is the newest of its stage."""
    newest = select(Stage.attempts).where(Stage.key == key).scalar_subquery()
    is_current = and_(
        Attempt.stage_key == key,
        Attempt.number == number,
        Attempt.number == newest,
        Attempt.state == "running",
    )
    return connection.execute(update(Attempt).where(is_current).values(**values)).rowcount == 1


def _cost(cost: Cost) -> dict[str, Any]:
    return {n: getattr(cost, n) for n in Cost.__dataclass_fields__}


def _put_points(connection: Connection, key: str, number: int, points: Sequence[Point]) -> None:
    latest = {(p.name, p.step): p.value for p in points}
    upsert(
        connection,
        PointTable,
        [
            {"stage_key": key, "name": name, "step": step, "value": value, "attempt": number}
            for (name, step), value in latest.items()
        ],
    )


def _put_logs(connection: Connection, key: str, number: int, logs: Sequence[Log]) -> None:
    if not logs:
        return
    count = select(func.count(LogTable.id)).where(LogTable.stage_key == key)
    room = MAX_LOGS - connection.execute(count).scalar_one()
    base: dict[str, Any] = {"stage_key": key, "attempt": number}
    rows = [
        base | {"at": g.at, "level": g.level, "text": g.text[:MAX_TEXT]}
        for g in logs[: max(room, 0)]
    ]
    if 0 <= room < len(logs):
        last = f"… more than {MAX_LOGS} lines; the rest stands in the attempt's events.jsonl"
        rows.append(base | {"at": logs[-1].at, "level": "warning", "text": last})
    if rows:
        connection.execute(insert(LogTable), rows)
