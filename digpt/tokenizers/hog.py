"""hog: histograms of oriented gradients of each patch (Dalal and Triggs 2005, section 6).

B images, h × w patches, q cells along a patch's side, 9 orientations.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from digpt.tokenizers.base import Tokenizer, Tokens

ORIENTATIONS = 9  # unsigned: a line has no direction
CELLS = 2  # along a patch's side: a patch is one block of 2 × 2 cells
CLIP = 0.2  # of a block's unit length, then scaled again ("L2-Hys")
EPS = 1e-2  # added to a block's length: a flat patch stays near zero instead of showing its noise


class Hog(Tokenizer):
    """Tokens (B, h, w, 9 q q), each of unit length unless its patch is flat."""

    def __init__(self, *, name: str, image_size: int, patch_size: int) -> None:
        super().__init__()
        self.name, self.image_size, self.patch_size = name, image_size, patch_size
        self.cells = CELLS if patch_size % CELLS == 0 else 1
        self.dim = ORIENTATIONS * self.cells**2
        self.grid_size = (image_size // patch_size, image_size // patch_size)

    def config(self) -> dict[str, object]:
        return {"name": self.name, "image_size": self.image_size, "patch_size": self.patch_size}

    def forward(self, images: Tensor) -> Tokens:
        votes = _votes(*_gradient(images))  # (B, 9, H, W)
        cells = F.avg_pool2d(votes, self.patch_size // self.cells)  # (B, 9, h q, w q)
        blocks = F.pixel_unshuffle(cells, self.cells).permute(0, 2, 3, 1)  # (B, h, w, 9 q q)
        return Tokens(_scaled(blocks), None)


def _gradient(images: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes along x and y (B, H, W) of the colour channel that changes most at each pixel."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    dx = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]  # (B, 3, H, W)
    dy = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    strongest = (dx**2 + dy**2).argmax(dim=1, keepdim=True)
    return dx.gather(1, strongest)[:, 0], dy.gather(1, strongest)[:, 0]


def _votes(dx: Tensor, dy: Tensor) -> Tensor:
    """Each pixel's gradient length, shared by the two nearest orientations: (B, 9, H, W)."""
    length = (dx**2 + dy**2).sqrt()
    place = torch.atan2(dy, dx).remainder(math.pi) / math.pi * ORIENTATIONS  # 0 to 9
    bins = torch.arange(ORIENTATIONS, device=dx.device, dtype=dx.dtype)[:, None, None]
    away = (place[:, None] - bins).abs()
    away = torch.minimum(away, ORIENTATIONS - away)  # orientations are a circle
    return length[:, None] * (1 - away).clamp_min(0)


def _scaled(blocks: Tensor) -> Tensor:
    """Unit length, clipped, unit length again; but a nearly flat block stays as short as EPS made
    it, where the paper's second scaling would blow its noise up."""
    length = blocks.norm(dim=-1, keepdim=True)
    strength = length / (length.square() + EPS**2).sqrt()  # 0 where flat, else nearly 1
    clipped = (blocks / length.clamp_min(1e-12)).clamp(max=CLIP)
    return strength * clipped / clipped.norm(dim=-1, keepdim=True).clamp_min(1e-12)
