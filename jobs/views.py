"""Read models: what the service answers, as plain frozen records. No text for people in here:
sentences are made by whoever shows them, in the reader's language, from these facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:  # numpy
    from digpt.data.remarks import Remark

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A figure with its interval; `likely` alone where the interval is not known."""

    likely: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """One page of a longer list; pages count from 1."""

    items: list[T]
    total: int
    page: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetView:
    name: str
    version: int | None  # None: built in
    builtin: bool
    images: int
    classes: tuple[str, ...]
    good_classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]  # split -> class ("" for unlabelled) -> images
    caption_columns: tuple[str, ...]
    captioned: Mapping[str, int]  # pool and training images with a text, per column
    caption_names_class: Mapping[str, float]  # share, per column
    attributes: tuple[str, ...]
    groups: int | None  # number of groups, None where there are none
    source: str
    licence: str
    notes: "tuple[Remark, ...]"
    warnings: "tuple[Remark, ...]"
    fingerprint: str
    task: str = "classification"


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetVersion:
    """One import under a name. It never changes; pilots say which one they used."""

    version: int
    fingerprint: str
    created_at: datetime
    images: int
    pilots: tuple[str, ...]  # ids, newest first


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerView:
    name: str  # registry form, e.g. "domain-clip"
    family: str
    description: str
    licence: str
    needs_weights: bool
    needs_captions: bool
    is_discrete: bool
    ready: bool  # can be used now, offline
    remark: str  # why not ready, or ""
    training_data: str = ""
    commercial: str = "unknown"  # yes, no or unknown: whether its licence allows commercial use
    concerns: tuple[str, ...] = ()  # codes of what to know before using it
    source: str = ""  # where its terms can be read


@dataclass(frozen=True, kw_only=True, slots=True)
class LicenceAccepted:
    """Terms that forbid commercial use, and who said that this is known and right."""

    tokenizer: str
    licence: str
    who: str  # account of the machine
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class StageEstimateView:
    kind: str
    count: int
    cached: int
    device_seconds: Range
    money: Range


@dataclass(frozen=True, kw_only=True, slots=True)
class EstimateView:
    stages: tuple[StageEstimateView, ...]  # by kind, in order of running
    arms: tuple["ArmEstimateView", ...]
    wall_seconds: Range
    device_seconds: Range
    money: Range
    currency: str
    energy_kwh: Range
    reused_stages: int
    total_stages: int
    saved_by_reuse: float  # money
    basis: str  # "history" or "calibration"
    rate_shown: str  # exchange rate, date and source, "" where none was used
    limit_money: float | None
    limit_hours: float | None
    warnings: tuple[Mapping[str, Any], ...] = ()  # {"code": ..., facts}


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmEstimateView:
    name: str
    method: str
    tokenizer: str | None
    look: int  # order 0-4 of the colour/marker/dash, -1: muted
    seeds: int
    money: float  # stand-alone
    images_seen: int | None = None  # in pretraining; None: it has none, or was estimated before


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmView:
    name: str
    method: str
    tokenizer: str | None
    look: int
    status: str  # waiting running done failed cancelled
    is_cheap_baseline: bool  # frozen
    sees_labels: bool  # its captions name the class beyond the budget


@dataclass(frozen=True, kw_only=True, slots=True)
class GainView:
    """Best arm against the cheap baseline (or scratch where there is none), paired."""

    arm: str
    look: int
    baseline: str
    metric: str
    protocol: str
    label_budget: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    share: float  # 0..1 of the estimated work
    stages_done: int
    stages_reused: int
    stages_failed: int
    stages_total: int
    eta_seconds: Range | None  # None while estimating (first 5%) or not running


@dataclass(frozen=True, kw_only=True, slots=True)
class PilotCard:
    id: str
    name: str
    status: str  # queued running done partial failed cancelled
    archived: bool
    dataset: str
    images: int
    classes: int
    created_at: datetime
    ended_at: datetime | None
    progress: Progress
    spent: float
    limit: float | None
    currency: str
    arms: int
    seeds: int
    gain: GainView | None
    best_arm: str | None
    verdict: str | None  # GO | NO-GO | COLLECT MORE | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StageView:
    key: str
    kind: str  # prepare fit tokenize init pretrain features probe knn finetune evaluate
    arms: tuple[str, ...]
    label: str  # short facts, e.g. "domain-clip" or "seed 1"
    state: str  # waiting queued running done reused failed cancelled
    done: int
    total: int
    device_seconds: float
    money: float
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    eta_seconds: Range | None
    error: Mapping[str, Any] | None  # {"code","message","field"}


@dataclass(frozen=True, kw_only=True, slots=True)
class PilotView:
    card: PilotCard
    spec_yaml: str
    arms: tuple[ArmView, ...]
    stages: tuple[StageView, ...]
    estimate: EstimateView | None  # as it was at submission
    elapsed_seconds: float
    device_seconds: float
    money: float  # incremental
    money_stand_alone: float
    energy_kwh: float
    error: Mapping[str, Any] | None
    restarts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RateUsed:
    """An exchange rate that a figure was made with: 1 `source` = `rate` `target`."""

    source: str
    target: str
    rate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What a pilot's figures rest on, so that a reader can trace them."""

    dataset: DatasetView | None  # with the images the pilot used; None: no longer in this home
    dataset_version: int | None  # None: built in
    fingerprint: str
    prices_date: date
    rates_date: date
    rates_source: str
    rates: tuple[RateUsed, ...]  # those that the case and the pilot's cost needed


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    at: datetime
    level: str
    stage: str  # kind and label
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    arm: str
    look: int
    seed: int
    state: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenMapRow:
    tokenizer: str
    look: int
    images: tuple[bytes, ...]  # PNG, one per photo


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenMaps:
    photos: tuple[bytes, ...]  # PNG
    captions: tuple[str, ...]
    rows: tuple[TokenMapRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    alive: bool
    supervisor: bool
    slots: int
    busy: int
    devices: tuple[str, ...]
    disk_free_bytes: int
    home: str
    queue: int
    extra: Mapping[str, Any] = field(default_factory=dict)
