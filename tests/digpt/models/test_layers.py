"""Bricks: attention by groups against attention with a mask."""

import pytest
import torch

from digpt.models.clusters import block_causal_mask
from digpt.models.layers import Prefixes, attend


@pytest.mark.parametrize(("blocks", "size"), [(3, 4), (1, 5), (8, 1), (3, 49)])
def test_attention_by_groups_equals_attention_with_the_mask(blocks: int, size: int) -> None:
    mask = block_causal_mask(blocks, size)
    groups = Prefixes.of(mask)
    assert sum(groups.rows) == len(mask)
    assert groups.columns == tuple(size * (k + 1) + (k == blocks - 1) for k in range(blocks))
    q, k, v = torch.randn(3, 2, 2, len(mask), 8, generator=torch.Generator().manual_seed(0))
    q.requires_grad_()
    with_mask, by_groups = attend(q, k, v, mask), attend(q, k, v, groups)
    assert torch.allclose(with_mask, by_groups, atol=1e-5)
    gradients = [torch.autograd.grad(out.square().sum(), q)[0] for out in (with_mask, by_groups)]
    assert torch.allclose(*gradients, atol=1e-5)


@pytest.mark.parametrize(("blocks", "size", "window"), [(5, 3, 1), (7, 4, 2), (3, 49, 1)])
def test_attention_by_groups_equals_attention_with_a_windowed_mask(
    blocks: int, size: int, window: int
) -> None:
    mask = block_causal_mask(blocks, size, window=window)
    groups = Prefixes.of(mask)
    ends = zip(groups.rows, groups.starts, groups.columns, strict=True)
    assert sum(rows * (end - start) for rows, start, end in ends) == int(mask.sum())
    q, k, v = torch.randn(3, 2, 2, len(mask), 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(attend(q, k, v, mask), attend(q, k, v, groups), atol=1e-5)
