"""An encoder for others: a timm ViT's weights, and ONNX."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.models.vit import IMAGENET_MEAN, IMAGENET_STD, ViT, normalise

_TIMM_BASE, _TIMM_CLIP = "vit_base_patch16_224", "vit_base_patch16_clip_224"
_SHAPES = {  # of timm's models: patch size, width, blocks, heads
    "vit_tiny_patch16_224": (16, 192, 12, 3),
    "vit_small_patch16_224": (16, 384, 12, 6),
    _TIMM_BASE: (16, 768, 12, 12),
    "vit_large_patch16_224": (16, 1024, 24, 16),
    "vit_huge_patch14_224": (14, 1280, 32, 16),
    _TIMM_CLIP: (16, 768, 12, 12),
}
_TIMM_NAMES = {shape: name for name, shape in _SHAPES.items() if name != _TIMM_CLIP}
ONNX_OUTPUTS = ("pooled", "cls", "patches")


def timm_arguments(vit: ViT) -> dict[str, Any]:
    """What to give `timm.create_model`, so that `model(images)` is the encoder's pooled vector.

    The images are normalised by ImageNet's mean and deviation. `model_name` comes first.
    """
    shape = (vit.patch_size, vit.dim, vit.depth, vit.heads)
    is_clip = vit.eps == 1e-5  # a name is the only way to tell timm of another epsilon
    name = _TIMM_CLIP if is_clip else _TIMM_NAMES.get(shape, _TIMM_BASE)
    named: dict[str, Any] = {"model_name": name}
    if shape != _SHAPES[name]:
        named |= dict(zip(("patch_size", "embed_dim", "depth", "num_heads"), shape, strict=True))
    if vit.mlp_ratio != 4:
        named["mlp_ratio"] = vit.mlp_ratio
    if vit.image_size != 224:
        named["img_size"] = vit.image_size
    if vit.pre_norm != is_clip:
        named["pre_norm"] = vit.pre_norm
    if vit.quick_gelu:
        named["act_layer"] = "quick_gelu"
    return {**named, "num_classes": 0, "global_pool": "avg"}


def timm_call(vit: ViT, path: str) -> str:
    """The same as Python that can be pasted."""
    arguments = timm_arguments(vit)
    name = arguments.pop("model_name")
    rest = "".join(f", {key}={value!r}" for key, value in arguments.items())
    return f"timm.create_model({name!r}{rest}, checkpoint_path={path!r})"


def to_timm(vit: ViT) -> dict[str, Tensor]:
    """The encoder's weights under the names of timm's `VisionTransformer`, pooled by the mean.

    Our last norm has no parameters: timm's gets the neutral ones.
    """
    state = {name: value.detach().cpu().clone() for name, value in vit.state_dict().items()}
    state["pos_embed"] = state.pop("positions")[None]  # (1, 1 + N, D)
    state["cls_token"] = state["cls_token"].view(1, 1, -1)
    if vit.pre_norm:  # timm's patch embedding then has no bias, but every patch a position
        state["pos_embed"][:, 1:] += state.pop("patch_embed.proj.bias")
    state |= {"fc_norm.weight": torch.ones(vit.dim), "fc_norm.bias": torch.zeros(vit.dim)}
    return {name: value.contiguous() for name, value in state.items()}


def save_timm(vit: ViT, path: Path) -> None:
    """Write a file for `timm.create_model(..., checkpoint_path=)`; the call is in its header."""
    about = {"format": "pt", "timm": timm_call(vit, path.name)}
    about |= {"mean": str(IMAGENET_MEAN), "std": str(IMAGENET_STD)}
    save_file(to_timm(vit), path, metadata=about)


class _Served(nn.Module):
    """Images in [0, 1] to everything that a ViT sees in them."""

    def __init__(self, vit: ViT) -> None:
        super().__init__()
        self.vit = vit

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.vit.features(normalise(images))
        return features.pooled, features.cls, features.patches


def save_onnx(vit: ViT, path: Path) -> None:
    """Write an ONNX model: images (B, 3, H, W) in [0, 1] -> pooled (B, D), cls and patches.

    Weights beyond ONNX's 2 GB are written beside it, as `path` with `.data`.
    """
    check_onnx()
    served = _Served(deepcopy(vit).cpu()).eval()
    images = torch.zeros(2, 3, *vit.image_shape)
    batch = torch.export.Dim("batch", min=1)
    is_large = sum(p.numel() * p.element_size() for p in vit.parameters()) > 1.9e9
    torch.onnx.export(
        served,
        (images,),
        path,
        input_names=["images"],
        output_names=list(ONNX_OUTPUTS),
        dynamic_shapes={"images": {0: batch}},
        external_data=is_large,
        verbose=False,
    )


def check_onnx() -> None:
    """Raise `UserError` unless the packages that `torch.onnx` needs are there."""
    try:
        import onnx  # noqa: F401, PLC0415 - optional, a second
        import onnxscript  # noqa: F401, PLC0415
    except ImportError as error:
        raise UserError(
            f"ONNX needs the package {error.name}: pip install onnx onnxscript, or leave --onnx"
            " out.",
            code="no-onnx",
            field="onnx",
        ) from error
