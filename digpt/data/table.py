"""Everything of an ImageDataset but its pixels, as table.npz and dataset.json in a folder."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from digpt.data.dataset import ImageDataset, Images
from digpt.data.remarks import as_remark
from digpt.data.targets import Boxes, Masks
from digpt.errors import UserError

_COLUMNS = ("labels", "split", "ids")
_BOX_COLUMNS = ("rows", "labels", "corners")
_PLAIN = ("name", "task", "fingerprint", "source", "licence")
_TUPLES = ("classes", "good_classes", "image_size")


def write_table(dataset: ImageDataset, folder: Path) -> None:
    """Write table.npz (columns) and dataset.json (the rest) into an existing folder."""
    columns = {name: getattr(dataset, name) for name in _COLUMNS}
    if dataset.groups is not None:
        columns["groups"] = dataset.groups
    # column names may hold anything, a ZIP member's name may not: numbered, names in the JSON
    columns |= {f"caption{i}": c for i, c in enumerate(dataset.captions.values())}
    columns |= {f"attribute{i}": a for i, a in enumerate(dataset.attributes.values())}
    if dataset.boxes is not None:
        columns |= {f"box_{name}": getattr(dataset.boxes, name) for name in _BOX_COLUMNS}
    plain: dict[str, Any] = {name: _plain(column) for name, column in columns.items()}
    np.savez_compressed(folder / "table.npz", **plain)
    about: dict[str, Any] = {name: getattr(dataset, name) for name in (*_PLAIN, *_TUPLES)}
    about["notes"] = [asdict(as_remark(note)) for note in dataset.notes]
    about["captions"] = list(dataset.captions)
    about["caption_names_class"] = dict(dataset.caption_names_class)
    about["attributes"] = list(dataset.attributes)
    about["box_classes"] = None if dataset.boxes is None else dataset.boxes.classes
    about["mask_classes"] = None if dataset.masks is None else dataset.masks.classes
    text = json.dumps(about, ensure_ascii=False, indent=1)
    (folder / "dataset.json").write_text(text, encoding="utf-8")


def read_table(folder: Path, images: Images, masks: Masks | None = None) -> ImageDataset:
    """The dataset whose table lies in `folder`, with the given pixels and masks."""
    about = read_about(folder)
    with np.load(folder / "table.npz", allow_pickle=False) as table:
        columns = {name: table[name] for name in table.files}
    captions = {name: columns[f"caption{i}"] for i, name in enumerate(about["captions"])}
    attributes = {name: columns[f"attribute{i}"] for i, name in enumerate(about["attributes"])}
    plain: dict[str, Any] = {name: columns[name] for name in _COLUMNS}
    plain |= {name: about[name] for name in _PLAIN}
    plain |= {name: tuple(about[name]) for name in _TUPLES}
    plain["notes"] = tuple(map(as_remark, about["notes"]))
    boxes = None
    if about.get("box_classes") is not None:  # tables of older versions have no such entry
        found: dict[str, Any] = {name: columns[f"box_{name}"] for name in _BOX_COLUMNS}
        boxes = Boxes(classes=tuple(about["box_classes"]), **found)
    return ImageDataset(
        images=images,
        boxes=boxes,
        masks=masks,
        groups=columns.get("groups"),
        captions=captions,
        caption_names_class=about["caption_names_class"],
        attributes=attributes,
        **plain,
    )


def read_about(folder: Path) -> dict[str, Any]:
    """The plain part of a stored dataset."""
    path = folder / "dataset.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} holds no dataset: dataset.json is missing. Add the data again with "
            '"digpt data add".',
            code="no-dataset",
            field=str(folder),
            folder=str(folder),
        ) from error


def _plain(column: np.ndarray) -> np.ndarray:
    """Text as fixed-width unicode: object arrays would need pickle, which can run code."""
    column = np.asarray(column)
    return column.astype(str) if column.dtype == object else column
