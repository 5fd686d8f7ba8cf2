"""A moving average of a network's weights, often better than the weights themselves."""

from copy import deepcopy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """A copy of `module` whose weights follow it: `decay` of the old, the rest of the new.

    At first it follows faster, or it would remember random weights for 1 / (1 - decay) updates.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def update(self, module: nn.Module, updates: int) -> None:
        """Follow `module` after `updates` updates before this one."""
        decay = min(self.decay, (1 + updates) / (10 + updates))
        follow = get_ema_multi_avg_fn(decay)
        follow(list(self.module.parameters()), list(module.parameters()), updates)
        for kept, now in zip(self.module.buffers(), module.buffers(), strict=True):
            kept.copy_(now)
