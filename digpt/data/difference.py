"""What changed between two versions of a dataset."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.reporter import Reporter

MOST_LISTED = 200  # files of each kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """How many images changed in one way, and the first of them with what was and what is."""

    count: int
    files: tuple[str, ...]
    remarks: tuple[str, ...] = ()  # "before → after"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Two versions compared by the images' names."""

    unchanged: int  # same picture, class and split
    added: Change
    removed: Change
    pictures: Change  # same name, other content
    labels: Change
    splits: Change

    @property
    def is_empty(self) -> bool:
        """Whether the two are the same in all of this."""
        parts = (self.added, self.removed, self.pictures, self.labels, self.splits)
        return not any(part.count for part in parts)


def difference(before: ImageDataset, after: ImageDataset, *, reporter: Reporter) -> Difference:
    """From `before` to `after`; the bytes of images that both have are read once."""
    old = {str(name): row for row, name in enumerate(before.ids)}
    new = {str(name): row for row, name in enumerate(after.ids)}
    both = [name for name in new if name in old]
    first, second = (np.array([of[name] for name in both], np.int64) for of in (old, new))
    other = _other_content(before, after, first, second, reporter)
    labels = _labels(before, first), _labels(after, second)
    splits = before.split[first].astype(str), after.split[second].astype(str)
    changed = other | (labels[0] != labels[1]) | (splits[0] != splits[1])
    return Difference(
        unchanged=int((~changed).sum()),
        added=_listed([name for name in new if name not in old]),
        removed=_listed([name for name in old if name not in new]),
        pictures=_listed([both[i] for i in np.flatnonzero(other).tolist()]),
        labels=_moved(both, *labels),
        splits=_moved(both, *splits),
    )


def _listed(names: Sequence[str], remarks: Sequence[str] = ()) -> Change:
    return Change(
        count=len(names),
        files=tuple(names[:MOST_LISTED]),
        remarks=tuple(remarks[:MOST_LISTED]),
    )


def _moved(names: Sequence[str], before: np.ndarray, after: np.ndarray) -> Change:
    rows = np.flatnonzero(before != after).tolist()
    return _listed(
        [names[i] for i in rows], [f"{before[i] or '–'} → {after[i] or '–'}" for i in rows]
    )


def _labels(data: ImageDataset, rows: np.ndarray) -> np.ndarray:
    """Class names, "" where there is none: their numbers may differ between versions."""
    names = np.array([*data.classes, ""])
    return names[np.where(data.labels[rows] == UNLABELLED, len(data.classes), data.labels[rows])]


def _other_content(
    before: ImageDataset,
    after: ImageDataset,
    first: np.ndarray,
    second: np.ndarray,
    reporter: Reporter,
) -> np.ndarray:
    """(n,) bool: whether the bytes of the same name differ."""
    found = np.zeros(len(first), bool)
    for i, (old, new) in enumerate(zip(first, second, strict=True)):
        if i % 100 == 0:
            reporter.check()
            reporter.progress(i, len(first))
        found[i] = _digest(before.images, int(old)) != _digest(after.images, int(new))
    reporter.progress(len(first), len(first))
    return found


def _digest(images: Any, row: int) -> bytes:
    """Of the file's bytes, or of the pixels where there is no file."""
    if hasattr(images, "read"):
        return hashlib.sha256(images.read(row)).digest()
    return hashlib.sha256(np.ascontiguousarray(images.array[row]).data).digest()
