"""One arm's figures: its rates in every draw, and the money they lead to (ROI.md §2 and §3.3).

Legend: S seeds, n test items, K classes of items, N draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jobs.roi import cashflow, risk
from jobs.roi.bootstrap import Units, make_units, rate_draws, resample_shares, seed_weights
from jobs.roi.case import Case, amount
from jobs.roi.cashflow import Economics, Irr
from jobs.roi.decision import ArmFigures, Increment, Reason
from jobs.roi.evidence import (
    ArmEvidence,
    choose_cut,
    defect_classes,
    item_costs,
    reviewer_of,
    split_scores,
)
from jobs.roi.rates import Cut, Outcome, Shares, after_review, precision, shares_at
from jobs.roi.risk import Spread


@dataclass(frozen=True, kw_only=True)
class View:
    """Cash flow of one view of the project; money in the case's currency."""

    flows: tuple[float, ...]  # year 0 first
    npv: float  # at likely values
    roi: float | None
    payback_years: float | None
    discounted_payback_years: float | None
    irr: Irr


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The numbers of an arm that could be evaluated."""

    n_seeds: int
    cuts: tuple[Cut, ...]  # one per seed, chosen on validation
    miss_rate: float
    miss_rate_interval: tuple[float, float]  # 5-95%
    false_alarm_rate: float
    false_alarm_rate_interval: tuple[float, float]
    review_share: float
    precision: float | None
    cost_per_item: float  # k: errors and review, without inference
    cost_today: float
    cost_model: float  # k + inference
    to_come: View  # what is still to be spent: the verdict's view
    whole: View  # with what the pilot has already cost added to one-off
    npv: float  # at likely values, to come
    npv_spread: Spread  # mean is E[NPV]
    p_positive: float
    p_error: float
    outlay: float
    is_adequate: bool
    is_baseline: bool
    increment: Increment
    evpi: float
    evppi_rates: float
    npv_draws: np.ndarray  # (N,)
    economics: Economics


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One arm's rates, measured and in every draw, and the economics they lead to."""

    evidence: ArmEvidence
    cuts: tuple[Cut, ...]
    likely: Economics
    drawn: Economics  # rates are (N,)
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

    def rate_inputs(self) -> np.ndarray:
        """The arm's uncertain rates (3, N)."""
        d = self.drawn
        return np.stack([np.asarray(x) for x in (d.miss_rate, d.false_alarm_rate, d.review_share)])


def measure(case: Case, evidence: ArmEvidence, draws: int, seed: int) -> Measured:
    costs, reviewer = item_costs(case), reviewer_of(case)
    classes, shares = defect_classes(case, evidence)
    cuts = tuple(
        choose_cut(split_scores(evidence, "val", s, classes, shares), costs, reviewer)
        for s in range(len(evidence.val_scores))
    )
    seen = [
        after_review(
            shares_at(split_scores(evidence, "test", s, classes, shares), cut),
            costs.prevalence,
            reviewer,
        )
        for s, cut in enumerate(cuts)
    ]
    likely = economics_of(case, evidence.labels_used, _mean_outcome(seen))
    drawn = replace(likely, **_rates_of(_draw_outcome(case, evidence, cuts, draws, seed)))
    tp = precision(costs.prevalence, float(likely.miss_rate), float(likely.false_alarm_rate))
    return Measured(
        evidence=evidence,
        cuts=cuts,
        likely=likely,
        drawn=drawn,
        npv=float(cashflow.npv(likely)),
        npv_draws=cashflow.npv(drawn),
        outlay=cashflow.outlay(likely),
        precision=tp,
        is_adequate=not _missed(case, likely, tp),
    )


def _mean_outcome(seen: Sequence[Outcome]) -> Outcome:
    """Several seeds are not an ensemble: their rates are averaged, not their scores."""
    names = ("miss_rate", "false_alarm_rate", "review_share", "band", "kept")
    return Outcome(*(float(np.mean([getattr(o, name) for o in seen])) for name in names))


def _rates_of(outcome: Outcome) -> dict[str, np.ndarray | float]:
    return {
        "miss_rate": outcome.miss_rate,
        "false_alarm_rate": outcome.false_alarm_rate,
        "review_share": outcome.review_share,
    }


def economics_of(case: Case, labels_used: int, outcome: Outcome) -> Economics:
    """The case's economics with an arm's rates; its labels are priced into one-off."""
    return Economics(
        items_per_year=case.volume,
        prevalence=case.total_prevalence,
        cost_miss=amount(case.cost_miss),
        cost_false_alarm=amount(case.cost_false_alarm),
        cost_true_alarm=amount(case.cost_true_alarm),
        cost_review=amount(case.review.cost_per_item) if case.review else 0.0,
        today_miss_rate=case.today.miss_rate,
        today_false_alarm_rate=case.today.false_alarm_rate,
        today_process_per_item=amount(case.today.process_per_item),
        inference_per_item=amount(case.inference_per_item),
        one_off=amount(case.one_off) + labels_used * amount(case.labels.price_per_label),
        run_per_year=amount(case.run_per_year),
        horizon_years=case.horizon_years,
        discount_rate=case.discount_rate,
        tax=case.tax,
        depreciation_years=case.depreciation_years,
        ramp=case.ramp,
        volume_by_year=case.volume_by_year,
        **_rates_of(outcome),
    )


def _draw_outcome(
    case: Case, evidence: ArmEvidence, cuts: Sequence[Cut], draws: int, seed: int
) -> Outcome:
    """Rates after review in every draw, averaged over the seeds drawn: arrays (N,)."""
    classes, shares = defect_classes(case, evidence)
    units, rows = _units(evidence, classes)
    scores = np.stack([np.asarray(s)[rows] for s in evidence.test_scores])  # (S, n)
    low = np.array([cut.low for cut in cuts])[:, None]
    high = np.array([cut.high for cut in cuts])[:, None]
    good = units.item_class == len(units.sizes) - 1
    wrong = np.where(good, scores >= high, scores < low)  # (S, n)
    rates = rate_draws(units, wrong, draws, seed)  # (K, N, S)
    in_band = (scores >= low) & (scores < high)
    band = _band_draws(units, wrong, in_band, rates, draws, seed) if in_band.any() else 0 * rates
    weights = np.asarray(shares if shares is not None else [1.0])
    weights = weights / weights.sum()
    outcome = after_review(
        Shares(
            np.tensordot(weights, rates[:-1], axes=1),  # (N, S)
            np.tensordot(weights, band[:-1], axes=1),
            rates[-1],
            band[-1],
        ),
        case.total_prevalence,
        reviewer_of(case),
    )
    over_seeds = seed_weights(evidence.seeds or tuple(range(len(cuts))), draws, seed)  # (N, S)
    return Outcome(*((getattr(outcome, n) * over_seeds).sum(axis=1) for n in Outcome.__slots__))


def _band_draws(
    units: Units, wrong: np.ndarray, in_band: np.ndarray, rates: np.ndarray, draws: int, seed: int
) -> np.ndarray:
    """Shares in the band (K, N, S): of what the drawn rates leave, as much as in the resample."""
    band = resample_shares(units, in_band, draws, seed)
    resampled = resample_shares(units, wrong, draws, seed)
    left = 1 - resampled
    share = np.divide(band, left, out=np.zeros_like(band), where=left > 0)
    return (1 - rates) * np.minimum(share, 1.0)


def _units(evidence: ArmEvidence, classes: tuple[str, ...] | None) -> tuple[Units, np.ndarray]:
    """Units of the test items that count, and the rows of those items."""
    positive = np.asarray(evidence.test_positive)
    item_class = np.where(positive, 0, 1)
    if classes is not None and evidence.test_class is not None:
        item_class = np.where(positive, -1, len(classes))
        for k, name in enumerate(classes):
            item_class[evidence.test_class == name] = k
    rows = np.flatnonzero(item_class >= 0)
    groups = None if evidence.groups is None else np.asarray(evidence.groups)[rows]
    return make_units(item_class[rows], groups), rows


def _view(e: Economics) -> View:
    flows = cashflow.cash_flow(e)
    return View(
        flows=tuple(float(x) for x in flows),
        npv=float(cashflow.net_present_value(flows, e.discount_rate)),
        roi=cashflow.return_on_investment(e),
        payback_years=cashflow.payback_years(flows),
        discounted_payback_years=cashflow.payback_years(
            cashflow.discounted(flows, e.discount_rate)
        ),
        irr=cashflow.internal_rate(flows),
    )


def figures_of(m: Measured, gain: Increment, is_baseline: bool) -> Figures:
    e = m.likely
    p, p_error = risk.share_positive(m.npv_draws)
    inference = float(e.inference_per_item)
    model = float(cashflow.cost_model(e))
    return Figures(
        n_seeds=len(m.cuts),
        cuts=m.cuts,
        miss_rate=float(e.miss_rate),
        miss_rate_interval=_interval(m.drawn.miss_rate),
        false_alarm_rate=float(e.false_alarm_rate),
        false_alarm_rate_interval=_interval(m.drawn.false_alarm_rate),
        review_share=float(e.review_share),
        precision=m.precision,
        cost_per_item=model - inference,
        cost_today=float(cashflow.cost_today(e)),
        cost_model=model,
        to_come=_view(e),
        whole=_view(replace(e, one_off=e.one_off + m.evidence.pilot_cost_money)),
        npv=m.npv,
        npv_spread=risk.spread(m.npv_draws),
        p_positive=p,
        p_error=p_error,
        outlay=m.outlay,
        is_adequate=m.npv > 0 and m.is_adequate,
        is_baseline=is_baseline,
        increment=gain,
        evpi=risk.evpi(m.npv_draws),
        evppi_rates=risk.evppi(m.rate_inputs(), m.npv_draws),
        npv_draws=m.npv_draws,
        economics=e,
    )


def _interval(draws: np.ndarray | float) -> tuple[float, float]:
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
