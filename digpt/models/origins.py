"""A student's first weights from elsewhere: published D-iGPT, timm, a CLIP tower, an earlier arm.

Whatever they come from, they become a `ViT` that reads ImageNet-normalised images and gives the
features of the original before its last norm (which a `ViT` has without parameters): layer scales
and other pixel means are folded into the weights beside them. N patches, D width, p patch size.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digpt.errors import UserError
from digpt.init import Init, check_sizes
from digpt.models import official
from digpt.models.positions import resize_positions
from digpt.models.vit import IMAGENET_MEAN, IMAGENET_STD, ViT, load_encoder
from digpt.recipe import Student
from digpt.tokenizers.weights import UNREADABLE, existing, read_weights, shape_text, unfit

State = dict[str, Tensor]

# After the last block: a student has none of these, its norm is without parameters.
_HEADS = ("norm.", "fc_norm.", "head.", "head_dist.", "attn_pool.")
_CLIP_HEADS = ("ln_post.", "proj", "attn_pool.", "attn_pool_contrastive.")
_CLIP_NAMES = (  # open_clip's names -> timm's, which are ours
    (r"^conv1\.", "patch_embed.proj."),
    (r"^class_embedding$", "cls_token"),
    (r"^positional_embedding$", "pos_embed"),
    (r"^ln_pre\.", "norm_pre."),
    (r"^transformer\.resblocks\.", "blocks."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    (r"\.ls_(\d)\.", r".ls\1."),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    """What the names and shapes of weights do not tell."""

    heads: int
    eps: float
    quick_gelu: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]


def start_from(init: Init, student: Student, earlier: Path | None = None) -> ViT:
    """The ViT that `init` names, for the student's image size; a `UserError` where it cannot be.

    earlier: the folder of an earlier arm's encoder, for an init of that family.
    """
    if init.family == "arm":
        assert earlier is not None, "a plan gives the folder of the earlier arm's encoder"
        vit = load_encoder(earlier)
    else:
        build = {"official": _from_official, "timm": _from_timm, "clip": _from_clip}[init.family]
        vit = build(init, student)
    check_sizes(init, vit.config(), student)
    return _at_size(vit, student.image_size)


def _at_size(vit: ViT, image_size: int) -> ViT:
    """The same ViT for another image size: its positions are interpolated."""
    if vit.image_size == image_size:
        return vit
    made = ViT(**{**vit.config(), "image_size": image_size})
    state = vit.state_dict()
    state["positions"] = resize_positions(state["positions"], vit.grid_size, made.grid_size)
    made.load_state_dict(state)
    return made


def _from_official(init: Init, student: Student) -> ViT:
    state = _read(init)
    if "norm.weight" in state and "ar_token" not in state:
        raise UserError(
            f"Init {init.text!r}: this is a ViT of timm or MAE, not of D-iGPT (it has a"
            f" norm.weight). Write timm:NAME@{init.weights}, so that pixels are read as it was"
            " trained.",
            code="bad-init",
            field="init",
            why="official-other",
            name=init.text,
            file=init.weights,
        )
    try:
        return official.encoder(state, heads=student.heads)
    except UserError as error:
        raise UserError(
            f"Init {init.text!r}: {error.message}",
            code="bad-init",
            field="init",
            why="official-file",
            name=init.text,
        ) from error


def _from_timm(init: Init, student: Student) -> ViT:
    from digpt.tokenizers import timm as models  # noqa: PLC0415 - with it timm, seconds

    models.check_model(init.model)
    if init.file is None:
        network = models.published(init.text, init.model)
        return _from_network(init, network, network.state_dict())
    network = models.create(init.model)
    state = models.without_classifier(_read(init), network)
    return _from_network(init, network, state)


def _from_clip(init: Init, student: Student) -> ViT:
    from digpt.tokenizers import clip as models  # noqa: PLC0415 - with it open_clip, seconds

    visual, facts = models.tower(init.text, init.model, init.weights)
    state = visual.state_dict()
    if init.file is not None:
        state = _parts(_read(init), "visual.")
    if hasattr(visual, "trunk"):
        pixels = {"mean": facts["mean"], "std": facts["std"]}
        return _from_network(init, visual.trunk, _parts(state, "trunk."), **pixels)
    if not hasattr(visual, "class_embedding"):
        raise _refused(init, "it is no ViT")
    _check_state(init, state, visual.state_dict(), ("positional_embedding", *_CLIP_HEADS))
    kept = {n: v for n, v in state.items() if not n.startswith(_CLIP_HEADS)}
    block = visual.transformer.resblocks[0]
    found = _Facts(heads=block.attn.num_heads, eps=block.ln_1.eps, **facts)
    return _made(init, {_renamed(name): value for name, value in kept.items()}, found)


def _from_network(init: Init, network: Any, state: State, **pixels: tuple[float, ...]) -> ViT:
    """The ViT of a timm model and weights of its names."""
    from timm.data.config import resolve_model_data_config  # noqa: PLC0415 - seconds

    if not (hasattr(network, "blocks") and hasattr(network, "pos_embed")):
        raise _refused(init, "it is no ViT")
    _check_state(init, state, network.state_dict(), ("pos_embed", *_HEADS))
    data: dict[str, Any] = resolve_model_data_config(network) | pixels
    block = network.blocks[0]
    activation = type(getattr(block.mlp, "act", None)).__name__
    if activation not in ("GELU", "QuickGELU", "QuickGELUActivation", "NoneType"):
        raise _refused(init, f"its activation is {activation}, not GELU")
    facts = _Facts(
        heads=block.attn.num_heads,
        eps=block.norm1.eps,
        quick_gelu=activation.startswith("Quick"),
        mean=data["mean"],
        std=data["std"],
    )
    return _made(init, {n: v for n, v in state.items() if not n.startswith(_HEADS)}, facts)


def _made(init: Init, state: State, facts: _Facts) -> ViT:
    """A ViT of these weights, whose names are timm's; refused where it has other parts."""
    state = _layer_scales_folded({name: value.float() for name, value in state.items()})
    if "cls_token" not in state or "pos_embed" not in state:
        raise _refused(init, "it has no class token or no position embeddings")
    weight = state["patch_embed.proj.weight"]
    dim, _, patch_size, _ = weight.shape
    cls_token, positions = state.pop("cls_token").flatten(), state.pop("pos_embed").view(-1, dim)
    if math.isqrt(len(positions)) ** 2 == len(positions):  # only patches have positions
        positions = torch.cat([positions.new_zeros(1, dim), positions])
    side = math.isqrt(len(positions) - 1)
    if len(positions) != 1 + side * side:
        raise _refused(init, f"its {len(positions)} positions are no square and a class token")
    vit = ViT(
        image_size=side * patch_size,
        patch_size=patch_size,
        dim=dim,
        depth=1 + max(int(n.split(".")[1]) for n in state if n.startswith("blocks.")),
        heads=facts.heads,
        mlp_ratio=state["blocks.0.mlp.fc1.weight"].shape[0] / dim,
        pre_norm="norm_pre.weight" in state,
        quick_gelu=facts.quick_gelu,
        eps=facts.eps,
    )
    state |= {"cls_token": cls_token, "positions": positions}
    bias = state.get("patch_embed.proj.bias", weight.new_zeros(dim))
    state |= _reading_imagenet(weight, bias, facts)
    ours = vit.state_dict()
    for name in ours.keys() - state.keys():
        if name.endswith("bias"):
            state[name] = torch.zeros_like(ours[name])
    others = sorted(state.keys() - ours.keys())
    if others:
        raise _refused(init, f"it has parts that a student has not ({official.listed(others, 4)})")
    _check_state(init, state, ours, ())
    vit.load_state_dict(state)
    return vit


def _layer_scales_folded(state: State) -> State:
    """Without `ls1` and `ls2`: each multiplies the output of the linear map before it."""
    scales = {name: value for name, value in state.items() if re.search(r"\.ls[12]\.gamma$", name)}
    folded = {name: value for name, value in state.items() if name not in scales}
    for name, gamma in scales.items():
        block, part, _ = name.rsplit(".", 2)
        linear = f"{block}.attn.proj" if part == "ls1" else f"{block}.mlp.fc2"
        folded[f"{linear}.weight"] = folded[f"{linear}.weight"] * gamma[:, None]
        if f"{linear}.bias" in folded:
            folded[f"{linear}.bias"] = folded[f"{linear}.bias"] * gamma
    return folded


def _reading_imagenet(weight: Tensor, bias: Tensor, facts: _Facts) -> State:
    """A patch embedding (D, 3, p, p) of pixels by its own mean and deviation, of ours instead."""
    ours = (torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD))
    mean, std = torch.tensor(facts.mean), torch.tensor(facts.std)
    shift = weight.sum(dim=(2, 3)) @ ((ours[0] - mean) / std)  # (D,)
    return {
        "patch_embed.proj.weight": weight * (ours[1] / std)[:, None, None],
        "patch_embed.proj.bias": bias + shift,
    }


def _read(init: Init) -> State:
    path = existing(init.weights, init.text)
    try:
        return read_weights(path)
    except UNREADABLE as error:
        raise unfit(init.text, str(path), error) from error


def _parts(state: State, prefix: str) -> State:
    """The weights below a prefix, or all where none has it."""
    own = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
    return own or dict(state)


def _renamed(name: str) -> str:
    for pattern, ours in _CLIP_NAMES:
        name = re.sub(pattern, ours, name)
    return name


def _check_state(
    init: Init, state: State, expected: Mapping[str, Tensor], besides: tuple[str, ...]
) -> None:
    """Raise `UserError`, naming keys and shapes, unless all expected weights are there."""
    names = [n for n in expected if not n.startswith(besides)]
    missing = [n for n in names if n not in state]
    differing = [
        f"{n} is {shape_text(state[n])} and should be {shape_text(expected[n])}"
        for n in names
        if n in state and state[n].shape != expected[n].shape
    ]
    problems = [
        *([f"{official.listed(missing, 4)} missing"] if missing else []),
        *([f"shapes differ: {official.listed(differing, 3)}"] if differing else []),
    ]
    if problems:
        raise UserError(
            f"Init {init.text!r}: the weights do not fit: {'; '.join(problems)}. Name the model"
            " that they were saved from.",
            code="wrong-weights",
            field="init",
            why="init",
            name=init.text,
            reason="; ".join(problems),
        )


def _refused(init: Init, why: str) -> UserError:
    return UserError(
        f"Init {init.text!r}: {why}. Choose a plain ViT, such as timm:vit_small_patch16_224.",
        code="init-refused",
        field="init",
        name=init.text,
        reason=why,
    )
