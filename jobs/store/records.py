"""What the store takes and gives: plain frozen records. Times are seconds since 1970 (UTC)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
JSON = Mapping[str, Any]


class PlannedStage(Protocol):
    """What the store needs of a plan's stage."""

    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def params(self) -> JSON: ...
    @property
    def inputs(self) -> Mapping[str, str]: ...
    @property
    def arms(self) -> tuple[str, ...]: ...
    @property
    def label(self) -> str: ...
    @property
    def units(self) -> float: ...
    @property
    def cost_hint(self) -> float: ...
    @property
    def source(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a longer list; pages count from 1."""

    rows: list[T]
    total: int
    page: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NewPilot:
    name: str
    spec: JSON
    dataset: str
    dataset_version: int | None = None
    fingerprint: str = ""
    images: int = 0
    classes: int = 0
    seeds: int = 1
    currency: str = "USD"
    estimate: JSON | None = None
    limit_money: float | None = None
    limit_hours: float | None = None
    case_hash: str = ""  # of the case that was fixed at submission, if one was


@dataclass(frozen=True, kw_only=True, slots=True)
class PilotRecord(NewPilot):
    id: str
    status: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    cancel_requested: bool
    archived: bool
    error: JSON | None
    card: JSON | None  # what the overview shows of the outcome, as the service last worked it out


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmRecord:
    name: str
    method: str
    tokenizer: str | None
    look: int
    sees_labels: bool = False
    status: str = "waiting"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRecord:
    """A stage by itself, whoever needs it."""

    key: str
    kind: str
    params: JSON
    inputs: Mapping[str, str]
    source: str
    state: str
    units: float
    cost_hint: float
    done: int
    total: int
    summary: JSON | None
    error: JSON | None
    device_seconds: float
    flops: float | None
    energy_kwh: float | None
    peak_memory: int | None  # bytes
    device_type: str
    cores: float
    attempts: int
    faults: int  # infrastructure faults since it was last asked for
    not_before: float  # back-off: not dispatched earlier
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PilotStage(StageRecord):
    """A stage as one pilot sees it."""

    pilot_id: str
    position: int
    arms: tuple[str, ...]
    label: str
    reused: bool  # it was done when the pilot was submitted


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """One live pilot needs one stage; what the supervisor decides by."""

    pilot_id: str
    position: int
    arms: tuple[str, ...]
    reused: bool
    key: str
    kind: str
    state: str
    inputs: Mapping[str, str]
    error: JSON | None
    faults: int
    not_before: float


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptRecord:
    stage_key: str
    number: int
    pilot_id: str  # who pays for it
    state: str  # running done failed lost cancelled
    worker: str
    pid: int | None
    started_at: float
    heartbeat_at: float
    ended_at: float | None
    error: JSON | None
    device_seconds: float
    flops: float | None
    energy_kwh: float | None
    peak_memory: int | None
    device_type: str
    cores: float
    event_offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What an attempt took."""

    device_seconds: float = 0.0
    flops: float | None = None
    energy_kwh: float | None = None
    peak_memory: int | None = None
    device_type: str = "cpu"
    cores: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """What one pilot paid on one kind of device."""

    pilot_id: str
    device_type: str
    cores: float
    device_seconds: float
    flops: float
    energy_kwh: float
    attempts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How many of a pilot's stages are in one state, and how much work they are."""

    pilot_id: str
    state: str
    reused: bool
    stages: int
    work: float  # units × cost_hint
    work_done: float


@dataclass(frozen=True, slots=True)
class Past:
    """One finished stage, for estimates."""

    seconds: float
    units: float
    cost_hint: float
    device_type: str
    cores: float


@dataclass(frozen=True, slots=True)
class Point:
    step: int
    name: str
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PointRecord:
    stage_key: str
    attempt: int
    step: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Log:
    at: float
    level: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRecord:
    id: int
    stage_key: str
    attempt: int
    at: float
    level: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultRecord:
    pilot_id: str
    arm: str
    task: str
    protocol: str
    label_budget: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    n_seeds: int = 1
    extra: JSON = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetRecord:
    name: str
    version: int
    folder: str
    fingerprint: str
    card: JSON
    created_at: float
    removed_at: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseRecord:
    id: int
    pilot_id: str
    name: str
    case: JSON
    result: JSON | None
    created_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionRecord:
    id: int
    pilot_id: str
    case_id: int | None
    who: str
    decision: JSON
    created_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ActualRecord:
    id: int
    decision_id: int
    who: str
    actual: JSON
    created_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRecord:
    id: int
    at: float
    who: str
    action: str
    subject: str
    detail: JSON
