"""Cost per item at other thresholds: the what-if curve with the chosen point (ROI.md §1)."""

from collections.abc import Sequence

import numpy as np

from jobs.roi.evidence import ArmEvidence, Setting, split_scores
from jobs.roi.figures import ThresholdCurve
from jobs.roi.rates import (
    Cut,
    Scored,
    Shares,
    after_review,
    candidates,
    cost_per_item,
    false_alarm_rates,
    miss_rates,
)

POINTS = 200  # at most, of one curve; the chosen one is always among them


def threshold_curves(
    setting: Setting, evidence: ArmEvidence, cuts: Sequence[Cut]
) -> tuple[ThresholdCurve, ...]:
    """One curve per seed, or two where people review the items between two thresholds."""
    moves = ("both",) if setting.reviewer is None else ("low", "high")
    return tuple(
        _curve(setting, evidence, seed, cut, move)
        for seed, cut in enumerate(cuts)
        for move in moves
    )


def _curve(
    setting: Setting, evidence: ArmEvidence, seed: int, cut: Cut, moves: str
) -> ThresholdCurve:
    validation, test = (split_scores(evidence, s, seed, setting) for s in ("val", "test"))
    chosen = cut.high if moves == "high" else cut.low
    thresholds = _thinned(candidates(validation), chosen)
    if moves == "low":
        thresholds = thresholds[thresholds <= cut.high]
    if moves == "high":
        thresholds = thresholds[thresholds >= cut.low]
    low = np.full_like(thresholds, cut.low) if moves == "high" else thresholds
    high = np.full_like(thresholds, cut.high) if moves == "low" else thresholds
    on_validation = _rates(setting, validation, low, high)
    miss, alarm, review = _rates(setting, test, low, high)
    return ThresholdCurve(
        seed=seed,
        moves=moves,
        thresholds=tuple(thresholds.tolist()),
        validation_cost=tuple(cost_per_item(setting.costs, *on_validation).tolist()),
        test_cost=tuple(cost_per_item(setting.costs, miss, alarm, review).tolist()),
        miss_rate=tuple(miss.tolist()),
        false_alarm_rate=tuple(alarm.tolist()),
        review_share=tuple(review.tolist()),
        chosen=chosen,
    )


def _thinned(thresholds: np.ndarray, chosen: float) -> np.ndarray:
    """At most POINTS of the candidates, evenly by rank, with both ends and the chosen one."""
    places = np.unique(np.linspace(0, len(thresholds) - 1, POINTS - 1).round().astype(int))
    return np.unique(np.append(thresholds[places], chosen))


def _rates(
    setting: Setting, split: Scored, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Miss rate, false-alarm rate and reviewed share at each pair of thresholds."""
    passed, rejected = miss_rates(split, low), false_alarm_rates(split, high)
    shares = Shares(
        passed, miss_rates(split, high) - passed, rejected, false_alarm_rates(split, low) - rejected
    )
    seen = after_review(shares, setting.costs.prevalence, setting.reviewer)
    return (
        np.asarray(seen.miss_rate),
        np.asarray(seen.false_alarm_rate),
        np.asarray(seen.review_share),
    )
