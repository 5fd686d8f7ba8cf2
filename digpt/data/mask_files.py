"""Mask files as annotation tools write them: values, colours or a number per object."""

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from digpt.data.images import (
    DECODE_ERRORS,
    MAX_PIXELS,
    BadImage,
    EncodedImages,
    Indices,
    read_file,
)
from digpt.data.reasons import reason
from digpt.data.shapes import Shape, drawn
from digpt.data.targets import NOT_SAID, scaled

OBJECT = "object"  # the class of masks that only tell something from nothing
MOST_CLASSES = 254
Corners = tuple[float, float, float, float]
_LOSSLESS = ("PNG", "BMP", "TIFF", "GIF", "PPM")


def mask_values(data: bytes) -> np.ndarray:
    """int32 (H, W): the file's own values, palette numbers, or colours as 0xRRGGBB."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as for pictures: the size is checked here
            image = Image.open(io.BytesIO(data), formats=_LOSSLESS)
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(reason("huge"))
            if image.mode in ("1", "L", "P", "I;16", "I;16B", "I"):
                return np.asarray(image).astype(np.int32)
            rgb = np.asarray(image.convert("RGB")).astype(np.int32)
            return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    except DECODE_ERRORS as error:
        raise BadImage(reason("mask-kind")) from error


def objects(values: np.ndarray, instances: np.ndarray | None) -> list[tuple[int, Corners]]:
    """(value, box in pixels) of each object: of `instances`, else of connected equal pixels."""
    from scipy import ndimage  # noqa: PLC0415 - start-up time

    found = []
    if instances is not None:
        present = np.unique(instances[instances > 0])
        numbers = (np.searchsorted(present, instances) + 1) * (instances > 0)  # colours are large
        for number, place in enumerate(ndimage.find_objects(numbers), 1):
            inside, times = np.unique(values[place][numbers[place] == number], return_counts=True)
            found.append((int(inside[times.argmax()]) or 1, _corners(place)))
        return found
    present = set(np.unique(values).tolist()) - {0}
    if len(present) > 1:
        present.discard(NOT_SAID)
    for value in sorted(present):
        pieces: Any = ndimage.label(values == value, np.ones((3, 3)))  # its type depends on output
        found += [(value, _corners(place)) for place in ndimage.find_objects(pieces[0])]
    return found


def _corners(place: tuple[slice, ...]) -> Corners:
    rows, columns = place
    return float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)


def named_values(values: set[int], names: Mapping[int, str]) -> dict[int, str] | None:
    """Class name of each value of all masks together; 0 is background, 255 beside others unknown.

    None where there are too many to be classes.
    """
    seen = sorted(values - {0})
    if len(seen) > 1 and NOT_SAID in seen and max(seen) == NOT_SAID:
        seen.remove(NOT_SAID)
    if len(seen) > MOST_CLASSES:
        return None
    if len(seen) == 1 and not names:
        return {seen[0]: OBJECT}
    if len(seen) == 1 and len(names) == 1:
        return {seen[0]: next(iter(names.values()))}
    return {value: _name(value, names) for value in seen}


def _name(value: int, names: Mapping[int, str]) -> str:
    if value in names:
        return names[value]
    return f"#{value:06x}" if value > 0xFFFF else f"value {value}"


class MaskFiles:
    """Masks in files of a source; `numbers` turns a file's value into a class number."""

    def __init__(
        self,
        files: EncodedImages,
        places: Sequence[int],
        sizes: Sequence[tuple[int, int]],
        numbers: Mapping[int, int],
        classes: Sequence[str],
    ) -> None:
        self._files, self._places, self._sizes = files, tuple(places), tuple(sizes)
        self._numbers, self.classes = dict(numbers), tuple(classes)

    def __len__(self) -> int:
        return len(self._places)

    def pixels(self, index: int) -> np.ndarray:
        place = self._places[index]
        if place < 0:  # a picture without a mask shows nothing but background
            return np.zeros(self._sizes[index], np.uint8)
        values = mask_values(self._files.read(place))
        result = np.full(values.shape, NOT_SAID, np.uint8)
        result[values == 0] = 0
        if not self._numbers:  # a number per object: all are of the one class
            return np.minimum(values, 1).astype(np.uint8)
        for value, number in self._numbers.items():
            result[values == value] = number
        return result

    def load(self, indices: Indices, size: int) -> np.ndarray:
        return scaled(self, indices, size)


class DrawnMasks:
    """Masks drawn from outlines."""

    def __init__(
        self,
        shapes: Sequence[Sequence[Shape]],
        sizes: Sequence[tuple[int, int]],
        classes: Sequence[str],
    ) -> None:
        self._shapes, self._sizes, self.classes = tuple(shapes), tuple(sizes), tuple(classes)

    def __len__(self) -> int:
        return len(self._shapes)

    def pixels(self, index: int) -> np.ndarray:
        return drawn(self._shapes[index], self.classes, self._sizes[index])

    def load(self, indices: Indices, size: int) -> np.ndarray:
        return scaled(self, indices, size)


class StoredMasks:
    """Masks of a stored dataset: one 8-bit PNG for each row."""

    def __init__(self, folder: Path, count: int, classes: Sequence[str]) -> None:
        self._folder, self._count, self.classes = folder, count, tuple(classes)

    def __len__(self) -> int:
        return self._count

    def pixels(self, index: int) -> np.ndarray:
        return mask_values(read_file(stored_path(self._folder, index))).astype(np.uint8)

    def load(self, indices: Indices, size: int) -> np.ndarray:
        return scaled(self, indices, size)


def stored_path(folder: Path, index: int) -> Path:
    """Where the mask of a row lies; a thousand to a folder."""
    return folder / f"{index // 1000:04d}" / f"{index:07d}.png"
