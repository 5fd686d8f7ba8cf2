"""Frozen features of many images."""

import numpy as np
import torch
from torch import Tensor

from digpt.reporter import Reporter
from digpt.tokenizers.portions import fewer
from digpt.transfer.encoders import Encoder


def as_images(pixels: np.ndarray, device: torch.device | str) -> Tensor:
    """uint8 (B, S, S, 3) -> float (B, 3, S, S) in [0, 1] on the device."""
    images = torch.from_numpy(np.array(pixels)).to(device)
    return images.permute(0, 3, 1, 2).float().div_(255).contiguous()


@torch.no_grad()
def extract(
    encoder: Encoder,
    images: np.ndarray,
    rows: np.ndarray,
    *,
    device: torch.device | str,
    reporter: Reporter,
    batch: int = 512,
) -> np.ndarray:
    """Features (n, F) float32 of the given rows of images (N, S, S, 3) uint8, in their order; at
    most `batch` at once, and fewer large ones."""
    encoder.to(device).eval()
    batch = fewer(batch, images.shape[1])
    parts = []
    for start in range(0, len(rows), batch):
        reporter.check()
        part = encoder.represent(as_images(images[rows[start : start + batch]], device))
        parts.append(part.float().cpu().numpy())
        reporter.progress(min(start + batch, len(rows)), len(rows))
    return np.concatenate(parts)
