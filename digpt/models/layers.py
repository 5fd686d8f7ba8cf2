"""Bricks of a transformer: they know no model. B batch, N tokens, M memory tokens, D width."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6  # every LayerNorm of the published models but the one on the taps


def _heads(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """Split (B, N, parts * D) into `parts` tensors (B, heads, N, D / heads)."""
    # by chunks of the last dimension, whose gradients are put together in one copy
    return tuple(part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in x.chunk(parts, -1))


@dataclass(frozen=True, slots=True)
class Prefixes:
    """A mask whose rows come in groups, each of which looks at one run of columns: all up to some
    column, or the last so many of these.

    What a group does not see is not computed, where a mask computes it and throws it away.
    """

    rows: tuple[int, ...]  # in each group, from above
    columns: tuple[int, ...]  # up to which the group sees
    starts: tuple[int, ...]  # from which on it sees; 0: from the left

    @staticmethod
    def of(mask: Tensor) -> "Prefixes":
        """The same as `mask` (N, M) bool, on the CPU, each row of which sees one run."""
        first = mask.int().argmax(dim=1)
        seen = torch.stack([first + mask.sum(dim=1), first], dim=1)  # (N, 2)
        groups, rows = torch.unique_consecutive(seen, return_counts=True, dim=0)
        columns, starts = groups.T.tolist()
        return Prefixes(tuple(rows.tolist()), tuple(columns), tuple(starts))


Masked = Callable[[Tensor, Tensor, Tensor], Tensor]  # attention that knows its own mask
# a tensor is (N, M) bool, true where a row may look at a column
Mask = Tensor | Prefixes | Masked | None


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
    """Attention of q (B, heads, N, d) to k and v (B, heads, M, d)."""
    if mask is None or isinstance(mask, Tensor):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # (B, heads, N, d)
    if not isinstance(mask, Prefixes):
        return mask(q, k, v)
    groups = [
        F.scaled_dot_product_attention(part, k[:, :, start:end], v[:, :, start:end])
        for part, start, end in zip(
            q.split(mask.rows, dim=2), mask.starts, mask.columns, strict=True
        )
    ]
    return torch.cat(groups, dim=2)


class Attention(nn.Module):
    """Self-attention; `mask` says which of N tokens looks at which."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Mask = None) -> Tensor:
        q, k, v = _heads(self.qkv(x), 3, self.heads)
        x = attend(q, k, v, mask)  # (B, heads, N, D / heads)
        return self.proj(x.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Attention of x (B, N, D) to a memory (B, M, D)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, memory: Tensor, mask: Mask = None) -> Tensor:
        (q,) = _heads(self.q(x), 1, self.heads)
        k, v = _heads(self.kv(memory), 2, self.heads)
        x = attend(q, k, v, mask)
        return self.proj(x.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Two linear maps with an exact GELU between them, or OpenAI CLIP's quick one."""

    def __init__(self, dim: int, hidden: int, *, quick_gelu: bool = False) -> None:
        super().__init__()
        self.quick_gelu = quick_gelu
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x) if self.quick_gelu else F.gelu(x))


class Block(nn.Module):
    """Pre-norm encoder block: self-attention, MLP."""

    def __init__(
        self,
        dim: int,
        heads: int,
        mlp_ratio: float = 4.0,
        *,
        eps: float = EPS,
        quick_gelu: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = MLP(dim, round(dim * mlp_ratio), quick_gelu=quick_gelu)

    def forward(self, x: Tensor, mask: Mask = None) -> Tensor:
        x = x + self.attn(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))


class DecoderBlock(nn.Module):
    """Pre-norm decoder block: self-attention, cross-attention to a memory, MLP."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(dim, eps=EPS)
        self.self_attention = Attention(dim, heads)
        self.query_norm = nn.LayerNorm(dim, eps=EPS)
        self.memory_norm = nn.LayerNorm(dim, eps=EPS)
        self.cross_attention = CrossAttention(dim, heads)
        self.mlp_norm = nn.LayerNorm(dim, eps=EPS)
        self.mlp = MLP(dim, round(dim * mlp_ratio))

    def forward(self, x: Tensor, memory: Tensor, self_mask: Mask, cross_mask: Mask) -> Tensor:
        x = x + self.self_attention(self.self_norm(x), self_mask)
        x = x + self.cross_attention(self.query_norm(x), self.memory_norm(memory), cross_mask)
        return x + self.mlp(self.mlp_norm(x))


class PatchEmbed(nn.Module):
    """A linear map of each patch's pixels, stored as the convolution that checkpoints hold."""

    def __init__(self, patch_size: int, dim: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(3, dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, patches: Tensor) -> Tensor:
        """Pixels (..., 3 * p * p), as `patchify` orders them -> (..., D)."""
        return F.linear(patches, self.proj.weight.flatten(1), self.proj.bias)


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """Cut images (B, 3, H, W) into patches (B, h, w, 3 * p * p), channel first within a patch."""
    x = images.unflatten(3, (-1, patch_size)).unflatten(2, (-1, patch_size))  # (B, 3, h, p, w, p)
    return x.permute(0, 2, 4, 1, 3, 5).flatten(3)  # (B, h, w, 3 * p * p)


@torch.no_grad()
def initialise(
    model: nn.Module, generator: torch.Generator | None = None, *, keep: nn.Module | None = None
) -> None:
    """Draw all weights afresh: Xavier for linear maps, 0.02 for learned tokens, norms at identity.

    The generator is torch's global one unless given; with it, equal seeds give equal weights.
    keep: a part that stays as it is, such as an encoder that has learnt something.
    """
    kept = set(keep.parameters()) if keep is not None else set()
    for name, parameter in model.named_parameters():
        if name.endswith("token") and parameter not in kept:
            nn.init.trunc_normal_(parameter, std=0.02, generator=generator)
    for module in model.modules():
        if kept.intersection(module.parameters(recurse=False)):
            continue
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight.flatten(1), generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm) and module.elementwise_affine:
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
