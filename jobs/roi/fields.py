"""The number types of a case: each takes a point, or low, likely and high.

A range is `{low: 40, likely: 60, high: 100}` with, if need be, `distribution: triangular` (PERT
otherwise) and, for money, `currency: USD`; `[40, 60, 100]` is read too, except where a list means
one value per year.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, PlainValidator, Tag

from jobs.roi.ranges import DRAWS, Range

MAX_MONEY = 1e15
MAX_ITEMS = 1e12
MAX_YEARS = 50
RANGE_KEYS = frozenset(("low", "likely", "high", "distribution", "currency"))
ORDER = "low <= likely <= high"
_AMOUNT = re.compile(r"^\s*(-?[0-9][0-9_,]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]{3})?\s*$")


class RangeShape(ValueError):
    """A range that is none; its message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Domain:
    """The numbers that a field takes."""

    low: float
    high: float
    is_low_open: bool = False
    is_high_open: bool = False

    def holds(self, x: float) -> bool:
        """Whether a number is allowed; never NaN or infinity."""
        if not math.isfinite(x):
            return False
        above = x > self.low if self.is_low_open else x >= self.low
        below = x < self.high if self.is_high_open else x <= self.high
        return above and below


SHARE = Domain(0, 1)
INSIDE = Domain(0, 1, is_low_open=True, is_high_open=True)
AMOUNT = Domain(0, MAX_MONEY)
COUNT = Domain(0, MAX_ITEMS)
VOLUME = Domain(0, MAX_ITEMS, is_low_open=True)
DISCOUNT = Domain(-1, 10, is_low_open=True)
EXCHANGE = Domain(0, MAX_MONEY, is_low_open=True)


def is_range(value: object) -> bool:
    """Whether plain values look like low, likely and high rather than a map of other things."""
    if not isinstance(value, Mapping):
        return isinstance(value, Range)
    return bool(set(value) & {"low", "likely", "high"}) and set(value) <= RANGE_KEYS


def _reader(domain: Domain) -> Callable[[object], float | Range]:
    """Reads a point or a range of plain numbers."""

    def read(value: object) -> float | Range:
        found = _parts(value)
        if found is None:
            return _checked(_number(value), domain)
        ends, distribution, currency = found
        if currency is not None:
            raise ValueError("no currency here")
        return _range([_number(x) for x in ends], domain, distribution)

    return read


def _read_money(value: object) -> float | str | Range:
    """A point in the case's currency, a text with its own ("20 USD"), or a range of either."""
    found = _parts(value)
    if found is None:
        number, currency = _amount(value)
        _checked(number, AMOUNT)
        return f"{number:.15g} {currency}" if currency else number
    ends, distribution, given = found
    amounts = [_amount(x) for x in ends]
    currencies = {c for _, c in amounts if c} | ({given} if given else set())
    if len(currencies) > 1:
        raise ValueError("one currency for low, likely and high")
    currency = next(iter(currencies), None)
    read = _range([n for n, _ in amounts], AMOUNT, distribution, currency)
    return f"{read:.15g} {currency}" if currency and isinstance(read, float) else read


def _read_point_money(value: object) -> float | str:
    """An amount that is part of a rule, so that it cannot be a range."""
    read = _read_money(value)
    if isinstance(read, Range):
        raise ValueError("a point is needed")
    return read


def _parts(value: object) -> tuple[list[object], str, str | None] | None:
    """Low, likely and high with distribution and currency; None: the value is a point."""
    if isinstance(value, Range):
        return [value.low, value.likely, value.high], value.distribution, value.currency
    if isinstance(value, (list, tuple)):
        if len(value) != 3:
            raise ValueError("a range has three numbers")
        return list(value), "pert", None
    if not isinstance(value, Mapping):
        return None
    if not {"low", "likely", "high"} <= set(value) <= RANGE_KEYS:
        raise ValueError("a range has low, likely and high")
    distribution, currency = value.get("distribution") or "pert", value.get("currency")
    if distribution not in DRAWS:
        allowed = " or ".join(DRAWS)
        raise RangeShape(allowed)
    if currency is not None:
        currency = str(currency).upper()
        if not re.fullmatch("[A-Z]{3}", currency):
            raise ValueError("a currency has three letters")
    return [value["low"], value["likely"], value["high"]], str(distribution), currency


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a number is needed")
    return float(value)


def _amount(value: object) -> tuple[float, str | None]:
    if not isinstance(value, str):
        return _number(value), None
    found = _AMOUNT.match(value)
    if not found:
        raise ValueError('money is a number, or a text with a currency such as "20 USD"')
    number = float(found[1].replace(",", "").replace("_", ""))
    return number, found[2].upper() if found[2] else None


def _checked(number: float, domain: Domain) -> float:
    if not domain.holds(number):
        raise ValueError("out of range")
    return number


def _range(
    ends: list[float], domain: Domain, distribution: str, currency: str | None = None
) -> float | Range:
    """A range inside the domain; one without width is a point."""
    low, likely, high = (_checked(x, domain) for x in ends)
    if not low <= likely <= high:
        raise RangeShape(ORDER)
    if low == high:
        return likely
    return Range(low, likely, high, distribution, currency)


def plain(value: Any) -> Any:
    """A range as a map for YAML and JSON; anything else as it is."""
    if not isinstance(value, Range):
        return value
    shown: dict[str, Any] = {"low": value.low, "likely": value.likely, "high": value.high}
    if value.distribution != "pert":
        shown["distribution"] = value.distribution
    if value.currency is not None:
        shown["currency"] = value.currency
    return shown


_Plain = PlainSerializer(plain)
Money = Annotated[float | str | Range, PlainValidator(_read_money), _Plain]
Budget = Annotated[float | str, PlainValidator(_read_point_money)]
Rate = Annotated[float | Range, PlainValidator(_reader(SHARE)), _Plain]
Prevalence = Annotated[float | Range, PlainValidator(_reader(INSIDE)), _Plain]
Items = Annotated[float | Range, PlainValidator(_reader(VOLUME)), _Plain]
Count = Annotated[float | Range, PlainValidator(_reader(COUNT)), _Plain]
Discount = Annotated[float | Range, PlainValidator(_reader(DISCOUNT)), _Plain]
Exchange = Annotated[float | Range, PlainValidator(_reader(EXCHANGE)), _Plain]


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not yes/no")
    return value


Years = Annotated[int, BeforeValidator(_not_bool), Field(ge=1, le=MAX_YEARS)]
Bar = Annotated[float, BeforeValidator(_not_bool), Field(ge=0, le=1)]  # part of a rule: a point
LeadTime = Annotated[float, BeforeValidator(_not_bool), Field(ge=0, le=MAX_ITEMS)]


def _kind_of_volume(value: object) -> str:
    return "by_year" if isinstance(value, (list, tuple)) else "one"


def _kind_of_prevalence(value: object) -> str:
    return "by_class" if isinstance(value, Mapping) and not is_range(value) else "one"


Volumes = Annotated[
    Annotated[Items, Tag("one")] | Annotated[tuple[Items, ...], Tag("by_year")],
    Discriminator(_kind_of_volume),
]
Prevalences = Annotated[
    Annotated[Prevalence, Tag("one")] | Annotated[dict[str, Rate], Tag("by_class")],
    Discriminator(_kind_of_prevalence),
]
RANGED = "or {low, likely, high} of such"
MONEY_RANGE = f'0 to {MAX_MONEY:g}, as a number or with a currency ("20 USD"), {RANGED}'
BUDGET_RANGE = f'0 to {MAX_MONEY:g}, as a number or with a currency ("20 USD")'
RATE_RANGE = f"0 to 1, {RANGED}"
BAR_RANGE = "0 to 1"
ITEMS_RANGE = f"above 0, at most {MAX_ITEMS:g}"
COUNT_RANGE = f"0 to {MAX_ITEMS:g}, {RANGED}"
ALLOWED = {  # by the field's last name: what a message calls the allowed range
    "currency": "a three-letter code such as JPY, USD or EUR",
    "items_per_year": f"{ITEMS_RANGE} (one, {{low, likely, high}}, or one per year of the horizon)",
    "prevalence": "between 0 and 1, both excluded (one, {low, likely, high}, or one per class)",
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
    "discount_rate": f"above -1, at most 10 (0.08 is 8%), {RANGED}",
    "ramp": "a list of shares from 0 to 1, at most one per year of the horizon",
    "tax": RATE_RANGE,
    "depreciation_years": f"a whole number from 1 to {MAX_YEARS}",
    "cost_per_item": MONEY_RANGE,
    "capacity_per_year": COUNT_RANGE,
    "overflow": "reject or pass",
    "protocol": "the name of a protocol, such as probe or finetune",
    "label_budget": 'a whole number above 0, or "all"',
    "next_stage_cost": MONEY_RANGE,
    "stage_budget": BUDGET_RANGE,
    "p_go": BAR_RANGE,
    "p_no": f"{BAR_RANGE}, below p_go",
    "detection": BAR_RANGE,
    "pass_rate": BAR_RANGE,
    "precision": BAR_RANGE,
    "item": "image or object",
    "integration": MONEY_RANGE,
    "inspectors": COUNT_RANGE,
    "cost_per_inspector": MONEY_RANGE,
    "number": COUNT_RANGE,
    "unplanned_stop": MONEY_RANGE,
    "planned_stop": MONEY_RANGE,
    "minimum_lead_time": "0 or more, in the unit of the data's lead-time column",
    "lead_time_column": "the name of a column of the data",
    "costs": "for each true class what each decided class costs: {good: {good: 0, crack: 2}, ...}",
    "exchange_rates": f"for each currency what one unit of it is worth, above 0, {RANGED}",
    "study_prices": "for each uncertain input what it costs to find it out",
    "failure": "a group with unplanned_stop, planned_stop and, if need be, minimum_lead_time",
    "today": "a group with miss_rate, false_alarm_rate and process_per_item or people",
    "labels": "a group with price_per_label and, if need be, number",
    "review": "a group with cost_per_item and, if need be, rates, capacity_per_year and overflow",
    "stage": "pilot, validation or roll-out",
    "gates": "a group with a rule (next_stage_cost, stage_budget, p_go, p_no) for each later stage",
    "minimum": "a group with detection, pass_rate or precision",
}


BRANCHES = ("one", "by_year", "by_class")  # parts of pydantic's location that are no field
