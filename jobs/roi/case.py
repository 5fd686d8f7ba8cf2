"""The ROI case: what a person knows about volumes, costs and today's process.

Money is a number in the case's currency, or a text with its own ("20 USD"), which `converted`
turns into the case's currency at the price table's stored rate. Rates and shares are in [0, 1].
"""

import math
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from digpt.errors import UserError

MAX_MONEY = 1e15
MAX_ITEMS = 1e12
MAX_YEARS = 50
_AMOUNT = re.compile(r"^\s*([0-9][0-9_,]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]{3})?\s*$")


def _read_money(value: object) -> object:
    """A number, or a text like "1,200 USD" as a normalised text."""
    if not isinstance(value, str):
        return value
    found = _AMOUNT.match(value)
    if not found:
        raise ValueError('money is a number, or a text with a currency such as "20 USD"')
    number = float(found[1].replace(",", "").replace("_", ""))
    return f"{number:.15g} {found[2].upper()}" if found[2] else number


def _check_money(value: float | str) -> float | str:
    number = float(value.split()[0]) if isinstance(value, str) else value
    if not (math.isfinite(number) and 0 <= number <= MAX_MONEY):
        raise ValueError("out of range")
    return value


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not yes/no")
    return value


Money = Annotated[
    float | str,
    BeforeValidator(_not_bool),
    BeforeValidator(_read_money),
    AfterValidator(_check_money),
]
Rate = Annotated[float, BeforeValidator(_not_bool), Field(ge=0, le=1)]
Prevalence = Annotated[float, BeforeValidator(_not_bool), Field(gt=0, lt=1)]
Items = Annotated[float, BeforeValidator(_not_bool), Field(gt=0, le=MAX_ITEMS)]
Years = Annotated[int, BeforeValidator(_not_bool), Field(ge=1, le=MAX_YEARS)]

MONEY_RANGE = f'0 to {MAX_MONEY:g}, as a number or with a currency ("20 USD")'
RATE_RANGE = "0 to 1"
ITEMS_RANGE = f"above 0, at most {MAX_ITEMS:g}"
ALLOWED = {  # by the field's last name: what a message calls the allowed range
    "currency": "a three-letter code such as JPY, USD or EUR",
    "items_per_year": f"{ITEMS_RANGE} (one number, or one per year of the horizon)",
    "prevalence": "between 0 and 1, both excluded (one number, or one per defect class)",
    "good_classes": "a list of class names",
    "positive_classes": "a list of class names",
    "cost_miss": MONEY_RANGE,
    "cost_false_alarm": MONEY_RANGE,
    "cost_true_alarm": MONEY_RANGE,
    "miss_rate": RATE_RANGE,
    "false_alarm_rate": RATE_RANGE,
    "process_per_item": MONEY_RANGE,
    "inference_per_item": MONEY_RANGE,
    "one_off": MONEY_RANGE,
    "price_per_label": MONEY_RANGE,
    "run_per_year": MONEY_RANGE,
    "horizon_years": f"a whole number from 1 to {MAX_YEARS}",
    "discount_rate": "above -1, at most 10 (0.08 is 8%)",
    "ramp": "a list of shares from 0 to 1, at most one per year of the horizon",
    "tax": RATE_RANGE,
    "depreciation_years": f"a whole number from 1 to {MAX_YEARS}",
    "cost_per_item": MONEY_RANGE,
    "capacity_per_year": "0 or more items a year",
    "overflow": "reject or pass",
    "protocol": "the name of a protocol, such as probe or finetune",
    "label_budget": 'a whole number above 0, or "all"',
    "next_stage_cost": MONEY_RANGE,
    "stage_budget": MONEY_RANGE,
    "p_go": RATE_RANGE,
    "p_no": f"{RATE_RANGE}, below p_go",
    "detection": RATE_RANGE,
    "pass_rate": RATE_RANGE,
    "precision": RATE_RANGE,
    "today": "a group with miss_rate, false_alarm_rate and process_per_item",
    "labels": "a group with price_per_label",
    "review": "a group with cost_per_item and, if need be, rates, capacity_per_year and overflow",
    "minimum": "a group with detection, pass_rate or precision",
}


class Part(BaseModel):
    """What all parts of a case share: immutable, no unknown fields, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Today(Part):
    """Today's process."""

    miss_rate: Rate
    false_alarm_rate: Rate
    process_per_item: Money


class Labels(Part):
    """What a label costs."""

    price_per_label: Money = 0.0


class Review(Part):
    """People who look at the items between two thresholds."""

    cost_per_item: Money
    miss_rate: Rate = 0.0
    false_alarm_rate: Rate = 0.0
    capacity_per_year: Annotated[float, Field(ge=0, le=MAX_ITEMS)] | None = None
    overflow: Literal["reject", "pass"] = "reject"


class Minimum(Part):
    """Rates an arm must reach on test to count as adequate."""

    detection: Rate | None = None  # 1 - miss rate
    pass_rate: Rate | None = None  # 1 - false-alarm rate
    precision: Rate | None = None  # of alarms, at production prevalence


class Case(Part):
    """One ROI case."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    items_per_year: Items | tuple[Items, ...]
    prevalence: Prevalence | dict[str, Rate]  # of positives in production; or by defect class
    good_classes: tuple[str, ...] = ()
    positive_classes: tuple[str, ...] = ()
    cost_miss: Money
    cost_false_alarm: Money
    cost_true_alarm: Money = 0.0
    today: Today
    inference_per_item: Money = 0.0
    one_off: Money
    labels: Labels = Labels()
    run_per_year: Money
    horizon_years: Years
    discount_rate: Annotated[float, BeforeValidator(_not_bool), Field(gt=-1, le=10)]
    ramp: tuple[Rate, ...] = ()
    tax: Rate = 0.0
    depreciation_years: Years | None = None
    review: Review | None = None
    protocol: str | None = None
    label_budget: Annotated[int, Field(gt=0)] | Literal["all"] | None = None
    next_stage_cost: Money | None = None
    stage_budget: Money | None = None
    p_go: Rate = 0.90
    p_no: Rate = 0.10
    minimum: Minimum = Minimum()

    @model_validator(mode="after")
    def _fits_together(self) -> "Case":
        _check_together(self)
        return self

    @property
    def volume(self) -> float:
        """V, the largest yearly volume."""
        return (
            max(self.items_per_year)
            if isinstance(self.items_per_year, tuple)
            else self.items_per_year
        )

    @property
    def volume_by_year(self) -> tuple[float, ...]:
        """Each year's volume as a share of `volume`; empty: every year the same."""
        if not isinstance(self.items_per_year, tuple):
            return ()
        return tuple(v / self.volume for v in self.items_per_year)

    @property
    def total_prevalence(self) -> float:
        """pi: share of positives in production."""
        return (
            sum(self.prevalence.values()) if isinstance(self.prevalence, dict) else self.prevalence
        )

    @property
    def money_fields(self) -> tuple[str, ...]:
        """Dotted names of all amounts, given or not."""
        return MONEY_FIELDS


MONEY_FIELDS = (
    "cost_miss",
    "cost_false_alarm",
    "cost_true_alarm",
    "today.process_per_item",
    "inference_per_item",
    "one_off",
    "labels.price_per_label",
    "run_per_year",
    "review.cost_per_item",
    "next_stage_cost",
    "stage_budget",
)


def _check_together(case: Case) -> None:
    """What only several fields together can get wrong."""
    if case.p_no >= case.p_go:
        raise _wrong("p_no", case.p_no, f"below p_go ({case.p_go:g})")
    if len(case.ramp) > case.horizon_years:
        years = f"at most {case.horizon_years} values, one per year of the horizon"
        raise _wrong("ramp", list(case.ramp), years)
    volumes = case.items_per_year
    if isinstance(volumes, tuple) and len(volumes) != case.horizon_years:
        years = f"one number, or exactly {case.horizon_years}, one per year of the horizon"
        raise _wrong("items_per_year", list(volumes), years)
    if not 0 < case.total_prevalence < 1:
        raise _wrong("prevalence", case.total_prevalence, "a sum above 0 and below 1")
    if isinstance(case.prevalence, dict) and case.positive_classes:
        odd = sorted(set(case.prevalence) ^ set(case.positive_classes))
        if odd:
            raise _wrong("prevalence", ", ".join(odd), "exactly the classes of positive_classes")
    both = sorted(set(case.good_classes) & set(_defects(case)))
    if both:
        raise _wrong("good_classes", ", ".join(both), "no class that is also a positive one")


def _defects(case: Case) -> tuple[str, ...]:
    return tuple(case.prevalence) if isinstance(case.prevalence, dict) else case.positive_classes


def _wrong(field: str, value: object, allowed: str, line: int | None = None) -> UserError:
    where = f" (line {line})" if line else ""
    return UserError(
        f"Case field {field!r}{where} is {value!r}; allowed: {allowed}.",
        code="case-value",
        field=field,
        value=value,
        allowed=allowed,
        line=line,
    )


def parse_case(values: object, lines: Mapping[str, int] | None = None) -> Case:
    """A checked case from plain values; `lines` maps dotted fields to lines of a file."""
    lines = lines or {}
    if not isinstance(values, Mapping):
        raise UserError(
            "A case is a list of fields such as `currency: JPY`, but this is "
            f"{type(values).__name__}. Start from an exported case.",
            code="case-format",
            field="case",
        )
    try:
        return Case.model_validate(dict(values))
    except ValidationError as error:
        raise _as_user_error(error, lines) from error
    except UserError as error:
        facts, field = error.facts, error.field or "case"
        raise _wrong(field, facts["value"], facts["allowed"], lines.get(field)) from error


def _as_user_error(error: ValidationError, lines: Mapping[str, int]) -> UserError:
    """The first problem as one sentence with field, value, range and line."""
    problems = error.errors(include_url=False)
    first = min(problems, key=lambda problem: problem["type"] == "missing")  # wrong before missing
    names = [str(part) for part in first["loc"] if not str(part)[:1].isupper()]
    path = [n for n in names if not _is_branch(n) and not n.isdigit()]
    field = ".".join(path)
    line = next(
        (lines[".".join(path[:n])] for n in range(len(path), 0, -1) if ".".join(path[:n]) in lines),
        None,
    )
    where = f" (line {line})" if line else ""
    if first["type"] == "missing":
        allowed = ALLOWED.get(path[-1], "see the example case")
        message = f"Case field {field!r} is missing; it takes {allowed}."
        return UserError(message, code="case-missing", field=field, allowed=allowed, line=line)
    if first["type"] == "extra_forbidden":
        known = _known_fields(path[:-1])
        near = get_close_matches(path[-1], known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        message = f"Unknown case field {field!r}{where}.{hint} Known here: {', '.join(known)}."
        return UserError(message, code="case-unknown", field=field, known=known, line=line)
    allowed = next((ALLOWED[n] for n in reversed(path) if n in ALLOWED), str(first["msg"]))
    return _wrong(field, first["input"], allowed, line)


def _is_branch(name: str) -> bool:
    """Whether a part of pydantic's location names an alternative of a union, not a field."""
    return name in ("float", "str", "int") or name.startswith(
        ("function-", "tuple[", "dict[", "literal[", "constrained")
    )


def _known_fields(path: list[str]) -> list[str]:
    parts: dict[str, type[Part]] = {
        "today": Today,
        "labels": Labels,
        "review": Review,
        "minimum": Minimum,
    }
    return sorted((parts[path[0]] if path and path[0] in parts else Case).model_fields)


def load_case(path: str | Path) -> Case:
    """A checked case from a YAML file."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"The case {file} cannot be read: {error.strerror or error}. Check the path.",
            code="case-unreadable",
            field="case",
            path=str(file),
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"The case {file} is not UTF-8 text. Save it as UTF-8.",
            code="case-unreadable",
            field="case",
            path=str(file),
        ) from error
    return case_from_yaml(text, str(file))


def case_from_yaml(text: str, source: str = "case") -> Case:
    """A checked case from YAML text."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        where = f" at line {line}" if line else ""
        raise UserError(
            f"{source} is not valid YAML{where}: {getattr(error, 'problem', None) or error}.",
            code="case-format",
            field="case",
            line=line,
        ) from error
    return parse_case(values, dict(_lines(node, "")) if node else {})


def _lines(node: yaml.Node, prefix: str) -> Iterator[tuple[str, int]]:
    """Dotted field names with the line each stands on."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{prefix}{key.value}"
            yield name, key.start_mark.line + 1
            yield from _lines(value, f"{name}.")


class Converter(Protocol):
    """What converts an amount between currencies; the price table does."""

    def convert(self, amount: float, source: str, target: str) -> float: ...


def amount(value: float | str) -> float:
    """An amount in the case's currency; the case must have been converted."""
    if isinstance(value, str):
        raise UserError(
            f"The amount {value!r} is in another currency than the case. Convert the case first.",
            code="case-currency",
            value=value,
        )
    return value


def converted(case: Case, prices: Converter) -> Case:
    """The case with every amount in its own currency, at the price table's stored rates."""
    values: dict[str, Any] = case.model_dump()
    for field in MONEY_FIELDS:
        *outer, name = field.split(".")
        part = values[outer[0]] if outer else values
        if part is not None and isinstance(part[name], str):
            number, currency = part[name].split()
            part[name] = _convert(float(number), currency, case.currency, prices, field)
    return parse_case(values)


def currencies(case: Case) -> set[str]:
    """The currencies that the case's amounts are given in, its own included."""
    values = case.model_dump(mode="json")
    amounts = [_at(values, field) for field in MONEY_FIELDS]
    return {case.currency, *(code for amount in amounts for code in _codes(amount))}


def _at(values: Mapping[str, Any], field: str) -> Any:
    *outer, name = field.split(".")
    part = values[outer[0]] if outer else values
    return part[name] if part else None


def _codes(amount: Any) -> Iterator[str]:
    if isinstance(amount, str):
        yield amount.split()[-1]
    elif isinstance(amount, Mapping):
        for part in amount.values():
            yield from _codes(part)


def _convert(number: float, source: str, target: str, prices: Converter, field: str) -> float:
    if source == target:
        return number
    try:
        return prices.convert(number, source, target)
    except UserError as error:
        raise UserError(error.message, code=error.code, field=field, **error.facts) from error


def case_to_yaml(case: Case) -> str:
    """YAML that `load_case` reads back to an equal case."""
    return yaml.safe_dump(
        case.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True
    )
