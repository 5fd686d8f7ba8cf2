"""Token maps: what a tokenizer sees, as small pictures that can stand side by side.

n images, h × w grid, D width.
"""

import colorsys

import numpy as np
import torch
from torch import Tensor

from digpt.tokenizers.base import Tokenizer

CLIPPED = 0.02  # of the tokens at either end of a channel, so that one odd patch dims no other
GOLDEN = 0.618034  # successive hues as far from each other as they can be
SHADES = ((0.55, 0.95), (0.85, 0.75), (0.45, 0.65))  # saturation and value, in turn


def token_maps(tokenizer: Tokenizer, images: Tensor) -> np.ndarray:
    """uint8 RGB (n, h, w, 3) of images (n, 3, H, W) in [0, 1]: like colours are like tokens.

    Continuous tokens show their first three principal components over these images; each code has
    a colour of its own, the same in every call.
    """
    patches = tokenizer.encode(images).patches.cpu()
    if tokenizer.is_discrete:
        return palette(tokenizer.dim)[patches.numpy()]
    return _components(patches.float())


def palette(codes: int) -> np.ndarray:
    """uint8 (codes, 3): a fixed colour for each code, neighbours in number far apart in hue."""
    found = [
        colorsys.hsv_to_rgb((n * GOLDEN) % 1.0, *SHADES[n % len(SHADES)]) for n in range(codes)
    ]
    return (np.array(found) * 255).round().astype(np.uint8)


def _components(patches: Tensor) -> np.ndarray:
    """(n, h, w, D) -> uint8 (n, h, w, 3); a direction without variance stays mid-grey."""
    tokens = patches.flatten(0, 2).double()
    tokens = tokens - tokens.mean(dim=0)
    _, vectors = torch.linalg.eigh(tokens.T @ tokens)  # ascending
    basis = vectors.flip(1)[:, :3]  # (D, 3 or fewer)
    signs = basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()
    shown = torch.zeros(len(tokens), 3, dtype=torch.float64)
    shown[:, : basis.shape[1]] = tokens @ (basis * signs)
    low, high = shown.quantile(CLIPPED, dim=0), shown.quantile(1 - CLIPPED, dim=0)
    spread = high - low
    scaled = (shown - low) / spread.clamp_min(1e-9)
    scaled = torch.where(spread > 1e-9, scaled, torch.full_like(scaled, 0.5)).clamp(0, 1)
    colours = (scaled * 255).round().to(torch.uint8)
    return colours.reshape(*patches.shape[:3], 3).numpy()
