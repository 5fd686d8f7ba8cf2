"""The business case as a form of our own HTML: every input a point, or low, likely and high.

The browser sends what was entered as one JSON text: field -> number, or [low, likely, high], null
where nothing stands. A field that holds more than three boxes can show (one value for each year or
class, another currency) is written out, not edited, and stays as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.decisions import value_text
from dashboard.html import NOTHING, Html, h, join
from dashboard.text import Viewer, has_text
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.roi.case import Case

ENDS = ("low", "likely", "high")
STAGES = ("pilot", "validation", "roll-out")
RULE = (("next_stage_cost", "money"), ("stage_budget", "money"), ("p_go", "rate"), ("p_no", "rate"))


@dataclass(frozen=True, slots=True)
class Field:
    """One input of the form. `kind`: money, rate (shown in %), count, years."""

    name: str  # dotted, as in the case
    kind: str
    ranged: bool = True  # low, likely and high; else one number
    slides: bool = False  # has a slider: what a person wants to try first

    @property
    def elem_id(self) -> str:
        return f"roi-{self.name.replace('.', '-').replace('_', '-')}"

    @property
    def key(self) -> str:
        return f"case.{self.name}"


GROUPS: Mapping[str, tuple[Field, ...]] = {
    "production": (
        Field("items_per_year", "count", slides=True),
        Field("prevalence", "rate", slides=True),
        Field("cost_miss", "money", slides=True),
        Field("cost_false_alarm", "money", slides=True),
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
        Field("horizon_years", "years", ranged=False),
        Field("discount_rate", "rate"),
        Field("next_stage_cost", "money", ranged=False),
        Field("stage_budget", "money", ranged=False),
        Field("p_go", "rate", ranged=False),
        Field("p_no", "rate", ranged=False),
    ),
    "later": tuple(
        Field(f"gates.{stage}.{name}", kind, ranged=False)
        for stage in STAGES[1:]
        for name, kind in RULE
    ),
    "failure": (
        Field("failure.unplanned_stop", "money"),
        Field("failure.planned_stop", "money"),
        Field("failure.minimum_lead_time", "count", ranged=False),
    ),
    "more": (
        Field("integration", "money"),
        Field("labels.number", "count"),
        Field("today.inspectors", "count"),
        Field("today.cost_per_inspector", "money"),
        Field("review.cost_per_item", "money"),
        Field("review.miss_rate", "rate"),
        Field("review.capacity_per_year", "count"),
        Field("tax", "rate", ranged=False),
        Field("minimum.detection", "rate", ranged=False),
        Field("minimum.pass_rate", "rate", ranged=False),
        Field("minimum.precision", "rate", ranged=False),
    ),
}
FOLDED = ("later", "failure", "more")  # groups that are shut at first
# parts of a case that are not there unless one of these fields is given: the rest has defaults
NEEDED: Mapping[str, tuple[str, ...]] = {
    "review": ("cost_per_item", "capacity_per_year"),
    "failure": ("unplanned_stop", "planned_stop"),
}
BEFORE_MEASURED = ("production", "today")  # the pilot's own rates stand after these
FIELDS = tuple(f for group in GROUPS.values() for f in group)

Shown = float | list[float] | None  # what stands in a field's boxes


def shown_values(case: Case) -> dict[str, Any]:
    """What the browser holds for a case; fields that the form cannot edit are left out."""
    plain = case.model_dump(mode="json")
    found: dict[str, Any] = {
        f.name: _shown(_at(plain, f.name), f.kind)
        for f in FIELDS
        if _is_editable(_at(plain, f.name), f)
    }
    return found | {"stage": plain["stage"], "good_classes": plain["good_classes"]}


def case_of(values: Mapping[str, Any], base: Mapping[str, Any]) -> Case:
    """The case that was entered, over `base`, which keeps what the form does not show."""
    from jobs.roi.case import parse_case  # noqa: PLC0415 - scipy, a second of start-up time

    plain: dict[str, Any] = deepcopy(dict(base))
    for field in FIELDS:
        if field.name in values:
            old = _at(plain, field.name)
            _put(plain, field.name, _stored(values[field.name], field, old))
    for name in ("review", "failure", "minimum", "labels", "gates"):
        if not _is_given(plain.get(name), NEEDED.get(name)):
            plain.pop(name, None)
    plain["stage"] = values.get("stage", plain.get("stage", STAGES[0]))
    if not plain.get("positive_classes"):
        plain["good_classes"] = list(values.get("good_classes", plain.get("good_classes", ())))
    return parse_case(plain)


def read(text: str) -> dict[str, Any]:
    """What the browser sent; a UserError where it is not what the form writes."""
    try:
        values = json.loads(text or "{}")
    except ValueError as error:
        raise UserError("The form sent no JSON. Reload the page.", code="bad-form") from error
    if not isinstance(values, dict):
        raise UserError("The form sent no fields. Reload the page.", code="bad-form")
    return values


def to_text(values: Mapping[str, Any]) -> str:
    """What `read` reads: the values as the browser sends them."""
    return json.dumps(values, ensure_ascii=False)


def group_html(names: Sequence[str], case: Case, me: Viewer) -> Html:
    """Some groups of the form with a case's values in them."""
    plain = case.model_dump(mode="json")
    return join(_group(name, plain, case, me) for name in names)


def classes_html(classes: Sequence[str], case: Case, me: Viewer) -> Html:
    """Which classes are good: a box for each."""
    boxes = join(
        h(
            '<label class="d-check"><input type="checkbox" name="{name}" data-good{on}>'
            "{name}</label>",
            name=name,
            on=Html(" checked") if name in case.good_classes else NOTHING,
        )
        for name in classes
    )
    return h(
        '<fieldset id="roi-good-classes" class="d-field" data-field="good_classes">'
        '<legend>{label}</legend><div class="d-checks-row">{boxes}</div>'
        '<p class="d-note">{info}</p><p class="d-problem" role="alert"></p></fieldset>',
        label=me.text("case.good_classes"),
        info=me.text("case.good_classes.info"),
        boxes=boxes,
    )


def _group(name: str, plain: Mapping[str, Any], case: Case, me: Viewer) -> Html:
    rows = join(_row(f, plain, case.currency, me) for f in GROUPS[name])
    title = me.text(f"roi.group.{name}")
    if name in FOLDED:
        is_open = case.stage != STAGES[0] if name == "later" else case.failure is not None
        open_now = Html(" open") if is_open and name != "more" else NOTHING
        return h(
            '<details class="d-group"{open}><summary>{t}</summary>{rows}</details>',
            open=open_now,
            t=title,
            rows=rows,
        )
    first = stage_html(case.stage, me) if name == "rule" else NOTHING
    return h('<h3 class="d-group">{t}</h3>{first}{rows}', t=title, first=first, rows=rows)


def stage_html(stage: str, me: Viewer) -> Html:
    """Where the project stands: the rule below is that of the step after it."""
    options = join(
        h(
            '<option value="{s}"{on}>{words}</option>',
            s=s,
            on=Html(" selected") if s == stage else NOTHING,
            words=me.text(f"stage.{s}"),
        )
        for s in STAGES
    )
    return h(
        '<div class="d-field" data-field="stage"><label for="roi-stage">{label}</label>'
        '<select id="roi-stage" data-stage>{options}</select></div>',
        label=me.text("case.stage"),
        options=options,
    )


def _row(field: Field, plain: Mapping[str, Any], currency: str, me: Viewer) -> Html:
    value = _at(plain, field.name)
    slider = NOTHING
    if _is_editable(value, field):
        boxes = _boxes(field, _shown(value, field.kind), me)
        slider = _slider(field, me) if field.slides else NOTHING
    else:
        words = value_text(field.name, value, currency, me)
        boxes = h('<output class="d-fixed">{w}</output>', w=words)
    info = f"{field.key}.info"
    return h(
        '<div class="d-field" id="{id}" data-field="{name}">'
        '<label for="{id}-likely" title="{info}">{label}</label><div class="d-boxes">{boxes}</div>'
        '{slider}<p class="d-problem" role="alert"></p></div>',
        slider=slider,
        id=field.elem_id,
        name=field.name,
        info=me.text(info) if has_text(info) else "",
        label=label(field, currency, me),
        boxes=boxes,
    )


def _boxes(field: Field, value: Shown, me: Viewer) -> Html:
    if not field.ranged:
        return _box(field, "likely", value if isinstance(value, float | int) else None, me)
    ends = value if isinstance(value, list) else [None, value, None]
    return join(_box(field, end, x, me) for end, x in zip(ENDS, ends, strict=True))


def _slider(field: Field, me: Viewer) -> Html:
    """A slider that scales what stands in the boxes, a range as a whole; its middle is as it was.

    The page's script does it: the boxes stay what is sent.
    """
    return h(
        '<input type="range" class="d-slide" id="{id}-slide" data-slide data-most="{most}" '
        'min="-100" max="100" value="0" aria-label="{words}" title="{tip}">',
        id=field.elem_id,
        most="99.9" if field.kind == "rate" else "",
        words=me.text("case.slide", field=me.text(field.key)),
        tip=me.text("case.slide.tip"),
    )


def _box(field: Field, end: str, value: float | None, me: Viewer) -> Html:
    words = f"{me.text(field.key)}, {me.text(f'roi.{end}')}"
    return h(
        '<input type="number" step="any" id="{id}-{end}" data-end="{end}" aria-label="{words}" '
        'placeholder="{hint}" value="{value}">',
        id=field.elem_id,
        end=end,
        words=words,
        hint=me.text(f"roi.{end}") if end != "likely" else "",
        value="" if value is None else f"{value:.12g}",
    )


def label(field: Field, currency: str, me: Viewer) -> str:
    """A field's name with its unit."""
    unit = {"money": currency, "rate": "%", "years": me.text("unit.years"), "count": ""}[field.kind]
    return me.text(field.key) + (f" ({unit})" if unit else "")


def _is_editable(value: Any, field: Field) -> bool:
    """Whether the field's boxes can hold a value: a number, nothing, or a range of own currency."""
    if isinstance(value, Mapping):
        return field.ranged and set(ENDS) <= set(value) and value.get("currency") is None
    return value is None or isinstance(value, (int, float))


def _at(values: Mapping[str, Any], name: str) -> Any:
    part: Any = values
    for key in name.split("."):
        part = (part or {}).get(key)
    return part


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    first, _, rest = name.partition(".")
    if rest:
        values[first] = values.get(first) or {}
        _put(values[first], rest, value)
    elif value is None:
        values.pop(first, None)
    else:
        values[first] = value


def _is_given(value: Any, needed: Sequence[str] | None = None) -> bool:
    """Whether anything stands in a group of the case, or in the fields that make it one."""
    if isinstance(value, Mapping):
        parts = value.values() if needed is None else [value.get(name) for name in needed]
        return any(_is_given(part) for part in parts)
    return value is not None


def _shown(value: Any, kind: str) -> Shown:
    if isinstance(value, Mapping):
        return [_number_shown(value[end], kind) for end in ENDS]
    return None if value is None else _number_shown(value, kind)


def _number_shown(value: float, kind: str) -> float:
    return round(100 * value, 10) if kind == "rate" else value


def _stored(entered: Any, field: Field, old: Any) -> Any:
    """A number, a range, or None where nothing was entered; a missing end is the likely value."""
    if not isinstance(entered, list):
        return _number_stored(entered, field)
    low, likely, high = (_number_stored(x, field) for x in entered)
    if likely is None:
        return None if low is None and high is None else {"low": low, "likely": None, "high": high}
    if low is None and high is None:
        return likely
    ends = {"low": likely if low is None else low, "likely": likely}
    ends["high"] = likely if high is None else high
    kept = old.get("distribution") if isinstance(old, Mapping) else None
    return ends | ({"distribution": kept} if kept else {})


def _number_stored(value: Any, field: Field) -> float | int | None:
    if value is None or value == "":
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise UserError(
            f"{field.name} is {value!r}; a number is needed.",
            code="case-value",
            field=field.name,
            value=value,
        )
    if field.kind == "rate":
        return round(value / 100, 12)
    return int(value) if field.kind == "years" and float(value).is_integer() else value
