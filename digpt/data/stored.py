"""A dataset kept for good: its original files (or array), byte for byte, and its table."""

from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from digpt.data.dataset import ImageDataset
from digpt.data.images import ArrayImages, EncodedImages, FileImages
from digpt.data.mask_files import StoredMasks, stored_path
from digpt.data.table import read_about, read_table, write_table
from digpt.data.targets import Masks
from digpt.errors import UserError
from digpt.reporter import Reporter


def store_dataset(dataset: ImageDataset, folder: Path, *, reporter: Reporter) -> None:
    """Copy a dataset into a new folder; the source is only read."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(dataset.images, ArrayImages):
        np.save(folder / "originals.npy", dataset.images.array, allow_pickle=False)
    elif hasattr(dataset.images, "read"):
        _copy_files(cast(EncodedImages, dataset.images), dataset.ids, folder / "files", reporter)
    else:
        raise UserError(
            f"Dataset {dataset.name!r} is drawn on demand, not stored; prepare it instead.",
            code="not-storable",
            field="images",
        )
    if dataset.masks is not None:
        _write_masks(dataset.masks, folder / "masks", reporter)
    write_table(dataset, folder)


def open_dataset(folder: Path) -> ImageDataset:
    """The dataset that `store_dataset` put into `folder`."""
    folder = Path(folder)
    originals = folder / "originals.npy"
    if originals.exists():
        images = ArrayImages(np.load(originals, mmap_mode="r"))
    else:
        dataset = read_table(folder, FileImages(folder / "files", ()))
        images = FileImages(folder / "files", [str(name) for name in dataset.ids])
    classes = read_about(folder).get("mask_classes")
    masks = None if classes is None else StoredMasks(folder / "masks", len(images), classes)
    return read_table(folder, images, masks)


def _copy_files(images: EncodedImages, ids: np.ndarray, folder: Path, reporter: Reporter) -> None:
    made: set[Path] = set()
    for index, name in enumerate(ids):
        reporter.check()
        target = folder / str(name)
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        target.write_bytes(images.read(index))
        reporter.progress(index + 1, len(ids))


def _write_masks(masks: Masks, folder: Path, reporter: Reporter) -> None:
    for index in range(len(masks)):
        reporter.check()
        target = stored_path(folder, index)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(masks.pixels(index)).save(target, "PNG")
        reporter.progress(index + 1, len(masks))
