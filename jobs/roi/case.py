"""Reading a case, checking it, converting its money, and writing it.

Money is a number in the case's currency, or a text with its own ("20 USD"), which `converted`
turns into the case's currency at the stored rate.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

import yaml
from pydantic import ValidationError

from digpt.encodings import read_text
from digpt.errors import UserError
from jobs.roi.fields import ALLOWED, BRANCHES, ORDER, RangeShape, is_range, plain
from jobs.roi.ranges import Range
from jobs.roi.schema import PARTS, Case, missing, wrong


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
        if error.code != "case-value":
            raise
        facts, field = error.facts, error.field or "case"
        named = {name: facts[name] for name in ("rule", "bound")}
        line = _line(field, lines)
        raise wrong(field, facts["value"], facts["allowed"], line, **named) from error


def _as_user_error(error: ValidationError, lines: Mapping[str, int]) -> UserError:
    """The first problem as one sentence with field, value, range and line."""
    problems = error.errors(include_url=False)
    first = min(problems, key=lambda problem: problem["type"] == "missing")  # wrong before missing
    names = [str(part) for part in first["loc"]]
    path = [n for n in names if not _is_branch(n) and not n.isdigit()]
    field = ".".join(path)
    line = _line(field, lines)
    where = f" (line {line})" if line else ""
    if first["type"] == "missing":
        return missing(field)
    if first["type"] == "extra_forbidden":
        known = _known_fields(path[:-1])
        near = get_close_matches(path[-1], known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        message = f"Unknown case field {field!r}{where}.{hint} Known here: {', '.join(known)}."
        return UserError(message, code="case-unknown", field=field, known=known, line=line)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, RangeShape):
        rule = "order" if str(cause) == ORDER else ""
        return wrong(field, plain(first["input"]), str(cause), line, rule=rule)
    allowed = next((ALLOWED[n] for n in reversed(path) if n in ALLOWED), str(first["msg"]))
    return wrong(field, first["input"], allowed, line)


def _line(field: str, lines: Mapping[str, int]) -> int | None:
    """The line of a field, or of the nearest group around it."""
    path = field.split(".")
    around = (".".join(path[:n]) for n in range(len(path), 0, -1))
    return next((lines[name] for name in around if name in lines), None)


def _is_branch(name: str) -> bool:
    """Whether a part of pydantic's location names an alternative of a union, not a field."""
    return name in ("int", *BRANCHES) or name.startswith(("literal[", "constrained"))


def _known_fields(path: list[str]) -> list[str]:
    return sorted((PARTS[path[0]] if path and path[0] in PARTS else Case).model_fields)


def load_case(path: str | Path) -> Case:
    """A checked case from a YAML file."""
    file = Path(path)
    try:
        text = read_text(file)
    except OSError as error:
        raise UserError(
            f"The case {file} cannot be read: {error.strerror or error}. Check the path.",
            code="case-unreadable",
            field="case",
            path=str(file),
        ) from error
    except UnicodeError as error:
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


MONEY_FIELDS = (
    "cost_miss",
    "cost_false_alarm",
    "cost_true_alarm",
    "failure.unplanned_stop",
    "failure.planned_stop",
    "today.process_per_item",
    "today.cost_per_inspector",
    "inference_per_item",
    "one_off",
    "integration",
    "labels.price_per_label",
    "run_per_year",
    "review.cost_per_item",
    "next_stage_cost",
    "stage_budget",
)
MONEY_MAPS = ("costs", "study_prices")  # maps whose every leaf is an amount


def amount(value: object) -> float:
    """A likely amount in the case's currency; the case must have been converted."""
    if isinstance(value, Range) and value.currency is None:
        return value.likely
    if isinstance(value, (str, Range)):
        shown = value if isinstance(value, str) else f"{value.likely:g} {value.currency}"
        raise UserError(
            f"The amount {shown!r} is in another currency than the case. Convert the case first.",
            code="case-currency",
            value=shown,
        )
    assert isinstance(value, (int, float)), value
    return value


def currency_of(value: object) -> str | None:
    """The other currency that an amount is given in; None: the case's own."""
    if isinstance(value, Mapping):
        value = value.get("currency")
        return str(value) if value else None
    if isinstance(value, Range):
        return value.currency
    return value.split()[1] if isinstance(value, str) else None


def with_rates(case: Case, prices: Converter) -> Case:
    """The case with the price table's rate of every currency that it uses and gives no rate for.

    What is decided on such a case stays decided: a later price table does not move it.
    """
    values: dict[str, Any] = case.model_dump()
    rates = dict(values["exchange_rates"])
    for field, value in _amounts(values):
        currency = currency_of(value)
        if currency is not None and currency not in rates:
            rates[currency] = _rate(currency, case.currency, prices, ".".join(field))
    return parse_case(values | {"exchange_rates": rates})


def currencies(case: Case) -> set[str]:
    """The currencies that the case's amounts are given in, its own included."""
    found = {currency_of(value) for _, value in _amounts(case.model_dump())}
    return {case.currency, *(code for code in found if code)}


def converted(case: Case, prices: Converter) -> Case:
    """The case with its amounts in its own currency, at the case's rates or the stored ones.

    Amounts whose rate is a range stay as they are: their rate is drawn like any other input.
    """
    fixed = with_rates(case, prices)
    values: dict[str, Any] = fixed.model_dump()
    for field, value in _amounts(values):
        currency = currency_of(value)
        rate = fixed.exchange_rates.get(currency) if currency else None
        if isinstance(rate, float):
            _part(values, field)[field[-1]] = _times(value, rate)
    used = {currency_of(value) for _, value in _amounts(values)}
    rates = {c: r for c, r in values["exchange_rates"].items() if c in used}
    return parse_case(values | {"exchange_rates": rates})


def in_currency(case: Case, target: str, prices: Converter, digits: int = 15) -> Case:
    """The same case reckoned in another currency, amounts to so many significant digits."""
    rate = _rate(case.currency, target, prices, "currency")
    values: dict[str, Any] = case.model_dump()
    for field, value in _amounts(values):
        if currency_of(value) is None:
            _part(values, field)[field[-1]] = _times(value, rate, digits)
    rates = {c: plain(_scaled(r, rate)) for c, r in case.exchange_rates.items()}
    moved = values | {"currency": target, "exchange_rates": rates}
    return converted(parse_case(moved), prices)


def _scaled(value: float | Range, factor: float) -> float | Range:
    if not isinstance(value, Range):
        return value * factor
    ends = {name: getattr(value, name) * factor for name in ("low", "likely", "high")}
    return replace(value, **ends)


def _amounts(values: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    """Every amount given, with the path of its field."""
    fields: list[tuple[str, ...]] = [(*field.split("."),) for field in MONEY_FIELDS]
    fields = [f for f in fields if len(f) == 1 or values[f[0]] is not None]
    found: list[tuple[tuple[str, ...], Any]] = [(f, _part(values, f)[f[-1]]) for f in fields]
    for field in MONEY_MAPS:
        found += _leaves(values[field] or {}, (field,))
    return [(f, value) for f, value in found if value is not None]


def _leaves(
    values: Mapping[str, Any], prefix: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and not is_range(value):
            yield from _leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), value


def _part(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The group that holds a field."""
    part: Any = values
    for group in path[:-1]:
        part = part[group]
    return part


def _times(value: object, rate: float, digits: int = 17) -> object:
    """An amount of another currency at a rate, to so many significant digits."""
    if isinstance(value, Mapping):
        ends = {k: _times(value[k], rate, digits) for k in ("low", "likely", "high")}
        return ends | {k: v for k, v in value.items() if k == "distribution"}
    return float(f"{float(str(value).split()[0]) * rate:.{digits}g}")


def _rate(source: str, target: str, prices: Converter, field: str) -> float:
    if source == target:
        return 1.0
    try:
        return prices.convert(1.0, source, target)
    except UserError as error:
        raise UserError(error.message, code=error.code, field=field, **error.facts) from error


def case_to_yaml(case: Case) -> str:
    """YAML that `load_case` reads back to an equal case."""
    return yaml.safe_dump(
        case.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True
    )
