"""What tokens know of the labels: linear decodability, agreement of neighbours, weakest slices.

n images, F features, C classes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from digpt.tokenizers.quality.bootstrap import UNKNOWN, Measure, balanced, by_class, resampled

FOLDS = 5
PENALTIES = tuple(10.0**n for n in range(-1, 6))  # of ridge on standardised features
NEIGHBOURS = 5
FEWEST_IN_SLICE = 20
BINS = 3  # of a number, by its quantiles
MOST_VALUES = 12  # of a column that is sliced by: names of files are no slices


@dataclass(frozen=True, slots=True)
class Slice:
    """Images of one kind and how much worse their labels are decoded than the others'."""

    column: str  # an attribute, or "" for a class
    value: str
    images: int
    accuracy: float
    gap: Measure  # all others' balanced accuracy minus this slice's


@dataclass(frozen=True, slots=True)
class Decoded:
    """Labels and what a classifier said that never saw the image nor its group."""

    rows: np.ndarray  # (m,) of the n images, those whose class has enough
    labels: np.ndarray  # (m,)
    groups: np.ndarray  # (m,)
    is_right: np.ndarray  # (m,)


def decoded(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None, seed: int = 0
) -> Decoded | None:
    """Cross-validated ridge classification of features (n, F) with labels (n,); groups (n,) never
    span two folds. None where fewer than two classes have an image for each fold."""
    counts = np.bincount(labels, minlength=1)
    rows = np.flatnonzero(np.isin(labels, np.flatnonzero(counts >= FOLDS)))
    features, labels = features[rows], labels[rows]
    groups = rows if groups is None else groups[rows]
    if len(np.unique(labels)) < 2 or len(np.unique(groups)) < FOLDS:
        return None
    is_right = _predicted(features, labels, groups, seed) == labels
    return Decoded(rows, labels, groups, is_right.astype(np.float64))


def decodability(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None, seed: int = 0
) -> tuple[float, float, float]:
    """Cross-validated balanced accuracy of a ridge classifier, with its 95% interval; NaN where
    fewer than two classes have enough images."""
    found = decoded(features, labels, groups, seed)
    if found is None:
        return math.nan, math.nan, math.nan
    measure = by_class(found.is_right, found.labels, found.groups)
    return measure.value, measure.low, measure.high


def agreement(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Measure:
    """Share of the 5 nearest images of other groups that have the same label, mean over classes."""
    if len(labels) <= NEIGHBOURS or len(np.unique(labels)) < 2:
        return UNKNOWN
    near = nearest(features, NEIGHBOURS, groups)
    same = (labels[near] == labels[:, None]).mean(axis=1)
    return by_class(same, labels, groups)


def nearest(features: np.ndarray, k: int, groups: np.ndarray) -> np.ndarray:
    """Rows (n, k) of the most alike images of other groups, by cosine of standardised features."""
    standard = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-6)
    unit = standard / np.maximum(np.linalg.norm(standard, axis=1, keepdims=True), 1e-9)
    alike = unit @ unit.T
    _, which = np.unique(groups, return_inverse=True)
    alike[which[:, None] == which[None, :]] = -np.inf
    return np.argsort(-alike, axis=1, kind="stable")[:, :k]


def weakest(
    found: Decoded, classes: tuple[str, ...], attributes: Mapping[str, np.ndarray], most: int = 5
) -> tuple[Slice, ...]:
    """Slices whose labels are decoded worst against all other images, widest gap first; only those
    whose interval of the gap is above 0. attributes: column -> (n,)."""
    weights = resampled(found.groups)
    columns = {name: values[found.rows] for name, values in attributes.items()}
    slices = [
        _slice("", classes[c], found.labels == c, found, weights) for c in np.unique(found.labels)
    ]
    for name, values in columns.items():
        slices += [_slice(name, v, mine, found, weights) for v, mine in _parts(values)]
    real = [s for s in slices if s is not None and s.gap.low > 0]
    return tuple(sorted(real, key=lambda s: -s.gap.value)[:most])


def _slice(
    column: str, value: str, mine: np.ndarray, found: Decoded, weights: np.ndarray
) -> Slice | None:
    if mine.sum() < FEWEST_IN_SLICE or (~mine).sum() < FEWEST_IN_SLICE:
        return None
    right, labels = found.is_right, found.labels
    everyone = np.ones((1, len(labels)))

    def gap(drawn: np.ndarray) -> np.ndarray:
        others = balanced(right[~mine], labels[~mine], drawn[:, ~mine])
        return others - balanced(right[mine], labels[mine], drawn[:, mine])

    low, high = np.nanquantile(gap(weights), [0.025, 0.975])
    accuracy = balanced(right[mine], labels[mine], everyone[:, mine])[0]
    measured = Measure(float(gap(everyone)[0]), float(low), float(high))
    return Slice(column, str(value), int(mine.sum()), float(accuracy), measured)


def _parts(values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The kinds of a column: its values, or thirds of its numbers."""
    if values.dtype.kind in "fiu" and len(np.unique(values)) > MOST_VALUES:
        known = values[np.isfinite(values.astype(np.float64))]
        if not len(known):
            return []
        ends = np.quantile(known, np.linspace(0, 1, BINS + 1))
        which = np.digitize(values, ends[1:-1])
        return [
            (f"{ends[b]:.3g} – {ends[b + 1]:.3g}", (which == b) & np.isfinite(values))
            for b in range(BINS)
        ]
    kinds = np.unique(values.astype(str))
    if len(kinds) > MOST_VALUES:
        return []
    return [(k, values.astype(str) == k) for k in kinds if k]


def _predicted(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int
) -> np.ndarray:
    """Each image's class (n,), said by a classifier that saw neither it nor its group."""
    from sklearn.linear_model import RidgeClassifierCV  # noqa: PLC0415 - optional, seconds
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    predicted = np.full(len(labels), -1)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, unseen in folds.split(features, labels, groups):
        if not len(unseen):
            continue
        model = make_pipeline(
            StandardScaler(), RidgeClassifierCV(PENALTIES, class_weight="balanced")
        )
        predicted[unseen] = model.fit(features[seen], labels[seen]).predict(features[unseen])
    return predicted
