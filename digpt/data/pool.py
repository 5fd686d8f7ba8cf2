"""A folder of pictures as it is: a pool to pretrain on, without classes, tables or splits."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from digpt.arrays import new_array
from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.data.images import ArrayImages, BadImage, EncodedImages, decode_at, resized
from digpt.data.inspection import in_order
from digpt.data.layouts.items import SPLIT_NAMES, is_image
from digpt.data.sources import FolderSource
from digpt.errors import UserError
from digpt.reporter import Reporter

PIXELS, ABOUT = "images.npy", "images.json"  # the second is written last
SHOWN = 5  # of the pictures that cannot be read
HELD_OUT = ("val", "test")


def gather(
    pictures: Path, folder: Path, *, size: int, skip_bad: bool, reporter: Reporter
) -> ImageDataset:
    """Every picture below `pictures` at one size, kept in `folder` as a memory map of (N, S, S, 3).

    Those in folders that are named as validation or test sets are left out. What `folder` holds
    already is used again, if the pictures have not changed since.
    """
    source = _source(pictures)
    paths = _without_held_out([p for p in source.files if is_image(p)], reporter)
    if not paths:
        raise UserError(
            f"No picture was found in {pictures}. Give a folder with JPEG, PNG, TIFF, BMP or WebP"
            " files in it or below.",
            code="no-images",
            field=str(pictures),
        )
    asked = {"size": size, "skip_bad": skip_bad, "files": _fingerprint(source, paths)}
    about = _about(folder)
    if about is None or about["asked"] != asked:
        if about is not None:
            reporter.log("The pictures, or their size, have changed: they are read anew.")
        kept = _write(source.images(paths), folder, size, skip_bad, reporter)
        about = {"asked": asked, "kept": kept}
        aside = folder / f"{ABOUT}.tmp"
        aside.write_text(json.dumps(about), encoding="utf-8")
        aside.replace(folder / ABOUT)
    return _dataset(pictures, folder, about)


def _source(pictures: Path) -> FolderSource:
    if pictures.is_dir():
        return FolderSource(pictures)
    what = "is not a folder; unpack it first" if pictures.exists() else "does not exist"
    raise UserError(
        f"{pictures} {what}. Give a folder of pictures; relative paths start at {Path.cwd()}.",
        code="missing-source",
        field=str(pictures),
    )


def _without_held_out(paths: list[str], reporter: Reporter) -> list[str]:
    """The paths that may be trained on; how many others there are is told."""

    def split(path: str) -> str | None:
        names = (SPLIT_NAMES.get(part.lower()) for part in PurePosixPath(path).parts[:-1])
        return next((name for name in names if name in HELD_OUT), None)

    held_out = Counter(split(path) for path in paths if split(path))
    for name, count in sorted(held_out.items(), key=str):
        reporter.log(f"{count:,} pictures in {name} folders are left out, to be tested on later.")
    return [path for path in paths if split(path) is None]


def _fingerprint(source: FolderSource, paths: list[str]) -> str:
    """SHA-256 over names, sizes and times of change: no picture need be read."""
    digest = hashlib.sha256()
    for path in paths:
        found = (source.root / path).stat()
        digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _about(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write(
    images: EncodedImages, folder: Path, size: int, skip_bad: bool, reporter: Reporter
) -> list[str]:
    """Write the pictures that can be read, one after another; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)
    shape = (len(images), size, size, 3)
    array = new_array(folder / PIXELS, np.uint8, shape)
    kept: list[str] = []
    bad: list[str] = []
    pixels = in_order(_reader(images, size), len(images), reporter)
    for path, found in zip(images.paths, pixels, strict=True):
        if isinstance(found, BadImage):
            bad.append(f"{path}: {found}")
            continue
        array[len(kept)] = found
        kept.append(path)
    array.flush()
    _tell_bad(bad, kept, skip_bad, reporter)
    return kept


def _reader(images: EncodedImages, size: int) -> Callable[[int], np.ndarray | BadImage]:
    def read(index: int) -> np.ndarray | BadImage:
        try:
            picture = decode_at(images, index, size)
        except BadImage as error:
            return error
        return resized(np.asarray(picture)[None], size)[0]

    return read


def _tell_bad(bad: list[str], kept: list[str], skip_bad: bool, reporter: Reporter) -> None:
    if not bad:
        return
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    what = f"{len(bad)} of {len(bad) + len(kept)} pictures cannot be read"
    listed = f"{'; '.join(bad[:SHOWN])}{more}"
    if not (skip_bad and kept):
        fix = "Export them again, or take them out" if kept else "Give other pictures"
        also = "; --skip-bad leaves them out" if kept else ""
        raise UserError(f"{what} ({listed}). {fix}{also}.", code="bad-image")
    reporter.log(f"{what} and are left out ({listed}).", "warning")


def _dataset(pictures: Path, folder: Path, about: dict[str, Any]) -> ImageDataset:
    kept = about["kept"]
    array = np.load(folder / PIXELS, mmap_mode="r")[: len(kept)]
    return ImageDataset(
        name=pictures.name,
        classes=(),
        images=ArrayImages(array),
        labels=np.full(len(kept), UNLABELLED, np.int64),
        split=np.full(len(kept), "pool"),
        ids=np.array(kept),
        fingerprint=about["asked"]["files"],
        source=str(pictures),
    )
