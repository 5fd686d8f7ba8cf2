"""Corrupted copies of test images, and how much of a score they cost (METHOD, section 4).

B images, S their side. Five kinds in five severities, in shares of the side or of the value range,
so that they mean the same at any size. They are our own choice of sizes, not those of ImageNet-C.
"""

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from digpt.errors import UserError, pick

SEVERITIES = (1, 2, 3, 4, 5)
_BLUR = (0.01, 0.015, 0.02, 0.03, 0.045)  # standard deviation, share of the side
_NOISE = (0.02, 0.04, 0.07, 0.11, 0.16)  # standard deviation, share of the value range
_STOPS = (0.3, 0.6, 0.9, 1.2, 1.6)  # of exposure, up or down
_QUALITY = (60, 40, 25, 15, 8)  # of JPEG
_DEGREES = (3, 6, 12, 20, 30)  # of rotation, either way


def corrupt(images: np.ndarray, kind: str, severity: int, seed: int = 0) -> np.ndarray:
    """A corrupted copy of uint8 images (B, S, S, 3); equal arguments give equal pixels."""
    change = pick(CORRUPTIONS, kind, "corruption")
    if severity not in SEVERITIES:
        raise UserError(
            f"A severity is a whole number from 1 (slight) to 5 (severe), not {severity!r}.",
            code="bad-severity",
            field="severity",
        )
    order = sorted(CORRUPTIONS).index(kind)
    return change(images, severity - 1, np.random.default_rng([seed, order, severity]))


def mean_relative_drop(clean: float, corrupted: Sequence[float]) -> float:
    """The share of a score that corruptions cost on average; NaN where there was no score."""
    return 1 - float(np.mean(corrupted)) / clean if clean else float("nan")


def _blur(images: np.ndarray, level: int, _: np.random.Generator) -> np.ndarray:
    side = images.shape[1]
    place = np.arange(side)
    distance = (place[:, None] - place) / (_BLUR[level] * side)
    weights = np.exp(-0.5 * distance**2)
    kernel = torch.from_numpy(weights / weights.sum(axis=1, keepdims=True)).float()  # (S, S)
    pixels = torch.from_numpy(images.astype(np.float32))  # (B, S, S, 3)
    return _as_pixels(torch.einsum("yi,xj,bijc->byxc", kernel, kernel, pixels).numpy())


def _noise(images: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    return _as_pixels(images + 255 * _NOISE[level] * rng.standard_normal(images.shape))


def _exposure(images: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    stops = _STOPS[level] * _signs(len(images), rng)
    return _as_pixels(images * 2 ** stops[:, None, None, None])


def _jpeg(images: np.ndarray, level: int, _: np.random.Generator) -> np.ndarray:
    return np.stack([_recompressed(image, _QUALITY[level]) for image in images])


def _rotation(images: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Turned about the centre; corners are filled by reflection."""
    angle = torch.from_numpy(np.deg2rad(_DEGREES[level] * _signs(len(images), rng))).float()
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    turn = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)
    pixels = torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)  # (B, 3, S, S)
    places = F.affine_grid(turn, list(pixels.shape), align_corners=False)
    turned = F.grid_sample(pixels, places, padding_mode="reflection", align_corners=False)
    return _as_pixels(turned.permute(0, 2, 3, 1).numpy())


CORRUPTIONS: Mapping[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "blur": _blur,
    "noise": _noise,
    "exposure": _exposure,
    "jpeg": _jpeg,
    "rotation": _rotation,
}


def _signs(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1.0, 1.0], count)


def _recompressed(image: np.ndarray, quality: int) -> np.ndarray:
    kept = io.BytesIO()
    Image.fromarray(image).save(kept, "JPEG", quality=quality)
    return np.asarray(Image.open(kept))


def _as_pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
