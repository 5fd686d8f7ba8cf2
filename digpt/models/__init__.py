"""Models: one ViT, and what pretrains it. A method is a file and a line in `METHODS`."""

from collections.abc import Callable

from digpt.models.digpt import DiGPT, build_digpt, build_digpt_ar, build_digpt_visible
from digpt.models.igpt import IGPT, build_igpt
from digpt.models.losses import Losses, Prediction
from digpt.models.masked import Masked, build_masked
from digpt.models.vit import Features, ViT, build_vit, load_encoder, normalise, save_encoder

Method = DiGPT | IGPT | Masked
# (student, *, token_dim, codes, grid_size, has_global, recipe, loss=None)
Builder = Callable[..., Method]

METHODS: dict[str, Builder] = {
    "digpt": build_digpt,
    "digpt-ar": build_digpt_ar,
    "digpt-visible": build_digpt_visible,
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
