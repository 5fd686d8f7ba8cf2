"""How many FLOPs a published model takes for one image, counted on its shapes alone: its weights
need not be there, and nothing is multiplied."""

from functools import cache
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from digpt.tokenizers import clip, timm


@cache
def counted_flops(family: str, model: str, size: int | None) -> float | None:
    """Of a forward pass at `size` pixels, None: the model's own. About a second's work.

    None where the library of `family` (clip or timm) knows no such model, or the model cannot see
    that size: both are said where it is loaded.
    """
    tower = {"clip": clip.shapes_of_tower, "timm": timm.shapes_of}[family](model)
    if tower is None:
        return None
    network, own = tower
    seen = (size, size) if size else own
    try:
        if size and hasattr(network, "set_input_size"):
            network.set_input_size(seen)
        return _count(network.eval().requires_grad_(False), seen)
    except (AssertionError, RuntimeError, ValueError):
        if not size:
            raise
        return None


def _count(network: Any, size: tuple[int, int]) -> float:
    images = torch.zeros(1, 3, *size, device="meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(images)
    return float(counter.get_total_flops())
