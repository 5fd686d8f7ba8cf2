"""From costs per item to cash flow, NPV, ROI, payback and IRR (ROI.md §2).

Every field of `Economics` that is a number may be an array of draws; all results broadcast.
Years are the first axis: gross (H, ...), cash flow (H + 1, ...) with year 0 first.
"""

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from jobs.roi.roots import roots_in_unit

Number = float | np.ndarray

ZERO = 1e-9  # cumulative flows below this share of the largest flow count as 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Economics:
    """One arm's economics with its rates known. One currency; rates and shares in [0, 1]."""

    items_per_year: Number
    prevalence: Number
    cost_miss: Number
    cost_false_alarm: Number
    today_miss_rate: Number
    today_false_alarm_rate: Number
    today_process_per_item: Number
    miss_rate: Number
    false_alarm_rate: Number
    inference_per_item: Number
    one_off: Number
    run_per_year: Number
    horizon_years: int
    discount_rate: Number
    cost_true_alarm: Number = 0.0
    cost_review: Number = 0.0
    review_share: Number = 0.0
    tax: Number = 0.0
    depreciation_years: int | None = None  # None: the horizon
    ramp: tuple[Number, ...] = ()  # years not listed are 1
    volume_by_year: tuple[Number, ...] = ()  # V_y as a share of items_per_year; not listed: 1
    decision_cost: Number | None = None  # k of a cost matrix, in place of what the rates give


def cost_today(e: Economics) -> Number:
    """Cost per item of today's process."""
    return _errors(e, e.today_miss_rate, e.today_false_alarm_rate) + e.today_process_per_item


def cost_model(e: Economics) -> Number:
    """Cost per item with the model: errors, review and inference."""
    if e.decision_cost is not None:
        return e.decision_cost + e.inference_per_item
    errors = _errors(e, e.miss_rate, e.false_alarm_rate)
    return errors + e.review_share * e.cost_review + e.inference_per_item


def _errors(e: Economics, miss_rate: Number, false_alarm_rate: Number) -> Number:
    return (
        e.prevalence * miss_rate * e.cost_miss
        + e.prevalence * (1 - miss_rate) * e.cost_true_alarm
        + (1 - e.prevalence) * false_alarm_rate * e.cost_false_alarm
    )


def activity(e: Economics) -> np.ndarray:
    """Share of a full year's items that the model sees, by year (H, ...): volume times ramp."""
    share: list[Number] = [1.0] * e.horizon_years
    for by_year in (e.volume_by_year, e.ramp):
        share = [a * b for a, b in zip_longest(share, by_year, fillvalue=1.0)]
    return np.stack(np.broadcast_arrays(*share))


def _by_year(values: np.ndarray, *others: Number) -> np.ndarray:
    """Yearly values (H, ...) with as many axes after the first as the others need."""
    missing = max(np.ndim(x) for x in others) - (values.ndim - 1)
    return values.reshape(*values.shape, *([1] * missing)) if missing > 0 else values


def gross_savings(e: Economics) -> np.ndarray:
    """Saving before run costs, (H, ...): items not yet handled by the model go the old way."""
    yearly = e.items_per_year * (cost_today(e) - cost_model(e))
    return _by_year(activity(e), yearly) * yearly


def cash_flow(e: Economics) -> np.ndarray:
    """Cash flow after tax, (H + 1, ...), year 0 first."""
    saving = _by_year(gross_savings(e), e.run_per_year, e.one_off, e.tax) - e.run_per_year
    years = e.depreciation_years or e.horizon_years
    written_off = (np.arange(1, e.horizon_years + 1) <= years) / years
    base = saving - _by_year(written_off, saving[0], e.one_off) * e.one_off
    flows = saving - e.tax * base
    start = np.broadcast_to(-np.asarray(e.one_off, dtype=float), flows.shape[1:])
    return np.concatenate([start[None], flows])


def discounted(flows: np.ndarray, rate: Number) -> np.ndarray:
    """Flows at their present value; year 0 is not discounted."""
    flows = _by_year(flows, rate)
    years = _by_year(np.arange(len(flows)), flows[0])
    return flows / (1 + np.asarray(rate)) ** years


def net_present_value(flows: np.ndarray, rate: Number) -> np.ndarray:
    """NPV; flows of year y come at the end of that year."""
    return discounted(flows, rate).sum(axis=0)


def npv(e: Economics) -> np.ndarray:
    """NPV of the whole horizon."""
    return net_present_value(cash_flow(e), e.discount_rate)


def return_on_investment(e: Economics) -> float | None:
    """ROI over the whole horizon, undiscounted, before tax; None when nothing is paid."""
    paid = float(e.one_off + e.horizon_years * e.run_per_year)
    return float((gross_savings(e).sum() - paid) / paid) if paid != 0 else None


def outlay(e: Economics) -> float:
    """What a stand-alone arm asks for: one-off, run and inference at present value."""
    inference = activity(e) * e.items_per_year * e.inference_per_item
    return float(e.one_off + _present(inference + e.run_per_year, e.discount_rate))


def turnover(e: Economics) -> float:
    """What NPV adds up at present value, every amount as an expense: how large rounding can be."""
    handled = activity(e) * e.items_per_year * (cost_today(e) + cost_model(e))
    return float(e.one_off + _present(handled + e.run_per_year, e.discount_rate))


def discounted_items(e: Economics) -> np.ndarray:
    """By how much NPV falls when the model costs one more per item (after tax)."""
    seen = e.items_per_year * (1 - e.tax)
    return _present(_by_year(activity(e), seen) * seen, e.discount_rate)


def _present(yearly: np.ndarray, rate: Number) -> np.ndarray:
    """Present value of what comes at the end of years 1 to H."""
    return net_present_value(np.concatenate([np.zeros_like(yearly[:1]), yearly]), rate)


def payback_years(flows: np.ndarray) -> float | None:
    """The moment from which the money stays paid back; None: never within the horizon."""
    total = np.cumsum(flows)
    total[np.abs(total) <= ZERO * np.abs(flows).max(initial=0.0)] = 0.0
    if total[-1] < 0:
        return None
    negative = np.flatnonzero(total < 0)
    if len(negative) == 0:
        return 0.0
    last = int(negative[-1])
    return last + min(1.0, float(-total[last] / flows[last + 1]))


@dataclass(frozen=True, slots=True)
class Irr:
    """The internal rate of return where there is exactly one, with all roots and the reason."""

    rate: float | None
    roots: tuple[float, ...]
    reason: str  # unique | no_sign_change | no_root | several_roots | financing_pattern


def internal_rate(flows: np.ndarray) -> Irr:
    """IRR: the only rate > -1 with NPV 0, of flows that begin with an expense."""
    flows = np.asarray(flows, dtype=float)
    signs = np.sign(np.where(np.abs(flows) <= 1e-13 * np.abs(flows).max(), 0.0, flows))
    signs = [int(sign) for sign in signs if sign != 0]
    if len(set(signs)) < 2:
        return Irr(None, (), "no_sign_change")
    roots = npv_roots(flows)
    if len(roots) == 0:
        return Irr(None, (), "no_root")
    if len(roots) > 1:
        return Irr(None, roots, "several_roots")
    if signs[0] > 0:
        return Irr(None, roots, "financing_pattern")
    return Irr(roots[0], roots, "unique")


def npv_roots(flows: np.ndarray) -> tuple[float, ...]:
    """All rates > -1 at which the flows' NPV is 0, ascending, each once."""
    flows = np.trim_zeros(np.asarray(flows, dtype=float))
    if len(flows) < 2:
        return ()
    flows = flows / np.abs(flows).max()
    growth = roots_in_unit(flows[::-1])  # in z = 1 + i <= 1: rates up to 0
    discount = roots_in_unit(flows)  # in x = 1 / (1 + i) <= 1: rates from 0 on
    rates = sorted([z - 1 for z in growth] + [1 / x - 1 for x in discount])
    return tuple(r for n, r in enumerate(rates) if n == 0 or r - rates[n - 1] > 1e-9)
