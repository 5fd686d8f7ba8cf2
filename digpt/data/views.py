"""Views of an image: as it is, mirrored, or a random part of it at full size.

B images, S their side in pixels, s the side of a view. One function cuts what a student sees and
what a tokenizer reads, so both always see the same pixels.
"""

import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from digpt.errors import UserError
from digpt.recipe import PLAIN_VIEWS as PLAIN

WHOLE = (1.0, 1.0)  # the crop scale of a recipe without random crops
ASPECT = (3 / 4, 4 / 3)  # width / height of a crop, as in ImageNet recipes
TRIES = 10  # at a crop that fits, as in torchvision's RandomResizedCrop
SEED = 20_231_204  # of the fixed crops: all pretraining seeds share one cache
_CROP = re.compile(r"crop([1-9]\d{0,2})")


class Views:
    """The named views of a pool of images: "identity", "flip", and "crop1", "crop2" ...: each a
    fixed random crop of every image, half of them mirrored, with an area share within `scale`."""

    def __init__(self, names: Sequence[str], count: int, scale: tuple[float, float], size: int):
        check_views(names, scale)
        self.names, self.scale, self.size = tuple(names), scale, size
        self._boxes = {n: _fixed_boxes(n, count, scale) for n in names if n not in PLAIN}

    def see(self, images: np.ndarray, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """The views `views` (B,) of `images` (B, S, S, 3), which are the pool's `rows` (B,)."""
        boxes = np.tile(np.array([0.0, 0.0, 1.0, 1.0]), (len(images), 1))  # (B, 4)
        mirrored = np.array([name == "flip" for name in self.names])[views]
        for name, (drawn, is_mirrored) in self._boxes.items():
            own = views == self.names.index(name)
            boxes[own], mirrored[own] = drawn[rows[own]], is_mirrored[rows[own]]
        return see(images, boxes, mirrored, self.size)


def check_views(names: Sequence[str], scale: tuple[float, float]) -> None:
    """Raise `UserError` unless the names are views and the scale suits them."""
    for name in names:
        if name not in PLAIN and not _CROP.fullmatch(name):
            raise UserError(
                f"Unknown view {name!r}. Available: identity, flip, and crop1, crop2 ... for fixed "
                "random crops.",
                code="unknown-name",
                field="views",
                kind="view",
                name=name,
                available=[*PLAIN, "crop1", "crop2"],
            )
    if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
        raise UserError(
            f"A crop scale is the smallest and largest share of the image that a crop covers, e.g. "
            f"[0.2, 1.0], not {list(scale)}.",
            field="crop_scale",
        )
    if tuple(scale) == WHOLE and any(name not in PLAIN for name in names):
        raise UserError(
            "Views that crop need a crop_scale below 1, e.g. [0.2, 1.0].", field="crop_scale"
        )


def see(images: np.ndarray, boxes: np.ndarray, mirrored: np.ndarray, size: int) -> np.ndarray:
    """`boxes` (B, 4) of uint8 images (B, S, S, 3) at `size`, some `mirrored` (B,); a new array."""
    side = images.shape[1]
    edges = pixel_boxes(boxes, side)
    is_whole = np.equal(edges, (0, 0, side, side)).all(axis=1) & (size == side)
    cut = np.flatnonzero(~is_whole)
    seen = np.array(images) if size == side else np.empty((len(images), size, size, 3), np.uint8)
    if len(cut):
        seen[cut] = _resample(images[cut], edges[cut], size)
    seen[mirrored] = seen[mirrored, :, ::-1]
    return seen


def draw_boxes(count: int, scale: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Boxes (count, 4) of random crops: left, top, right, bottom as shares of the side."""
    if tuple(scale) == WHOLE:
        return np.tile(np.array([0.0, 0.0, 1.0, 1.0]), (count, 1))
    area = rng.uniform(*scale, size=(count, TRIES))
    aspect = np.exp(rng.uniform(*np.log(ASPECT), size=(count, TRIES)))
    sides = np.sqrt(np.stack([area * aspect, area / aspect], axis=-1))  # (count, TRIES, 2)
    fits = (sides <= 1).all(axis=-1)
    first = fits.argmax(axis=1)  # the first that fits; where none does, the largest square
    sides = np.where(np.any(fits, axis=1)[:, None], sides[np.arange(count), first], 1.0)
    start = rng.uniform(size=(count, 2)) * (1 - sides)
    return np.concatenate([start, start + sides], axis=1)


def pixel_boxes(boxes: np.ndarray, side: int) -> np.ndarray:
    """Boxes (B, 4) in whole pixels of a side, each at least one pixel wide and high."""
    start = np.clip(np.rint(boxes[:, :2] * side), 0, side - 1)
    end = np.clip(np.rint(boxes[:, 2:] * side), start + 1, side)
    return np.concatenate([start, end], axis=1).astype(np.int64)


def _fixed_boxes(
    name: str, count: int, scale: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (count, 4) of one crop view, and whether each is mirrored (count,)."""
    rng = np.random.default_rng([SEED, int(name.removeprefix("crop"))])
    return draw_boxes(count, scale, rng).astype(np.float32), rng.random(count) < 0.5


def _resample(images: np.ndarray, edges: np.ndarray, size: int) -> np.ndarray:
    """Each box cut out and resized, bicubic with antialiasing: all images in two products."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).float()  # (B, S, S, 3)
    rows = _weights(edges[:, 1], edges[:, 3], pixels.shape[1], size)  # (B, s, S)
    columns = _weights(edges[:, 0], edges[:, 2], pixels.shape[2], size)
    pixels = (rows @ pixels.flatten(2)).unflatten(2, pixels.shape[2:])  # (B, s, S, 3)
    pixels = columns[:, None] @ pixels  # (B, s, s, 3)
    return pixels.round_().clamp_(0, 255).byte().numpy()


def _weights(start: np.ndarray, end: np.ndarray, side: int, size: int) -> Tensor:
    """(B, size, side): how much of each pixel goes into each place of the resized box."""
    first, last = torch.from_numpy(start)[:, None, None], torch.from_numpy(end)[:, None, None]
    step = (last - first) / size
    reach = step.clamp_min(1)  # a smaller picture averages: the kernel grows with the step
    centre = first + (torch.arange(size)[:, None] + 0.5) * step  # (B, size, 1)
    place = torch.arange(side)
    weights = _cubic((place + 0.5 - centre) / reach)
    weights = weights * ((place >= first) & (place < last))  # nothing beyond the box
    return weights / weights.sum(dim=2, keepdim=True)


def _cubic(x: Tensor) -> Tensor:
    """Keys' kernel with a = -0.5, as in Pillow and torch's antialiased bicubic resize."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
