"""What makes two datasets the same data."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np


def pixel_hash(pixels: np.ndarray) -> str:
    """SHA-256 of decoded pixels (H, W, 3): equal pictures in different files agree."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def fingerprint(
    content: Sequence[str],
    *,
    classes: Sequence[str],
    labels: np.ndarray,
    split: np.ndarray,
    ids: np.ndarray,
    groups: np.ndarray | None,
    columns: Mapping[str, np.ndarray],
    targets: Sequence[str] | None = None,
) -> str:
    """SHA-256 over content, class, split, group and columns of all items, whatever their order.

    `columns` are captions and attributes: a recogniser may be trained on them. `targets` stand for
    each item's boxes and mask, where the dataset has such.
    """
    names = [classes[label] if label >= 0 else "" for label in labels]
    parts = [ids, content, names, split, groups if groups is not None else [""] * len(names)]
    parts += [targets] if targets is not None else []
    rows = zip(*parts, *(columns[c] for c in sorted(columns)), strict=True)
    lines = sorted(json.dumps([str(value) for value in row], ensure_ascii=False) for row in rows)
    head = json.dumps([list(classes), sorted(columns)], ensure_ascii=False)
    return hashlib.sha256("\n".join([head, *lines]).encode("utf-8", "surrogatepass")).hexdigest()
