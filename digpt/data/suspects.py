"""Labels that are contradicted by two who never saw them: a classifier, and the nearest pictures.

n labelled images, F features, C classes. After Northcutt et al. 2021 (confident learning): a class
is believed where its probability reaches the mean that its own images get. The neighbours keep a
linear classifier's own blind spots from being taken for wrong labels.
"""

from dataclasses import dataclass

import numpy as np

from digpt.data.sessions import BLOCK, standardised
from digpt.reporter import Reporter

FOLDS = 5
LEAST_PER_CLASS = 10  # labelled images, below which a class is not judged
LEAST_ACCURACY = 0.6  # balanced, of the classifier: a weak one contradicts right labels
NEIGHBOURS = 10
MAJORITY = 0.7  # of the neighbours that must be of the other class


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspects:
    """Rows with doubtful labels, the most doubtful first, and what they look like instead."""

    rows: np.ndarray  # (K,)
    likely: np.ndarray  # (K,) class
    accuracy: float  # balanced, of the classifier on images it did not see; NaN: none was possible

    @property
    def is_able(self) -> bool:
        """Whether the classifier is good enough to doubt anybody."""
        return self.accuracy >= LEAST_ACCURACY


def label_suspects(
    features: np.ndarray, labels: np.ndarray, *, groups: np.ndarray | None, reporter: Reporter
) -> Suspects:
    """Doubtful among features (n, F) with labels (n,); groups never span two folds."""
    counts = np.bincount(labels, minlength=1)
    kept = np.flatnonzero(np.isin(labels, np.flatnonzero(counts >= LEAST_PER_CLASS)))
    none = np.zeros(0, np.int64)
    units = np.arange(len(kept)) if groups is None else groups[kept]
    if len(np.unique(labels[kept])) < 2 or len(np.unique(units)) < FOLDS:
        return Suspects(rows=none, likely=none, accuracy=np.nan)
    classes, given = np.unique(labels[kept], return_inverse=True)
    chances = _unseen_probabilities(features[kept], given, units, reporter)  # (n, C)
    seen = chances.sum(axis=1) > 0
    said = chances.argmax(axis=1)
    accuracy = _balanced_accuracy(given[seen], said[seen])
    if not accuracy >= LEAST_ACCURACY:
        return Suspects(rows=none, likely=none, accuracy=accuracy)
    own, best = chances[np.arange(len(given)), given], chances.max(axis=1)
    believed = np.array([own[seen & (given == k)].mean() for k in range(len(classes))])
    votes = _neighbour_votes(features[kept], given, units)  # (n, C)
    rows = np.arange(len(given))
    agreed = (votes[rows, said] >= MAJORITY) & (votes[rows, given] < 1 / NEIGHBOURS)
    doubtful = np.flatnonzero(seen & (said != given) & (best >= believed[said]) & agreed)
    doubtful = doubtful[np.argsort(own[doubtful] - best[doubtful], kind="stable")]
    return Suspects(rows=kept[doubtful], likely=classes[said[doubtful]], accuracy=accuracy)


def _unseen_probabilities(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, reporter: Reporter
) -> np.ndarray:
    """(n, C): what a model says that saw neither the image nor its group."""
    from sklearn.discriminant_analysis import (  # noqa: PLC0415 - optional, seconds
        LinearDiscriminantAnalysis,
    )
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - optional, seconds

    chances = np.zeros((len(labels), int(labels.max()) + 1))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for known, unseen in folds.split(features, labels, groups):
        reporter.check()
        if not len(unseen):
            continue
        # a closed form; the shrunk covariance keeps few images from being learnt by heart
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        model.fit(features[known], labels[known])
        chances[np.ix_(unseen, model.classes_)] = model.predict_proba(features[unseen])
    return chances


def _neighbour_votes(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(n, C): shares of the classes among the nearest pictures of other groups."""
    points = standardised(features)
    square = (points**2).sum(axis=1)
    _, unit = np.unique(groups, return_inverse=True)
    one_hot = np.eye(int(labels.max()) + 1)[labels]
    votes = np.zeros_like(one_hot)
    step = max(BLOCK // max(len(points), 1), 1)
    for start in range(0, len(points), step):
        mine = slice(start, start + step)
        apart = square - 2 * points[mine] @ points.T
        apart[unit[mine, None] == unit] = np.inf
        nearest = np.argpartition(apart, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        votes[mine] = one_hot[nearest].mean(axis=1)
    return votes


def _balanced_accuracy(labels: np.ndarray, said: np.ndarray) -> float:
    return float(np.mean([np.mean(said[labels == k] == k) for k in np.unique(labels)]))
