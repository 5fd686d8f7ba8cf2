"""How the tokens of a source become targets; the same for every tokenizer of a comparison."""

import numpy as np
import torch

from digpt.errors import UserError
from digpt.models.targets import Normalise, standardise, unchanged, whiten
from digpt.pretrain.feed import TokenSource
from digpt.recipe import Recipe

TARGET_NORMS = ("none", "standardise", "whiten")
WHITENING_IMAGES = 2048


def target_norms(
    tokens: TokenSource, count: int, recipe: Recipe, device: torch.device
) -> tuple[Normalise, Normalise]:
    """What is done to patch tokens and to global tokens, by the recipe's `target_norm`."""
    if recipe.target_norm not in TARGET_NORMS:
        raise UserError(
            f"Unknown target_norm {recipe.target_norm!r}. Available: {', '.join(TARGET_NORMS)}.",
            field="target_norm",
        )
    if tokens.codes is not None or recipe.target_norm == "none":
        return unchanged, unchanged
    if recipe.target_norm == "standardise":
        patches = standardise(tokens.mean, tokens.std, device)
        if not tokens.has_global or tokens.global_mean is None or tokens.global_std is None:
            return patches, unchanged
        return patches, standardise(tokens.global_mean, tokens.global_std, device)
    rows = np.unique(np.linspace(0, count - 1, min(WHITENING_IMAGES, count)).astype(np.int64))
    sample, global_sample = tokens.read(rows, np.zeros(len(rows), dtype=np.int64))
    return (
        whiten(sample.reshape(-1, sample.shape[-1]), device),
        unchanged if global_sample is None else whiten(global_sample, device),
    )
