"""ImageDataset: the one contract between importers, tokenizers, training and evaluation."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from digpt.data.remarks import Remark
from digpt.data.targets import Boxes, MaskRows, Masks

SPLITS = ("pool", "train", "val", "test")  # pool: unlabelled, for pretraining only
UNLABELLED = -1


class Images(Protocol):
    """Where the pixels come from: an array in memory, a memory map, or files."""

    def __len__(self) -> int: ...

    def load(self, indices: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
        """uint8 RGB (n, size, size, 3) of the given images, resized with antialiasing."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageDataset:
    """N images with what is known about them. Immutable; a change is a new version.

    labels: (N,) int64 index into `classes`, `UNLABELLED` where unknown.
    split: (N,) str, one of SPLITS. ids: (N,) str, unique (a file's relative path, or a made name).
    groups: (N,) str, e.g. part or patient: one group never spans two splits; None when unknown.
    captions: column name -> (N,) str, "" where there is none. Column "caption" is the default and
        must not name the class unless `caption_names_class` says that it does.
    attributes: column name -> (N,) array of str or number (camera, material, date ...), for slices.
    boxes, masks: what is to be found in the images, where the task is detection or segmentation;
        `classes` are then those of the objects and `labels` all UNLABELLED.
    good_classes: classes that mean "nothing wrong" (ROI needs to know which are positive).
    fingerprint: SHA-256 over content, labels and split; two equal ones are the same data.
    """

    name: str
    classes: tuple[str, ...]
    images: Images
    labels: np.ndarray
    split: np.ndarray
    ids: np.ndarray
    fingerprint: str
    task: str = "classification"
    groups: np.ndarray | None = None
    captions: Mapping[str, np.ndarray] = field(default_factory=dict)
    caption_names_class: Mapping[str, float] = field(default_factory=dict)  # share, per column
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    boxes: Boxes | None = None
    masks: Masks | None = None
    good_classes: tuple[str, ...] = ()
    image_size: tuple[int, int] = (0, 0)  # typical (height, width) of the originals
    source: str = ""
    licence: str = ""
    notes: tuple[Remark | str, ...] = ()  # what a reader of results must know, e.g. excluded files

    def __len__(self) -> int:
        return len(self.labels)

    def indices(self, *splits: str) -> np.ndarray:
        """Row numbers (int64, ascending) of the images in the given splits."""
        return np.flatnonzero(np.isin(self.split, splits))

    def subset(self, rows: np.ndarray) -> "ImageDataset":
        """The dataset of some rows only, in their order; its fingerprint says whose part it is."""
        digest = hashlib.sha256(self.fingerprint.encode() + np.asarray(rows, np.int64).tobytes())
        return replace(
            self,
            images=_Rows(self.images, rows),
            labels=self.labels[rows],
            split=self.split[rows],
            ids=self.ids[rows],
            groups=None if self.groups is None else self.groups[rows],
            captions={name: column[rows] for name, column in self.captions.items()},
            attributes={name: column[rows] for name, column in self.attributes.items()},
            boxes=None if self.boxes is None else self.boxes.take(rows),
            masks=None if self.masks is None else MaskRows(self.masks, rows),
            fingerprint=digest.hexdigest(),
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some rows of other images."""

    images: Images
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def load(self, indices: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
        return self.images.load(self.rows[np.asarray(indices)], size)
