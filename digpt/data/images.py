"""Pixels by row number, from an array or from files: always RGB, always antialiased."""

import io
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from digpt.data.reasons import Reason, reason
from digpt.errors import UserError

MAX_PIXELS = 100_000_000  # a 100-megapixel image is 300 MB decoded
MAX_BYTES = 2**30  # of one file, which is read whole
# Pillow knows more kinds, some of which start other programs (EPS) or are no pictures (PDF)
FORMATS = (
    *("JPEG", "MPO", "PNG", "BMP", "DIB", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF"),
)
Indices = Sequence[int] | np.ndarray

DECODE_ERRORS = (
    OSError,
    SyntaxError,  # Pillow's word for a broken PNG
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    NotImplementedError,  # a kind of file that Pillow or zipfile knows but cannot read
    struct.error,
    zlib.error,
    RuntimeError,  # zipfile's word for a missing password
    ArithmeticError,
    AttributeError,
    AssertionError,  # hostile bytes find such slips in decoders
    zipfile.BadZipFile,
    Image.DecompressionBombError,
)


class BadImage(Exception):
    """These bytes are no picture that can be shown; its reason says why in a few words."""


class EncodedImages(Protocol):
    """Images that still are files: what was read can be stored again, byte for byte."""

    paths: tuple[str, ...]

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """The file's bytes, not decoded."""
        ...

    def load(self, indices: Indices, size: int) -> np.ndarray: ...


class ArrayImages:
    """Images in memory or in a memory map: uint8 (N, H, W, 3)."""

    def __init__(self, array: np.ndarray) -> None:
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3:
            raise UserError(
                f"Images must be uint8 of shape (N, H, W, 3), not {array.dtype} {array.shape}.",
                code="bad-array",
                field="images",
            )
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def load(self, indices: Indices, size: int) -> np.ndarray:
        """uint8 (n, size, size, 3); a contiguous run of rows at the stored size is a view."""
        rows = np.asarray(indices, dtype=np.int64)
        if self.array.shape[1:3] == (size, size):
            return self.array[_as_slice(rows)]
        return resized(self.array[rows], size)


class FileImages:
    """Images that are files below a folder; `paths` are relative to it, with forward slashes."""

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.root = Path(root)
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> bytes:
        return read_file(self.root / self.paths[index])

    def total_bytes(self) -> int:
        """What all the files take on disk."""
        return sum((self.root / path).stat().st_size for path in self.paths)

    def load(self, indices: Indices, size: int) -> np.ndarray:
        return load_encoded(self, indices, size)


class Facts(NamedTuple):
    """What a file says of itself beyond its pixels."""

    kind: str  # Pillow's name of the format
    pages: int
    deepest: int  # highest value of a 16-bit grey picture; 0 for all others


def check_size(size: int) -> None:
    """Raise `BadImage` for a file that would fill the memory."""
    if size > MAX_BYTES:
        raise BadImage(reason("large-file", gib=size / 2**30, most=MAX_BYTES // 2**30))


def read_file(path: Path) -> bytes:
    """The bytes of a file that fits into memory; raises `BadImage` or OSError."""
    with path.open("rb") as file:
        check_size(os.fstat(file.fileno()).st_size)
        return file.read()


def decode(data: bytes, size: int | None = None) -> Image.Image:
    """An upright 8-bit RGB picture, the first page of several; raises `BadImage`.

    With `size`, a JPEG may be decoded at a fraction of its sides that is still twice as large.
    """
    return decode_with_facts(data, size)[0]


def decode_with_facts(data: bytes, size: int | None = None) -> tuple[Image.Image, Facts]:
    """The same with what the file says of itself."""
    if not data:
        raise BadImage(reason("empty"))
    if _is_heif(data):
        _register_heif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large and odd files; we decide below
            image = Image.open(io.BytesIO(data), formats=_formats())
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(reason("huge-size", width=image.width, height=image.height))
            facts = Facts(image.format or "", getattr(image, "n_frames", 1), 0)
            if size is not None:
                image.draft("RGB" if image.mode == "RGB" else "L", (2 * size, 2 * size))
            image.load()
            deepest = int(np.asarray(image).max()) if image.mode.startswith("I;16") else 0
            return _to_rgb(ImageOps.exif_transpose(image)), facts._replace(deepest=deepest)
    except DECODE_ERRORS as error:
        raise BadImage(_reason(error)) from error


@cache
def _formats() -> tuple[str, ...]:
    """The kinds that we read and that this Pillow was built with."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def _register_heif() -> None:
    """Let Pillow read photos of telephones, once."""
    try:
        import pi_heif  # noqa: PLC0415 - optional: only where such a photo is met
    except ImportError as error:
        raise BadImage(reason("heic")) from error
    pi_heif.register_heif_opener(thumbnails=False)
    _formats.cache_clear()


def _is_heif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"mif1")


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 (n, H, W, 3) -> (n, size, size, 3): the whole picture, each side scaled for itself."""
    n, height, width, _ = images.shape
    if height == width and height % size == 0:
        factor = height // size
        boxes = images.reshape(n, size, factor, size, factor, 3)
        total = boxes.sum(axis=(2, 4), dtype=np.uint32)  # (n, size, size, 3)
        return ((total + factor * factor // 2) // (factor * factor)).astype(np.uint8)
    result = np.empty((n, size, size, 3), np.uint8)
    for i, image in enumerate(images):
        result[i] = np.asarray(_resize(Image.fromarray(image), size))
    return result


def decode_at(images: EncodedImages, index: int, size: int | None = None) -> Image.Image:
    """The picture in a row of files; raises `BadImage` where it cannot be read or decoded."""
    return decode(read_at(images, index), size)


def read_at(images: EncodedImages, index: int) -> bytes:
    """The bytes in a row of files; raises `BadImage` where they cannot be read."""
    try:
        return images.read(index)
    except DECODE_ERRORS as error:
        raise BadImage(_reason(error)) from error


def load_encoded(images: EncodedImages, indices: Indices, size: int) -> np.ndarray:
    """uint8 (n, size, size, 3) of files; a UserError names the first that cannot be read."""
    result = np.empty((len(indices), size, size, 3), np.uint8)
    for i, index in enumerate(indices):
        try:
            picture = decode_at(images, int(index), size)
        except BadImage as error:
            raise _unreadable(images, int(index), str(error)) from error
        result[i] = resized(np.asarray(picture)[None], size)[0]
    return result


def _unreadable(images: EncodedImages, index: int, reason: str) -> UserError:
    path = images.paths[index]
    return UserError(
        f"Image {index + 1} of {len(images)} ({path}) cannot be read: {reason}. "
        "Re-export it, or add the data again with --skip-bad.",
        code="bad-image",
        field=path,
        why="one",
        index=index,
        number=index + 1,
        total=len(images),
        path=path,
        reason=reason,
    )


def _resize(image: Image.Image, size: int) -> Image.Image:
    """Exact area means for whole factors; otherwise bicubic, which Pillow widens when shrinking."""
    whole = image.width % size == 0 and image.height % size == 0
    filters = Image.Resampling
    return image.resize((size, size), filters.BOX if whole else filters.BICUBIC)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode as RGB; transparency shows white paper, 16 bits lose their lower 8."""
    if image.mode == "RGB":
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_deep(image)
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _from_deep(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float grey as 8-bit RGB.

    Integers count as full-range 16 bit when the file says so or a value exceeds 255; floats as
    0 to 1 unless one exceeds 1.
    """
    grey = np.nan_to_num(np.asarray(image, dtype=np.float64))
    top = grey.max(initial=0.0)
    if image.mode == "F":
        scale = 255.0 if top <= 1 else 1.0
    else:
        scale = 1 / 257 if image.mode != "I" or top > 255 else 1.0
    eight = np.clip(np.round(grey * scale), 0, 255).astype(np.uint8)
    return Image.fromarray(eight).convert("RGB")


def _reason(error: BaseException) -> Reason:
    """What is wrong with a file, in words for a person."""
    text = str(error).lower()
    if isinstance(error, UnidentifiedImageError):
        return reason("unknown-format")
    if isinstance(error, FileNotFoundError):
        return reason("missing")
    if isinstance(error, PermissionError):
        return reason("no-permission")
    if isinstance(error, Image.DecompressionBombError):
        return reason("huge")
    if isinstance(error, zipfile.BadZipFile):
        return reason("zip-damaged")
    if "truncat" in text or isinstance(error, EOFError):
        return reason("truncated")
    return reason("damaged-so", words=str(error)) if str(error) else reason("damaged")


def _as_slice(rows: np.ndarray) -> slice | np.ndarray:
    """A slice where the rows are consecutive, so that a memory map need not be copied."""
    if len(rows) and rows[0] >= 0 and np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
        return slice(int(rows[0]), int(rows[0]) + len(rows))
    return rows
