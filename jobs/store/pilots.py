"""Pilots: what was asked, by whom it is needed, how it ended."""

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, case, exists, func, insert, or_, select, update

from digpt.errors import UserError
from jobs.engine.states import PILOT
from jobs.store.database import Database, columns, insert_missing, many, one, page_bounds, upsert
from jobs.store.records import (
    JSON,
    ArmRecord,
    NewPilot,
    Page,
    PilotRecord,
    PlannedStage,
    ResultRecord,
    Spending,
    Tally,
)
from jobs.store.tables import Arm, Attempt, Pilot, PilotStage, Result, Stage

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u
_EPOCH_MS = 1_735_689_600_000  # 2025-01-01


class Pilots(Database):
    """Queries and changes of pilots, arms and results."""

    _now: Any

    def create_pilot(
        self, new: NewPilot, arms: Sequence[ArmRecord], stages: Sequence[PlannedStage]
    ) -> PilotRecord:
        """Store a pilot with its arms and plan; stages that exist are shared, not repeated."""
        now = self._now()
        with self._writing() as connection:
            pilot_id = _new_id(connection, now)
            values = {n: getattr(new, n) for n in NewPilot.__dataclass_fields__}
            connection.execute(
                insert(Pilot),
                values | {"id": pilot_id, "status": "queued", "created_at": now},
            )
            upsert(connection, Arm, [_arm_row(pilot_id, i, arm) for i, arm in enumerate(arms)])
            insert_missing(connection, Stage, [_stage_row(s) for s in stages])
            done = _keys_in_state(connection, [s.key for s in stages], "done")
            _set_waiting(connection, [s.key for s in stages])
            upsert(
                connection,
                PilotStage,
                [_need_row(pilot_id, i, s, s.key in done) for i, s in enumerate(stages)],
            )
        return self.pilot(pilot_id)

    def pilot(self, pilot_id: str) -> PilotRecord:
        """The pilot, or a UserError."""
        statement = select(*columns(Pilot, PilotRecord)).where(Pilot.id == pilot_id)
        with self._reading() as connection:
            found = one(connection, statement, PilotRecord)
        if found is None:
            raise UserError(
                f'There is no pilot {pilot_id!r}. "digpt pilot list" shows those that exist.',
                code="unknown-pilot",
                field="pilot",
                pilot=pilot_id,
            )
        return found

    def pilots(
        self,
        status: str | None = None,
        search: str = "",
        page: int = 1,
        size: int = 50,
        *,
        archived: bool | None = False,
    ) -> Page[PilotRecord]:
        """Newest first; `search` looks in name, dataset and id; `archived=None` means both."""
        limit, offset = page_bounds(page, size)
        where = []
        if archived is not None:
            where.append(Pilot.archived == archived)
        if status is not None:
            where.append(Pilot.status == status)
        if search.strip():
            wanted = search.strip()
            where.append(
                or_(
                    Pilot.name.icontains(wanted, autoescape=True),
                    Pilot.dataset.icontains(wanted, autoescape=True),
                    Pilot.id == wanted,
                )
            )
        rows = select(*columns(Pilot, PilotRecord)).where(*where).order_by(Pilot.id.desc())
        with self._reading() as connection:
            total = connection.execute(select(func.count(Pilot.id)).where(*where)).scalar_one()
            found = many(connection, rows.limit(limit).offset(offset), PilotRecord)
        return Page(found, total, page, size)

    def live_pilots(self) -> list[PilotRecord]:
        """Queued and running pilots, oldest first."""
        statement = select(*columns(Pilot, PilotRecord)).where(
            Pilot.status.in_(["queued", "running"])
        )
        with self._reading() as connection:
            return many(connection, statement.order_by(Pilot.id), PilotRecord)

    def live_marks(self) -> list[tuple[str, str, bool]]:
        """(id, status, cancel requested) of queued and running pilots: a cheap look for changes."""
        statement = select(Pilot.id, Pilot.status, Pilot.cancel_requested).where(
            Pilot.status.in_(["queued", "running"])
        )
        with self._reading() as connection:
            rows = connection.execute(statement.order_by(Pilot.id))
            return [(row.id, row.status, row.cancel_requested) for row in rows]

    def arms(self, pilot_id: str) -> list[ArmRecord]:
        return self.arms_of([pilot_id])[pilot_id]

    def arms_of(self, pilot_ids: Sequence[str]) -> dict[str, list[ArmRecord]]:
        """Arms in order, for several pilots at once."""
        statement = (
            select(Arm.pilot_id, *columns(Arm, ArmRecord))
            .where(Arm.pilot_id.in_(pilot_ids))
            .order_by(Arm.pilot_id, Arm.position)
        )
        found: dict[str, list[ArmRecord]] = {p: [] for p in pilot_ids}
        with self._reading() as connection:
            for row in connection.execute(statement).mappings():
                values = dict(row)
                found[values.pop("pilot_id")].append(ArmRecord(**values))
        return found

    def set_arm_status(self, pilot_id: str, statuses: dict[str, str]) -> None:
        with self._writing() as connection:
            for name, status in statuses.items():
                connection.execute(
                    update(Arm)
                    .where(Arm.pilot_id == pilot_id, Arm.name == name)
                    .values(status=status)
                )

    def request_cancel(self, pilot_id: str, reason: JSON | None = None) -> bool:
        """Note that the pilot should stop; False if it is already over or asked before.

        `reason` is the limit it came to, where nobody asked for it.
        """
        is_live = Pilot.status.in_(["queued", "running"])
        asked_before = Pilot.cancel_requested.is_(True)
        return self._change(pilot_id, [is_live, ~asked_before], cancel_requested=True, error=reason)

    def archive(self, pilot_id: str, archived: bool = True) -> bool:
        return self._change(pilot_id, [], archived=archived)

    def set_card(self, pilot_id: str, card: JSON) -> None:
        """Keep what the overview shows of the outcome, so that it need not be worked out again."""
        self._change(pilot_id, [], card=dict(card))

    def start_pilot(self, pilot_id: str) -> bool:
        started = func.coalesce(Pilot.started_at, self._now())
        return self._move(pilot_id, "running", started_at=started)

    def finish_pilot(self, pilot_id: str, status: str, error: JSON | None = None) -> bool:
        """Done, partial, failed or cancelled; False if the pilot was not live."""
        return self._move(
            pilot_id, status, ended_at=self._now(), error=error, cancel_requested=False
        )

    def drop_stages(self, pilot_id: str, error: JSON) -> list[str]:
        """Give up what a pilot no longer wants; returns its running stages nobody else needs.

        Stages that another live pilot needs go on. One transaction, so that a pilot submitted in
        this moment either finds them cancelled (and asks again) or keeps them.
        """
        mine = select(PilotStage.stage_key).where(PilotStage.pilot_id == pilot_id)
        is_alone = and_(Stage.key.in_(mine), ~is_wanted(Stage.key, besides=pilot_id))
        idle = Stage.state.in_(["waiting", "queued"])
        with self._writing() as connection:
            connection.execute(
                update(Stage).where(is_alone, idle).values(state="cancelled", error=error)
            )
            running = select(Stage.key).where(is_alone, Stage.state == "running")
            return list(connection.execute(running).scalars())

    def request_retry(self, pilot_id: str) -> bool:
        """Let a pilot that ended badly run again: its failed and cancelled stages wait again."""
        with self._writing() as connection:
            changed = connection.execute(
                update(Pilot)
                .where(Pilot.id == pilot_id, Pilot.status.in_(PILOT["queued"]))
                .values(status="queued", ended_at=None, error=None, cancel_requested=False)
            )
            if not changed.rowcount:
                return False
            keys = select(PilotStage.stage_key).where(PilotStage.pilot_id == pilot_id)
            _set_waiting(connection, keys)
        return True

    def put_results(self, rows: Sequence[ResultRecord]) -> None:
        """Store result rows; a row for the same question replaces the former."""
        names = ResultRecord.__dataclass_fields__
        with self._writing() as connection:
            upsert(connection, Result, [{n: getattr(r, n) for n in names} for r in rows])

    def results(self, pilot_ids: Sequence[str]) -> list[ResultRecord]:
        statement = select(*columns(Result, ResultRecord)).where(Result.pilot_id.in_(pilot_ids))
        with self._reading() as connection:
            return many(connection, statement.order_by(Result.pilot_id, Result.arm), ResultRecord)

    def pilots_by_version(self, dataset: str) -> dict[int, list[str]]:
        """Version of a dataset -> ids of the pilots that used it, newest first."""
        statement = (
            select(Pilot.dataset_version, Pilot.id)
            .where(Pilot.dataset == dataset, Pilot.dataset_version.is_not(None))
            .order_by(Pilot.id.desc())
        )
        found: dict[int, list[str]] = {}
        with self._reading() as connection:
            for version, pilot_id in connection.execute(statement):
                found.setdefault(version or 0, []).append(pilot_id)
        return found

    def tallies(self, pilot_ids: Sequence[str]) -> list[Tally]:
        """Stages per pilot and state, with their work."""
        work = Stage.units * Stage.cost_hint
        share = case(
            (Stage.state == "done", 1.0),
            (Stage.total > 0, 1.0 * Stage.done / Stage.total),
            else_=0.0,
        )
        statement = (
            select(
                PilotStage.pilot_id,
                Stage.state,
                PilotStage.reused,
                func.count().label("stages"),
                func.sum(work).label("work"),
                func.sum(work * share).label("work_done"),
            )
            .join(Stage, Stage.key == PilotStage.stage_key)
            .where(PilotStage.pilot_id.in_(pilot_ids))
            .group_by(PilotStage.pilot_id, Stage.state, PilotStage.reused)
        )
        with self._reading() as connection:
            return many(connection, statement, Tally)

    def spending(self, pilot_ids: Sequence[str]) -> list[Spending]:
        """What each pilot paid: the attempts that were started for it, failed ones too."""
        statement = (
            select(
                Attempt.pilot_id,
                Attempt.device_type,
                Attempt.cores,
                func.sum(Attempt.device_seconds).label("device_seconds"),
                func.coalesce(func.sum(Attempt.flops), 0.0).label("flops"),
                func.coalesce(func.sum(Attempt.energy_kwh), 0.0).label("energy_kwh"),
                func.count().label("attempts"),
            )
            .where(Attempt.pilot_id.in_(pilot_ids))
            .group_by(Attempt.pilot_id, Attempt.device_type, Attempt.cores)
        )
        with self._reading() as connection:
            return many(connection, statement, Spending)

    def _move(self, pilot_id: str, status: str, **values: Any) -> bool:
        return self._change(pilot_id, [Pilot.status.in_(PILOT[status])], status=status, **values)

    def _change(self, pilot_id: str, where: list[Any], **values: Any) -> bool:
        statement = update(Pilot).where(and_(Pilot.id == pilot_id, *where)).values(**values)
        with self._writing() as connection:
            return connection.execute(statement).rowcount == 1


def is_wanted(key: Any, besides: str = "") -> Any:
    """Whether a live pilot that is not being cancelled needs the stage."""
    return exists().where(
        PilotStage.stage_key == key,
        PilotStage.pilot_id == Pilot.id,
        Pilot.id != besides,
        Pilot.status.in_(["queued", "running"]),
        Pilot.cancel_requested.is_(False),
    )


def _new_id(connection: Connection, now: float) -> str:
    """Ten characters that sort by time, to the millisecond."""
    while True:
        value = (round(now * 1000) - _EPOCH_MS) * 1024 + secrets.randbelow(1024)
        digits = [_ALPHABET[(value >> (5 * i)) & 31] for i in reversed(range(10))]
        pilot_id = "".join(digits)
        if connection.execute(select(Pilot.id).where(Pilot.id == pilot_id)).first() is None:
            return pilot_id


def _arm_row(pilot_id: str, position: int, arm: ArmRecord) -> dict[str, Any]:
    values = {n: getattr(arm, n) for n in ArmRecord.__dataclass_fields__}
    return values | {"pilot_id": pilot_id, "position": position}


def _stage_row(stage: PlannedStage) -> dict[str, Any]:
    return {
        "key": stage.key,
        "kind": stage.kind,
        "params": stage.params,
        "inputs": dict(stage.inputs),
        "source": stage.source,
        "state": "waiting",
        "units": stage.units,
        "cost_hint": stage.cost_hint,
    }


def _need_row(pilot_id: str, position: int, stage: PlannedStage, reused: bool) -> dict[str, Any]:
    return {
        "pilot_id": pilot_id,
        "position": position,
        "stage_key": stage.key,
        "arms": list(stage.arms),
        "label": stage.label,
        "reused": reused,
    }


def _keys_in_state(connection: Connection, keys: list[str], state: str) -> set[str]:
    statement = select(Stage.key).where(Stage.key.in_(keys), Stage.state == state)
    return set(connection.execute(statement).scalars())


def _set_waiting(connection: Connection, keys: Any) -> None:
    """Stages that ended badly are asked for again."""
    connection.execute(
        update(Stage)
        .where(Stage.key.in_(keys), Stage.state.in_(["failed", "cancelled"]))
        .values(state="waiting", error=None, faults=0, not_before=0.0, ended_at=None)
    )
