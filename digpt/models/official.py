"""Published D-iGPT checkpoints (repository OliverRensu/D-iGPT) to our models and back.

Shapes tell everything but the numbers of heads. The published model has 2 × 2 clusters and reads
blocks 6, 8, 10 and 12 at any depth (at depth 24, blocks 13 to 24 are stored but never trained).
"""

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.models.digpt import DiGPT
from digpt.models.losses import token_loss
from digpt.models.vit import ViT
from digpt.tokenizers.weights import named_tensors

TAPS = (6, 8, 10, 12)
# Ours -> theirs, the one mapping table; the first pattern that matches a name is applied. "kd"
# (distillation) is the visible-token decoder. The official forward pass returns the memories as
# (kd, ar) and receives them as (ar, kd): each decoder reads the memories named after the other.
_NAMES = (
    (r"^encoder\.positions$", "pos_embed"),
    (r"^encoder\.", ""),
    (r"^positions$", "decoder_pos_embed"),
    (r"^ar_decoder\.tap_norm\.", "kd_enc_norm.{tap}."),  # one norm of ours, stored once per tap
    (r"^visible_decoder\.tap_norm\.", "ar_enc_norm.{tap}."),
    (r"^ar_decoder\.memory\.", "kd_enc2dec."),
    (r"^visible_decoder\.memory\.", "ar_enc2dec."),
    (r"\.predict\.", "_pred."),
    (r"\.(norm|token)", r"_\1"),
    (r"\.(blocks\.\d+\.)self_norm", r"_\1norm1"),
    (r"\.(blocks\.\d+\.)self_attention", r"_\1attn1"),
    (r"\.(blocks\.\d+\.)query_norm", r"_\1norm2_1"),
    (r"\.(blocks\.\d+\.)memory_norm", r"_\1norm2_2"),
    (r"\.(blocks\.\d+\.)cross_attention", r"_\1attn2"),
    (r"\.(blocks\.\d+\.)mlp_norm", r"_\1norm2"),
    (r"\.(blocks\.\d+\.)mlp", r"_\1mlp"),
)
# The weights that tell the sizes, and how many axes each has.
_SIZES_OF_ENCODER = {"patch_embed.proj.weight": 4, "pos_embed": 3, "blocks.0.mlp.fc1.weight": 2}
_SIZES_OF_DECODERS = {
    "decoder_pos_embed": 3,
    "ar_enc2dec.weight": 2,
    "ar_blocks.0.mlp.fc1.weight": 2,
    "ar_pred.weight": 2,
}


def from_official(
    state_dict: Mapping[str, Tensor], *, heads: int = 12, decoder_heads: int = 32
) -> DiGPT:
    """The published pretraining model with these weights: cosine losses and a global token.

    state_dict: the weights, or a checkpoint that holds them under "model".
    heads, decoder_heads: what no shape tells; a wrong number that divides the width goes unnoticed.
    """
    state_dict = _weights(state_dict)
    _require(state_dict, _SIZES_OF_ENCODER | _SIZES_OF_DECODERS)
    vit = _empty_vit(state_dict, heads)
    if vit.depth < TAPS[-1]:
        raise UserError(
            f"This checkpoint has {vit.depth} encoder blocks, but the decoders of the published"
            f" model read block {TAPS[-1]}. Load its encoder alone, or give another file.",
            field="init",
        )
    decoder_dim = state_dict["decoder_pos_embed"].shape[-1]
    _check_heads("decoder_heads", decoder_heads, "decoders", decoder_dim)
    model = DiGPT(
        vit,
        token_dim=state_dict["ar_pred.weight"].shape[0],
        token_loss=token_loss("cosine", None),
        has_global=True,
        clusters=(2, 2),
        taps=TAPS,
        decoder_dim=decoder_dim,
        decoder_depth=max(1, state_dict["ar_enc2dec.weight"].shape[0] // decoder_dim),
        decoder_heads=decoder_heads,
        # its own, since the official code rounds the hidden width down
        decoder_mlp_ratio=state_dict["ar_blocks.0.mlp.fc1.weight"].shape[0] / decoder_dim,
    )
    _load(model, state_dict, {name: official_names(name) for name in model.state_dict()})
    return model


def to_official(model: DiGPT) -> dict[str, Tensor]:
    """The state dict that the official code loads, its buffer `mask` included."""
    has_both = model.ar_decoder is not None and model.visible_decoder is not None
    if model.window:
        raise UserError(
            f"D-iGPT with a window of {model.window} has no official form: the official code's"
            " clusters see all earlier ones. Pretrain with window 0 to exchange checkpoints.",
            field="window",
        )
    if model.clusters != (2, 2) or len(model.taps) != len(TAPS) or not has_both:
        raise UserError(
            "Only D-iGPT with 2×2 clusters, four taps and both decoders has an official form; this"
            f" model has {model.clusters[0]}×{model.clusters[1]} clusters, {len(model.taps)} taps"
            f" and {'both decoders' if has_both else 'one decoder'}."
        )
    state = {
        theirs: value.detach().reshape(_official_shape(name, value)).clone()
        for name, value in model.state_dict().items()
        for theirs in official_names(name)
    }
    visible = model.mask
    state["mask"] = torch.zeros_like(visible, dtype=torch.float).masked_fill(~visible, -math.inf)
    return state


def encoder(state_dict: Mapping[str, Tensor], *, heads: int = 12) -> ViT:
    """The encoder alone, as the official fine-tuning reads it: no mask, mean of the patch tokens.

    Decoders, and the head of a fine-tuned checkpoint, are not read.
    """
    state_dict = _weights(state_dict)
    _require(state_dict, _SIZES_OF_ENCODER)
    vit = _empty_vit(state_dict, heads)
    _load(vit, state_dict, {name: official_names(f"encoder.{name}") for name in vit.state_dict()})
    return vit


def official_names(name: str) -> list[str]:
    """Where official checkpoints hold a parameter of `DiGPT`; several places for a tap norm."""
    for pattern, theirs in _NAMES:
        if re.search(pattern, name):
            name = re.sub(pattern, theirs, name)
            break
    name = name.replace("ar_decoder", "ar").replace("visible_decoder", "kd")
    if "{tap}" not in name:
        return [name]
    return [name.format(tap=tap) for tap in range(len(TAPS))]


def _official_shape(name: str, value: Tensor) -> tuple[int, ...]:
    if name.endswith("token"):
        return (1, 1, *value.shape)
    return (1, *value.shape) if name.endswith("positions") else tuple(value.shape)


def _empty_vit(state_dict: Mapping[str, Tensor], heads: int) -> ViT:
    """A ViT of the checkpoint's sizes; its weights are still to be read."""
    dim, _, patch_size, _ = state_dict["patch_embed.proj.weight"].shape
    _check_heads("heads", heads, "encoder", dim)
    side = math.isqrt(max(0, state_dict["pos_embed"].shape[1] - 1))
    numbers = [re.match(r"blocks\.(\d+)\.", name) for name in state_dict]
    return ViT(
        image_size=side * patch_size,
        patch_size=patch_size,
        dim=dim,
        depth=1 + max(int(number[1]) for number in numbers if number),
        heads=heads,
        mlp_ratio=state_dict["blocks.0.mlp.fc1.weight"].shape[0] / dim,
    )


def _check_heads(argument: str, heads: int, part: str, width: int) -> None:
    """Raise `UserError`, naming the argument, unless so many heads share the width."""
    if heads < 1 or width % heads:
        valid = [str(n) for n in range(1, width + 1) if width % n == 0]
        raise UserError(
            f"The {part} of this checkpoint cannot have {argument}={heads}: it is {width} wide."
            f" Give {argument}, which no shape tells; valid: {listed(valid, 16)}.",
            field=argument,
        )


def _weights(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    try:
        return named_tensors(state_dict)
    except ValueError as error:
        raise UserError(
            f"This is not an official D-iGPT checkpoint: {error}.", field="init"
        ) from error


def _require(state_dict: Mapping[str, Tensor], axes: Mapping[str, int]) -> None:
    """Raise `UserError` unless these weights, which tell the sizes, are there."""
    missing = [name for name in axes if name not in state_dict]
    if missing:
        raise UserError(
            f"This is not an official D-iGPT checkpoint: {listed(missing)} missing."
            " Give the file that its pretraining wrote.",
            field="init",
            missing=missing,
        )
    for name, count in axes.items():
        if state_dict[name].ndim != count:
            shape = "×".join(map(str, state_dict[name].shape))
            raise UserError(
                f"This is not an official D-iGPT checkpoint: {name} is {shape} and should have"
                f" {count} axes.",
                field="init",
            )


@torch.no_grad()
def _load(
    model: nn.Module, state_dict: Mapping[str, Tensor], names: Mapping[str, list[str]]
) -> None:
    """Copy the official weights into `model`; nothing is changed unless all of them fit."""
    ours = model.state_dict()
    problems = _problems(ours, state_dict, names)
    if problems:
        raise UserError(
            f"This official D-iGPT checkpoint does not fit: {'; '.join(problems)}.", field="init"
        )
    for name, value in ours.items():
        value.copy_(state_dict[names[name][0]].view(value.shape))


def _problems(
    ours: Mapping[str, Tensor], state_dict: Mapping[str, Tensor], names: Mapping[str, list[str]]
) -> list[str]:
    missing, differing, unequal, odd = [], [], [], []
    for name, value in ours.items():
        shape = _official_shape(name, value)
        for theirs in names[name]:
            if theirs not in state_dict:
                missing.append(theirs)
            elif tuple(state_dict[theirs].shape) != shape:
                found = "×".join(map(str, state_dict[theirs].shape))
                differing.append(f"{theirs} is {found} and should be {'×'.join(map(str, shape))}")
            elif value.is_meta:  # a check before any run: shapes alone
                continue
            elif not state_dict[theirs].isfinite().all():
                odd.append(theirs)
            elif not torch.equal(
                state_dict[theirs], state_dict.get(names[name][0], torch.empty(0))
            ):
                unequal.append(theirs)
    return [
        *([f"{listed(missing)} missing"] if missing else []),
        *([f"shapes differ: {listed(differing)}"] if differing else []),
        *([f"not all numbers are finite in {listed(odd)}"] if odd else []),
        *([f"{listed(unequal)} should equal entry 0, which they share"] if unequal else []),
    ]


def listed(names: list[str], most: int = 8) -> str:
    """The first of the names, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
