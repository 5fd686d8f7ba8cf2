"""The parts of an ROI case: its fields, what they mean, and what only several together get wrong.

Every number is a point or low, likely and high (see `fields`); what belongs to the rule (horizon,
depreciation, bars, minimums, budget) is a point. Rates and shares are in [0, 1].
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from digpt.errors import UserError
from jobs.roi.fields import (
    ALLOWED,
    Bar,
    Budget,
    Count,
    Discount,
    Exchange,
    LeadTime,
    Money,
    Prevalences,
    Rate,
    Volumes,
    Years,
)
from jobs.roi.ranges import Range


class Part(BaseModel):
    """What all parts of a case share: immutable, no unknown fields, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Today(Part):
    """Today's process. People add `inspectors` x `cost_per_inspector` a year to the process."""

    miss_rate: Rate
    false_alarm_rate: Rate
    process_per_item: Money | None = None  # needed where no people are given
    inspectors: Count | None = None
    cost_per_inspector: Money | None = None  # per year


class Labels(Part):
    """What labels cost; without a number, those that the arm was trained with are paid."""

    price_per_label: Money = 0.0
    number: Count | None = None


class Review(Part):
    """People who look at the items between two thresholds."""

    cost_per_item: Money
    miss_rate: Rate = 0.0
    false_alarm_rate: Rate = 0.0
    capacity_per_year: Count | None = None
    overflow: Literal["reject", "pass"] = "reject"


class Failure(Part):
    """Failure prediction: a warning in time turns an unplanned stop into a planned one."""

    unplanned_stop: Money
    planned_stop: Money
    minimum_lead_time: LeadTime = 0.0  # a later alarm is a miss; unit of the data's column
    lead_time_column: str = "lead_time"  # of the data: time from the image to the failure


class Minimum(Part):
    """Rates an arm must reach on test to count as adequate."""

    detection: Bar | None = None  # 1 - miss rate
    pass_rate: Bar | None = None  # 1 - false-alarm rate
    precision: Bar | None = None  # of alarms, at production prevalence


class StageGate(Part):
    """The rule of the step after one stage; bars that are not given are the case's own."""

    next_stage_cost: Money | None = None
    stage_budget: Budget | None = None
    p_go: Bar | None = None
    p_no: Bar | None = None


StageName = Literal["pilot", "validation", "roll-out"]
PARTS: dict[str, type[Part]] = {
    "today": Today,
    "labels": Labels,
    "review": Review,
    "failure": Failure,
    "minimum": Minimum,
}


class Case(Part):
    """One ROI case."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    item: Literal["image", "object"] = "image"  # what volume and costs are counted in
    items_per_year: Volumes
    prevalence: Prevalences  # of positives in production; or by defect class
    good_classes: tuple[str, ...] = ()
    positive_classes: tuple[str, ...] = ()
    cost_miss: Money | None = None  # needed unless `failure` gives it
    cost_false_alarm: Money
    cost_true_alarm: Money = 0.0
    failure: Failure | None = None
    costs: dict[str, dict[str, Money]] | None = None  # true class -> decided class -> cost
    today: Today
    inference_per_item: Money = 0.0
    one_off: Money
    integration: Money = 0.0  # added to one-off
    labels: Labels = Labels()
    run_per_year: Money
    horizon_years: Years
    discount_rate: Discount
    ramp: tuple[Rate, ...] = ()
    tax: Rate = 0.0
    depreciation_years: Years | None = None
    review: Review | None = None
    protocol: str | None = None
    label_budget: Annotated[int, Field(gt=0)] | Literal["all"] | None = None
    next_stage_cost: Money | None = None  # of a range the likely value is held against the budget
    stage_budget: Budget | None = None
    p_go: Bar = 0.90
    p_no: Bar = 0.10
    stage: StageName = "pilot"  # where the project stands; the rule is that of the next step
    gates: dict[StageName, StageGate] = {}  # rules of other stages; a pilot's stands above
    minimum: Minimum = Minimum()
    exchange_rates: dict[str, Exchange] = {}  # of other currencies; the price table's where absent
    study_prices: dict[str, Money] = {}  # uncertain input -> what it costs to find it out

    @model_validator(mode="after")
    def _fits_together(self) -> "Case":
        _check_together(self)
        return self

    @property
    def volume(self) -> float:
        """V, the largest yearly volume, at likely values."""
        volumes = self.items_per_year
        return max(map(likely, volumes)) if isinstance(volumes, tuple) else likely(volumes)

    @property
    def volume_by_year(self) -> tuple[float, ...]:
        """Each year's volume as a share of `volume`; empty: every year the same."""
        if not isinstance(self.items_per_year, tuple):
            return ()
        return tuple(likely(v) / self.volume for v in self.items_per_year)

    @property
    def total_prevalence(self) -> float:
        """pi: share of positives in production, at likely values."""
        return sum(map(likely, self.prevalence_by_class.values()))

    @property
    def prevalence_by_class(self) -> dict[str, float | Range]:
        """Prevalence of every defect class; one entry "" where they are taken together."""
        return self.prevalence if isinstance(self.prevalence, dict) else {"": self.prevalence}

    @property
    def named_defects(self) -> tuple[str, ...]:
        """The classes that the case itself calls defects."""
        by_class = tuple(self.prevalence) if isinstance(self.prevalence, dict) else ()
        return self.positive_classes or by_class


def likely(value: float | Range) -> float:
    """The likely value of a number."""
    return value.likely if isinstance(value, Range) else value


def high(value: float | Range) -> float:
    """The largest value of a number."""
    return value.high if isinstance(value, Range) else value


def _check_together(case: Case) -> None:
    """What only several fields together can get wrong."""
    if case.p_no >= case.p_go:
        allowed = f"below p_go ({case.p_go:g})"
        raise wrong("p_no", case.p_no, allowed, rule="below-go", bound=case.p_go)
    if len(case.ramp) > case.horizon_years:
        years = f"at most {case.horizon_years} values, one per year of the horizon"
        raise wrong("ramp", len(case.ramp), years, rule="per-year", bound=case.horizon_years)
    volumes = case.items_per_year
    if isinstance(volumes, tuple) and len(volumes) != case.horizon_years:
        years = f"one number, or exactly {case.horizon_years}, one per year of the horizon"
        raise wrong(
            "items_per_year", len(volumes), years, rule="per-year", bound=case.horizon_years
        )
    _check_prevalence(case)
    _check_today(case)
    _check_misses(case)
    _check_matrix(case)


def _check_prevalence(case: Case) -> None:
    most = sum(map(high, case.prevalence_by_class.values()))
    for total in (case.total_prevalence, most):
        if not 0 < total < 1:
            raise wrong("prevalence", total, "a sum above 0 and below 1", rule="inside")
    if isinstance(case.prevalence, dict) and case.positive_classes:
        odd = sorted(set(case.prevalence) ^ set(case.positive_classes))
        if odd:
            allowed = "exactly the classes of positive_classes"
            raise wrong("prevalence", ", ".join(odd), allowed, rule="same-classes")
    both = sorted(set(case.good_classes) & set(case.named_defects))
    if both:
        allowed = "no class that is also a positive one"
        raise wrong("good_classes", ", ".join(both), allowed, rule="good-or-bad")


def _check_today(case: Case) -> None:
    today = case.today
    if (today.inspectors is None) != (today.cost_per_inspector is None):
        gone = "inspectors" if today.inspectors is None else "cost_per_inspector"
        raise missing(f"today.{gone}")
    if today.process_per_item is None and today.inspectors is None:
        raise missing("today.process_per_item")


def _check_misses(case: Case) -> None:
    if case.failure is None:
        if case.cost_miss is None:
            raise missing("cost_miss")
    elif case.cost_miss is not None:
        allowed = "left out where failure gives it: unplanned stop minus planned stop"
        raise wrong("cost_miss", case.cost_miss, allowed, rule="by-failure")
    else:
        planned, unplanned = case.failure.planned_stop, case.failure.unplanned_stop
        if not isinstance(planned, str) and not isinstance(unplanned, str):
            _check_stops(planned, unplanned)


def _check_stops(planned: float | Range, unplanned: float | Range) -> None:
    """A planned stop costs less than an unplanned one; said once both are in one currency."""
    currencies = {r.currency for r in (planned, unplanned) if isinstance(r, Range)}
    if currencies <= {None} and likely(planned) >= likely(unplanned):
        allowed = f"less than an unplanned one ({likely(unplanned):g})"
        bound = likely(unplanned)
        raise wrong("failure.planned_stop", likely(planned), allowed, rule="below", bound=bound)


def _check_matrix(case: Case) -> None:
    """A cost matrix is square, and every class but one has a prevalence of its own."""
    if case.costs is None:
        return
    classes = tuple(case.costs)
    for name, row in case.costs.items():
        odd = sorted(set(row) ^ set(classes))
        if odd:
            allowed = f"one cost for each of {', '.join(classes)}"
            raise wrong(f"costs.{name}", ", ".join(row), allowed)
    if not isinstance(case.prevalence, dict):
        allowed = "one number per defect class, because costs are given by class"
        raise wrong("prevalence", case.total_prevalence, allowed)
    good = [name for name in classes if name not in case.prevalence]
    unknown = [name for name in case.prevalence if name not in classes]
    if unknown or len(good) != 1:
        allowed = "the classes of prevalence and one good class"
        raise wrong("costs", ", ".join(classes), allowed)
    if case.review is not None:
        raise wrong("review", "given", "left out where costs are given by class")
    if case.good_classes and case.good_classes != (good[0],):
        raise wrong("good_classes", ", ".join(case.good_classes), f"{good[0]}, as in costs")


def wrong(
    field: str,
    value: object,
    allowed: str,
    line: int | None = None,
    *,
    rule: str = "",
    bound: float | None = None,
) -> UserError:
    """A value that is not allowed, said at its field; `rule` and `bound` name what the sentence
    `allowed` says, for other languages."""
    where = f" (line {line})" if line else ""
    return UserError(
        f"Case field {field!r}{where} is {value!r}; allowed: {allowed}.",
        code="case-value",
        field=field,
        value=value,
        allowed=allowed,
        line=line,
        rule=rule,
        bound=bound,
    )


def missing(field: str) -> UserError:
    """A value that is needed and not there."""
    allowed = ALLOWED.get(field.split(".")[-1], "see the example case")
    return UserError(
        f"Case field {field!r} is missing; it takes {allowed}.",
        code="case-missing",
        field=field,
        allowed=allowed,
        line=None,
    )
