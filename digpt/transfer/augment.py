"""Random views of a batch on its device, drawn from one generator."""

import torch
from torch import Tensor, nn

SHIFT = 0.125  # of the side, at most
ZOOM = 0.2  # seen side is 1 - ZOOM to 1 + ZOOM / 2 of the image; beyond the border it is mirrored


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Flipped, shifted and zoomed copies of images (B, 3, H, W), each its own way."""
    count = len(images)
    draws = torch.rand(count, 4, generator=generator).to(images.device)
    side = 1 - ZOOM + 1.5 * ZOOM * draws[:, 0]
    flip = torch.where(draws[:, 1] < 0.5, -1.0, 1.0)
    shift = (draws[:, 2:] * 2 - 1) * (2 * SHIFT)  # affine_grid's image is 2 wide
    view = torch.zeros(count, 2, 3, device=images.device)
    view[:, 0, 0], view[:, 1, 1], view[:, :, 2] = side * flip, side, shift
    grid = nn.functional.affine_grid(view, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
