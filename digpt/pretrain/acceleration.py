"""Options that change what a step costs, not what it computes."""

import shutil
from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from digpt.errors import UserError
from digpt.models import Method
from digpt.models.flex import Flex
from digpt.models.layers import Block, DecoderBlock

COMPILERS = ("c++", "g++", "clang++", "cl")


def checkpoint_blocks(model: nn.Module) -> None:
    """Keep only the input of each block, and compute the block again in the backward pass."""
    for block in _blocks(model):
        block.forward = partial(
            checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False
        )


def check_compiler(device: torch.device) -> None:
    """Raise `UserError` where the device's code cannot be compiled."""
    if device.type == "cpu" and not any(map(shutil.which, COMPILERS)):
        raise UserError(
            f"Option compile needs a C++ compiler on a CPU, and there is none ({COMPILERS[0]}, "
            f"{COMPILERS[1]}, {COMPILERS[2]}). Install one, or leave compile out.",
            field="compile",
        )


def compile_blocks(model: nn.Module, device: torch.device) -> None:
    """Compile each kind of block once; whole models take minutes, and gain little more."""
    check_compiler(device)
    for block in _blocks(model):
        forward = block.forward
        if isinstance(forward, partial):  # checkpointed: what is computed again is what to compile
            compiled = torch.compile(forward.args[0])
            block.forward = partial(forward.func, compiled, **forward.keywords)
        else:
            block.compile()


def check_attention(attention: str, device: torch.device) -> None:
    """Raise `UserError` where the device has no such attention."""
    if attention == "flex" and device.type != "cuda":
        raise UserError(
            f"Attention flex needs a CUDA device, and this one is {device.type}. Use sdpa.",
            field="attention",
        )


def use_flex(model: Method, device: torch.device) -> None:
    """Compute all attention that has a mask by FlexAttention."""
    for name, mask in model.masks().items():
        delattr(model, name)  # a buffer cannot become anything else
        setattr(model, name, Flex(mask.to(device)))


def _blocks(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, Block | DecoderBlock)]
