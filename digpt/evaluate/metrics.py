"""Classification metrics, each over many weightings of the same items at once.

N items, C classes, R weightings (one row of ones for the plain value, counts of a bootstrap else).
Every metric maps (probs (N, C), labels (N,), weights (R, N)) to (R,). A class that a weighting has
left out does not count in it, as in scikit-learn; where nothing is left, the value is NaN.
"""

from collections.abc import Callable, Mapping

import numpy as np

from digpt.errors import UserError, pick

_PAIRS = 4_000_000  # of scores compared at once: 16 MB
Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def macro_f1(probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over classes of F1; a class neither present nor predicted is left out."""
    hits, actual, predicted = _counts(probs, labels, weights)
    f1 = _ratio(2 * hits, actual + predicted)  # (R, C)
    return _mean_where(f1, (actual + predicted) > 0)


def balanced_accuracy(probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the classes present of the share of their items found."""
    hits, actual, _ = _counts(probs, labels, weights)
    return _mean_where(_ratio(hits, actual), actual > 0)


def top1(probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of the items whose most probable class is their class."""
    right = (probs.argmax(axis=1) == labels).astype(weights.dtype)
    return _ratio(weights @ right, weights.sum(axis=1), empty=np.nan)


def auroc(probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over classes of the area under the one-against-rest ROC curve; ties count half."""
    classes = range(probs.shape[1])
    if probs.shape[1] == 2:  # both classes have the same area
        classes = range(1, 2)
    areas = [_area(probs[:, c], labels == c, weights) for c in classes]
    stacked = np.stack(areas, axis=1)  # (R, C)
    return _mean_where(np.nan_to_num(stacked), ~np.isnan(stacked))


METRICS: dict[str, Metric] = {
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
    "top1": top1,
    "auroc": auroc,
}


def score(metric: str, probs: np.ndarray, labels: np.ndarray) -> float:
    """The plain value of one metric; NaN where the items do not define it."""
    return float(bootstrap(metric, probs, labels, np.ones((1, len(labels)), np.float32))[0])


def scores(probs: np.ndarray, labels: np.ndarray) -> Mapping[str, float]:
    """The plain value of every metric."""
    return {name: score(name, probs, labels) for name in METRICS}


def bootstrap(
    metric: str, probs: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Values (R,) of a metric under R weightings (R, N) of the items."""
    if not len(labels) == len(probs) == weights.shape[1]:
        raise UserError(
            f"{len(probs)} predictions, {len(labels)} labels and weights for {weights.shape[1]} "
            "items do not belong together. Score predictions on the split they were made for.",
            code="length-mismatch",
        )
    return pick(METRICS, metric, "metric")(probs, labels, weights)


def _counts(
    probs: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted hits, items and predictions per class, each (R, C): the margins of the confusion."""
    one_hot = np.eye(probs.shape[1], dtype=weights.dtype)
    actual, predicted = one_hot[labels], one_hot[probs.argmax(axis=1)]  # (N, C)
    return weights @ (actual * predicted), weights @ actual, weights @ predicted


def _area(positive_scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under one ROC curve per weighting, (R,): the share of pairs in the right order.

    Matrix products over all pairs: over three times as fast as sorting, which waits for memory.
    """
    up, down = positive_scores[positive], positive_scores[~positive]
    of_up, of_down = weights[:, positive], weights[:, ~positive]  # (R, n+), (R, n-)
    wins = np.zeros(len(weights))
    rows = max(1, _PAIRS // max(1, len(down)))
    for start in range(0, len(up), rows):
        some = up[start : start + rows, None]
        order = (some > down).astype(weights.dtype) + 0.5 * (some == down).astype(weights.dtype)
        wins += np.einsum("rn,rn->r", of_up[:, start : start + rows] @ order, of_down)
    pairs = of_up.sum(axis=1, dtype=np.float64) * of_down.sum(axis=1, dtype=np.float64)
    return _ratio(wins, pairs, empty=np.nan)


def _ratio(numerator: np.ndarray, denominator: np.ndarray, empty: float = 0.0) -> np.ndarray:
    out = np.full(np.shape(numerator), empty, dtype=np.float64)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def _mean_where(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the values that count; NaN where none does."""
    return _ratio((values * counts).sum(axis=-1), counts.sum(axis=-1), empty=np.nan)
