"""Learning curves: recovered parameters, bounds and honest refusals."""

import numpy as np
import pytest

from digpt.evaluate.curves import Curve, NoCurve, fit_curve, learning_curve
from digpt.evaluate.intervals import measure

BUDGETS = np.array([5.0, 10, 20, 50, 200])


def _fit(values, errors=0.01, draws=50):
    noise = np.random.default_rng(0).normal(0, errors, (draws, len(values)))
    return fit_curve(BUDGETS, values, np.full(len(values), errors), values + noise)


def test_exact_power_law_is_recovered():
    curve = _fit(0.9 - 1.2 * BUDGETS**-0.6)
    assert (curve.a, curve.b, curve.c) == pytest.approx((0.9, 1.2, 0.6), abs=0.02)


def test_forecast_holds_the_truth_and_flags_far_extrapolation():
    curve = _fit(0.9 - 1.2 * BUDGETS**-0.6)
    near, far = curve.at(400), curve.at(1000)
    assert near.low < 0.9 - 1.2 * 400**-0.6 < near.high
    assert (near.is_far, far.is_far) == (False, True)


def test_accuracy_never_exceeds_one_and_never_falls_with_labels():
    for values in (np.array([0.5, 0.7, 0.9, 0.99, 1.0]), np.array([0.9, 0.8, 0.7, 0.6, 0.5])):
        curve = _fit(values)
        assert curve.a <= 1
        assert curve.at(1e6).value <= 1
        assert curve.at(100).value >= curve.at(10).value


def test_three_budgets_give_a_reason_instead_of_a_curve():
    labels = np.arange(30) % 3
    scores = [measure("top1", [[np.eye(3)[labels]]], labels, draws=10)] * 3
    found = learning_curve([5, 10, 20], scores)
    assert isinstance(found, NoCurve)
    assert "4 label budgets" in found.reason


def test_curve_of_measured_scores_rises():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    scores = []
    for budget in BUDGETS:
        right = rng.random(300) < 0.9 - budget**-0.6
        probs = np.eye(3)[np.where(right, labels, (labels + 1) % 3)]
        scores.append(measure("top1", [[probs, probs]], labels, draws=100))
    curve = learning_curve(BUDGETS.tolist(), scores)
    assert isinstance(curve, Curve)
    ahead = curve.at(400)
    assert 0.7 < ahead.low <= ahead.value <= ahead.high <= 1
