"""Decisions in words, for the page and the command line: what changed, and how a forecast did."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dashboard.text import Viewer, has_text

if TYPE_CHECKING:
    from jobs.deciding import Outcome
    from jobs.roi.changes import Change

_KINDS: Mapping[str, str] = {  # by a field's last name; amounts by MONEY, the others as they stand
    **dict.fromkeys(
        ("miss_rate", "false_alarm_rate", "prevalence", "discount_rate", "tax", "detection",
         "pass_rate", "precision", "p_go", "p_no", "review_share"), "accuracy"),
    **dict.fromkeys(("items_per_year", "capacity_per_year", "number", "inspectors"), "count"),
    **dict.fromkeys(
        ("cost_miss", "cost_false_alarm", "cost_true_alarm", "process_per_item",
         "inference_per_item", "one_off", "price_per_label", "run_per_year", "cost_per_item",
         "next_stage_cost", "stage_budget", "integration", "cost_per_inspector",
         "unplanned_stop", "planned_stop", "decision_cost"), "money"),
}  # fmt: skip

_GROUP_KINDS = {"ramp": "accuracy", "costs": "money", "study_prices": "money"}  # by year or class


def change_text(change: "Change", currency: str, me: Viewer) -> str:
    """ "changed after launch: cost of a miss $60 → $80"."""
    return me.text(
        "fixed.changed",
        field=field_name(change.field, me),
        before=value_text(change.field, change.before, currency, me),
        after=value_text(change.field, change.after, currency, me),
    )


def field_name(field: str, me: Viewer) -> str:
    """What a field of the case is called on the page; its own name where the form lacks it."""
    return me.text(f"case.{field}") if has_text(f"case.{field}") else field


def value_text(field: str, value: Any, currency: str, me: Viewer) -> str:
    """A value of a case as people read it: an amount, a rate, a range, a list."""
    if value is None:
        return me.text("fixed.nothing")
    if isinstance(value, Mapping):
        ends = [value.get(n) for n in ("low", "likely", "high") if value.get(n) is not None]
        return " / ".join(value_text(field, end, currency, me) for end in ends)
    if isinstance(value, (list, tuple)):
        parts = [value_text(field, v, currency, me) for v in value]
        return me.text("list.separator").join(parts) or me.text("fixed.nothing")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return me.number(value, kind_of(field), currency)
    return str(value)


def kind_of(field: str) -> str:
    """How a field's numbers are written: accuracy (a rate), money, count or plain."""
    group, _, last = field.rpartition(".")
    first = field.partition(".")[0]
    by_group = _GROUP_KINDS.get(first) if group else None
    return _KINDS.get(last) or by_group or _KINDS.get(first, "plain")


def outcome_text(outcome: "Outcome", currency: str, me: Viewer) -> str:
    """One forecast against what came, as a sentence."""
    kind = {"saving": "money", "items": "count"}.get(outcome.measure, "accuracy")
    is_rate = kind == "accuracy"
    error = me.number(
        outcome.error if is_rate else outcome.relative, "points" if is_rate else "change"
    )
    states = {None: "none", True: "within", False: "outside"}
    return me.text(
        f"outcome.{states[outcome.is_within]}",
        measure=me.text(f"measure.{outcome.measure}"),
        year=outcome.year,
        forecast=me.number(outcome.forecast.likely, kind, currency),
        actual=me.number(outcome.actual, kind, currency),
        error=error,
    )
