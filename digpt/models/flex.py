"""FlexAttention: one kernel that passes over the parts of a mask in which nobody sees anybody."""

import torch
from torch import Tensor


class Flex:
    """Attention with a mask (N, M) bool, which is on its device.

    On a GPU the kernel is compiled at its first use. On a CPU torch has no such kernel, and no
    backward pass: there it only shows that the mask is the same.
    """

    def __init__(self, mask: Tensor) -> None:
        from torch.nn.attention import flex_attention as flex  # noqa: PLC0415 - seconds

        def sees(batch: Tensor, head: Tensor, row: Tensor, column: Tensor) -> Tensor:
            del batch, head  # all have the same mask
            return mask[row, column]

        self.blocks = flex.create_block_mask(sees, None, None, *mask.shape, device=mask.device)
        attention = flex.flex_attention
        self.attention = torch.compile(attention) if mask.is_cuda else attention

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of q (B, heads, N, d) to k and v (B, heads, M, d)."""
        out = self.attention(q, k, v, block_mask=self.blocks)
        assert isinstance(out, Tensor)  # further outputs come only when asked for
        return out
