"""What is said of a whole dataset: in English, and by code and facts for a page to translate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from digpt.data.problems import Problem, listed

REMARKS: dict[str, str] = {
    # how the files of a source were read; `source` is folder, ZIP, tar ...
    "as-nothing": "unreadable",
    "as-classes": "class folders ({source})",
    "as-split-classes": "class folders in split folders ({source})",
    "as-pool": "plain folder without classes ({source})",
    "as-table": "table {files} ({source})",
    "as-box-table": "table of boxes {files} ({source})",
    "as-coco": "COCO {files} ({source})",
    "as-voc": "Pascal VOC, {count} XML files ({source})",
    "as-labelme": "LabelMe, {count} JSON files ({source})",
    "class-of-flags": "the flag that is set for each picture",
    "as-yolo": "YOLO {file} ({source})",
    "as-bare-yolo": "YOLO without YAML ({source})",
    "as-masks": "images with masks ({source})",
    "as-huggingface": "Hugging Face dataset ({source})",
    "as-torchvision": "torchvision {name}",
    "with-details": "with details from {file}",
    "class-of-objects": "the class of the objects for each picture",
    "objects-cut": "each object cut out",
    # what a reader of the data card must know
    "left-out": "{count} bad items were left out at import.",
    "no-split": "There is no {split} image at all.",
    "absent-classes": "No {split} image of: {classes}.",
    "uneven": "Training classes are uneven: the largest has {most} images, the smallest {least}. "
    "Read macro-F1 and balanced accuracy, not accuracy.",
    "few-tests": "Fewer than {few} test images of: {classes}. Their figures vary a lot.",
}

SPLIT_WORDS = {"train": "training", "val": "validation"}


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence in English; `code` is of REMARKS, or of a problem's kind, "" for a set's own."""

    words: str
    code: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.words


def remark(code: str, **facts: Any) -> Remark:
    comma = ", " if "classes" in facts else " and "
    words = {name: listed(value, comma) for name, value in facts.items()}
    if "split" in words:
        words["split"] = SPLIT_WORDS.get(words["split"], words["split"])
    return Remark(REMARKS[code].format(**words), code, facts)


def of_problem(found: Problem) -> Remark:
    """What is wrong, as a remark on the whole."""
    return Remark(found.what, found.code, found.facts)


def as_remark(kept: Any) -> Remark:
    """One that was kept as JSON, or made of words alone."""
    if isinstance(kept, Remark):
        return kept
    if not isinstance(kept, Mapping):
        return Remark(kept)
    facts = {k: tuple(v) if isinstance(v, list) else v for k, v in kept["facts"].items()}
    return Remark(kept["words"], kept["code"], facts)
