"""Fixed two-dimensional sine-cosine positions, as MAE and D-iGPT use them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from digpt.errors import UserError


def sincos_2d(dim: int, grid_size: tuple[int, int]) -> Tensor:
    """Positions (1 + h * w, dim) of a grid, raster order; row 0 (zeros) is for the class token.

    The first half of the channels encodes the column, the second half the row.
    """
    if dim % 4:
        raise UserError(
            f"Width {dim} cannot hold two-dimensional positions: choose a multiple of 4.",
            field="dim",
            value=dim,
        )
    height, width = grid_size
    rows = torch.arange(height, dtype=torch.float64).repeat_interleave(width)
    columns = torch.arange(width, dtype=torch.float64).repeat(height)
    grid = torch.cat([_sincos(dim // 2, columns), _sincos(dim // 2, rows)], dim=1)  # (h * w, dim)
    return torch.cat([grid.new_zeros(1, dim), grid]).float()


def _sincos(dim: int, places: Tensor) -> Tensor:
    frequencies = 10_000 ** (-torch.arange(dim // 2, dtype=torch.float64) / (dim / 2))
    angles = places[:, None] * frequencies  # (n, dim / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def resize_positions(
    positions: Tensor, old: tuple[int, int], new: tuple[int, int], leading: int = 1
) -> Tensor:
    """Positions (leading + h * w, D) of one grid, interpolated to another (bicubic)."""
    if old == new:
        return positions
    grid = positions[leading:].unflatten(0, old).permute(2, 0, 1)[None]  # (1, D, h, w)
    grid = F.interpolate(grid.float(), size=new, mode="bicubic", antialias=True)
    grid = grid[0].permute(1, 2, 0).flatten(0, 1).to(positions.dtype)
    return torch.cat([positions[:leading], grid])
