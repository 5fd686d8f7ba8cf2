"""The business case as it was entered: each input with its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.report.facts import Facts
from dashboard.report.story import Section
from dashboard.report.words.phrases import listed, two_to_a_row
from dashboard.text import Viewer

# dotted field -> how its number is written; fields that were left out are not shown
_INPUTS = {
    "items_per_year": "compact",
    "prevalence": "accuracy",
    "good_classes": "words",
    "positive_classes": "words",
    "cost_miss": "money",
    "cost_false_alarm": "money",
    "cost_true_alarm": "money",
    "today.miss_rate": "accuracy",
    "today.false_alarm_rate": "accuracy",
    "today.process_per_item": "price",
    "inference_per_item": "price",
    "review.cost_per_item": "money",
    "review.capacity_per_year": "compact",
    "review.miss_rate": "accuracy",
    "review.false_alarm_rate": "accuracy",
    "one_off": "money",
    "run_per_year": "money",
    "labels.price_per_label": "money",
    "horizon_years": "years",
    "ramp": "share",
    "discount_rate": "accuracy",
    "tax": "accuracy",
    "depreciation_years": "years",
    "next_stage_cost": "money",
    "stage_budget": "money",
    "p_go": "share",
    "p_no": "share",
    "minimum.detection": "accuracy",
    "minimum.pass_rate": "accuracy",
    "minimum.precision": "accuracy",
}
_ZERO_IS_UNSAID = ("cost_true_alarm", "tax", "review.miss_rate", "review.false_alarm_rate")


def assumptions(facts: Facts, me: Viewer) -> Section | None:
    """The inputs two to a row; None without a case."""
    if facts.case is None:
        return None
    values = facts.case.model_dump(mode="json", exclude_none=True)
    found = [
        (_label(field, me), told(value, kind, facts.case.currency, me))
        for field, kind in _INPUTS.items()
        if (value := _at(values, field)) not in (None, [], {})
        if not (field in _ZERO_IS_UNSAID and value == 0)
    ]
    return Section(
        key="assumptions",
        title=me.text("report.assumptions.title"),
        table=two_to_a_row(found, me),
        note=me.text("report.assumptions.converted") if facts.provenance.rates else "",
    )


def _label(field: str, me: Viewer) -> str:
    """The form has a field for each year of the ramp; here they stand in one row."""
    return me.text("report.assumptions.ramp" if field == "ramp" else f"case.{field}")


def _at(values: Mapping[str, Any], field: str) -> Any:
    *outer, name = field.split(".")
    part = values.get(outer[0]) if outer else values
    return part.get(name) if part else None


def told(value: Any, kind: str, currency: str, me: Viewer) -> str:
    """A value as people read it: a number, a range, one by class, or a list."""
    if isinstance(value, Mapping) and {"low", "likely", "high"} <= set(value):
        likely = told(value["likely"], kind, currency, me)
        ends = me.interval(float(value["low"]), float(value["high"]), kind, currency)
        return me.text("report.range", likely=likely, range=ends)
    if isinstance(value, Mapping):
        colon = me.text("colon")
        return listed([f"{k}{colon}{told(v, kind, currency, me)}" for k, v in value.items()], me)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return listed([told(v, kind, currency, me) for v in value], me)
    if isinstance(value, str):
        return value
    return _number(float(value), kind, currency, me)


def _number(value: float, kind: str, currency: str, me: Viewer) -> str:
    if kind == "years":
        return f"{value:.0f} {me.text('unit.years')}" if me.language == "en" else f"{value:.0f}年"
    return me.number(value, kind, currency)
