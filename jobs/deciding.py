"""Decisions: what is written down when somebody decides, and how reality compared later.

Pure: cases, results and plain records in, plain values out. A decision carries everything that it
rested on, so that it can be read without the program that made it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import digpt
from digpt.errors import UserError
from jobs import reading
from jobs.money.pricing import PriceTable
from jobs.roi import Case, CaseResult
from jobs.roi.changes import Change, case_hash, changes
from jobs.roi.decision import COLLECT, GO, NO_GO
from jobs.roi.export import as_plain
from jobs.store.records import ActualRecord, DecisionRecord, PilotRecord

CHOICES = (GO, NO_GO, COLLECT)
MAX_NOTE, MAX_NAME = 4000, 100


class Actual(BaseModel):
    """What came of a decision in one year, as measured afterwards; money in the case's currency."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    year: Annotated[int, Field(ge=1, le=50)] = 1
    saving: Annotated[float, Field(ge=-1e15, le=1e15)] | None = None  # after running costs
    miss_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    false_alarm_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    items: Annotated[float, Field(ge=0, le=1e12)] | None = None  # inspected in that year
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""


MEASURES = ("saving", "miss_rate", "false_alarm_rate", "items")


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """One figure as it was expected when the decision was made; bounds where there were some."""

    likely: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One forecast against what came: the error is actual less forecast."""

    measure: str  # one of MEASURES
    year: int
    forecast: Forecast
    actual: float
    error: float
    relative: float | None  # None where the forecast was 0
    is_within: bool | None  # inside its 5-95%; None where it had no interval


@dataclass(frozen=True, kw_only=True, slots=True)
class ActualView:
    who: str
    at: datetime
    actual: Actual
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionView:
    """A decision as it was recorded, with what came of it."""

    id: int
    pilot: str
    who: str
    at: datetime
    choice: str  # what was decided
    verdict: str | None  # what the rule said
    arm: str | None
    stage: str
    note: str
    currency: str
    npv: float | None  # of the chosen arm, at likely values
    p_positive: float | None
    fixed_before_launch: bool
    changes: tuple[Change, ...]  # of the case since launch
    is_intact: bool  # nobody altered it, or one before it, in the database
    actuals: tuple[ActualView, ...]
    content: Mapping[str, Any]  # everything, as recorded


def record(
    pilot: PilotRecord,
    case: Case,
    result: CaseResult,
    *,
    fixed: Case | None,
    prices: PriceTable,
    choice: str | None,
    note: str,
    who: str,
    previous: str,
) -> dict[str, Any]:
    """All of a decision as plain values. Without a choice it follows the verdict."""
    chosen = choice or result.verdict
    _check(chosen, note, who)
    arm = result.chosen_arm or _best_arm(result)
    content = {
        "pilot": pilot.id,
        "name": pilot.name,
        "dataset": pilot.dataset,
        "dataset_version": pilot.dataset_version,
        "fingerprint": pilot.fingerprint,
        "version": digpt.__version__,
        "stage": getattr(case, "stage", "pilot"),
        "choice": chosen,
        "verdict": result.verdict,
        "arm": arm,
        "case": case.model_dump(mode="json", exclude_none=True),
        "case_hash": case_hash(case),
        "fixed_hash": pilot.case_hash or None,
        "changes": [[c.field, c.before, c.after] for c in changes(fixed, case)] if fixed else [],
        "result": as_plain(result),
        "rates": prices.rates.model_dump(mode="json"),
        "note": note,
        "who": who,
        "previous": previous,
    }
    return content | {"digest": digest(content)}


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a decision, the digest of the one before it included."""
    plain = {name: value for name, value in content.items() if name != "digest"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def decision_views(
    decisions: Sequence[DecisionRecord], actuals: Sequence[ActualRecord]
) -> list[DecisionView]:
    """All decisions of a pilot (in any order), newest first, each with what was entered later."""
    ordered = sorted(decisions, key=lambda d: d.id)
    found, before, intact = [], "", True
    for decision in ordered:
        content = decision.decision
        same = content.get("digest") == digest(content) and content.get("previous") == before
        intact = intact and same
        before = str(content.get("digest"))
        own = [a for a in actuals if a.decision_id == decision.id]
        found.append(_view(decision, own, is_intact=intact))
    return found[::-1]


def parse_actual(values: Mapping[str, Any]) -> Actual:
    """A checked actual; at least one figure must be in it."""
    try:
        actual = Actual.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{field} is {first['input']!r}: {first['msg']}.",
            code="actual-value",
            field=field,
            value=first["input"],
        ) from error
    if all(getattr(actual, name) is None for name in MEASURES):
        raise UserError(
            f"Nothing was measured. Give at least one of {', '.join(MEASURES)}.",
            code="actual-empty",
            field="saving",
        )
    return actual


def forecasts(content: Mapping[str, Any], year: int) -> dict[str, Forecast]:
    """What a decision expected of a year, by measure; what it had no figure for is left out."""
    figures = (content["result"]["arms"].get(content["arm"]) or {}).get("figures")
    if figures is None:
        return {}
    found = {
        name: Forecast(likely=figures[name], low=low, high=high)
        for name in ("miss_rate", "false_alarm_rate")
        for low, high in [figures[f"{name}_interval"]]
    }
    flows = figures["to_come"]["flows"]
    if year < len(flows):
        found["saving"] = Forecast(likely=flows[year])
    items = content["case"]["items_per_year"]
    found |= {"items": f} if (f := _items(items, year)) else {}
    return found


def _items(items: Any, year: int) -> Forecast | None:
    """The volume of a year, which a case holds as a number, one for each year, or a range."""
    if isinstance(items, Mapping):
        return Forecast(likely=items["likely"], low=items["low"], high=items["high"])
    if isinstance(items, list):
        return Forecast(likely=items[year - 1]) if year <= len(items) else None
    return Forecast(likely=items)


def _view(
    decision: DecisionRecord, actuals: Sequence[ActualRecord], *, is_intact: bool
) -> DecisionView:
    content = decision.decision
    figures = (content["result"]["arms"].get(content["arm"]) or {}).get("figures") or {}
    return DecisionView(
        id=decision.id,
        pilot=decision.pilot_id,
        who=decision.who,
        at=reading.moment(decision.created_at),
        choice=content["choice"],
        verdict=content["verdict"],
        arm=content["arm"],
        stage=content["stage"],
        note=content["note"],
        currency=content["case"]["currency"],
        npv=figures.get("npv"),
        p_positive=figures.get("p_positive"),
        fixed_before_launch=content["fixed_hash"] is not None,
        changes=tuple(Change(*c) for c in content["changes"]),
        is_intact=is_intact,
        actuals=tuple(_actual_view(content, a) for a in actuals),
        content=content,
    )


def _actual_view(content: Mapping[str, Any], record: ActualRecord) -> ActualView:
    actual = Actual.model_validate(record.actual)
    expected = forecasts(content, actual.year)
    outcomes = [
        _outcome(name, actual.year, expected[name], float(value))
        for name in MEASURES
        if (value := getattr(actual, name)) is not None and name in expected
    ]
    return ActualView(
        who=record.who,
        at=reading.moment(record.created_at),
        actual=actual,
        outcomes=tuple(outcomes),
    )


def _outcome(measure: str, year: int, forecast: Forecast, actual: float) -> Outcome:
    error = actual - forecast.likely
    within = None
    if forecast.low is not None and forecast.high is not None:
        within = forecast.low <= actual <= forecast.high
    return Outcome(
        measure=measure,
        year=year,
        forecast=forecast,
        actual=actual,
        error=error,
        relative=error / abs(forecast.likely) if forecast.likely else None,
        is_within=within,
    )


def _best_arm(result: CaseResult) -> str | None:
    """The arm that a decision without a chosen one is about: that of highest E[NPV]."""
    known = {n: a.figures.npv_spread.mean for n, a in result.arms.items() if a.figures}
    return max(known, key=lambda name: known[name]) if known else None


def _check(choice: str | None, note: str, who: str) -> None:
    if choice not in CHOICES:
        raise UserError(
            f"A decision is one of {', '.join(CHOICES)}, not {choice!r}. The case has no verdict "
            "to follow, so name one."
            if choice is None
            else f"A decision is one of {', '.join(CHOICES)}, not {choice!r}.",
            code="bad-choice",
            field="decide",
            value=choice,
        )
    if not who.strip() or len(who) > MAX_NAME:
        raise UserError(
            f"Say who decides (1 to {MAX_NAME} characters).", code="who-missing", field="who"
        )
    if len(note) > MAX_NOTE:
        raise UserError(
            f"The note has {len(note)} characters; at most {MAX_NOTE} are kept. Shorten it.",
            code="note-too-long",
            field="note",
        )
