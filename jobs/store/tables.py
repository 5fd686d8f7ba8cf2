"""The tables. A change here needs a migration beside it (`migrations/versions`)."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it)
        dict[str, Any]: JSON(none_as_null=True),
        dict[str, str]: JSON(),
        list[str]: JSON(),
    }


class Pilot(Base):
    __tablename__ = "pilots"
    id: Mapped[str] = mapped_column(primary_key=True)  # sorts by time of creation
    name: Mapped[str]
    status: Mapped[str]
    spec: Mapped[dict[str, Any]]
    estimate: Mapped[dict[str, Any] | None]
    dataset: Mapped[str]
    dataset_version: Mapped[int | None]
    fingerprint: Mapped[str]
    images: Mapped[int]
    classes: Mapped[int]
    seeds: Mapped[int]
    currency: Mapped[str]
    limit_money: Mapped[float | None]
    limit_hours: Mapped[float | None]
    case_hash: Mapped[str] = mapped_column(default="")  # of the case fixed at submission
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    archived: Mapped[bool] = mapped_column(default=False)
    error: Mapped[dict[str, Any] | None]
    card: Mapped[dict[str, Any] | None]
    __table_args__ = (
        Index("pilots_by_status", "status", "id"),
        Index("pilots_by_archived", "archived", "id"),
    )


class Arm(Base):
    __tablename__ = "arms"
    pilot_id: Mapped[str] = mapped_column(ForeignKey("pilots.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    method: Mapped[str]
    tokenizer: Mapped[str | None]
    look: Mapped[int]
    sees_labels: Mapped[bool]
    status: Mapped[str]


class Stage(Base):
    __tablename__ = "stages"
    key: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    params: Mapped[dict[str, Any]]
    inputs: Mapped[dict[str, str]]
    source: Mapped[str]
    state: Mapped[str]
    units: Mapped[float]
    cost_hint: Mapped[float]
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    summary: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    device_seconds: Mapped[float] = mapped_column(default=0.0)
    flops: Mapped[float | None]
    energy_kwh: Mapped[float | None]
    peak_memory: Mapped[int | None] = mapped_column(BigInteger)
    device_type: Mapped[str] = mapped_column(default="")
    cores: Mapped[float] = mapped_column(default=0.0)
    attempts: Mapped[int] = mapped_column(default=0)
    faults: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[float] = mapped_column(default=0.0)
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    __table_args__ = (Index("stages_for_history", "kind", "state", "ended_at"),)


class PilotStage(Base):
    __tablename__ = "pilot_stages"
    pilot_id: Mapped[str] = mapped_column(ForeignKey("pilots.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    stage_key: Mapped[str] = mapped_column(ForeignKey("stages.key"))
    arms: Mapped[list[str]]
    label: Mapped[str]
    reused: Mapped[bool]
    __table_args__ = (Index("pilot_stages_by_stage", "stage_key", "pilot_id", unique=True),)


class Attempt(Base):
    __tablename__ = "attempts"
    stage_key: Mapped[str] = mapped_column(ForeignKey("stages.key"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    pilot_id: Mapped[str] = mapped_column(ForeignKey("pilots.id"))
    state: Mapped[str]
    worker: Mapped[str]
    pid: Mapped[int | None]
    started_at: Mapped[float]
    heartbeat_at: Mapped[float]
    ended_at: Mapped[float | None]
    error: Mapped[dict[str, Any] | None]
    device_seconds: Mapped[float] = mapped_column(default=0.0)
    flops: Mapped[float | None]
    energy_kwh: Mapped[float | None]
    peak_memory: Mapped[int | None] = mapped_column(BigInteger)
    device_type: Mapped[str] = mapped_column(default="")
    cores: Mapped[float] = mapped_column(default=0.0)
    event_offset: Mapped[int] = mapped_column(BigInteger, default=0)
    __table_args__ = (
        Index("attempts_by_state", "state"),
        Index("attempts_by_pilot", "pilot_id"),
    )


class Point(Base):
    __tablename__ = "points"
    stage_key: Mapped[str] = mapped_column(ForeignKey("stages.key"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float]
    attempt: Mapped[int]
    __table_args__ = ({"sqlite_with_rowid": False},)


class Log(Base):
    __tablename__ = "logs"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    stage_key: Mapped[str] = mapped_column(ForeignKey("stages.key"))
    attempt: Mapped[int]
    at: Mapped[float]
    level: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    __table_args__ = (Index("logs_by_stage", "stage_key", "id"),)


class Result(Base):
    __tablename__ = "results"
    pilot_id: Mapped[str] = mapped_column(ForeignKey("pilots.id"), primary_key=True)
    arm: Mapped[str] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    protocol: Mapped[str] = mapped_column(primary_key=True)
    label_budget: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]
    low: Mapped[float | None]
    high: Mapped[float | None]
    n_seeds: Mapped[int]
    extra: Mapped[dict[str, Any]]


class Dataset(Base):
    __tablename__ = "datasets"
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    folder: Mapped[str]
    fingerprint: Mapped[str]
    card: Mapped[dict[str, Any]]
    created_at: Mapped[float]
    removed_at: Mapped[float | None]


class Case(Base):
    __tablename__ = "cases"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    pilot_id: Mapped[str] = mapped_column(ForeignKey("pilots.id"))
    name: Mapped[str] = mapped_column(default="")  # of a scenario; "" is the pilot's own case
    case: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    created_at: Mapped[float]
    __table_args__ = (Index("cases_by_pilot", "pilot_id", "id"),)


class Decision(Base):
    """Written once: triggers of the database refuse to change or delete a row."""

    __tablename__ = "decisions"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    pilot_id: Mapped[str] = mapped_column(ForeignKey("pilots.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"))
    who: Mapped[str]
    decision: Mapped[dict[str, Any]]
    created_at: Mapped[float]
    __table_args__ = (Index("decisions_by_pilot", "pilot_id", "id"),)


class Actual(Base):
    """What came of a decision later, as somebody entered it. Written once, like decisions."""

    __tablename__ = "actuals"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("decisions.id"))
    who: Mapped[str]
    actual: Mapped[dict[str, Any]]
    created_at: Mapped[float]
    __table_args__ = (Index("actuals_by_decision", "decision_id", "id"),)


class Audit(Base):
    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[float]
    who: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]
    __table_args__ = (Index("audit_by_subject", "subject", "id"),)


class KeyValue(Base):
    __tablename__ = "keyvalue"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


class Lease(Base):
    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    expires_at: Mapped[float]
