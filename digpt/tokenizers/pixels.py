"""Pixels: each patch standardised by itself, the target of MAE (He et al. 2022, section 3)."""

from torch import Tensor

from digpt.tokenizers.base import Tokenizer, Tokens
from digpt.tokenizers.grid import in_patches

EPS = 1e-6  # of the variance: a blank patch becomes zeros, not noise


class Pixels(Tokenizer):
    """Tokens (B, h, w, 3 p p) with mean 0 and variance 1 inside every patch."""

    def __init__(self, *, name: str, image_size: int, patch_size: int) -> None:
        super().__init__()
        self.name, self.image_size, self.patch_size = name, image_size, patch_size
        self.dim = 3 * patch_size**2
        self.grid_size = (image_size // patch_size, image_size // patch_size)

    def config(self) -> dict[str, object]:
        return {"name": self.name, "image_size": self.image_size, "patch_size": self.patch_size}

    def forward(self, images: Tensor) -> Tokens:
        patches = in_patches(images, self.patch_size)
        mean = patches.mean(dim=-1, keepdim=True)
        variance = patches.var(dim=-1, keepdim=True)
        return Tokens((patches - mean) / (variance + EPS).sqrt(), None)
