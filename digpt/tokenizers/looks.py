"""The patches that a code stands for.

n images, h × w grid, k codes.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from digpt.reporter import Reporter
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.portions import patches_of

TYPICAL = 8  # patches of a code
CONTEXT = 0.5  # of a patch that is shown around it


@dataclass(frozen=True, slots=True)
class Code:
    """A code with its most typical patches and the class that its tokens come from most."""

    number: int
    share: float  # of all tokens
    label: int  # the class that is most over-represented; -1 without labels
    lift: float  # how many times more often than in all tokens
    patches: list[np.ndarray]  # uint8 (s, s, 3)


def meanings(
    tokenizer: Tokenizer, images: Tensor, labels: np.ndarray, most: int, reporter: Reporter
) -> list[Code]:
    """The codes that say most about the class, each with typical patches of different images."""
    codes = patches_of(tokenizer, images, reporter).numpy()
    n, h, w = codes.shape
    flat, of_image = codes.reshape(n, -1), np.arange(n)
    shares = np.bincount(flat.ravel(), minlength=tokenizer.dim) / flat.size
    known = labels >= 0
    classes = int(labels.max()) + 1 if known.any() else 0
    base = np.bincount(labels[known], minlength=classes) / max(known.sum(), 1)
    found = []
    for code in np.flatnonzero(shares):
        per_image = (flat == code).sum(axis=1)
        label, lift = -1, 1.0
        if classes:
            mine = np.bincount(labels[known], weights=per_image[known], minlength=classes)
            lifts = mine / max(mine.sum(), 1) / np.maximum(base, 1e-9)
            label, lift = int(lifts.argmax()), float(lifts.max())
        found.append((float(shares[code] * np.log(max(lift, 1e-9))), int(code), label, lift))
    made = []
    for _, code, label, lift in sorted(found, reverse=True)[:most]:
        most_of_it = of_image[np.argsort(-(flat == code).sum(axis=1), kind="stable")][:TYPICAL]
        places = [(i, int(np.flatnonzero(flat[i] == code)[0])) for i in most_of_it
                  if (flat[i] == code).any()]  # fmt: skip
        patches = [_patch(images[i], place, h, w) for i, place in places]
        made.append(Code(code, float(shares[code]), label, lift, patches))
    return made


def _patch(image: Tensor, place: int, h: int, w: int) -> np.ndarray:
    """The pixels of one place of the grid with a little around them, uint8 (s, s, 3)."""
    side = image.shape[-1]
    row, column = divmod(place, w)
    high, wide = side / h, side / w
    top, left = (max(int(p * s - CONTEXT * s), 0) for p, s in ((row, high), (column, wide)))
    bottom = min(int((row + 1 + CONTEXT) * high), side)
    right = min(int((column + 1 + CONTEXT) * wide), side)
    return (image[:, top:bottom, left:right].permute(1, 2, 0) * 255).byte().cpu().numpy()
