"""What transfer knows of a network: images (B, 3, H, W) in [0, 1] to one vector each."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.models.vit import ViT, normalise
from digpt.tokenizers.base import Tokenizer


class Encoder(nn.Module, ABC):
    """`forward` is what fine-tuning trains, `represent` the frozen features of probe and kNN."""

    is_tunable: bool = True

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Pooled features (B, D)."""

    def represent(self, images: Tensor) -> Tensor:
        """Frozen features (B, F): the pooled ones unless an encoder has something richer."""
        return self(images)


def student(vit: ViT) -> Encoder:
    """A ViT of ours, pretrained or not.

    Its frozen features are mean and standard deviation over the patches of the final LayerNormed
    tokens, and CLS: the same for every method, so that a method which never trains its CLS (masked,
    igpt) and one which does are asked the same question.
    """
    return _Student(vit)


def frozen(tokenizer: Tokenizer) -> Encoder:
    """A recogniser as it is: global token (if any), mean and standard deviation of its patches; for
    codes the square roots of their shares (Hellinger), so that distances do not hang on a few."""
    return _Frozen(tokenizer)


def recogniser(tokenizer: Tokenizer) -> Encoder:
    """A copy of the recogniser behind a tokenizer, for the `direct` arm to fine-tune."""
    module = tokenizer.trainable()
    if module is None:
        raise UserError(
            f"Tokenizer {tokenizer.name!r} has no weights to fine-tune, so it makes no 'direct' "
            "arm. Use method 'frozen', or a recogniser such as domain-clip or clip:NAME.",
            code="not-tunable",
            field="tokenizer",
            tokenizer=tokenizer.name,
        )
    return _Recogniser(module)


class _Student(Encoder):
    def __init__(self, vit: ViT) -> None:
        super().__init__()
        self.vit = vit

    def forward(self, images: Tensor) -> Tensor:
        return self.vit(normalise(images))  # (B, D)

    def represent(self, images: Tensor) -> Tensor:
        features = self.vit.features(normalise(images))
        return torch.cat([_moments(features.patches), features.cls], dim=1)  # (B, 3 D)


class _Frozen(Encoder):
    is_tunable = False

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, images: Tensor) -> Tensor:
        patches, global_token = self.tokenizer.encode(images)
        if self.tokenizer.is_discrete:
            shares = nn.functional.one_hot(patches.flatten(1), self.tokenizer.dim).float().mean(1)
            return shares.sqrt()  # (B, codes)
        moments = _moments(patches)  # (B, 2 D)
        return moments if global_token is None else torch.cat([global_token, moments], dim=1)


class _Recogniser(Encoder):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        return self.module(images)


def _moments(patches: Tensor) -> Tensor:
    """(B, h, w, D) -> mean and standard deviation over the grid, (B, 2 D)."""
    tokens = patches.flatten(1, 2)
    return torch.cat([tokens.mean(dim=1), tokens.std(dim=1, correction=0)], dim=1)
