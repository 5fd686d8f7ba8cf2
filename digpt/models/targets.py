"""Target normalisation: the same for every tokenizer of a comparison. D token width."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from digpt.models.vit import layer_norm

Normalise = Callable[[Tensor], Tensor]


def unchanged(tokens: Tensor) -> Tensor:
    """The tokens as the tokenizer made them, in float32."""
    return tokens.float()


def standardise(mean: np.ndarray, std: np.ndarray, device: torch.device) -> Normalise:
    """Each channel by the training pool's mean and deviation (D,), then LayerNorm of each token."""
    shift = torch.as_tensor(np.asarray(mean), dtype=torch.float32, device=device)
    scale = torch.as_tensor(np.asarray(std), dtype=torch.float32, device=device).clamp_min(1e-6)
    return lambda tokens: layer_norm((tokens.float() - shift) / scale)


def whiten(sample: np.ndarray, device: torch.device, floor: float = 1e-4) -> Normalise:
    """Channels made uncorrelated and of unit variance over a sample (n, D), by ZCA.

    Directions with less than `floor` of the largest variance are not blown up beyond it.
    """
    tokens = torch.as_tensor(sample, dtype=torch.float64)
    mean = tokens.mean(dim=0)
    variances, directions = torch.linalg.eigh((tokens - mean).T @ (tokens - mean) / len(tokens))
    scales = variances.clamp_min(floor * float(variances[-1]) + 1e-12).rsqrt()
    matrix = ((directions * scales) @ directions.T).float().to(device)
    shift = mean.float().to(device)
    return lambda tokens: (tokens.float() - shift) @ matrix
