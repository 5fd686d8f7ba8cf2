"""Intervals: what they cover, pairing, and coverage on simulated arms."""

import numpy as np
import pytest
from scipy import stats

from digpt.errors import UserError
from digpt.evaluate.intervals import (
    detectable_effect,
    difference,
    estimate,
    holm,
    matched_difference,
    mcnemar,
    measure,
)

CLASSES = 3


def _labels(rng, count=200):
    return rng.integers(0, CLASSES, count)


def _probs(rng, labels, skill, hardness=None):
    """Probabilities right with probability `skill`, on the same items if `hardness` is given."""
    hardness = rng.random(len(labels)) if hardness is None else hardness
    wrong = (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES
    chosen = np.where(hardness < skill, labels, wrong)
    return np.eye(CLASSES, dtype=np.float32)[chosen] * 0.9 + 0.1 / CLASSES


def test_interval_holds_its_value_and_says_what_it_covers():
    rng = np.random.default_rng(0)
    labels = _labels(rng)
    probs = [[_probs(rng, labels, 0.7) for _ in range(3)] for _ in range(2)]
    found = estimate("top1", probs, labels)
    assert found.low < found.value < found.high
    assert found.covers == ("pretraining", "labels", "items")
    assert (found.n_pretrain_seeds, found.n_label_seeds, found.n_items) == (2, 3, 200)
    assert estimate("top1", [[probs[0][0]]], labels).covers == ("items",)


def test_item_interval_agrees_with_the_binomial():
    rng = np.random.default_rng(1)
    labels = _labels(rng, 400)
    found = estimate("top1", [[_probs(rng, labels, 0.7)]], labels, draws=4000)
    error = np.sqrt(found.value * (1 - found.value) / 400)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_groups_that_move_together_widen_the_interval():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(40), 10)
    labels = np.repeat(_labels(rng, 40), 10)
    probs = _probs(rng, labels, 0.7, hardness=np.repeat(rng.random(40), 10))
    alone = estimate("top1", [[probs]], labels)
    grouped = estimate("top1", [[probs]], labels, groups=groups)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_same_seed_same_interval():
    rng = np.random.default_rng(3)
    labels = _labels(rng)
    probs = [[_probs(rng, labels, 0.6)]]
    assert estimate("macro_f1", probs, labels) == estimate("macro_f1", probs, labels)


def test_pairing_narrows_a_difference():
    rng = np.random.default_rng(4)
    labels, hardness = _labels(rng, 400), rng.random(400)
    a, b = (measure("top1", [[_probs(rng, labels, s, hardness)]], labels) for s in (0.75, 0.70))
    found = difference(a, b)
    unpaired = np.hypot(a.draws.std(), b.draws.std())
    assert found.standard_error < 0.6 * unpaired
    assert found.headline.value == pytest.approx(a.plain.mean() - b.plain.mean())
    assert found.method == "bootstrap"
    assert found.headline.covers == ("items",)


def test_three_pretraining_seeds_give_a_paired_t_interval_beside_the_bootstrap():
    rng = np.random.default_rng(5)
    labels = _labels(rng)
    cells = [
        [[_probs(rng, labels, s + p) for _ in range(2)] for p in (0, 0.05, 0.1)] for s in (0.7, 0.6)
    ]
    a, b = (measure("top1", c, labels) for c in cells)
    found = difference(a, b)
    oracle = stats.ttest_rel(a.plain.mean(axis=1), b.plain.mean(axis=1))
    limits = oracle.confidence_interval()
    assert (found.method, found.is_paired_by_seed) == ("t", True)
    assert found.p_value == pytest.approx(oracle.pvalue)
    assert (found.headline.low, found.headline.high) == pytest.approx((limits.low, limits.high))
    assert found.headline.covers == ("pretraining",)
    assert found.bootstrap.covers == ("labels", "items")


def test_unequal_seeds_are_compared_by_welch():
    rng = np.random.default_rng(6)
    labels = _labels(rng)
    a = measure("top1", [[_probs(rng, labels, s)] for s in (0.7, 0.75, 0.8)], labels)
    b = measure("top1", [[_probs(rng, labels, s)] for s in (0.5, 0.6)], labels)
    found = difference(a, b)
    oracle = stats.ttest_ind(a.plain[:, 0], b.plain[:, 0], equal_var=False)
    assert found.p_value == pytest.approx(oracle.pvalue)
    assert not found.is_paired_by_seed


def test_an_arm_without_pretraining_enters_as_a_fixed_value():
    rng = np.random.default_rng(7)
    labels = _labels(rng)
    a = measure("top1", [[_probs(rng, labels, s)] for s in (0.7, 0.75, 0.8)], labels)
    frozen = measure("top1", [[_probs(rng, labels, 0.6)]], labels)
    oracle = stats.ttest_1samp(a.plain[:, 0], frozen.plain[0, 0])
    assert difference(a, frozen).p_value == pytest.approx(oracle.pvalue)
    assert difference(frozen, a).p_value == pytest.approx(oracle.pvalue)


def test_six_pretraining_seeds_are_resampled():
    rng = np.random.default_rng(8)
    labels = _labels(rng)
    a, b = (
        measure("top1", [[_probs(rng, labels, s)] for _ in range(6)], labels) for s in (0.7, 0.6)
    )
    found = difference(a, b)
    assert found.method == "bootstrap"
    assert found.headline.covers == ("pretraining", "items")


def test_an_arm_does_not_differ_from_itself():
    rng = np.random.default_rng(9)
    labels = _labels(rng)
    one = measure("macro_f1", [[_probs(rng, labels, 0.7)]], labels)
    three = measure("macro_f1", [[_probs(rng, labels, 0.7)] for _ in range(3)], labels)
    for scores in (one, three):
        found = difference(scores, scores)
        assert (found.headline.value, found.p_value, found.standard_error) == (0, 1, 0)


def test_arms_on_different_items_are_not_compared():
    rng = np.random.default_rng(10)
    a, b = (
        measure("top1", [[_probs(rng, y, 0.7)]], y) for y in (_labels(rng, 50), _labels(rng, 60))
    )
    with pytest.raises(UserError, match="50 and 60 test items"):
        difference(a, b)


def test_incomplete_seeds_are_refused():
    with pytest.raises(UserError, match="same label seeds"):
        estimate("top1", [[np.eye(2)], [np.eye(2), np.eye(2)]], np.arange(2))


def test_a_metric_without_value_is_refused():
    with pytest.raises(UserError, match="one class"):
        estimate("auroc", [[np.eye(2)]], np.zeros(2, dtype=int))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_mcnemar_is_the_exact_binomial():
    labels = np.zeros(12, dtype=int)
    right, wrong = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    a = np.array([right] * 11 + [wrong])
    b = np.array([right] * 4 + [wrong] * 7 + [right])  # 7 against 1
    assert mcnemar(a, b, labels) == pytest.approx(stats.binomtest(1, 8).pvalue)
    assert mcnemar(a, a, labels) == 1.0


def test_detectable_effect_is_found_with_its_power():
    effect = detectable_effect(0.02)
    assert effect == pytest.approx(2.8016 * 0.02, rel=1e-3)
    found = np.abs(np.random.default_rng(0).normal(effect, 0.02, 20_000)) > 1.96 * 0.02
    assert found.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("label_seeds", [1, 3, 5])
def test_interval_covers_the_truth_over_items_and_labels(label_seeds):
    """Items are hard or easy for all label seeds alike; a seed's skill varies around 0.7."""
    hits, trials = 0, 300
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        labels, hardness = _labels(rng, 150), rng.random(150)
        skills = rng.normal(0.7, 0.03, label_seeds) if label_seeds > 1 else [0.7]
        probs = [[_probs(rng, labels, s, hardness) for s in skills]]
        found = estimate("top1", probs, labels, draws=400, seed=trial)
        hits += found.low <= 0.7 <= found.high
    assert 0.91 <= hits / trials <= 0.985


def test_t_interval_covers_the_true_difference_over_pretraining_seeds():
    hits, trials = 0, 200
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        labels = _labels(rng, 500)
        arms = [
            measure(
                "top1", [[_probs(rng, labels, s)] for s in rng.normal(m, 0.05, 3)], labels, draws=50
            )
            for m in (0.7, 0.6)
        ]
        found = difference(*arms).headline
        hits += found.low <= 0.1 <= found.high
    assert 0.90 <= hits / trials <= 0.99


def test_a_clear_difference_stays_clear_among_many_pairs():
    """Nine arms make 36 pairs: Holm multiplies the least p by 36; counting draws cannot pay it."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 800)
    good, poor = (
        [[np.eye(2)[np.where(rng.random(800) < share, labels, 1 - labels)]]] for share in (0.9, 0.6)
    )
    a, b = (measure("balanced_accuracy", cells, labels) for cells in (good, poor))
    assert holm([difference(a, b).p_value, *[0.9] * 35])[0] < 0.001
    assert difference(a, b).p_value == difference(b, a).p_value


def test_a_difference_of_matched_shares_is_never_more_certain_than_its_items():
    nothing = np.zeros(12)
    low, high = matched_difference(nothing, nothing)
    assert low == -high
    assert 0.1 < high < 0.25
    one_gained = np.eye(12)[0]
    low, high = matched_difference(nothing, one_gained)
    assert low < 0 < 1 / 12 < high
    low, high = matched_difference(np.zeros(400), np.ones(400))
    assert 0.97 < low < high <= 1
