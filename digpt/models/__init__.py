"""Models: one ViT, and what pretrains it. A method is a file and a line in `METHODS`."""

from functools import partial
from typing import Protocol

from digpt.models.digpt import DiGPT, build_digpt
from digpt.models.igpt import IGPT, build_igpt
from digpt.models.losses import Losses, Prediction, Target
from digpt.models.masked import Masked, build_masked
from digpt.models.vit import Features, ViT, build_vit, load_encoder, normalise, save_encoder
from digpt.recipe import Recipe

Method = DiGPT | IGPT | Masked


class Builder(Protocol):
    """Makes a method's model of a recipe's sizes for one kind of tokens; `loss` overrules it."""

    def __call__(self, recipe: Recipe, target: Target, loss: str | None = None) -> Method: ...


METHODS: dict[str, Builder] = {
    "digpt": build_digpt,
    "digpt-ar": partial(build_digpt, with_visible=False),
    "digpt-visible": partial(build_digpt, with_ar=False),
    "igpt": build_igpt,
    "masked": build_masked,
}

__all__ = [
    "IGPT",
    "METHODS",
    "Builder",
    "DiGPT",
    "Features",
    "Losses",
    "Masked",
    "Method",
    "Prediction",
    "Target",
    "ViT",
    "build_vit",
    "load_encoder",
    "normalise",
    "save_encoder",
]
