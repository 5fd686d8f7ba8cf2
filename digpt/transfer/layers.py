"""Layer-wise learning rates: the deeper a parameter sits, the less it moves."""

from collections.abc import Callable
from typing import Any

from torch import nn

from digpt.errors import UserError
from digpt.models.vit import ViT


def layer_groups(
    encoder: nn.Module,
    head: nn.Module,
    *,
    lr: float,
    decay: float,
    head_rate: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """AdamW parameter groups: the head learns at `head_rate` times `lr`, the layer n below it at
    `decay` ** n times `lr`; biases, norms and single tokens carry no weight decay."""
    try:
        # timm only for tuning
        from timm.optim import (  # noqa: PLC0415
            param_groups_layer_decay,  # pyright: ignore[reportPrivateImportUsage] - documented
        )
    except ImportError as error:
        raise UserError(
            "Fine-tuning takes its layer-wise learning rates from timm, which is not installed."
            " Install it (pip install timm), or take protocols probe and knn alone.",
            code="no-timm",
            field="protocols",
        ) from error
    network = _Layers(encoder, head)
    groups = param_groups_layer_decay(
        network,
        weight_decay=weight_decay,
        no_weight_decay_list=network.no_weight_decay(),
        layer_decay=decay,
    )
    of_head = {id(parameter) for parameter in head.parameters()}
    return [
        {
            "params": group["params"],
            "lr": lr * (head_rate if id(group["params"][0]) in of_head else group["lr_scale"]),
            "weight_decay": group["weight_decay"],
        }
        for group in groups
    ]


def learn_positions(encoder: nn.Module) -> None:
    """Make the fixed positions of a student's ViT parameters; recognisers keep what they have."""
    for module in encoder.modules():
        if isinstance(module, ViT):
            positions = module.positions
            del module.positions  # a buffer cannot become a parameter
            module.positions = nn.Parameter(positions.clone())


class _Layers(nn.Module):
    """An encoder and its head, as timm asks about the depth of any model's parameters."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def group_matcher(self, coarse: bool = False) -> Callable[[str], int]:
        depths = layer_depths(self.encoder)
        top = 1 + max(depths.values(), default=0)
        return lambda name: depths.get(name.removeprefix("encoder."), top)

    def no_weight_decay(self) -> set[str]:
        named = self.named_parameters()
        tables = ("pos_embed", "positions")
        return {n for n, p in named if p.squeeze().ndim <= 1 or any(t in n for t in tables)}


def layer_depths(encoder: nn.Module) -> dict[str, int]:
    """Parameter name -> depth: 0 before the blocks, 1.. in them, one more after the last.

    The blocks are the children of the longest list or sequence of modules with parameters, which is
    the block list of any transformer and the body of a plain convolutional network.
    """
    prefix, children = _longest_sequence(encoder)
    depths: dict[str, int] = {}
    depth = 0
    for name, _ in encoder.named_parameters():
        if name.startswith(prefix):
            child = name[len(prefix) :].split(".", 1)[0]
            depth = 1 + children.index(child) if child in children else depth
        elif depth:
            depth = len(children) + 1
        depths[name] = depth
        if name.split(".")[-1] == "proj":  # open_clip's last projection is registered first
            depths[name] = len(children) + 1
    return depths


def _longest_sequence(encoder: nn.Module) -> tuple[str, list[str]]:
    """Name prefix and child names of the longest sequence of layers; the first of equals."""
    prefix, longest = "", []
    for name, module in encoder.named_modules():
        if isinstance(module, nn.ModuleList | nn.Sequential):
            children = [key for key, child in module.named_children() if list(child.parameters())]
            if len(children) > len(longest):
                prefix, longest = f"{name}." if name else "", children
    return prefix, longest
