"""The small in-domain recogniser: a convolutional tower that ends on the student's patch grid.

B images, h × w patches, D width. The same tower serves `domain-clip` (trained on captions),
`random` (untrained: the control) and `direct` (fine-tuned).
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digpt.tokenizers.base import Tokenizer, Tokens

WIDTH = 128
GROUPS = 8
MEAN, STD = 0.5, 0.25  # of pixels in [0, 1], about what photographs have


class Tower(nn.Module):
    """Images (B, 3, H, W) in [0, 1] -> patch features (B, h, w, D) and embedding (B, D).

    Each stride-2 stage halves the side, so log2(patch size) of them end on the patch grid; a patch
    size between powers of two is met by resizing the image first.
    """

    def __init__(self, image_size: int, patch_size: int, width: int = WIDTH) -> None:
        super().__init__()
        self.grid = image_size // patch_size
        stages = max(round(math.log2(patch_size)), 1)
        self.side = self.grid * 2**stages
        widths = [max(width // 2 ** max(stages - 1 - n, 0), 32) for n in range(stages)]
        layers: list[nn.Module] = []
        before = 3
        for now in widths:
            layers += [_stage(before, now, stride=2), _stage(now, now, stride=1)]
            before = now
        self.stages = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(width)
        self.projection: nn.Module = nn.Linear(width, width, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = (images - MEAN) / STD
        if x.shape[-1] != self.side:
            x = F.interpolate(x, (self.side, self.side), mode="bilinear", antialias=True)
        patches = self.norm(self.stages(x).permute(0, 2, 3, 1))  # (B, h, w, D)
        return patches, self.projection(patches.mean(dim=(1, 2)))


class Recogniser(Tokenizer):
    """A tower as a tokenizer: its patch features, and its embedding as the global token."""

    def __init__(
        self, *, name: str, image_size: int, patch_size: int, facts: dict[str, object] | None = None
    ) -> None:
        super().__init__()
        self.name, self.image_size, self.patch_size = name, image_size, patch_size
        self.facts = dict(facts or {})  # how it was trained, for cards and comparisons
        self.tower = Tower(image_size, patch_size)
        self.dim = WIDTH
        self.grid_size = (self.tower.grid, self.tower.grid)

    def config(self) -> dict[str, object]:
        return {
            "name": self.name,
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "facts": self.facts,
        }

    def forward(self, images: Tensor) -> Tokens:
        return Tokens(*self.tower(images))

    def trainable(self) -> nn.Module:
        return _Tunable(copy.deepcopy(self.tower))


class _Tunable(nn.Module):
    """Pooled patch features (B, D) for a classifier; the caption projection is left behind."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.tower = tower
        tower.projection = nn.Identity()
        self.requires_grad_(True)

    def forward(self, images: Tensor) -> Tensor:
        return self.tower(images)[0].mean(dim=(1, 2))


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """He initialisation of every convolution and linear map, from this generator alone."""
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            fan_in = part.weight[0].numel()
            gain = 2.0 if isinstance(part, nn.Conv2d) else 1.0
            with torch.no_grad():
                part.weight.normal_(0, math.sqrt(gain / fan_in), generator=generator)
                if part.bias is not None:
                    part.bias.zero_()


def _stage(before: int, now: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, now, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(GROUPS, now),
        nn.GELU(),
    )
