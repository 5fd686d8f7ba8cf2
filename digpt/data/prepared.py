"""A dataset made ready for training: every image at one size in one memory-mapped array."""

from pathlib import Path

import numpy as np

from digpt.arrays import new_array
from digpt.data.dataset import ImageDataset
from digpt.data.images import ArrayImages
from digpt.data.table import read_about, read_table, write_table
from digpt.data.targets import ArrayMasks, Masks
from digpt.errors import UserError
from digpt.reporter import Reporter

CHUNK = 256  # images between two progress reports


def prepare(dataset: ImageDataset, folder: Path, *, size: int, reporter: Reporter) -> None:
    """Write images.npy, uint8 (N, size, size, 3), and the dataset's table into `folder`.

    Where the dataset has masks, masks.npy, uint8 (N, size, size), stands beside.
    """
    if not 1 <= size <= 4096:
        raise UserError(
            f"Images cannot be prepared at size {size}: choose 1 to 4096 pixels.",
            code="bad-size",
            field="size",
        )
    folder.mkdir(parents=True, exist_ok=True)
    count = len(dataset)
    shape = (count, size, size, 3)
    array = new_array(folder / "images.npy", np.uint8, shape)
    for start in range(0, count, CHUNK):
        reporter.check()
        rows = np.arange(start, min(start + CHUNK, count))
        array[rows[0] : rows[-1] + 1] = dataset.images.load(rows, size)
        reporter.progress(int(rows[-1]) + 1, count)
    array.flush()
    if dataset.masks is not None:
        _prepare_masks(dataset.masks, folder, size, reporter)
    write_table(dataset, folder)


def load_prepared(folder: Path) -> ImageDataset:
    """The dataset behind a prepared folder; `.images.array` is the memory map, read-only."""
    folder = Path(folder)
    try:
        array = np.load(folder / "images.npy", mmap_mode="r")
    except (FileNotFoundError, ValueError) as error:
        raise UserError(
            f"{folder} holds no prepared images: images.npy is missing or cut short. "
            "Run the pilot again; it prepares them anew.",
            code="not-prepared",
            field=str(folder),
        ) from error
    classes = read_about(folder).get("mask_classes")
    if classes is None:
        return read_table(folder, ArrayImages(array))
    masks = np.load(folder / "masks.npy", mmap_mode="r")
    return read_table(folder, ArrayImages(array), ArrayMasks(masks, classes))


def _prepare_masks(masks: Masks, folder: Path, size: int, reporter: Reporter) -> None:
    shape = (len(masks), size, size)
    array = new_array(folder / "masks.npy", np.uint8, shape)
    for start in range(0, len(masks), CHUNK):
        reporter.check()
        rows = np.arange(start, min(start + CHUNK, len(masks)))
        array[start : start + len(rows)] = masks.load(rows, size)
    array.flush()


def pixels(dataset: ImageDataset) -> np.ndarray:
    """The memory map of a prepared dataset, uint8 (N, S, S, 3)."""
    assert isinstance(dataset.images, ArrayImages), "load_prepared made this dataset"
    return dataset.images.array
