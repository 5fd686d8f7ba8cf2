"""Probe and nearest neighbours: right answers, choices made on validation alone."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from digpt.errors import UserError
from digpt.evaluate.metrics import score
from digpt.transfer.knn import NEIGHBOURS, TEMPERATURES, knn
from digpt.transfer.probe import STRENGTHS, probe

SIZES = {"train": 60, "val": 50, "test": 40}


def _features(width=12, noise=1.0, seed=0):
    """Three classes around three centres, for each split."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1, (3, width))
    labels = {split: np.arange(n) % 3 for split, n in SIZES.items()}
    features = {
        split: (centres[y] + rng.normal(0, noise, (len(y), width))).astype(np.float32)
        for split, y in labels.items()
    }
    return features, labels


@pytest.mark.parametrize("width", [12, 200])  # fewer and more features than training rows
def test_probe_equals_scikit_learn_at_the_chosen_strength(width):
    features, labels = _features(width, noise=2.0)
    found = probe(features, labels)
    scaler = StandardScaler().fit(features["train"])
    model = LogisticRegression(C=found.chosen["C"], max_iter=5000, tol=1e-8)
    model.fit(scaler.transform(features["train"]), labels["train"])
    expected = model.predict_proba(scaler.transform(features["test"]))
    np.testing.assert_allclose(found.test, expected, atol=5e-3)


@pytest.mark.parametrize("protocol", [probe, knn])
def test_easy_classes_are_told_apart(protocol):
    features, labels = _features(noise=0.2)
    found = protocol(features, labels)
    assert found.val.shape == (50, 3)
    np.testing.assert_allclose(found.test.sum(axis=1), 1, atol=1e-5)
    assert score("top1", found.test, labels["test"]) == 1


@pytest.mark.parametrize("protocol", [probe, knn])
def test_choices_do_not_look_at_the_test_split(protocol):
    features, labels = _features(noise=2.0)
    other = {**features, "test": np.random.default_rng(9).normal(0, 5, (7, 12)).astype(np.float32)}
    before, after = protocol(features, labels), protocol(other, labels)
    assert before.chosen == after.chosen
    np.testing.assert_array_equal(before.val, after.val)
    assert len(after.test) == 7


def test_probe_chooses_the_strength_that_validation_likes_best():
    features, labels = _features(noise=2.0)
    found = probe(features, labels)
    scaler = StandardScaler().fit(features["train"])
    train, val = scaler.transform(features["train"]), scaler.transform(features["val"])
    values = {}
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=1000).fit(train, labels["train"])
        values[strength] = score("macro_f1", model.predict_proba(val), labels["val"])
    assert score("macro_f1", found.val, labels["val"]) >= max(values.values()) - 0.03


@pytest.mark.parametrize("protocol", [probe, knn])
def test_subset_is_all_that_is_seen(protocol):
    features, labels = _features(noise=1.0)
    subset = np.arange(0, 60, 2)
    poisoned = {**features, "train": features["train"].copy()}
    poisoned["train"][1::2] = 1e3
    clean = protocol(features, labels, subset=subset)
    np.testing.assert_array_equal(clean.test, protocol(poisoned, labels, subset=subset).test)


@pytest.mark.parametrize("protocol", [probe, knn])
def test_unseen_class_gets_a_column_of_zeros(protocol):
    features, labels = _features()
    subset = np.flatnonzero(labels["train"] != 1)
    found = protocol(features, labels, subset=subset, classes=3)
    assert found.test.shape == (40, 3)
    assert found.test[:, 1].max() == 0
    np.testing.assert_allclose(found.test.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("protocol", [probe, knn])
def test_two_classes_work(protocol):
    features, labels = _features(noise=0.2)
    both = {s: np.flatnonzero(y < 2) for s, y in labels.items()}
    found = protocol(
        {s: features[s][rows] for s, rows in both.items()},
        {s: labels[s][rows] for s, rows in both.items()},
    )
    assert score("top1", found.test, labels["test"][both["test"]]) == 1


def test_constant_feature_does_no_harm():
    features, labels = _features(noise=0.2)
    flat = {s: np.hstack([f, np.ones((len(f), 1), np.float32)]) for s, f in features.items()}
    assert np.isfinite(probe(flat, labels).test).all()
    assert np.isfinite(knn(flat, labels).test).all()


def test_probe_of_one_class_is_refused():
    features, labels = _features()
    with pytest.raises(UserError, match="only one"):
        probe(features, labels, subset=np.flatnonzero(labels["train"] == 2))


def test_knn_equals_brute_force():
    features, labels = _features(noise=2.0)
    found = knn(features, labels)
    center = features["train"].mean(axis=0)
    bank = features["train"] - center
    expected = np.zeros((40, 3))
    for i, query in enumerate(features["test"] - center):
        cosine = bank @ query / np.linalg.norm(bank, axis=1) / np.linalg.norm(query)
        nearest = np.argsort(-cosine)[: int(found.chosen["k"])]
        for j in nearest:
            expected[i, labels["train"][j]] += np.exp(cosine[j] / found.chosen["temperature"])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.test, expected, atol=1e-4)
    assert found.chosen["k"] in NEIGHBOURS
    assert found.chosen["temperature"] in TEMPERATURES


def test_knn_needs_no_more_neighbours_than_there_are():
    features, labels = _features(noise=0.2)
    found = knn(features, labels, subset=np.arange(3))
    assert found.chosen["k"] <= 3
