"""The business case as a form: its fields, their units, and the way to a case and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.roi.case import Case


@dataclass(frozen=True, slots=True)
class Field:
    """One number of the form. `kind`: money, rate (shown in %), count, years."""

    name: str  # dotted, as in the case
    kind: str

    @property
    def elem_id(self) -> str:
        return f"roi-{self.name.replace('.', '-').replace('_', '-')}"

    @property
    def key(self) -> str:
        return f"case.{self.name}"


GROUPS: Mapping[str, tuple[Field, ...]] = {
    "production": (
        Field("items_per_year", "count"),
        Field("prevalence", "rate"),
        Field("cost_miss", "money"),
        Field("cost_false_alarm", "money"),
    ),
    "today": (
        Field("today.miss_rate", "rate"),
        Field("today.false_alarm_rate", "rate"),
        Field("today.process_per_item", "money"),
    ),
    "costs": (
        Field("one_off", "money"),
        Field("run_per_year", "money"),
        Field("inference_per_item", "money"),
        Field("labels.price_per_label", "money"),
    ),
    "rule": (
        Field("horizon_years", "years"),
        Field("discount_rate", "rate"),
        Field("next_stage_cost", "money"),
        Field("stage_budget", "money"),
        Field("p_go", "rate"),
        Field("p_no", "rate"),
    ),
    "more": (
        Field("tax", "rate"),
        Field("minimum.detection", "rate"),
        Field("minimum.pass_rate", "rate"),
    ),
}
FIELDS = tuple(f for group in GROUPS.values() for f in group)


def shown_values(case: Case) -> list[float | None]:
    """What stands in the fields for a case; None where the form cannot show a value."""
    plain = case.model_dump(mode="json")
    return [_shown(_at(plain, f.name), f.kind) for f in FIELDS]


def case_of(
    values: Sequence[float | None], good_classes: Sequence[str], base: Mapping[str, Any]
) -> Case:
    """The case from the form's fields over `base`, which keeps what the form does not show."""
    from jobs.roi.case import parse_case  # noqa: PLC0415 - scipy, a second of start-up time

    plain: dict[str, Any] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in base.items()}
    for field, value in zip(FIELDS, values, strict=True):
        old = _at(plain, field.name)
        if value is None and isinstance(old, (list, tuple, Mapping, str)):
            continue  # by year, by class or in another currency: kept as it is
        _put(plain, field.name, _stored(value, field.kind))
    if good_classes and not plain.get("positive_classes"):
        plain["good_classes"] = list(good_classes)
    return parse_case(plain)


def _at(values: Mapping[str, Any], name: str) -> Any:
    *outer, last = name.split(".")
    part = values.get(outer[0]) or {} if outer else values
    return part.get(last)


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    *outer, last = name.split(".")
    part = values.setdefault(outer[0], {}) if outer else values
    if value is None:
        part.pop(last, None)
    else:
        part[last] = value


def _shown(value: Any, kind: str) -> float | None:
    if not isinstance(value, (int, float)):
        return None
    return round(100 * value, 10) if kind == "rate" else value


def _stored(value: float | None, kind: str) -> float | int | None:
    if value is None:
        return None
    if kind == "rate":
        return round(value / 100, 12)
    return int(value) if kind == "years" and float(value).is_integer() else value
