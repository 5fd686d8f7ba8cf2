"""What there is to find in pictures: boxes around objects, and masks of what each pixel shows.

Boxes are kept in shares of the picture's sides and masks are scaled as pictures are, so both fit
whatever size the pictures are prepared at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from digpt.data.images import Indices

NOT_SAID = 255  # a pixel of which nobody says what it shows


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxes:
    """M rectangles around objects in N pictures, picture by picture.

    rows: (M,) int64, ascending: the picture that each is in. labels: (M,) int64 index into
    `classes`. corners: (M, 4) float32, left, top, right and bottom as shares of the sides, 0 to 1.
    """

    classes: tuple[str, ...]
    rows: np.ndarray
    labels: np.ndarray
    corners: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Corners (m, 4) and labels (m,) of one picture's boxes."""
        start, end = np.searchsorted(self.rows, [row, row + 1])
        return self.corners[start:end], self.labels[start:end]

    def take(self, rows: np.ndarray) -> "Boxes":
        """The boxes of some pictures only, in their order."""
        spans = [np.searchsorted(self.rows, [row, row + 1]) for row in np.asarray(rows)]
        chosen = np.concatenate([np.arange(*span) for span in spans] or [np.arange(0)])
        counts = [end - start for start, end in spans]
        return Boxes(
            classes=self.classes,
            rows=np.repeat(np.arange(len(spans)), counts),
            labels=self.labels[chosen],
            corners=self.corners[chosen],
        )


class Masks(Protocol):
    """One mask per picture: 0 background, k the class `classes[k - 1]`, `NOT_SAID` unknown."""

    classes: tuple[str, ...]

    def __len__(self) -> int: ...

    def pixels(self, index: int) -> np.ndarray:
        """uint8 (H, W), the picture's own size."""
        ...

    def load(self, indices: Indices, size: int) -> np.ndarray:
        """uint8 (n, size, size) by nearest neighbour, since classes cannot be averaged."""
        ...


class ArrayMasks:
    """Masks of one size in an array or memory map: uint8 (N, S, S)."""

    def __init__(self, array: np.ndarray, classes: Sequence[str]) -> None:
        self.array = array
        self.classes = tuple(classes)

    def __len__(self) -> int:
        return len(self.array)

    def pixels(self, index: int) -> np.ndarray:
        return self.array[index]

    def load(self, indices: Indices, size: int) -> np.ndarray:
        if self.array.shape[1:] == (size, size):
            return self.array[np.asarray(indices, np.int64)]
        return scaled(self, indices, size)


@dataclass(frozen=True, slots=True)
class MaskRows:
    """Some rows of other masks."""

    inner: Masks
    rows: np.ndarray

    @property
    def classes(self) -> tuple[str, ...]:
        return self.inner.classes

    def __len__(self) -> int:
        return len(self.rows)

    def pixels(self, index: int) -> np.ndarray:
        return self.inner.pixels(int(self.rows[index]))

    def load(self, indices: Indices, size: int) -> np.ndarray:
        return self.inner.load(self.rows[np.asarray(indices)], size)


def scaled(masks: Masks, indices: Indices, size: int) -> np.ndarray:
    """uint8 (n, size, size): each mask as a whole, each side scaled for itself."""
    result = np.empty((len(indices), size, size), np.uint8)
    for i, index in enumerate(indices):
        whole = Image.fromarray(masks.pixels(int(index)))
        result[i] = np.asarray(whole.resize((size, size), Image.Resampling.NEAREST))
    return result
