"""Images to patches. B images, C channels, p patch side, h × w grid."""

import torch
import torch.nn.functional as F
from torch import Tensor


def in_patches(images: Tensor, patch_size: int) -> Tensor:
    """(B, C, H, W) -> (B, h, w, p p C), each patch in row-major order of (p, p, C)."""
    b, c, height, width = images.shape
    h, w = height // patch_size, width // patch_size
    cut = images.reshape(b, c, h, patch_size, w, patch_size)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(b, h, w, -1)


def pool_patches(maps: Tensor, patch_size: int) -> Tensor:
    """(B, C, H, W) -> (B, h, w, 2 C): mean and maximum of each map inside each patch."""
    pooled = [F.avg_pool2d(maps, patch_size), F.max_pool2d(maps, patch_size)]
    return torch.cat(pooled, dim=1).permute(0, 2, 3, 1)
