"""What keeps a long fine-tuning from learning its images by heart: RandAugment, erasing, mixing.

All come from timm, as in the recipe that D-iGPT was tuned with. B images, C classes.
"""

import contextlib
import random
from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from digpt.models.layers import Block
from digpt.models.vit import IMAGENET_MEAN, IMAGENET_STD, normalise
from digpt.recipe import Transfer


class Regulariser:
    """What the recipe asks for; each draw follows from the generator that is given alone."""

    @staticmethod
    def of(transfer: Transfer, classes: int, smoothing: float) -> "Regulariser | None":
        """None where the recipe asks for nothing."""
        asked = (
            transfer.finetune_randaugment,
            transfer.finetune_erasing,
            transfer.finetune_mixup,
            transfer.finetune_cutmix,
        )
        return Regulariser(transfer, classes, smoothing) if any(asked) else None

    def __init__(self, transfer: Transfer, classes: int, smoothing: float) -> None:
        self.classes, self.smoothing = classes, smoothing
        self.distort = _randaugment(transfer.finetune_randaugment)
        self.erase = _eraser(transfer.finetune_erasing)
        self.mixup = _mixup(transfer.finetune_mixup, transfer.finetune_cutmix, classes, smoothing)

    def pixels(self, images: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """Images (B, S, S, 3) uint8, each distorted its own way."""
        if self.distort is None:
            return images
        with _drawing(generator):
            return np.stack([np.asarray(self.distort(Image.fromarray(one))) for one in images])

    def batch(
        self, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Images (B, 3, S, S) in [0, 1] with parts erased and mixed; target shares (B, C)."""
        targets = nn.functional.one_hot(labels, self.classes).float()  # (B, C)
        targets = targets * (1 - self.smoothing) + self.smoothing / self.classes
        with _drawing(generator):
            if self.erase is not None:
                images = _restored(self.erase(normalise(images)))
            even = len(images) // 2 * 2  # timm mixes an image with another one
            if self.mixup is not None and even:
                mixed, soft = self.mixup(images[:even].clone(), labels[:even])
                images = torch.cat([mixed, images[even:]])
                targets = torch.cat([soft, targets[even:]])
        return images, targets


def branching(encoder: nn.Module) -> list[Block]:
    """The blocks whose branches can be left out: a student's; recognisers have others."""
    return [module for module in encoder.modules() if isinstance(module, Block)]


def drop_paths(encoder: nn.Module, rate: float) -> None:
    """Let each block's two branches be left out for single images while training, the deeper the
    more often, up to `rate` (stochastic depth)."""
    if not rate:
        return
    from timm.layers.drop import drop_path  # noqa: PLC0415 - timm only where it is asked for

    blocks = branching(encoder)
    for block, share in zip(blocks, np.linspace(0, rate, len(blocks)), strict=True):

        def drop(module: nn.Module, _: object, out: Tensor, share: float = float(share)) -> Tensor:
            return drop_path(out, share, module.training)

        block.attn.register_forward_hook(drop)
        block.mlp.register_forward_hook(drop)


def _randaugment(config: str) -> Callable[[Image.Image], Image.Image] | None:
    if not config:
        return None
    from timm.data.auto_augment import rand_augment_transform  # noqa: PLC0415 - as above

    grey = tuple(round(255 * mean) for mean in IMAGENET_MEAN)
    return rand_augment_transform(config, {"img_mean": grey})


def _eraser(share: float) -> Callable[[Tensor], Tensor] | None:
    if not share:
        return None
    from timm.data.random_erasing import RandomErasing  # noqa: PLC0415 - as above

    return RandomErasing(share, mode="pixel", device="cpu")


def _mixup(
    mixup: float, cutmix: float, classes: int, smoothing: float
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None:
    if not (mixup or cutmix):
        return None
    from timm.data.mixup import Mixup  # noqa: PLC0415 - as above

    return Mixup(mixup, cutmix, label_smoothing=smoothing, num_classes=classes)


def _restored(images: Tensor) -> Tensor:
    """Normalised images (B, 3, S, S) back to [0, 1]."""
    mean = images.new_tensor(IMAGENET_MEAN).view(3, 1, 1)
    std = images.new_tensor(IMAGENET_STD).view(3, 1, 1)
    return (images * std + mean).clamp(0, 1)


@contextlib.contextmanager
def _drawing(generator: torch.Generator) -> Iterator[None]:
    """Global generators, from which timm draws, seeded by this one, and as before afterwards."""
    seed = int(torch.randint(2**31, (1,), generator=generator))
    of_numpy, of_python = np.random.get_state(), random.getstate()
    np.random.seed(seed)
    random.seed(seed)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        np.random.set_state(of_numpy)
        random.setstate(of_python)
