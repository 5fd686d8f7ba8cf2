"""Models: one ViT, and what pretrains it. A method is a file and a line in `METHODS`."""

from collections.abc import Callable
from functools import partial

from digpt.models.digpt import DiGPT, build_digpt
from digpt.models.igpt import IGPT, build_igpt
from digpt.models.losses import Losses, Prediction
from digpt.models.masked import Masked, build_masked
from digpt.models.vit import Features, ViT, build_vit, load_encoder, normalise, save_encoder

Method = DiGPT | IGPT | Masked
# (student, *, token_dim, codes, grid_size, has_global, recipe, loss=None)
Builder = Callable[..., Method]

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
    "ViT",
    "build_vit",
    "load_encoder",
    "normalise",
    "save_encoder",
]
