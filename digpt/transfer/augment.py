"""Random views of a batch on its device, drawn from one generator."""

import math

import torch
from torch import Tensor, nn

from digpt.data.views import ASPECT

SHIFT = 0.125  # of the side, at most
ZOOM = 0.2  # seen side is 1 - ZOOM to 1 + ZOOM / 2 of the image; beyond the border it is mirrored


def augment(
    images: Tensor, generator: torch.Generator, crop_scale: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """Flipped copies of images (B, 3, H, W), each its own way shifted and zoomed; or, where
    crop_scale begins below 1, cropped to a share of the image between the two."""
    count = len(images)
    if crop_scale[0] < 1:
        draws = torch.rand(count, 5, generator=generator).to(images.device)
        area = crop_scale[0] + (crop_scale[1] - crop_scale[0]) * draws[:, 0]
        ratio = ((2 * draws[:, 4] - 1) * math.log(ASPECT[1])).exp()
        sides = torch.stack([area * ratio, area / ratio], dim=1).sqrt().clamp(max=1)  # (B, 2)
        shift = (draws[:, 2:4] * 2 - 1) * (1 - sides)
        mode = "bicubic"
    else:
        draws = torch.rand(count, 4, generator=generator).to(images.device)
        sides = (1 - ZOOM + 1.5 * ZOOM * draws[:, :1]).expand(-1, 2)
        shift = (draws[:, 2:] * 2 - 1) * (2 * SHIFT)  # affine_grid's image is 2 wide
        mode = "bilinear"
    flip = torch.where(draws[:, 1] < 0.5, -1.0, 1.0)
    view = torch.zeros(count, 2, 3, device=images.device)
    view[:, 0, 0], view[:, 1, 1], view[:, :, 2] = sides[:, 0] * flip, sides[:, 1], shift
    grid = nn.functional.affine_grid(view, list(images.shape), align_corners=False)
    seen = nn.functional.grid_sample(
        images, grid, mode=mode, padding_mode="reflection", align_corners=False
    )
    return seen.clamp(0, 1) if mode == "bicubic" else seen
