"""What a protocol hands to the evaluation, and which rows it is about."""

from dataclasses import dataclass, field

import numpy as np

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.errors import UserError


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """Class probabilities in the order of `labelled(dataset, "val")` and `(dataset, "test")`."""

    val: np.ndarray  # (n_val, C) float32
    test: np.ndarray  # (n_test, C) float32, made once with the chosen setting
    chosen: dict[str, float] = field(default_factory=dict)  # settings that validation chose


def labelled(dataset: ImageDataset, split: str) -> np.ndarray:
    """Row numbers of the images of a split whose class is known; there must be some."""
    rows = dataset.indices(split)
    rows = rows[dataset.labels[rows] != UNLABELLED]
    if not len(rows):
        raise UserError(
            f"Dataset {dataset.name!r} has no labelled image in split {split!r}. Transfer needs "
            "train, val and test: label some images there, or import it again with other splits.",
            code="empty-split",
            field="split",
            split=split,
        )
    return rows
