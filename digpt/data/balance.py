"""Classes and attributes that are uneven in a way that bends results. No picture is opened."""

from collections.abc import Mapping

import numpy as np

from digpt.data.dataset import UNLABELLED, ImageDataset

MOST_VALUES = 50  # of an attribute that is compared; more are names, not kinds
BINS = 4  # quantiles that a number is cut into


def training_counts(dataset: ImageDataset) -> dict[str, int]:
    """Class -> labelled training images, classes without any included."""
    labels = dataset.labels[dataset.split == "train"]
    counts = np.bincount(labels[labels != UNLABELLED], minlength=len(dataset.classes))
    return {name: int(n) for name, n in zip(dataset.classes, counts, strict=True)}


def class_associations(dataset: ImageDataset) -> dict[str, float]:
    """Attribute -> how far it gives the class away: Cramér's V, corrected for chance, 0 to 1."""
    known = dataset.labels != UNLABELLED
    classes = np.char.lower(np.array(dataset.classes)[dataset.labels[known]])
    found = {}
    for name, column in dataset.attributes.items():
        values = kinds(column[known])
        is_the_class = np.array_equal(np.char.lower(column[known].astype(str)), classes)
        if values is not None and not is_the_class:
            found[name] = _cramers_v(values, dataset.labels[known])
    return found


def unseen_values(dataset: ImageDataset) -> Mapping[str, dict[str, int]]:
    """Attribute -> its values that test images have and training images do not, with counts."""
    test = dataset.indices("test")
    train = dataset.indices("train")
    found = {}
    for name, column in dataset.attributes.items():
        if column.dtype.kind in "fiu" or kinds(column) is None or not len(train):
            continue
        values, counts = np.unique(column[test], return_counts=True)
        new = ~np.isin(values, column[train])
        if new.any():
            found[name] = {str(v): int(n) for v, n in zip(values[new], counts[new], strict=True)}
    return found


def kinds(column: np.ndarray) -> np.ndarray | None:
    """Whole numbers for the kinds of value in a column, numbers by quantile; None where every
    other value is one of its own."""
    if column.dtype.kind in "fiu" and len(np.unique(column)) > BINS:
        edges = np.nanquantile(column.astype(np.float64), np.linspace(0, 1, BINS + 1)[1:-1])
        return np.searchsorted(edges, column)
    values, which = np.unique(column.astype(str), return_inverse=True)
    return which if len(values) <= MOST_VALUES else None


def _cramers_v(first: np.ndarray, second: np.ndarray) -> float:
    """Association of two columns of kinds; Bergsma's correction keeps chance at 0."""
    _, rows = np.unique(first, return_inverse=True)
    _, columns = np.unique(second, return_inverse=True)
    table = np.zeros((rows.max(initial=0) + 1, columns.max(initial=0) + 1))
    np.add.at(table, (rows, columns), 1)
    n, (r, c) = table.sum(), table.shape
    if min(r, c) < 2 or n < 2:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi2 = ((table - expected) ** 2 / expected).sum() / n
    phi2 = max(phi2 - (r - 1) * (c - 1) / (n - 1), 0.0)
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float(min(np.sqrt(phi2 / least), 1.0)) if least > 0 else 0.0
