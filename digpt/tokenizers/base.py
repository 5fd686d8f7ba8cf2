"""The tokenizer protocol. B images, h × w token grid, D token width."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Tokens(NamedTuple):
    """What a tokenizer makes of a batch of images."""

    patches: Tensor  # (B, h, w, D) float, or (B, h, w) int64 codes
    global_token: Tensor | None  # (B, D), None where the tokenizer has no whole-image token


class Tokenizer(nn.Module, ABC):
    """Images (B, 3, H, W) in [0, 1] -> Tokens. Each tokenizer normalises pixels for itself.

    `name` is the string a spec uses, e.g. "codebook:512(domain-clip)". `dim` is D, or the number of
    codes where `is_discrete`. `grid_size` is (h, w) for the image size it was made for.
    """

    name: str
    dim: int
    is_discrete: bool = False
    grid_size: tuple[int, int]

    @abstractmethod
    def forward(self, images: Tensor) -> Tokens: ...

    @abstractmethod
    def config(self) -> dict[str, object]:
        """Plain values from which `load` rebuilds this tokenizer before its weights are read."""

    def trainable(self) -> nn.Module | None:
        """A copy of the recogniser for the `direct` arm to fine-tune: images (B, 3, H, W) in [0, 1]
        -> pooled features (B, D), all parameters trainable. None where there is nothing to tune."""
        return None

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tokens:
        """Tokens without gradients, in evaluation mode."""
        self.eval()
        return self(images)
