"""What clip: and timm: share: a published recogniser that sees images at its own size.

B images, h × w grid of the recogniser, D its width.
"""

import copy
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.tokenizers.base import Tokenizer, Tokens

CHUNK = 32  # images at once: activations at 224 px are large


class Pretrained(Tokenizer):
    """Resizes, normalises and asks the network, in chunks."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        name: str,
        network: nn.Module,
        size: tuple[int, int],
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.name, self.size = name, size
        self.network: Any = network  # of another library: its attributes are not known to types
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))
        patches = self.encode(torch.zeros(1, 3, *size)).patches
        self.grid_size, self.dim = (patches.shape[1], patches.shape[2]), patches.shape[3]

    @abstractmethod
    def tokens(self, images: Tensor) -> Tokens:
        """Tokens of images that are resized and normalised already."""

    @abstractmethod
    def pooled(self, images: Tensor) -> Tensor:
        """One vector per image (B, F), as the recogniser itself would classify or compare it."""

    def forward(self, images: Tensor) -> Tokens:
        found = [self.tokens(self.fitted(part)) for part in images.split(CHUNK)]
        shared = [t.global_token for t in found if t.global_token is not None]
        return Tokens(torch.cat([t.patches for t in found]), torch.cat(shared) if shared else None)

    def fitted(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> the recogniser's own size, mean and deviation."""
        if tuple(images.shape[-2:]) != self.size:
            images = F.interpolate(images, self.size, mode="bicubic", antialias=True).clamp(0, 1)
        return (images - self.mean) / self.std

    def trainable(self) -> nn.Module:
        return _Tunable(copy.deepcopy(self))


class _Tunable(nn.Module):
    """A recogniser that is fine-tuned: images (B, 3, H, W) in [0, 1] -> (B, F)."""

    def __init__(self, recogniser: Pretrained) -> None:
        super().__init__()
        self.recogniser = recogniser.requires_grad_(True)

    def forward(self, images: Tensor) -> Tensor:
        return self.recogniser.pooled(self.recogniser.fitted(images))


def trunk_tokens(
    trunk: Any, images: Tensor, name: str, head: nn.Module | None = None, *, depth: int = 1
) -> Tokens:
    """Tokens of a timm model: each place of its last grid, and the whole image, through its head.

    depth: 1, the last grid; 2, the one before it, without a head.

    Without a `head` of its own (CLIP's projection) the places are the last grid as it is, after the
    last norm where the model has one there. A head that is shown one place alone pools nothing, so
    what it says is that place's projection.
    """
    if not hasattr(trunk, "forward_intermediates"):
        raise UserError(
            f"Tokenizer {name!r}: this model does not show its patch features. Choose a ViT, "
            "ConvNeXt or ResNet.",
            code="no-patch-features",
            field="tokenizer",
            name=name,
        )
    last, grids = trunk.forward_intermediates(images, indices=depth, norm=True, output_fmt="NCHW")
    patches = grids[0].permute(0, 2, 3, 1)  # (B, h, w, C)
    if head is None:
        pooled = trunk.forward_head(last, pre_logits=True)  # (B, F)
    else:
        pooled = head(trunk.forward_head(last))  # (B, D)
        alone = _alone(patches, last)
        patches = head(trunk.forward_head(alone)).view(*patches.shape[:3], -1)  # (B, h, w, D)
    return Tokens(patches, whole_image(patches, pooled))


def _alone(patches: Tensor, last: Tensor) -> Tensor:
    """Each place as an image of its own, in the form that the trunk's head takes: as tokens
    (B h w, prefix + 1, C), its prefix being the place too, or as a map of one pixel."""
    places = patches.flatten(0, 2)  # (B h w, C)
    if last.ndim == 3:
        prefix = last.shape[1] - patches.shape[1] * patches.shape[2]
        return places[:, None].expand(-1, prefix + 1, -1)
    channels_lead = last.shape[1] == places.shape[1]
    return places[:, :, None, None] if channels_lead else places[:, None, None]


def whole_image(patches: Tensor, pooled: Tensor) -> Tensor:
    """The pooled vector where it is as wide as the patches, as targets must be; else their mean."""
    return pooled if pooled.shape[1:] == patches.shape[3:] else patches.mean(dim=(1, 2))


def seeded_build(build: Callable[[], Any], seed: int) -> Any:
    """What `build()` makes when its random numbers start from `seed`; the global ones go on as if
    nothing had been drawn. Other libraries initialise from the global generator only."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()
