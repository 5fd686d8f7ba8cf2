"""The figures of one arm: what pages, the report and the workbook read.

Money is in the case's currency, rates and shares in [0, 1]. `None` stands where a figure does not
exist. Names of inputs are dotted, as in the case ("today.miss_rate", "prevalence.crack", "ramp.1",
"exchange_rates.USD"); the arm's own measured rates are "model.miss_rate", "model.false_alarm_rate",
"model.review_share" and, with a cost matrix, "model.decision_cost"; all of them as one group are
"model.rates".
"""

from dataclasses import dataclass

import numpy as np

from jobs.roi.breakeven import BreakEven
from jobs.roi.cashflow import Economics, Irr
from jobs.roi.decision import Increment
from jobs.roi.rates import Cut
from jobs.roi.risk import Spread

QUANTILES = 101  # of the NPV draws: 0%, 1% ... 100%


@dataclass(frozen=True, kw_only=True)
class View:
    """Cash flow of one view of the project."""

    flows: tuple[float, ...]  # year 0 first
    npv: float  # at likely values
    roi: float | None
    payback_years: float | None
    discounted_payback_years: float | None
    irr: Irr


@dataclass(frozen=True, slots=True)
class Swing:
    """One bar of the tornado: NPV with one input at its low, then its high, the others likely."""

    name: str
    low: float  # of the input; a rate of the model: its bootstrap 5%
    high: float  # 95%
    npv_low: float
    npv_high: float
    swing: float  # |npv_high - npv_low|; bars come longest first


@dataclass(frozen=True, kw_only=True)
class OverBaseline:
    """What an arm is worth beyond the baseline, at likely values; draws are in `increment`."""

    baseline: str
    flows: tuple[float, ...]  # differences, year 0 first
    npv: float
    roi: float | None  # of the additional money; None unless the arm asks for more
    payback_years: float | None
    irr: Irr
    tornado: tuple[Swing, ...]  # of the difference
    break_evens: dict[str, BreakEven]  # where the arm stops being worth its extra cost


@dataclass(frozen=True, slots=True)
class MoreLabels:
    """What n more labels are forecast to do (ROI.md §3.8)."""

    labels: int  # n
    total: float  # n0 + n
    cost_per_item: float  # k after, mean of the draws
    cost_per_item_interval: tuple[float, float]  # 5-95%
    npv_mean: float  # E[NPV_n], labels unpaid
    price: float | None  # of the n labels; None: no price per label is known
    worth: float  # before the price: value + price
    value: float  # max(0, E[NPV_n] - price) - max(0, E[NPV_0])
    is_far: bool  # n0 + n > 4 n0: far extrapolation


@dataclass(frozen=True, slots=True)
class ClassLabels:
    """What n more labels of one class alone are forecast to do, if its errors hang on them only."""

    name: str
    labels: int  # n
    labels_now: int  # of this class
    price: float | None  # of the n labels; None: no price per label is known
    worth: float  # before the price
    value: float  # as in `MoreLabels`


@dataclass(frozen=True, slots=True)
class LabelCurve:
    """The learning curve behind `MoreLabels`: k(n) = a + b n^-c through the measured budgets."""

    labels: tuple[float, ...]  # measured at
    cost_per_item: tuple[float, ...]  # measured k, on test
    error: tuple[float, ...]  # bootstrap standard error of each
    a: float
    b: float
    c: float
    labels_now: float


@dataclass(frozen=True, slots=True)
class ThresholdCurve:
    """Cost per item (k) of one seed's model at other thresholds; ends are -inf and +inf.

    `moves`: "both" without review; with review "low" (the high threshold stays) or "high".
    """

    seed: int  # position among the arm's seeds
    moves: str
    thresholds: tuple[float, ...]
    validation_cost: tuple[float, ...]
    test_cost: tuple[float, ...]
    miss_rate: tuple[float, ...]  # on test
    false_alarm_rate: tuple[float, ...]
    review_share: tuple[float, ...]
    chosen: float


@dataclass(frozen=True, slots=True)
class SliceCost:
    """What one part of the test items costs per item, at production prevalence."""

    attribute: str
    value: str
    items: int
    positives: int
    miss_rate: float | None  # None: no defect in this part
    false_alarm_rate: float | None
    cost_per_item: float | None
    difference: float | None  # to all test items together
    difference_interval: tuple[float, float] | None  # 5-95%


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The numbers of an arm that could be evaluated."""

    n_seeds: int
    cuts: tuple[Cut, ...]  # one per seed, chosen on validation; none with a cost matrix
    miss_rate: float
    miss_rate_interval: tuple[float, float]  # 5-95%
    false_alarm_rate: float
    false_alarm_rate_interval: tuple[float, float]
    review_share: float
    precision: float | None
    cost_per_item: float  # k: errors and review, without inference
    cost_today: float
    cost_model: float  # k + inference
    gross_by_year: tuple[float, ...]  # year 1 first, before run costs
    saving_by_year: tuple[float, ...]  # after run costs, before tax
    to_come: View  # what is still to be spent: the verdict's view
    whole: View  # with what the pilot has already cost added to one-off
    npv: float  # at likely values, to come
    npv_spread: Spread  # mean is E[NPV]
    npv_quantiles: tuple[float, ...]  # QUANTILES of them, 0% first
    p_positive: float
    p_error: float
    outlay: float
    is_adequate: bool
    is_baseline: bool
    increment: Increment  # over the baseline (or over doing nothing), draw by draw
    over_baseline: OverBaseline | None  # None: the baseline itself, or there is none
    tornado: tuple[Swing, ...]  # uncertain inputs and the model's rates, longest first
    likely_inputs: dict[str, float]  # of every input that the arm depends on
    break_evens: dict[str, BreakEven]  # of each of them
    evpi: float  # this arm or nothing
    evppi: dict[str, float]  # by uncertain input, each rate, and "model.rates": this arm or nothing
    label_curve: LabelCurve | None  # None: fewer than 4 label budgets
    more_labels: tuple[MoreLabels, ...]  # none without a curve
    class_labels: tuple[ClassLabels, ...]  # best value first; none where it cannot be told
    threshold_curves: tuple[ThresholdCurve, ...]
    slices: tuple[SliceCost, ...]  # costliest first
    npv_draws: np.ndarray  # (N,)
    economics: Economics  # at likely values
