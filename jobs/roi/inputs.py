"""The case's numbers, flat: at likely, drawn, or one of them moved (ROI.md §3.2).

Every input has a dotted name as in the case ("today.miss_rate", "prevalence.crack", "ramp.1",
"exchange_rates.USD"). Its draws depend on its own range and name alone, so that they are the same
for all arms, and stay the same when another input changes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np

from jobs.roi.case import amount, currency_of
from jobs.roi.ranges import Range, draws_of
from jobs.roi.schema import Case, high, likely, wrong

Number = float | np.ndarray
Values = Mapping[str, Number]

SCALARS = (  # fields of the case with one number each, money or not
    "cost_miss",
    "cost_false_alarm",
    "cost_true_alarm",
    "failure.unplanned_stop",
    "failure.planned_stop",
    "today.miss_rate",
    "today.false_alarm_rate",
    "today.process_per_item",
    "today.inspectors",
    "today.cost_per_inspector",
    "inference_per_item",
    "one_off",
    "integration",
    "labels.price_per_label",
    "labels.number",
    "run_per_year",
    "discount_rate",
    "tax",
    "review.cost_per_item",
    "review.miss_rate",
    "review.false_alarm_rate",
    "review.capacity_per_year",
)
VOLUME, PREVALENCE = "items_per_year", "prevalence"  # moved as a whole, whatever their shape


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Every number of a case that NPV depends on, but the horizon; by its dotted name."""

    case: Case
    given: dict[str, float | Range]  # amounts in the currency they came in
    currencies: dict[str, str]  # of the amounts that are not in the case's currency

    @property
    def ranges(self) -> dict[str, Range]:
        """The uncertain ones."""
        return {name: value for name, value in self.given.items() if isinstance(value, Range)}

    def likely(self) -> dict[str, Number]:
        """Every input at its likely value."""
        return {name: likely(value) for name, value in self.given.items()}

    def drawn(self, draws: int, seed: int) -> dict[str, Number]:
        """Every input in every draw: (draws,) for a range, its value for a point."""
        drawn = {name: _draws(name, r, draws, seed) for name, r in self.ranges.items()}
        return self.likely() | drawn

    def terms(self, values: Values, scale: Values | None = None) -> "Terms":
        """The quantities at some values of the inputs; `scale` moves all volumes or prevalences."""
        return _terms(self, values, scale or {})


def inputs_of(case: Case) -> Inputs:
    """The inputs of a case; an amount in another currency needs a rate in the case."""
    found: dict[str, object] = {}
    _spread(found, VOLUME, case.items_per_year)
    _spread(found, PREVALENCE, case.prevalence)
    for name in SCALARS:
        group, _, field = name.rpartition(".")
        part = getattr(case, group) if group else case
        value = getattr(part, field) if part is not None else None
        if value is not None:
            found[name] = value
    _spread(found, "ramp", case.ramp)
    for true, row in (case.costs or {}).items():
        _spread(found, f"costs.{true}", row)
    _spread(found, "exchange_rates", case.exchange_rates)
    currencies = {name: c for name, value in found.items() if (c := currency_of(value))}
    for name, currency in currencies.items():
        if currency not in case.exchange_rates:
            amount(found[name])  # refuses it, and says what to do
    for name in case.study_prices:
        if name not in found:
            raise wrong("study_prices", name, f"inputs of the case: {', '.join(found)}")
    return Inputs(
        case=case,
        given={name: _number(value) for name, value in found.items()},
        currencies=currencies,
    )


def _spread(found: dict[str, object], name: str, value: object) -> None:
    """One input, or one for each year (from 1) or class."""
    if isinstance(value, tuple):
        value = {str(year): part for year, part in enumerate(value, 1)}
    if isinstance(value, Mapping):
        found.update({f"{name}.{key}": part for key, part in value.items()})
    else:
        found[name] = value


def _number(value: object) -> float | Range:
    if isinstance(value, str):
        return float(value.split()[0])
    assert isinstance(value, (int, float, Range)), value
    return value


@lru_cache(maxsize=128)
def _draws(name: str, r: Range, draws: int, seed: int) -> np.ndarray:
    values = draws_of(r, draws, np.random.default_rng([seed, 3, crc32(name.encode())]))
    values.setflags(write=False)
    return values


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """The case's quantities as the model uses them, in its currency; numbers or arrays alike."""

    volume: Number  # V, the largest yearly volume
    volume_by_year: tuple[Number, ...]  # V_y as a share of V; empty: every year the same
    prevalence: Number  # pi
    class_prevalence: Mapping[str, Number]  # pi_k; one entry "" where defects are taken together
    cost_miss: Number
    cost_false_alarm: Number
    cost_true_alarm: Number
    today_miss_rate: Number
    today_false_alarm_rate: Number
    today_process_per_item: Number  # people included
    inference_per_item: Number
    fixed_cost: Number  # one-off and integration, without labels
    price_per_label: Number
    labels: Number | None  # to be paid; None: those that the arm was trained with
    run_per_year: Number
    discount_rate: Number
    tax: Number
    ramp: tuple[Number, ...]
    cost_review: Number
    reviewer_miss_rate: Number
    reviewer_false_alarm_rate: Number
    capacity: Number | None  # items a year; None: no limit
    costs: Mapping[str, Mapping[str, Number]] | None


def _terms(inputs: Inputs, values: Values, scale: Values) -> Terms:
    case = inputs.case

    def get(name: str, default: Number = 0.0) -> Number:
        return values.get(name, default)

    def money(name: str) -> Number:
        currency = inputs.currencies.get(name)
        rate = values[f"exchange_rates.{currency}"] if currency else 1.0
        return get(name) * rate

    volumes, volume = _volumes(case, values, scale.get(VOLUME, 1.0))
    by_class = {
        name: get(f"{PREVALENCE}.{name}" if name else PREVALENCE) * scale.get(PREVALENCE, 1.0)
        for name, given in case.prevalence_by_class.items()
        if high(given) > 0
    }
    people = get("today.inspectors") * money("today.cost_per_inspector") / volume
    miss = money("cost_miss")
    if case.failure is not None:
        miss = money("failure.unplanned_stop") - money("failure.planned_stop")
    return Terms(
        volume=volume,
        volume_by_year=volumes,
        prevalence=sum(by_class.values()),
        class_prevalence=by_class,
        cost_miss=miss,
        cost_false_alarm=money("cost_false_alarm"),
        cost_true_alarm=money("cost_true_alarm"),
        today_miss_rate=get("today.miss_rate"),
        today_false_alarm_rate=get("today.false_alarm_rate"),
        today_process_per_item=money("today.process_per_item") + people,
        inference_per_item=money("inference_per_item"),
        fixed_cost=money("one_off") + money("integration"),
        price_per_label=money("labels.price_per_label"),
        labels=values.get("labels.number"),
        run_per_year=money("run_per_year"),
        discount_rate=get("discount_rate"),
        tax=get("tax"),
        ramp=tuple(get(f"ramp.{year}") for year in range(1, len(case.ramp) + 1)),
        cost_review=money("review.cost_per_item"),
        reviewer_miss_rate=get("review.miss_rate"),
        reviewer_false_alarm_rate=get("review.false_alarm_rate"),
        capacity=values.get("review.capacity_per_year"),
        costs=_matrix(case, money),
    )


def _volumes(case: Case, values: Values, scale: Number) -> tuple[tuple[Number, ...], Number]:
    """Each year's volume as a share of the largest, and the largest."""
    if not isinstance(case.items_per_year, tuple):
        return (), values[VOLUME] * scale
    yearly = [values[f"{VOLUME}.{y}"] for y in range(1, len(case.items_per_year) + 1)]
    largest = yearly[0]
    for other in yearly[1:]:
        largest = np.maximum(largest, other)
    return tuple(v / largest for v in yearly), largest * scale


def _matrix(case: Case, money: Callable[[str], Number]) -> dict[str, dict[str, Number]] | None:
    if case.costs is None:
        return None
    return {
        true: {decided: money(f"costs.{true}.{decided}") for decided in row}
        for true, row in case.costs.items()
    }
