"""What predictions are worth: metrics, intervals that name what they cover, learning curves."""

from digpt.evaluate.curves import Curve, Forecast, NoCurve, learning_curve
from digpt.evaluate.intervals import (
    Difference,
    Interval,
    Scores,
    detectable_effect,
    difference,
    estimate,
    holm,
    interval,
    mcnemar,
    measure,
)
from digpt.evaluate.metrics import METRICS, bootstrap, score, scores

__all__ = [
    "METRICS",
    "Curve",
    "Difference",
    "Forecast",
    "Interval",
    "NoCurve",
    "Scores",
    "bootstrap",
    "detectable_effect",
    "difference",
    "estimate",
    "holm",
    "interval",
    "learning_curve",
    "mcnemar",
    "measure",
    "score",
    "scores",
]
