"""Which images to label next: the whole dataset as a table that an import reads back."""

import csv
import io

import numpy as np

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.errors import UserError


def label_table(data: ImageDataset, count: int, split: str, seed: int = 0) -> str:
    """CSV of all images, `count` unlabelled ones first with an empty class to fill in.

    They are drawn at random, whole groups where there are groups: the forecast of what labels are
    worth holds for such a draw, not for images that a model chose. They join `split`; an import
    refuses the table as long as one of them is empty. Fewer are drawn where the pool has no more.
    """
    drawn = _drawn(data, count, seed)
    rest = np.setdiff1d(np.arange(len(data)), drawn)
    groups = {} if data.groups is None else {"group": data.groups}
    columns = {**groups, **data.captions, **data.attributes}
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["file", "label", "split", *columns])
    for n, row in enumerate([*drawn, *rest]):
        label = data.labels[row]
        name = "" if label == UNLABELLED else data.classes[label]
        joins = split if n < len(drawn) else data.split[row]
        table.writerow([data.ids[row], name, joins, *(c[row] for c in columns.values())])
    return out.getvalue()


def _drawn(data: ImageDataset, count: int, seed: int) -> np.ndarray:
    """Rows of the unlabelled images to label, (n,)."""
    pool = np.flatnonzero((data.split == "pool") & (data.labels == UNLABELLED))
    if len(pool) == 0:
        raise UserError(
            f"Dataset {data.name!r} holds no unlabelled images. Photograph {count} more in "
            "production, import them with the others as a new version, and label them.",
            code="no-unlabelled",
            field="dataset",
            name=data.name,
            count=count,
        )
    mixed = np.random.default_rng(seed).permutation(pool)
    if data.groups is None:
        return mixed[:count]
    of_group = dict.fromkeys(data.groups[mixed].tolist())  # groups in the order they come up
    place = {name: n for n, name in enumerate(of_group)}
    order = np.array([place[name] for name in data.groups[mixed].tolist()])
    ordered, by = mixed[np.argsort(order, kind="stable")], np.sort(order)
    last = by[min(count, len(by)) - 1]
    return ordered[by <= last]
