"""Objects cut out of pictures, so that marked objects can be classified."""

import io
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from digpt.data.goodness import BACKGROUND
from digpt.data.images import EncodedImages, Indices, decode_at, resized
from digpt.data.shapes import Shape

Place = tuple[int, int, int, int]  # left, top, right, bottom in pixels
CONTEXT = 1.5  # side of a crop over the longer side of its box
SMALLEST = 32  # pixels of a side, where the picture has so many
MOST = 20  # objects cut out of one picture
_TRIES = 20


class CropImages:
    """Squares of other pictures; what is stored of them is a PNG of each."""

    def __init__(
        self,
        pictures: EncodedImages,
        of: Sequence[int],
        places: Sequence[Place],
        paths: Sequence[str],
    ) -> None:
        self._pictures, self._of, self._places = pictures, tuple(of), tuple(places)
        self.paths = tuple(paths)
        self._last: tuple[int, np.ndarray] | None = None  # neighbours are of one picture

    def __len__(self) -> int:
        return len(self.paths)

    def pixels(self, index: int) -> np.ndarray:
        """uint8 (side, side, 3)."""
        picture = self._of[index]
        if self._last is None or self._last[0] != picture:
            self._last = (picture, np.asarray(decode_at(self._pictures, picture)))
        left, top, right, bottom = self._places[index]
        return self._last[1][top:bottom, left:right]

    def read(self, index: int) -> bytes:
        out = io.BytesIO()
        Image.fromarray(self.pixels(index)).save(out, "PNG")
        return out.getvalue()

    def load(self, indices: Indices, size: int) -> np.ndarray:
        result = np.empty((len(indices), size, size, 3), np.uint8)
        for i, index in enumerate(indices):
            result[i] = resized(np.ascontiguousarray(self.pixels(int(index)))[None], size)[0]
        return result


def crops(
    shapes: Sequence[Shape], path: str, size: tuple[int, int], classes: int, *, background: bool
) -> list[tuple[str, Place]]:
    """(class, place) of squares around objects, and of some where there is none.

    At most so many objects, drawn by the picture's path; background about as often as one class.
    """
    draw = np.random.default_rng(zlib.crc32(path.encode("utf-8", "surrogatepass")))
    chosen = np.sort(draw.permutation(len(shapes))[:MOST])
    found = [(shapes[i].label, _around(shapes[i].box, size)) for i in chosen]
    if not background or not found:
        return found
    side = int(np.median([right - left for _, (left, _, right, _) in found]))
    wanted = int(len(found) / max(classes, 1) + draw.random())
    empty = _empty_places([s.box for s in shapes], size, side, wanted, draw)
    return found + [(BACKGROUND, place) for place in empty]


def _around(box: tuple[float, float, float, float], size: tuple[int, int]) -> Place:
    height, width = size
    x0, y0, x1, y1 = box
    side = min(max(SMALLEST, round(CONTEXT * max(x1 - x0, y1 - y0))), height, width)
    left = min(max(round((x0 + x1 - side) / 2), 0), width - side)
    top = min(max(round((y0 + y1 - side) / 2), 0), height - side)
    return left, top, left + side, top + side


def _empty_places(
    boxes: Sequence[tuple[float, float, float, float]],
    size: tuple[int, int],
    side: int,
    wanted: int,
    draw: np.random.Generator,
) -> list[Place]:
    """Up to so many squares that touch no box; a crowded picture has none."""
    height, width = size
    taken = np.array(boxes)
    found: list[Place] = []
    for _ in range(_TRIES * wanted):
        if len(found) == wanted:
            break
        left = int(draw.integers(0, width - side + 1))
        top = int(draw.integers(0, height - side + 1))
        right, bottom = left + side, top + side
        beside = (taken[:, 0] >= right) | (taken[:, 2] <= left)
        if (beside | (taken[:, 1] >= bottom) | (taken[:, 3] <= top)).all():
            found.append((left, top, right, bottom))
    return found
