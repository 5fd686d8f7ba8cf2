"""The student: a plain ViT. B images, h × w patches (N in all), D width."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.models.layers import EPS, Block, Mask, PatchEmbed, initialise, patchify
from digpt.models.positions import sincos_2d
from digpt.recipe import Student

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_SIZES = ("image_size", "patch_size", "dim", "depth", "heads", "mlp_ratio")


def normalise(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [0, 1] -> what a `ViT` reads, by ImageNet's mean and deviation."""
    mean = images.new_tensor(IMAGENET_MEAN).view(3, 1, 1)
    std = images.new_tensor(IMAGENET_STD).view(3, 1, 1)
    return (images - mean) / std


class Features(NamedTuple):
    """What a ViT sees in an image; each vector is LayerNormed, without learned scale."""

    patches: Tensor  # (B, h, w, D)
    cls: Tensor  # (B, D)
    pooled: Tensor  # (B, D): the mean of the patch tokens, then LayerNorm


class ViT(nn.Module):
    """Vision transformer with fixed positions and a class token; images come normalised.

    `image_size`: the side of its images in pixels, or (height, width).

    Its last LayerNorm has no parameters: pretraining would not train them, and the head that
    follows in every transfer can absorb them. `pre_norm` (a LayerNorm before the first block),
    `quick_gelu` and `eps` are for weights that come from elsewhere, such as a CLIP tower.
    """

    def __init__(
        self,
        *,
        image_size: int | Sequence[int] = 32,
        patch_size: int = 8,
        dim: int = 128,
        depth: int = 4,
        heads: int = 4,
        mlp_ratio: float = 4.0,
        pre_norm: bool = False,
        quick_gelu: bool = False,
        eps: float = EPS,
    ) -> None:
        super().__init__()
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        _check_sizes((height, width), patch_size, dim, heads)
        self.image_size = height if height == width else (height, width)
        self.image_shape, self.patch_size = (height, width), patch_size
        self.dim, self.depth, self.heads, self.mlp_ratio = dim, depth, heads, mlp_ratio
        self.pre_norm, self.quick_gelu, self.eps = pre_norm, quick_gelu, eps
        self.grid_size = (height // patch_size, width // patch_size)
        self.patch_embed = PatchEmbed(patch_size, dim)
        self.cls_token = nn.Parameter(torch.empty(dim))
        self.positions: Tensor  # (1 + N, D); row 0 is the class token's
        self.register_buffer("positions", sincos_2d(dim, self.grid_size))
        self.norm_pre = nn.LayerNorm(dim, eps=eps) if pre_norm else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(dim, heads, mlp_ratio, eps=eps, quick_gelu=quick_gelu) for _ in range(depth)
        )
        initialise(self)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments; the rare ones only where they are not the usual ones."""
        usual = {"pre_norm": False, "quick_gelu": False, "eps": EPS}
        rare = {name: getattr(self, name) for name in usual if getattr(self, name) != usual[name]}
        return {name: getattr(self, name) for name in _SIZES} | rare

    def check(self, images: Tensor) -> None:
        """Raise `UserError` unless these are images that this encoder can read."""
        height, width = self.image_shape
        weight = self.patch_embed.proj.weight
        reads = f"This encoder reads images (B, 3, {height}, {width})"
        if not isinstance(images, Tensor):
            raise UserError(
                f"{reads} as a torch tensor, not as {type(images).__name__}: torch.as_tensor makes"
                " one.",
                field="images",
            )
        if images.ndim != 4 or images.shape[1:] != (3, height, width):
            raise UserError(
                f"{reads}, not {tuple(images.shape)}. Resize or rearrange them first.",
                code="image-size",
                field="images",
            )
        if not images.is_floating_point():
            raise UserError(
                f"{reads} normalised, not {images.dtype}: digpt.models.normalise(images / 255).",
                field="images",
            )
        if images.device != weight.device:
            raise UserError(
                f"{reads} on {weight.device}, not on {images.device}: move them, or the model.",
                field="images",
            )
        is_cast = torch.is_autocast_enabled(weight.device.type)
        if images.dtype != weight.dtype and not is_cast:
            raise UserError(
                f"{reads} in {weight.dtype}, not in {images.dtype}: convert them, or the model, or"
                " use torch.autocast.",
                field="images",
            )

    def patches(self, images: Tensor) -> Tensor:
        """The pixels of each patch, (B, h, w, 3 * p * p)."""
        self.check(images)
        return patchify(images, self.patch_size)

    def class_token(self, batch: int) -> Tensor:
        """The class token at its position, (B, 1, D)."""
        return (self.cls_token + self.positions[0]).expand(batch, 1, -1)

    def taps(self, x: Tensor, taps: tuple[int, ...], mask: Mask = None) -> list[Tensor]:
        """Tokens (B, n, D) after each of the blocks `taps` (1-based, ascending)."""
        x, tapped = self.norm_pre(x), []
        for number, block in enumerate(self.blocks[: taps[-1]], start=1):
            x = block(x, mask)
            if number in taps:
                tapped.append(x)
        return tapped

    def features(self, images: Tensor) -> Features:
        """Features of normalised images (B, 3, H, W), every patch seeing every other."""
        x = self.patch_embed(self.patches(images).flatten(1, 2)) + self.positions[1:]  # (B, N, D)
        # x.shape[0], as len(x) would fix the batch of an exported model
        x = torch.cat([self.class_token(x.shape[0]), x], dim=1)  # (B, 1 + N, D)
        x = self.norm_pre(x)
        for block in self.blocks:
            x = block(x)
        cls, patches = x[:, 0], x[:, 1:]
        grid = layer_norm(patches).unflatten(1, self.grid_size)  # (B, h, w, D)
        return Features(grid, layer_norm(cls), layer_norm(patches.mean(dim=1)))

    def forward(self, images: Tensor) -> Tensor:
        """Pooled features (B, D) of normalised images."""
        return self.features(images).pooled


def layer_norm(x: Tensor) -> Tensor:
    """LayerNorm over the last dimension without learned scale."""
    return F.layer_norm(x, x.shape[-1:], eps=EPS)


def build_vit(student: Student, generator: torch.Generator | None = None) -> ViT:
    """The ViT of a recipe with fresh weights; equal generators give equal weights."""
    vit = ViT(
        image_size=student.image_size,
        patch_size=student.patch_size,
        dim=student.dim,
        depth=student.depth,
        heads=student.heads,
        mlp_ratio=student.mlp_ratio,
    )
    if generator is not None:
        initialise(vit, generator)
    return vit


def _check_sizes(image_shape: tuple[int, int], patch_size: int, dim: int, heads: int) -> None:
    if min(image_shape) < 1 or patch_size < 1 or any(s % patch_size for s in image_shape):
        common = math.gcd(*image_shape)
        valid = [str(p) for p in range(1, common + 1) if common % p == 0]
        shown = " × ".join(str(s) for s in dict.fromkeys(image_shape))
        raise UserError(
            f"Patch size {patch_size} does not divide image size {shown}."
            f" Valid: {', '.join(valid)}.",
            field="patch_size",
        )
    if heads < 1 or dim % heads:
        raise UserError(f"Width {dim} is not a multiple of {heads} heads.", field="heads")


def save_encoder(vit: ViT, folder: Path) -> None:
    """Write encoder.safetensors and encoder.json, each all or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    weights, described = folder / "encoder.safetensors.tmp", folder / "encoder.json.tmp"
    state = {name: value.detach().cpu().contiguous() for name, value in vit.state_dict().items()}
    save_file(state, weights)
    facts = {"format": 1, "kind": "vit", **vit.config(), "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    described.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    os.replace(weights, folder / "encoder.safetensors")
    os.replace(described, folder / "encoder.json")


def load_encoder(folder: Path) -> ViT:
    """The ViT that `save_encoder` wrote, on the CPU."""
    try:
        facts = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        state = load_file(folder / "encoder.safetensors")
    except FileNotFoundError as error:
        raise UserError(
            f"No encoder in {folder}: {error.filename or error} is missing."
            " Give a folder that holds encoder.json and encoder.safetensors.",
            code="no-encoder",
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"The encoder in {folder} cannot be read: {error}.") from error
    missing = [name for name in _SIZES if name not in facts]
    if missing:
        raise UserError(f"{folder / 'encoder.json'} does not say {', '.join(missing)}.")
    named = (*_SIZES, "pre_norm", "quick_gelu", "eps")
    vit = ViT(**{name: facts[name] for name in named if name in facts})
    try:
        vit.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"The weights in {folder} do not fit its encoder.json: {error}",
        ) from error
    return vit
