"""Datasets, business cases, decisions, audit, small values and leases."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update

from digpt.errors import UserError
from jobs.store.database import Database, columns, insert_missing, many, one, page_bounds, upsert
from jobs.store.records import (
    JSON,
    ActualRecord,
    AuditRecord,
    CaseRecord,
    DatasetRecord,
    DecisionRecord,
    Page,
)
from jobs.store.tables import Actual, Audit, Case, Dataset, Decision, KeyValue, Lease


class Catalog(Database):
    """Everything that is neither a pilot nor a stage."""

    _now: Any

    def add_dataset(self, name: str, folder: str, fingerprint: str, card: JSON) -> DatasetRecord:
        """Store a dataset as the next version of its name."""
        with self._writing() as connection:
            newest = select(func.coalesce(func.max(Dataset.version), 0)).where(Dataset.name == name)
            record = DatasetRecord(
                name=name,
                version=connection.execute(newest).scalar_one() + 1,
                folder=folder,
                fingerprint=fingerprint,
                card=dict(card),
                created_at=self._now(),
            )
            names = DatasetRecord.__dataclass_fields__
            connection.execute(insert(Dataset).values({n: getattr(record, n) for n in names}))
        return record

    def datasets(self, name: str | None = None) -> list[DatasetRecord]:
        """Datasets that were not removed, by name, newest version first."""
        where: list[ColumnElement[bool]] = [Dataset.removed_at.is_(None)]
        if name is not None:
            where.append(Dataset.name == name)
        statement = select(*columns(Dataset, DatasetRecord)).where(*where)
        with self._reading() as connection:
            return many(
                connection, statement.order_by(Dataset.name, Dataset.version.desc()), DatasetRecord
            )

    def remove_dataset(self, name: str, version: int | None = None) -> int:
        """Hide one version or all; returns how many. Pilots that used them keep their results."""
        where = [Dataset.name == name, Dataset.removed_at.is_(None)]
        if version is not None:
            where.append(Dataset.version == version)
        with self._writing() as connection:
            statement = update(Dataset).where(*where).values(removed_at=self._now())
            return connection.execute(statement).rowcount

    def put_case(
        self, pilot_id: str, case: JSON, result: JSON | None = None, *, name: str = ""
    ) -> CaseRecord:
        """Keep a case with a pilot: its own, or a scenario by its name."""
        values = {"pilot_id": pilot_id, "case": dict(case), "created_at": self._now()}
        values |= {"name": name, "result": dict(result) if result is not None else None}
        with self._writing() as connection:
            key = connection.execute(insert(Case).values(values)).inserted_primary_key
        assert key is not None
        return CaseRecord(id=key[0], **values)

    def cases(self, pilot_id: str, limit: int = 50, name: str | None = "") -> list[CaseRecord]:
        """Cases of a pilot, newest first: its own, those of one scenario, or all (None)."""
        statement = select(*columns(Case, CaseRecord)).where(Case.pilot_id == pilot_id)
        if name is not None:
            statement = statement.where(Case.name == name)
        with self._reading() as connection:
            return many(connection, statement.order_by(Case.id.desc()).limit(limit), CaseRecord)

    def scenarios(self, pilot_id: str) -> list[CaseRecord]:
        """The newest case of every named scenario, in the order in which they were first saved."""
        newest = (
            select(func.max(Case.id), func.min(Case.id).label("first"))
            .where(Case.pilot_id == pilot_id, Case.name != "")
            .group_by(Case.name)
            .subquery()
        )
        statement = (
            select(*columns(Case, CaseRecord))
            .join(newest, Case.id == newest.c[0])
            .order_by(newest.c.first)
        )
        with self._reading() as connection:
            found = many(connection, statement, CaseRecord)
        return [record for record in found if record.case]  # {}: removed since

    def put_decision(
        self, pilot_id: str, decision: JSON, *, who: str = "", case_id: int | None = None
    ) -> DecisionRecord:
        values: dict[str, Any] = {"pilot_id": pilot_id, "case_id": case_id, "who": who}
        values |= {"decision": dict(decision), "created_at": self._now()}
        with self._writing() as connection:
            key = connection.execute(insert(Decision).values(values)).inserted_primary_key
        assert key is not None
        return DecisionRecord(id=key[0], **values)

    def decisions(self, pilot_id: str, limit: int = 50) -> list[DecisionRecord]:
        """Decisions about a pilot, newest first."""
        statement = select(*columns(Decision, DecisionRecord)).where(Decision.pilot_id == pilot_id)
        with self._reading() as connection:
            return many(
                connection, statement.order_by(Decision.id.desc()).limit(limit), DecisionRecord
            )

    def decision(self, decision_id: int) -> DecisionRecord:
        """One decision, or a UserError."""
        statement = select(*columns(Decision, DecisionRecord)).where(Decision.id == decision_id)
        with self._reading() as connection:
            found = one(connection, statement, DecisionRecord)
        if found is None:
            raise UserError(
                f'There is no decision {decision_id}. "digpt decisions PILOT" shows those that '
                "exist.",
                code="unknown-decision",
                field="decision",
                decision=decision_id,
            )
        return found

    def put_actual(self, decision_id: int, actual: JSON, *, who: str) -> ActualRecord:
        values: dict[str, Any] = {"decision_id": decision_id, "who": who, "actual": dict(actual)}
        values["created_at"] = self._now()
        with self._writing() as connection:
            key = connection.execute(insert(Actual).values(values)).inserted_primary_key
        assert key is not None
        return ActualRecord(id=key[0], **values)

    def actuals(self, decision_ids: Sequence[int]) -> list[ActualRecord]:
        """What was entered about decisions, oldest first."""
        statement = select(*columns(Actual, ActualRecord)).where(
            Actual.decision_id.in_(decision_ids)
        )
        with self._reading() as connection:
            return many(connection, statement.order_by(Actual.id), ActualRecord)

    def audit(self, who: str, action: str, subject: str, detail: JSON | None = None) -> None:
        """Note who did what to what."""
        values = {"at": self._now(), "who": who, "action": action, "subject": subject}
        with self._writing() as connection:
            connection.execute(insert(Audit).values(**values, detail=dict(detail or {})))

    def audits(
        self, subject: str | None = None, page: int = 1, size: int = 100, *, action: str = ""
    ) -> Page[AuditRecord]:
        """The audit trail, newest first; of one subject or one kind of action."""
        limit, offset = page_bounds(page, size)
        where = [] if subject is None else [Audit.subject == subject]
        where += [Audit.action == action] if action else []
        statement = select(*columns(Audit, AuditRecord)).where(*where).order_by(Audit.id.desc())
        with self._reading() as connection:
            total = connection.execute(select(func.count(Audit.id)).where(*where)).scalar_one()
            return Page(
                many(connection, statement.limit(limit).offset(offset), AuditRecord),
                total,
                page,
                size,
            )

    def get_value(self, key: str, default: Any = None) -> Any:
        with self._reading() as connection:
            row = connection.execute(select(KeyValue.value).where(KeyValue.key == key)).first()
        return default if row is None else row[0]

    def set_value(self, key: str, value: Any) -> None:
        with self._writing() as connection:
            upsert(connection, KeyValue, [{"key": key, "value": value}])

    def take_lease(self, name: str, owner: str, seconds: float, *, over: str = "") -> bool:
        """Get or prolong a lease; False while another owner's has not run out.

        `over`: owners whose name begins so are known to be gone and do not count.
        """
        now = self._now()
        row = {"name": name, "owner": owner, "expires_at": now + seconds}
        is_free = or_(Lease.owner == owner, Lease.expires_at < now)
        if over:
            is_free = or_(is_free, Lease.owner.startswith(over, autoescape=True))
        with self._writing() as connection:
            insert_missing(connection, Lease, [row])
            taken = update(Lease).where(Lease.name == name, is_free).values(row)
            return connection.execute(taken).rowcount == 1

    def release_lease(self, name: str, owner: str) -> None:
        with self._writing() as connection:
            connection.execute(delete(Lease).where(Lease.name == name, Lease.owner == owner))

    def lease_owner(self, name: str) -> str | None:
        """Who holds the lease now, if anybody."""
        statement = select(Lease.owner).where(Lease.name == name, Lease.expires_at >= self._now())
        with self._reading() as connection:
            return connection.execute(statement).scalar()
