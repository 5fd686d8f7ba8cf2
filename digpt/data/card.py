"""The data card: what a person should know of a dataset before believing a result on it."""

import io
from dataclasses import asdict
from typing import Any

import numpy as np
from PIL import Image

from digpt.data.dataset import SPLITS, UNLABELLED, ImageDataset
from digpt.data.remarks import Remark, as_remark, remark

FEW = 20  # test images of a class below which its own figures say little
UNEVEN = 5.0  # largest class over smallest in train


def card(dataset: ImageDataset) -> dict[str, Any]:
    """Counts, columns, provenance and warnings as plain JSON; no image is opened."""
    learned = np.isin(dataset.split, ("pool", "train"))
    return {
        "name": dataset.name,
        "task": dataset.task,
        "images": len(dataset),
        "classes": list(dataset.classes),
        "good_classes": list(dataset.good_classes),
        "counts": counts(dataset),
        "image_size": list(dataset.image_size),
        "caption_columns": list(dataset.captions),
        "caption_names_class": dict(dataset.caption_names_class),
        "captions": {n: _caption_facts(c, learned) for n, c in dataset.captions.items()},
        "attributes": list(dataset.attributes),
        "attribute_values": {
            n: _attribute_facts(a, learned) for n, a in dataset.attributes.items()
        },
        "groups": None if dataset.groups is None else len(np.unique(dataset.groups)),
        "source": dataset.source,
        "licence": dataset.licence,
        "notes": [asdict(as_remark(note)) for note in dataset.notes],
        "warnings": [asdict(warning) for warning in _warnings(dataset)],
        "fingerprint": dataset.fingerprint,
    }


def counts(dataset: ImageDataset) -> dict[str, dict[str, int]]:
    """Split -> class -> images; "" counts the unlabelled. Empty splits and classes are absent."""
    found: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        labels = dataset.labels[dataset.split == split]
        by_class = {
            "" if label == UNLABELLED else dataset.classes[label]: int(n)
            for label, n in zip(*np.unique(labels, return_counts=True), strict=True)
        }
        if by_class:
            found[split] = by_class
    return found


def thumbnails(
    dataset: ImageDataset, n: int, size: int = 64, seed: int = 0
) -> list[tuple[str, bytes]]:
    """(class, PNG) of n labelled training images, the classes taking turns; no test image."""
    rows = dataset.indices("train")
    rows = rows if len(rows) else dataset.indices("pool")
    shuffled = np.random.default_rng(seed).permutation(rows)
    labels = dataset.labels[shuffled]
    turn = np.zeros(len(shuffled), np.int64)  # this row is its class's turn-th
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum())
    chosen = shuffled[np.lexsort((labels, turn))][:n]
    pixels = dataset.images.load(chosen, size)
    names = ["" if k == UNLABELLED else dataset.classes[k] for k in dataset.labels[chosen]]
    return [(name, png(image)) for name, image in zip(names, pixels, strict=True)]


def _warnings(dataset: ImageDataset) -> list[Remark]:
    found = []
    table = counts(dataset)
    for split in ("train", "val", "test"):
        absent = [c for c in dataset.classes if c not in table.get(split, {})]
        if absent and split in table:
            found.append(remark("absent-classes", split=split, classes=tuple(absent)))
        elif absent:
            found.append(remark("no-split", split=split))
    train = [n for name, n in table.get("train", {}).items() if name]
    if train and max(train) > UNEVEN * min(train):
        found.append(remark("uneven", most=max(train), least=min(train)))
    few = [name for name, n in table.get("test", {}).items() if name and n < FEW]
    if few:
        found.append(remark("few-tests", few=FEW, classes=tuple(few)))
    return found


def _caption_facts(column: np.ndarray, learned: np.ndarray) -> dict[str, Any]:
    """Of a column; `learned` tells the pool and training images."""
    written = [str(text) for text in column if text]
    words = sum(len(text.split()) for text in written) / len(written) if written else 0.0
    return {
        "share": len(written) / max(len(column), 1),
        "captioned": sum(bool(text) for text in column[learned]),
        "distinct": len(set(written)),
        "words": round(words, 1),
        "example": written[0] if written else "",
    }


def _attribute_facts(column: np.ndarray, learned: np.ndarray) -> dict[str, Any]:
    """Range of a number, or the commonest ten values of a text; of the pool and training images
    (`learned`) those that have one."""
    if column.dtype.kind in "fiu":
        is_known = np.isfinite(column.astype(np.float64))
        finite, known = column[is_known], {"known": int(is_known[learned].sum())}
        if not len(finite):
            return known
        return known | {"min": float(finite.min()), "max": float(finite.max())}
    values, times = np.unique(column, return_counts=True)
    commonest = np.argsort(-times, kind="stable")[:10]
    top = {str(values[i]): int(times[i]) for i in commonest}
    known = sum(bool(str(text)) for text in column[learned])
    return {"known": known, "distinct": len(values), "values": top}


def png(image: np.ndarray) -> bytes:
    """uint8 (h, w, 3) as a PNG file."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()
