"""Thresholds against a slow loop written from the definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digpt.errors import UserError
from jobs.roi import matrix, rates
from jobs.roi.rates import ItemCosts, Reviewer, Shares, after_review, scored

scores = st.lists(st.integers(0, 6).map(lambda n: n / 6), min_size=1, max_size=9)


def slow_rates(pos: list, neg: list, t: float) -> tuple[float, float]:
    return sum(s < t for s in pos) / len(pos), sum(s >= t for s in neg) / len(neg)


def slow_candidates(pos: list, neg: list) -> list[float]:
    return [-np.inf, *sorted(set(pos + neg))[1:], np.inf]


@settings(max_examples=80, deadline=None)
@given(scores, scores, st.floats(0.01, 0.99), st.integers(0, 50), st.integers(1, 50))
def test_single_threshold_equals_slow_loop(pos, neg, pi, miss, alarm):
    costs = ItemCosts(prevalence=pi, miss=miss, false_alarm=alarm, true_alarm=1)
    all_costs = []
    for t in slow_candidates(pos, neg):
        fnr, fpr = slow_rates(pos, neg, t)
        all_costs.append((pi * fnr * miss + pi * (1 - fnr) + (1 - pi) * fpr * alarm, t))
    least = min(all_costs)[0]
    tied = [t for cost, t in all_costs if cost <= least + costs.tolerance]
    cut = rates.choose_threshold(scored([np.array(pos)], np.array(neg)), costs)
    assert (cut.low, cut.tied) == (min(tied), len(tied))
    assert cut.cost == pytest.approx(least)


@settings(max_examples=60, deadline=None)
@given(
    scores,
    scores,
    st.floats(0.05, 0.9),
    st.sampled_from([None, 0.0, 0.3]),
    st.integers(0, 3),
)
def test_review_band_equals_slow_loop(pos, neg, pi, capacity, review):
    costs = ItemCosts(prevalence=pi, miss=20, false_alarm=5, review=review)
    reviewer = Reviewer(miss_rate=0.1, false_alarm_rate=0.05, capacity=capacity)
    pairs = []
    for low in slow_candidates(pos, neg):
        for high in slow_candidates(pos, neg):
            if low > high:
                continue
            band_1 = sum(low <= s < high for s in pos) / len(pos)
            band_0 = sum(low <= s < high for s in neg) / len(neg)
            band = pi * band_1 + (1 - pi) * band_0
            if capacity is not None and band > capacity * (1 + 1e-9):
                continue
            fnr = slow_rates(pos, neg, low)[0] + 0.1 * band_1
            fpr = slow_rates(pos, neg, high)[1] + 0.05 * band_0
            cost = pi * fnr * 20 + (1 - pi) * fpr * 5 + band * review
            pairs.append((cost, band, low, high))
    least = min(pairs)[0]
    tied = [p for p in pairs if p[0] <= least + costs.tolerance]
    narrow = min(p[1] for p in tied)
    want = min((p[2], p[3]) for p in tied if p[1] <= narrow * (1 + 1e-9) + 1e-15)
    cut = rates.choose_band(scored([np.array(pos)], np.array(neg)), costs, reviewer)
    assert ((cut.low, cut.high), cut.tied) == (want, len(tied))


def test_defect_classes_weigh_by_their_production_share_not_by_their_count():
    cracks, stains = np.array([0.2, 0.8]), np.array([0.9] * 98)
    split = scored([cracks, stains], np.array([0.1]), [0.03, 0.01])
    # half of the cracks are missed; cracks are three of four defects
    assert rates.miss_rates(split, np.array([0.5])) == pytest.approx([0.375])


def test_empty_class_is_an_error_not_zero():
    with pytest.raises(UserError, match="no item of a defect class"):
        scored([np.array([])], np.array([0.1]))
    with pytest.raises(UserError, match="no good item"):
        scored([np.array([0.1])], np.array([]))


@pytest.mark.parametrize(
    ("overflow", "miss", "alarm"),
    [
        # pi 0.2: band 0.2*0.5 + 0.8*0.25 = 0.3, capacity 0.15 keeps half of it
        # reject: miss 0.1 + 0.5*(0.5*0.2) = 0.15, alarm 0.05 + 0.25*(0.5*0.1 + 0.5) = 0.1875
        ("reject", 0.15, 0.1875),
        # pass: miss 0.1 + 0.5*(0.5*0.2 + 0.5) = 0.40, alarm 0.05 + 0.25*(0.5*0.1) = 0.0625
        ("pass", 0.40, 0.0625),
    ],
)
def test_overflow_by_hand(overflow: str, miss: float, alarm: float):
    reviewer = Reviewer(miss_rate=0.2, false_alarm_rate=0.1, capacity=0.15, overflow=overflow)
    seen = after_review(Shares(0.1, 0.5, 0.05, 0.25), 0.2, reviewer)
    assert (seen.miss_rate, seen.false_alarm_rate) == pytest.approx((miss, alarm))
    assert (seen.band, seen.kept, seen.review_share) == pytest.approx((0.3, 0.5, 0.15))


def test_calibrated_posteriors_are_cut_at_the_cost_ratio():
    """Elkan's check: with posteriors moved to production, t* = C_FP / (C_FP + C_FN)."""
    rng = np.random.default_rng(0)
    posterior = rng.random(200_000)
    positive = rng.random(200_000) < posterior
    pi, q = 0.05, positive.mean()
    moved = matrix.shift_posteriors(
        np.stack([1 - posterior, posterior], axis=1), np.array([1 - q, q]), np.array([1 - pi, pi])
    )[:, 1]
    costs = ItemCosts(prevalence=pi, miss=90, false_alarm=10)
    cut = rates.choose_threshold(scored([moved[positive]], moved[~positive]), costs)
    assert cut.low == pytest.approx(10 / (10 + 90), abs=0.02)


def test_precision_does_not_exist_without_alarms():
    assert rates.precision(0.1, 1.0, 0.0) is None
    assert rates.precision(0.1, 1 - 2**-53, 0.0) is None  # all missed, but for rounding
    assert rates.precision(0.1, 1 + 2**-52, 0.5) == 0.0
    assert rates.precision(0.1, 0.0, 0.1) == pytest.approx(0.1 / 0.19)


def test_a_class_without_test_items_that_occurs_is_an_error():
    counts = np.array([[5, 0], [0, 0]])
    with pytest.raises(UserError, match="Class 1 has no test items"):
        matrix.confusion_rates(counts, np.array([0.9, 0.1]))
    shown = matrix.confusion_rates(counts, np.array([1.0, 0.0]))
    assert matrix.matrix_cost(shown, np.array([[2, 9], [9, 9]]), np.array([1.0, 0.0])) == 2


def test_equal_decisions_go_to_the_smallest_class():
    # 0.3*10 and 0.1*30 are equal but for rounding
    assert matrix.decide(np.array([[0.1 * 30, 0.3 * 10, 3.0 + 1e-15]])).tolist() == [0]
