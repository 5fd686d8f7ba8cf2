"""Pretraining: one loop for every method. Images and cached tokens in, an encoder out."""

from digpt.pretrain.feed import Feed, TokenSource
from digpt.pretrain.loop import Result, pretrain
from digpt.pretrain.precision import resolve_precision
from digpt.pretrain.schedule import learning_rate, steps_of

__all__ = [
    "Feed",
    "Result",
    "TokenSource",
    "learning_rate",
    "pretrain",
    "resolve_precision",
    "steps_of",
]
