"""Patches in clusters: who is in which, in what order they are read, who may see whom.

K clusters in all, S places per cluster, both in raster order; h × w is any grid of places.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from digpt.errors import UserError


def divides(clusters: tuple[int, int], grid_size: tuple[int, int]) -> bool:
    """Whether the grid falls into that many rows and columns of equal clusters."""
    return grid_size[0] % clusters[0] == 0 and grid_size[1] % clusters[1] == 0


def check_clusters(clusters: tuple[int, int], grid_size: tuple[int, int]) -> None:
    """Raise `UserError`, naming the valid ones, unless the cluster grid fits the patch grid."""
    if len(clusters) != 2 or not all(isinstance(count, int) for count in clusters):
        raise UserError(
            f"Clusters must be two whole numbers, rows and columns, not {clusters!r}.",
            field="clusters",
        )
    if min(clusters) >= 1 and clusters != (1, 1) and divides(clusters, grid_size):
        return
    valid = [
        f"{rows}×{columns}"
        for rows in range(1, grid_size[0] + 1)
        for columns in range(1, grid_size[1] + 1)
        if rows * columns > 1 and divides((rows, columns), grid_size)
    ]
    if not valid:
        raise UserError(
            f"A patch grid of {grid_size[0]}×{grid_size[1]} has a single patch and cannot be"
            " clustered: choose a larger image or smaller patches.",
            field="patch_size",
        )
    raise UserError(
        f"Clusters {clusters[0]}×{clusters[1]} do not divide the patch grid"
        f" {grid_size[0]}×{grid_size[1]}. Valid: {', '.join(valid)}.",
        field="clusters",
        clusters=clusters,
        valid=valid,
    )


def in_clusters(x: Tensor, clusters: tuple[int, int]) -> Tensor:
    """Regroup a grid (B, h, w, ...) into clusters (B, K, S, ...)."""
    x = x.unflatten(2, (clusters[1], -1)).unflatten(1, (clusters[0], -1))  # (B, R, r, C, c, ...)
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)  # (B, K, S, ...)


def take_clusters(x: Tensor, order: Tensor) -> Tensor:
    """Clusters (B, K, S, ...) in the order (B, k) -> (B, k, S, ...)."""
    return x[torch.arange(len(x), device=x.device)[:, None], order]


def take_places(x: Tensor, places: Tensor | None) -> Tensor:
    """Of each cluster in (B, k, S, ...) the places (B, k, s) -> (B, k, s, ...); None: all."""
    if places is None:
        return x
    images = torch.arange(len(x), device=x.device)[:, None, None]
    return x[images, torch.arange(x.shape[1], device=x.device)[:, None], places]


def draw_numbers(
    batch: int, count: int, generator: torch.Generator | None, device: torch.device
) -> Tensor:
    """(B, count) numbers in [0, 1), where the generator is; image by image, so that a batch in
    parts draws what the whole would."""
    where = generator.device if generator is not None else device
    return torch.rand(batch, count, generator=generator, device=where)


def draw_order(
    batch: int, count: int, generator: torch.Generator | None, device: torch.device
) -> Tensor:
    """A random permutation of `count` things for each of `batch` images, (B, count) int64."""
    keys = draw_numbers(batch, count, generator, device)
    return keys.argsort(dim=1).to(device, non_blocking=True)


def block_causal_mask(
    blocks: int, size: int, *, with_class: bool = True, window: int = 0
) -> Tensor:
    """(L, L) bool: row i may look at column j. L = blocks * size, + 1 for a class token, last.

    A place sees its own and all earlier clusters, or the `window` before its own, if that is not
    0. The class token sees everything; only the last cluster and the class token itself see it.
    """
    cluster = torch.arange(blocks).repeat_interleave(size)
    if with_class:  # it behaves as one more member of the last cluster
        cluster = torch.cat([cluster, cluster.new_tensor([blocks - 1])])
    before = cluster[:, None] - cluster[None, :]
    mask = before >= 0
    if window:
        mask &= before <= window
    if with_class:
        mask[-1] = True
    return mask


def resize_clusters(x: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Each cluster of (B, K, S, C), a grid `old`, bilinearly to a grid `new`."""
    if old == new:
        return x
    batch, count = x.shape[:2]
    x = x.flatten(0, 1).unflatten(1, old).permute(0, 3, 1, 2)  # (B * K, C, r, c)
    x = F.interpolate(x, size=new, mode="bilinear", align_corners=False)
    return x.flatten(2).transpose(1, 2).unflatten(0, (batch, count))  # (B, K, S', C)


def resize_tokens(tokens: Tensor, new: tuple[int, int]) -> Tensor:
    """A teacher's grid (B, h, w, C) bilinearly, or codes (B, h, w) by nearest, to a grid `new`."""
    if tuple(tokens.shape[1:3]) == new:
        return tokens
    if tokens.is_floating_point():
        x = tokens.float().permute(0, 3, 1, 2)  # no half precision on a CPU
        x = F.interpolate(x, size=new, mode="bilinear", antialias=True)
        return x.permute(0, 2, 3, 1)
    rows, columns = (
        ((torch.arange(n, device=tokens.device) * 2 + 1) * size // (2 * n))
        for n, size in zip(new, tokens.shape[1:3], strict=True)
    )
    return tokens[:, rows[:, None], columns]
