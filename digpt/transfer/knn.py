"""Nearest neighbours by cosine on frozen features; k and temperature chosen on validation."""

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from digpt.evaluate.metrics import score
from digpt.reporter import Quiet, Reporter
from digpt.transfer.predictions import Predictions
from digpt.transfer.probe import chosen_rows

NEIGHBOURS = (1, 3, 5, 10, 20)
TEMPERATURES = (0.03, 0.07, 0.2)  # 0.07 is the value of Wu et al. 2018
_BLOCK = 2048  # rows compared at once: bounds the similarity matrix


def knn(
    features: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    *,
    subset: np.ndarray | None = None,
    classes: int | None = None,
    reporter: Reporter | None = None,
) -> Predictions:
    """Probabilities for validation and test, with the setting of best validation macro-F1.

    features: split -> (n, F) for train, val and test, labels: split -> (n,) for train and val, as
    in `probe`. Ties go to fewer neighbours, then to the sharper temperature.
    """
    reporter = reporter or Quiet()
    train, train_labels = chosen_rows(features["train"], labels["train"], subset)
    classes = classes or 1 + int(max(train_labels.max(), labels["val"].max()))
    center = train.mean(axis=0)  # recognisers' features sit in a narrow cone around their mean
    bank = _unit(train - center)
    val_neighbours = _nearest(bank, _unit(features["val"] - center))
    best, chosen, val = -1.0, (0, 0.0), np.empty((0, 0))
    for setting in _settings(len(bank)):
        reporter.check()
        probs = _vote(*val_neighbours, train_labels, classes, *setting)
        value = score("macro_f1", probs, labels["val"])
        if value > best:
            best, chosen, val = value, setting, probs
    test_neighbours = _nearest(bank, _unit(features["test"] - center))
    test = _vote(*test_neighbours, train_labels, classes, *chosen)
    return Predictions(val=val, test=test, chosen={"k": chosen[0], "temperature": chosen[1]})


def _settings(bank_size: int) -> Iterator[tuple[int, float]]:
    """Pairs of k and temperature; with one neighbour the temperature means nothing."""
    for k, temperature in product(NEIGHBOURS, TEMPERATURES):
        if k <= bank_size and (k > 1 or temperature == TEMPERATURES[0]):
            yield k, temperature


def _unit(features: np.ndarray) -> np.ndarray:
    return features / (np.linalg.norm(features, axis=1, keepdims=True) + 1e-12)


def _nearest(bank: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Similarities and positions, each (n, k), of the nearest in the bank, nearest first."""
    k = min(max(NEIGHBOURS), len(bank))
    blocks = [
        _nearest_block(bank, queries[i : i + _BLOCK], k) for i in range(0, len(queries), _BLOCK)
    ]
    return np.concatenate([s for s, _ in blocks]), np.concatenate([p for _, p in blocks])


def _nearest_block(bank: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    similarity = queries @ bank.T  # (n, bank)
    near = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(similarity, near, axis=1), axis=1, kind="stable")
    near = np.take_along_axis(near, order, axis=1)
    return np.take_along_axis(similarity, near, axis=1), near


def _vote(
    similarity: np.ndarray,
    position: np.ndarray,
    labels: np.ndarray,
    classes: int,
    k: int,
    temperature: float,
) -> np.ndarray:
    """Class probabilities (n, C): the first k vote with weight exp(similarity / temperature)."""
    similarity, position = similarity[:, :k], position[:, :k]
    votes = np.exp((similarity - similarity[:, :1]) / temperature)
    one_hot = np.eye(classes, dtype=np.float32)[labels[position]]  # (n, k, C)
    totals = np.einsum("nk,nkc->nc", votes, one_hot)
    return (totals / totals.sum(axis=1, keepdims=True)).astype(np.float32)
