"""What each picture of a dataset looks like, in a few numbers: one pass, bounded memory.

N images, F embedding width, T thumbnail pixels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

import numpy as np
from PIL import Image

from digpt.data.dataset import ImageDataset
from digpt.data.fingerprint import pixel_hash
from digpt.data.images import BadImage, EncodedImages, decode, resized
from digpt.reporter import Reporter

LOOK = 128  # pixels: pictures are looked at with sides of one to two times this, or as they are
THUMBNAIL = 16  # pixels of a side of what near duplicates are compared by
EMBEDDED = 32  # pixels of a side of what the embedding sees
CHUNK = 256  # pictures in memory at once

Embed = Callable[[np.ndarray], np.ndarray]  # uint8 (n, 32, 32, 3) -> (n, F)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """One row for each picture; where it cannot be read, `reasons` says why and the rest is zero.

    light and contrast: mean and standard deviation of grey, 0 to 1. sharpness: energy of the
    Laplacian as a share of the contrast. thumbnails (N, T) uint8 grey. sizes (N, 2): height, width.
    """

    contents: np.ndarray  # (N,) S64, equal where the decoded pixels are
    sizes: np.ndarray
    light: np.ndarray
    contrast: np.ndarray
    sharpness: np.ndarray
    hashes: np.ndarray  # (N,) uint64, difference hash
    thumbnails: np.ndarray
    embedding: np.ndarray | None  # (N, F) float32
    reasons: dict[int, str]

    def __len__(self) -> int:
        return len(self.contents)

    @property
    def readable(self) -> np.ndarray:
        """(N,) bool."""
        found = np.ones(len(self), bool)
        found[list(self.reasons)] = False
        return found


def measure(dataset: ImageDataset, *, embed: Embed | None, reporter: Reporter) -> Measures:
    """Look at every picture once. Originals are only read."""
    count = len(dataset)
    contents = np.zeros(count, "S64")
    sizes = np.zeros((count, 2), np.int64)
    grey = np.zeros((3, count), np.float32)  # light, contrast, sharpness
    hashes = np.zeros(count, np.uint64)
    thumbnails = np.zeros((count, THUMBNAIL**2), np.uint8)
    embedding: np.ndarray | None = None
    reasons: dict[int, str] = {}
    for start in range(0, count, CHUNK):
        reporter.check()
        rows = np.arange(start, min(start + CHUNK, count))
        small = np.zeros((len(rows), EMBEDDED, EMBEDDED, 3), np.uint8)
        for row, picture, size in _pictures(dataset, rows, reasons):
            contents[row] = pixel_hash(picture).encode()
            sizes[row] = size
            shade = picture.astype(np.float32) @ _LUMA
            grey[:, row] = _light_contrast_sharpness(shade)
            hashes[row] = _difference_hash(shade)
            thumbnails[row] = _shrunk(shade, THUMBNAIL, THUMBNAIL).ravel().round()
            small[row - start] = resized(picture[None], EMBEDDED)[0]
        if embed is not None:
            found = embed(small)
            if embedding is None:
                embedding = np.zeros((count, found.shape[1]), np.float32)
            embedding[rows] = found
        reporter.progress(int(rows[-1]) + 1, count)
    return Measures(
        contents=contents,
        sizes=sizes,
        light=grey[0],
        contrast=grey[1],
        sharpness=grey[2],
        hashes=hashes,
        thumbnails=thumbnails,
        embedding=embedding,
        reasons=reasons,
    )


_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def _pictures(
    dataset: ImageDataset, rows: np.ndarray, reasons: dict[int, str]
) -> Iterator[tuple[int, np.ndarray, tuple[int, int]]]:
    """(row, uint8 (h, w, 3), original height and width) of the rows that can be read."""
    images: Any = dataset.images
    if not hasattr(images, "read"):
        side = min(max(dataset.image_size), 2 * LOOK) or LOOK
        for row, picture in zip(rows, images.load(rows, side), strict=True):
            yield int(row), picture, dataset.image_size
        return
    for row in map(int, rows):
        try:
            data = cast(EncodedImages, images).read(row)
            picture = decode(data, LOOK)
            size = _original_size(data, picture)
        except (BadImage, OSError) as error:
            reasons[row] = str(error)
        else:
            yield row, np.asarray(_bounded(picture)), size


def _original_size(data: bytes, upright: Image.Image) -> tuple[int, int]:
    """Height and width of the file's picture, as it stands upright."""
    with Image.open(BytesIO(data)) as opened:
        width, height = opened.size
    turned = (width < height) != (upright.width < upright.height)
    return (width, height) if turned and upright.width != upright.height else (height, width)


def _bounded(picture: Image.Image) -> Image.Image:
    """The picture, at most twice LOOK on its longer side."""
    most = 2 * LOOK
    if max(picture.size) > most:
        picture.thumbnail((most, most), Image.Resampling.BOX)
    return picture


def _light_contrast_sharpness(shade: np.ndarray) -> tuple[float, float, float]:
    light, contrast = float(shade.mean()) / 255, float(shade.std()) / 255
    if min(shade.shape) < 3 or contrast < 1e-6:
        return light, contrast, 0.0
    middle = shade[1:-1, 1:-1]
    around = shade[:-2, 1:-1] + shade[2:, 1:-1] + shade[1:-1, :-2] + shade[1:-1, 2:]
    return light, contrast, float((around - 4 * middle).std()) / 255 / contrast


def _difference_hash(shade: np.ndarray) -> np.uint64:
    """64 bits: whether each of 8 × 8 cells is lighter than the next to its right (dHash)."""
    cells = _shrunk(shade, 8, 9).round()
    bits = (cells[:, :-1] > cells[:, 1:]).ravel()
    return np.packbits(bits).view(np.uint64)[0]


def _shrunk(shade: np.ndarray, height: int, width: int) -> np.ndarray:
    """Area means of float grey (h, w), (height, width)."""
    small = Image.fromarray(shade).resize((width, height), Image.Resampling.BOX)
    return np.asarray(small)
