"""One arm's figures: its rates, measured and in every draw, and the money they lead to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from jobs.roi import cashflow, risk
from jobs.roi.behaviour import (
    Behaviour,
    Prepared,
    Rates,
    matrix_behaviour,
    prepare,
    resample_all,
    threshold_behaviour,
)
from jobs.roi.breakeven import BreakEven, of_discount_rate, of_flows
from jobs.roi.cashflow import Economics
from jobs.roi.curve import threshold_curves
from jobs.roi.decision import ArmFigures, Increment, Reason
from jobs.roi.evidence import ArmEvidence, Setting, check_evidence, setting_of
from jobs.roi.figures import QUANTILES, Figures, OverBaseline, View
from jobs.roi.inputs import PREVALENCE, VOLUME, Inputs, Number, Terms, inputs_of
from jobs.roi.rates import precision
from jobs.roi.risk import Learned
from jobs.roi.schema import Case
from jobs.roi.slices import slice_costs
from jobs.roi.whatif import Lever, break_evens, tornado

MODEL = "model."  # prefix of an arm's own measured rates
RATES = "model.rates"  # all of them as one group
SHARES = ("today.miss_rate", "today.false_alarm_rate", "review.miss_rate")
SHARES = (*SHARES, "review.false_alarm_rate", "tax", PREVALENCE)


@dataclass(frozen=True)
class World:
    """A case made ready: its inputs at likely and in every draw, shared by all arms."""

    case: Case
    draws: int
    seed: int

    @cached_property
    def inputs(self) -> Inputs:
        return inputs_of(self.case)

    @cached_property
    def setting(self) -> Setting:
        return setting_of(self.inputs)

    @cached_property
    def values(self) -> dict[str, Number]:
        return self.inputs.drawn(self.draws, self.seed)

    @cached_property
    def likely(self) -> Terms:
        return self.inputs.terms(self.inputs.likely())

    @cached_property
    def drawn(self) -> Terms:
        return self.inputs.terms(self.values)

    @cached_property
    def learned(self) -> dict[str, Learned]:
        """What a regression on each uncertain input needs; the same for all arms."""
        return {n: Learned.of(np.asarray(self.values[n])) for n in self.inputs.ranges}

    def prepared(self, evidence: ArmEvidence) -> Prepared:
        """The arm's cuts, chosen once; `evidence` must live as long as this world."""
        if id(evidence) not in self._prepared:
            self._prepared[id(evidence)] = prepare(self.setting, evidence)
        return self._prepared[id(evidence)]

    @cached_property
    def _prepared(self) -> dict[int, Prepared]:
        return {}


def check_and_resample(world: World, arms: Sequence[ArmEvidence]) -> None:
    """Refuse predictions that do not fit the case, and draw the others' resamples at once."""
    for evidence in arms:
        check_evidence(world.setting, evidence)
    if world.setting.matrix is None:
        resample_all([world.prepared(evidence) for evidence in arms], world.draws, world.seed)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One arm's rates, measured and in every draw, and the economics they lead to."""

    world: World
    evidence: ArmEvidence
    behaviour: Behaviour
    rates: Rates  # on test, at likely inputs
    drawn_rates: Rates  # in every resample, at likely inputs
    likely: Economics
    drawn: Economics  # rates and inputs in every draw
    npv: float
    npv_draws: np.ndarray  # (N,)
    outlay: float
    precision: float | None
    is_adequate: bool

    def gate_figures(self) -> ArmFigures:
        return ArmFigures(
            npv=self.npv,
            npv_draws=self.npv_draws,
            outlay=self.outlay,
            is_adequate=self.is_adequate,
        )

    def rate_inputs(self) -> dict[str, np.ndarray]:
        """The arm's uncertain rates in every resample, (N,) each."""
        drawn = {MODEL + n: np.asarray(x) for n, x in _named(self.drawn_rates).items()}
        return {name: x for name, x in drawn.items() if x.ndim}

    @cached_property
    def learned_rates(self) -> Learned:
        """What a regression on all of the arm's rates needs."""
        return Learned.of(*self.rate_inputs().values())

    def npv_at(self, moved: Mapping[str, np.ndarray]) -> np.ndarray:
        """NPV (J,) with inputs at the values given (J,), NaN for likely; rates follow."""
        world, likely = self.world, self.world.inputs.likely()
        values: dict[str, Number] = dict(likely)
        scale: dict[str, Number] = {}
        for name, x in moved.items():
            if name in likely:
                values[name] = np.where(np.isnan(x), likely[name], x)
            elif name in (VOLUME, PREVALENCE):
                whole = world.likely.volume if name == VOLUME else world.likely.prevalence
                scale[name] = np.where(np.isnan(x), 1.0, x / whole)
        terms = world.inputs.terms(values, scale)
        rates = self.behaviour.measured(terms)
        own = {
            name: np.where(np.isnan(x), given, x)
            for name, given in _named(rates).items()
            if (x := moved.get(MODEL + name)) is not None
        }
        e = economics_of(world.case, terms, self.evidence.labels_used, replace(rates, **own))
        shape = np.broadcast_shapes(*(np.shape(x) for x in moved.values()))
        return np.broadcast_to(cashflow.npv(e), shape)


def _named(rates: Rates) -> dict[str, Number]:
    """The rates that decide the money: of a cost matrix only its k."""
    if rates.decision_cost is not None:
        return {"decision_cost": rates.decision_cost}
    names = ("miss_rate", "false_alarm_rate", "review_share")
    return {name: getattr(rates, name) for name in names}


def measure(world: World, evidence: ArmEvidence) -> Measured:
    """An arm's rates and economics, of predictions that were checked."""
    matrix = world.setting.matrix
    if matrix is None:
        arm = world.prepared(evidence)
        behaviour = threshold_behaviour(world.setting, evidence, arm, world.draws, world.seed)
    else:
        behaviour = matrix_behaviour(matrix, evidence, world.draws, world.seed)
    rates, drawn_rates = (
        behaviour.measured(world.likely),
        behaviour.bootstrapped(world.likely),
    )
    joint = drawn_rates if world.drawn is world.likely else behaviour.bootstrapped(world.drawn)
    likely = economics_of(world.case, world.likely, evidence.labels_used, rates)
    drawn = economics_of(world.case, world.drawn, evidence.labels_used, joint)
    tp = precision(
        float(likely.prevalence), float(likely.miss_rate), float(likely.false_alarm_rate)
    )
    return Measured(
        world=world,
        evidence=evidence,
        behaviour=behaviour,
        rates=rates,
        drawn_rates=drawn_rates,
        likely=likely,
        drawn=drawn,
        npv=float(cashflow.npv(likely)),
        npv_draws=np.broadcast_to(cashflow.npv(drawn), (world.draws,)),
        outlay=cashflow.outlay(likely),
        precision=tp,
        is_adequate=not _missed(world.case, likely, tp),
    )


def economics_of(case: Case, terms: Terms, labels_used: int, rates: Rates) -> Economics:
    """The case's economics with an arm's rates; labels and integration are part of one-off."""
    labels = labels_used if terms.labels is None else terms.labels
    return Economics(
        items_per_year=terms.volume,
        prevalence=terms.prevalence,
        cost_miss=terms.cost_miss,
        cost_false_alarm=terms.cost_false_alarm,
        cost_true_alarm=terms.cost_true_alarm,
        cost_review=terms.cost_review,
        today_miss_rate=terms.today_miss_rate,
        today_false_alarm_rate=terms.today_false_alarm_rate,
        today_process_per_item=terms.today_process_per_item,
        inference_per_item=terms.inference_per_item,
        one_off=terms.fixed_cost + labels * terms.price_per_label,
        run_per_year=terms.run_per_year,
        horizon_years=case.horizon_years,
        discount_rate=terms.discount_rate,
        tax=terms.tax,
        depreciation_years=case.depreciation_years,
        ramp=terms.ramp,
        volume_by_year=terms.volume_by_year,
        **{f.name: getattr(rates, f.name) for f in fields(Rates)},
    )


def figures_of(m: Measured, gain: Increment, base: Measured | None) -> Figures:
    """Everything that is shown of an arm; `base` is the baseline, None where there is none."""
    e = m.likely
    p, p_error = risk.share_positive(m.npv_draws)
    inference = float(e.inference_per_item)
    model = float(cashflow.cost_model(e))
    gross = cashflow.gross_savings(e)
    return Figures(
        n_seeds=len(m.evidence.test_scores),
        cuts=m.behaviour.cuts,
        miss_rate=float(e.miss_rate),
        miss_rate_interval=interval(m.drawn_rates.miss_rate),
        false_alarm_rate=float(e.false_alarm_rate),
        false_alarm_rate_interval=interval(m.drawn_rates.false_alarm_rate),
        review_share=float(e.review_share),
        precision=m.precision,
        cost_per_item=model - inference,
        cost_today=float(cashflow.cost_today(e)),
        cost_model=model,
        gross_by_year=tuple(gross.tolist()),
        saving_by_year=tuple((gross - e.run_per_year).tolist()),
        to_come=view_of(e),
        whole=view_of(replace(e, one_off=e.one_off + m.evidence.pilot_cost_money)),
        npv=m.npv,
        npv_spread=risk.spread(m.npv_draws),
        npv_quantiles=tuple(np.quantile(m.npv_draws, np.linspace(0, 1, QUANTILES)).tolist()),
        p_positive=p,
        p_error=p_error,
        outlay=m.outlay,
        is_adequate=m.npv > 0 and m.is_adequate,
        is_baseline=m is base,
        increment=gain,
        over_baseline=None if base is None or m is base else _over(m, base),
        tornado=tornado(m.npv_at, _ends(m)),
        likely_inputs={name: lever.likely for name, lever in _levers(m).items()}
        | {"discount_rate": float(e.discount_rate)},
        break_evens=_break_evens(m),
        evpi=risk.evpi(m.npv_draws),
        evppi=_evppi(m),
        label_curve=None,  # see `learning.forecast`
        more_labels=(),
        class_labels=(),
        threshold_curves=threshold_curves(m.world.setting, m.evidence, m.behaviour.cuts),
        slices=slice_costs(m.world.setting, m.evidence, m.behaviour.cuts),
        npv_draws=m.npv_draws,
        economics=e,
    )


def view_of(e: Economics) -> View:
    """The cash flow of one view of the project."""
    flows = cashflow.cash_flow(e)
    rate = float(e.discount_rate)
    return View(
        flows=tuple(flows.tolist()),
        npv=float(cashflow.net_present_value(flows, rate)),
        roi=cashflow.return_on_investment(e),
        payback_years=cashflow.payback_years(flows),
        discounted_payback_years=cashflow.payback_years(cashflow.discounted(flows, rate)),
        irr=cashflow.internal_rate(flows),
    )


def _ends(m: Measured) -> dict[str, tuple[float, float]]:
    """Low and high of every uncertain input; of the model's rates the bootstrap 5% and 95%."""
    ends = {name: (r.low, r.high) for name, r in m.world.inputs.ranges.items()}
    return ends | {name: interval(x) for name, x in m.rate_inputs().items()}


def _levers(m: Measured) -> dict[str, Lever]:
    """Every input that can be moved, volumes and prevalences as a whole; r has its own way."""
    world = m.world
    whole = {VOLUME: world.likely.volume, PREVALENCE: world.likely.prevalence}
    singles = {
        name: value
        for name, value in world.inputs.likely().items()
        if name != "discount_rate" and name.partition(".")[0] not in whole
    }
    rates = {MODEL + name: value for name, value in _named(m.rates).items()}
    if world.setting.reviewer is None:
        rates.pop(MODEL + "review_share", None)
    is_limited = world.likely.capacity is not None
    curved = (*whole, "review.capacity_per_year") if is_limited else ()
    return {
        name: _lever(name, float(value), name not in curved, world)
        for name, value in (whole | singles | rates).items()
    }


def _lever(name: str, likely: float, is_linear: bool, world: World) -> Lever:
    is_share = name in SHARES or (name.startswith(("ramp.", MODEL)) and "cost" not in name)
    low = 1e-9 * likely if name in (VOLUME, PREVALENCE) else 0.0  # nothing to share out at 0
    if is_share:
        return Lever(likely=likely, low=low, high=1.0, step=1.0, is_linear=is_linear)
    if name == "review.capacity_per_year":
        high = float(world.likely.volume)
        return Lever(likely=likely, high=high, step=max(1.0, likely), is_linear=is_linear)
    return Lever(likely=likely, low=low, step=max(1.0, likely), is_linear=is_linear)


def _break_evens(m: Measured) -> dict[str, BreakEven]:
    found = break_evens(m.npv_at, _levers(m), cashflow.turnover(m.likely))
    return found | {"discount_rate": of_discount_rate(m.likely)}


def _over(m: Measured, base: Measured) -> OverBaseline:
    """The same questions of the difference to the baseline, whose own rates stay as they are."""

    def npv_at(moved: Mapping[str, np.ndarray]) -> np.ndarray:
        return m.npv_at(moved) - base.npv_at(moved_inputs(moved))

    def moved_inputs(moved: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {n: np.full_like(x, np.nan) if n.startswith(MODEL) else x for n, x in moved.items()}

    flows = cashflow.cash_flow(m.likely) - cashflow.cash_flow(base.likely)
    rate = float(m.likely.discount_rate)
    sums = sum(cashflow.turnover(x.likely) for x in (m, base))
    found = break_evens(npv_at, _levers(m), sums)
    return OverBaseline(
        baseline=base.evidence.arm,
        flows=tuple(flows.tolist()),
        npv=m.npv - base.npv,
        roi=_extra_return(m.likely, base.likely),
        payback_years=cashflow.payback_years(flows),
        irr=cashflow.internal_rate(flows),
        tornado=tornado(npv_at, _ends(m)),
        break_evens=found | {"discount_rate": of_flows(flows, rate)},
    )


def _extra_return(e: Economics, base: Economics) -> float | None:
    """ROI of the additional money, before tax; None unless the arm asks for more."""
    paid = [float(x.one_off + x.horizon_years * x.run_per_year) for x in (e, base)]
    gross = [float(cashflow.gross_savings(x).sum()) for x in (e, base)]
    more = paid[0] - paid[1]
    return (gross[0] - gross[1] - more) / more if more > 0 else None


def _evppi(m: Measured) -> dict[str, float]:
    """Value of knowing each uncertain input, each rate, and all rates: this arm or nothing."""
    ceiling = risk.evpi(m.npv_draws)
    own = {name: Learned.of(x) for name, x in m.rate_inputs().items()}
    learned = m.world.learned | own | {RATES: m.learned_rates}
    return {name: min(risk.evpi(x.fit(m.npv_draws)), ceiling) for name, x in learned.items()}


def interval(draws: np.ndarray | float) -> tuple[float, float]:
    """5% and 95% of draws."""
    low, high = np.quantile(np.asarray(draws), [0.05, 0.95])
    return float(low), float(high)


def _missed(
    case: Case, e: Economics, measured_precision: float | None
) -> list[tuple[str, float, float]]:
    """Minimum rates not met: (rate, measured, minimum). Without alarms precision is not met."""
    rows = [
        ("detection", 1 - float(e.miss_rate), case.minimum.detection),
        ("pass", 1 - float(e.false_alarm_rate), case.minimum.pass_rate),
        ("precision", measured_precision or 0.0, case.minimum.precision),
    ]
    return [(name, seen, least) for name, seen, least in rows if least is not None and seen < least]


def minimum_missed(case: Case, arm: str, figures: Figures) -> list[Reason]:
    return [
        Reason("minimum-missed", {"arm": arm, "rate": rate, "measured": seen, "minimum": least})
        for rate, seen, least in _missed(case, figures.economics, figures.precision)
    ]
