"""Ways to keep attention from looking ahead: `python -m benchmarks.attention_mask`.

Forward and backward of the block-causal attention of D-iGPT's encoder, three clusters and a class
token, in turns in one process; each way's time as a share of that of the boolean mask in the same
turn. On one thread of a CPU the process's time is taken, so that other load counts less; else that
of the clock. "none" masks nothing, and is what the mask should cost at most. FlexAttention has no
backward pass on CPUs, so it is measured on CUDA only.
"""

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.pretrain_throughput import machine
from digpt.models.clusters import block_causal_mask
from digpt.models.flex import Flex
from digpt.models.layers import Prefixes, attend

HEADS, WIDTH = 12, 64
PATCHES = (4, 16, 49, 196, 256)  # per cluster: quick, quick at 64 px, base at 224, 448, 512
TOKENS = 2400  # of all images together, so that one pass takes a measurable while

Way = Callable[[Tensor, Tensor, Tensor], Tensor]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--patches", type=int, nargs="+", default=PATCHES)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    print(
        f"{machine()}, {torch.get_num_threads()} threads, {device}; load {os.getloadavg()[0]:.1f}"
    )
    print("patches per cluster | way | ms | share of the boolean mask's (median, quartiles)")
    for patches in options.patches:
        found = in_turns(ways(patches, device), patches, options.rounds, device)
        for name, seconds in found.items():
            low, middle, high = np.percentile(seconds / found["boolean"], [25, 50, 75])
            ms = 1000 * np.median(seconds)
            print(f"{patches} | {name} | {ms:.1f} | {middle:.2f} ({low:.2f} to {high:.2f})")
    return 0


def ways(patches: int, device: torch.device) -> dict[str, Way]:
    mask = block_causal_mask(3, patches)
    groups, on_device = Prefixes.of(mask), mask.to(device)
    added = torch.zeros(mask.shape, device=device).masked_fill(~on_device, -torch.inf)
    found: dict[str, Way] = {
        "boolean": lambda q, k, v: attend(q, k, v, on_device),
        "added": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=added),
        "groups": lambda q, k, v: attend(q, k, v, groups),
        "none": lambda q, k, v: attend(q, k, v, None),
    }
    if device.type == "cuda":
        found["flex"] = Flex(on_device)
    return found


def in_turns(
    tried: dict[str, Way], patches: int, rounds: int, device: torch.device
) -> dict[str, np.ndarray]:
    """Seconds of each way, (rounds,), after one unmeasured pass."""
    length = 3 * patches + 1
    batch = max(1, TOKENS // length)
    is_alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if is_alone else time.perf_counter
    q, k, v = torch.randn(3, batch, HEADS, length, WIDTH, device=device).unbind(0)
    for tensor in (q, k, v):
        tensor.requires_grad_()
    found: dict[str, list[float]] = {name: [] for name in tried}
    for turn in range(rounds + 1):
        for name, way in tried.items():
            began = clock()
            torch.autograd.grad(way(q, k, v).sum(), (q, k, v))
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:
                found[name].append(clock() - began)
    return {name: np.array(values) for name, values in found.items()}


if __name__ == "__main__":
    raise SystemExit(main())
