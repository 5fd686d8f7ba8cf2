"""What domain-clip reads beside each image: a column's captions, or those of a template."""

import re
from dataclasses import dataclass

import numpy as np

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.tokenizers.names import CLASS, COLUMN, check_caption, template_fields, too_few_captioned

BY_CLASS = "a photo of {class}"  # where a dataset has no captions
# With such words a mirrored image would belie its caption.
SIDED = re.compile(r"\b(left|right|rising|falling|(anti|counter)?clockwise)\b|[左右]|時計", re.I)


@dataclass(frozen=True, slots=True)
class Captioned:
    """Rows of a dataset with their captions."""

    rows: np.ndarray
    captions: list[str]
    column: str  # or the template
    names_class_share: float  # how many captions name the class of their image

    @property
    def can_mirror(self) -> bool:
        return not any(SIDED.search(caption) for caption in self.captions)


def captioned(dataset: ImageDataset, wanted: str | None, *, fewest: int) -> Captioned:
    """Pool and training rows that have a caption: of the column `wanted`, of the template `wanted`
    ("a photo of {class}, {material}"), else of the column "caption" or, without one, of the class.

    UserError where there are fewer than `fewest`.
    """
    if wanted is not None:
        check_caption(wanted, dataset.captions, dataset.attributes)
    if wanted is not None and template_fields(wanted):
        found = _from_template(dataset, wanted)
    elif wanted is not None or COLUMN in dataset.captions:
        found = _from_column(dataset, wanted or COLUMN)
    else:
        found = _from_template(dataset, BY_CLASS)
    if len(found.rows) < fewest:
        raise too_few_captioned(dataset.name, len(found.rows), fewest)
    return found


def _from_column(dataset: ImageDataset, column: str) -> Captioned:
    rows = dataset.indices("pool", "train")
    texts = dataset.captions[column][rows]
    has_text = np.char.str_len(texts.astype(str)) > 0
    rows, captions = rows[has_text], [str(t) for t in texts[has_text]]
    share = dataset.caption_names_class.get(column)
    share = _names_class(dataset, rows, captions) if share is None else float(share)
    return Captioned(rows, captions, column, share)


def _from_template(dataset: ImageDataset, template: str) -> Captioned:
    """Rows where every field of the template is known, so that no caption has a hole."""
    fields = template_fields(template)
    rows = dataset.indices("pool", "train")
    values = {f: _words(dataset, f, rows) for f in fields}
    known = np.all([column != "" for column in values.values()], axis=0)
    rows = rows[known]
    columns = {f: column[known] for f, column in values.items()}
    captions = [
        template.format_map({f: column[n] for f, column in columns.items()})
        for n in range(len(rows))
    ]
    share = 1.0 if CLASS in fields else _names_class(dataset, rows, captions)
    return Captioned(rows, captions, template, share)


def _words(dataset: ImageDataset, field: str, rows: np.ndarray) -> np.ndarray:
    """What a field says of each row (n,), "" where unknown. Labels of the pool stay unread."""
    if field != CLASS:
        return _texts(dataset.attributes[field][rows])
    labels = np.where(dataset.split[rows] == "train", dataset.labels[rows], UNLABELLED)
    names = np.array([name.replace("_", " ") for name in dataset.classes] + [""])
    return names[labels]  # UNLABELLED is the last, ""


def _texts(column: np.ndarray) -> np.ndarray:
    """The values as a person writes them (n,): 3 and not 3.0, and nothing where there is none."""
    if column.dtype.kind != "f":
        return column.astype(str)
    return np.array([f"{value:.15g}" if np.isfinite(value) else "" for value in column.tolist()])


def _names_class(dataset: ImageDataset, rows: np.ndarray, captions: list[str]) -> float:
    """Share of the labelled images among these whose caption holds the name of their class."""
    named = [
        _in_words(dataset.classes[label]) in _in_words(caption)
        for label, caption in zip(dataset.labels[rows], captions, strict=True)
        if label != UNLABELLED
    ]
    return float(np.mean(named)) if named else 0.0


def _in_words(name: str) -> str:
    return re.sub(r"[_\-\s]+", " ", name).strip().lower()
