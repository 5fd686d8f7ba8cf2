"""Linear probe: logistic regression on frozen features, its strength chosen on validation."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from digpt.errors import UserError
from digpt.evaluate.metrics import score
from digpt.reporter import Quiet, Reporter
from digpt.transfer.predictions import Predictions

# Inverse strength C of the L2 penalty against the *summed* log loss, strongest first, so that each
# fit starts from a smoother one.
STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)


def probe(
    features: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    *,
    subset: np.ndarray | None = None,
    classes: int | None = None,
    reporter: Reporter | None = None,
) -> Predictions:
    """Probabilities for validation and test of the probe that does best on validation.

    features: split -> (n, F) for train, val and test. labels: split -> (n,) for train and val.
    subset: positions in train that may be used, all if None. C is chosen by validation macro-F1,
    ties by the stronger penalty; the test features are used once, with the chosen probe.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow to import

    reporter = reporter or Quiet()
    train, train_labels = chosen_rows(features["train"], labels["train"], subset)
    if len(np.unique(train_labels)) < 2:
        raise UserError(
            f"A linear probe needs labels of at least two classes; the {len(train_labels)} labels "
            "of this training subset name only one. Label images of another class.",
            code="one-class",
            field="labels",
        )
    classes = classes or 1 + int(max(train_labels.max(), labels["val"].max()))
    project = _Projection(train)
    train, val = project(train), project(features["val"])  # (n, r)
    model = LogisticRegression(warm_start=True, max_iter=300, tol=1e-4)
    best: _Fit | None = None
    for strength in STRENGTHS:
        reporter.check()
        model.set_params(C=strength).fit(train, train_labels)
        probs = _spread(model.predict_proba(val), model.classes_, classes)
        value = score("macro_f1", probs, labels["val"])
        if best is None or value > best.value:
            best = _Fit(value, strength, np.array(model.coef_), np.array(model.intercept_), probs)
    assert best is not None, "there are strengths to try"
    model.coef_, model.intercept_ = best.weights, best.bias
    test = _spread(model.predict_proba(project(features["test"])), model.classes_, classes)
    return Predictions(val=best.val, test=test, chosen={"C": best.strength})


class _Fit(NamedTuple):
    """One fitted probe."""

    value: float  # validation macro-F1
    strength: float
    weights: np.ndarray  # (C, r)
    bias: np.ndarray  # (C,)
    val: np.ndarray  # validation probabilities (n_val, C)


def chosen_rows(
    features: np.ndarray, labels: np.ndarray, subset: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels at the positions of `subset`, all if None."""
    return (features, labels) if subset is None else (features[subset], labels[subset])


class _Projection:
    """Standardise by the training rows, then rotate into the space that they span.

    The weights of an L2-regularised linear model lie in that span (representer theorem), so nothing
    is lost, and with few labels the fit is as small as their number, whatever the width F.
    """

    def __init__(self, train: np.ndarray) -> None:
        self.mean = train.mean(axis=0)
        self.scale = train.std(axis=0) + 1e-6
        self.axes = None
        if len(train) < train.shape[1]:
            self.axes = np.linalg.svd(self._standardise(train), full_matrices=False)[2].T  # (F, n)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        standard = self._standardise(features)
        return standard if self.axes is None else standard @ self.axes

    def _standardise(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) / self.scale


def _spread(probs: np.ndarray, present: np.ndarray, classes: int) -> np.ndarray:
    """Columns for all classes: 0 for a class of which the probe saw no example."""
    out = np.zeros((len(probs), classes), dtype=np.float32)
    out[:, present] = probs
    return out
