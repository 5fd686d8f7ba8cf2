"""Metrics against scikit-learn, their bootstrap against a loop over resampled items."""

import time

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)

from digpt.errors import UserError
from digpt.evaluate.metrics import METRICS, bootstrap, score, scores


def _random(rng, count=120, classes=5, levels=None):
    probs = rng.dirichlet(np.ones(classes), count).astype(np.float32)
    if levels:  # coarse scores, hence ties
        probs = np.round(probs * levels) / levels
    return probs, rng.integers(0, classes, count)


def _mean_area(probs, labels):
    """One-against-rest areas of the classes that have both sides, by scikit-learn."""
    sides = [(labels == c, probs[:, c]) for c in range(probs.shape[1])]
    return np.mean([roc_auc_score(y, s) for y, s in sides if 0 < y.sum() < len(y)])


ORACLES = {
    "macro_f1": lambda p, y: f1_score(y, p.argmax(1), average="macro", zero_division=0),
    "balanced_accuracy": lambda p, y: balanced_accuracy_score(y, p.argmax(1)),
    "top1": lambda p, y: accuracy_score(y, p.argmax(1)),
    "auroc": _mean_area,
}


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("classes", "shown", "levels"), [(5, 5, None), (5, 3, None), (2, 2, None), (4, 4, 3)]
)
def test_metric_equals_scikit_learn(metric, classes, shown, levels):
    rng = np.random.default_rng(classes + shown)
    probs, labels = _random(rng, classes=classes, levels=levels)
    labels %= shown  # some classes have no item
    assert score(metric, probs, labels) == pytest.approx(ORACLES[metric](probs, labels), abs=1e-6)


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@pytest.mark.parametrize("metric", METRICS)
def test_bootstrap_equals_repeating_items(metric):
    rng = np.random.default_rng(0)
    probs, labels = _random(rng, count=40, levels=8)
    draws = rng.integers(0, 40, (20, 40))
    weights = np.stack([np.bincount(d, minlength=40) for d in draws]).astype(np.float32)
    expected = [ORACLES[metric](probs[d], labels[d]) for d in draws]
    np.testing.assert_allclose(bootstrap(metric, probs, labels, weights), expected, atol=1e-6)


def test_perfect_predictions_score_one():
    labels = np.arange(12) % 4
    assert set(scores(np.eye(4)[labels], labels).values()) == {1.0}


def test_area_under_one_class_is_undefined():
    assert np.isnan(score("auroc", np.eye(3)[[0, 1]], np.array([1, 1])))


def test_predictions_of_another_split_are_refused():
    with pytest.raises(UserError, match="3 predictions, 2 labels"):
        score("top1", np.eye(3), np.array([0, 1]))


def test_unknown_metric_names_the_nearest():
    with pytest.raises(UserError, match="macro_f1"):
        score("macro_f", np.eye(2), np.array([0, 1]))


def test_thousand_resamples_of_a_large_test_set_are_quick():
    probs, labels = _random(np.random.default_rng(0), count=1600, classes=8)
    weights = np.random.default_rng(1).poisson(1, (1000, 1600)).astype(np.float32)
    start = time.process_time()
    for metric in METRICS:
        bootstrap(metric, probs, labels, weights)
    assert time.process_time() - start < 2.0  # ~0.5 s on an idle core
