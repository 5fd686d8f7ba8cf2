"""Import: look at a folder, a table or an archive, say what is wrong, and make a dataset."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from digpt.data.card import counts
from digpt.data.crops import CropImages
from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.data.fingerprint import fingerprint
from digpt.data.goodness import is_good
from digpt.data.grouping import complete_splits, group_copies, propose_groups, without_leaks
from digpt.data.images import EncodedImages
from digpt.data.inspection import Checked, inspect
from digpt.data.labels import from_objects, name_values, odd_labels, only_in_tests
from digpt.data.layouts import Layout, find_layout
from digpt.data.mask_files import OBJECT, DrawnMasks, MaskFiles
from digpt.data.problem_kinds import KINDS
from digpt.data.problems import Problem, problem, shortened
from digpt.data.provenance import licence_of, origin_of
from digpt.data.remarks import Remark, of_problem, remark
from digpt.data.sources import ANNOTATIONS, TABLES, Source, open_source
from digpt.data.targets import Boxes, Masks
from digpt.data.torchvision_sets import PREFIX, torchvision_set
from digpt.errors import UserError, pick
from digpt.reporter import Quiet, Reporter

SQUARE = 1.1  # longer side over shorter, at most
MANY = 0.1  # of the pictures, to speak of those that are not square
TASKS = {
    "classification": "a class for each picture",
    "detection": "boxes around objects",
    "segmentation": "a class for each pixel",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What an import found; `dataset` is None where an error stands among the problems."""

    dataset: ImageDataset | None
    formats: tuple[Remark, ...]  # how the source was read
    task: str = "classification"
    counts: Mapping[str, Any] = field(default_factory=dict)  # split -> class -> images
    problems: list[Problem] = field(default_factory=list)

    @property
    def format(self) -> str:
        return ", ".join(one.words for one in self.formats)


def read(
    source: Path,
    *,
    name: str,
    task: str = "classification",
    skip_bad: bool = False,
    exclude_cross_split_duplicates: bool = True,
    roots: Sequence[Path] = (),
    earlier: Mapping[str, str] | None = None,
    reporter: Reporter | None = None,
) -> Imported:
    """Look at every picture of a source; originals are only read.

    `task` chooses what becomes of marked objects: classification gives each picture their class or
    cuts them out, detection keeps boxes, segmentation masks. Errors mean no dataset, unless
    `skip_bad` leaves the items concerned out. A picture that stands in several splits stays in one
    only: else test figures would count what training saw. `roots`: where links may lead. `earlier`:
    the split of each path in the version before, kept where the source gives none.
    """
    pick(TASKS, task, "task")
    reporter = reporter or Quiet()
    try:
        opened, layout = _opened(Path(source), roots)
    except UserError as error:
        if error.code not in KINDS:
            raise
        found = [problem(error.code, error.field or str(source), **error.facts)]
        return Imported(dataset=None, formats=(remark("as-nothing"),), task=task, problems=found)
    return _Import(layout.source or opened, layout, task, str(source), earlier or {}).run(
        name, skip_bad, exclude_cross_split_duplicates, reporter
    )


def _opened(source: Path, roots: Sequence[Path]) -> tuple[Source, Layout]:
    if str(source).startswith(PREFIX):
        return torchvision_set(str(source))
    opened = open_source(source, roots)
    return opened, find_layout(opened, "" if _is_whole(source) else source.name)


def _is_whole(source: Path) -> bool:
    """Whether a folder or archive was given, not one file of a folder."""
    return source.is_dir() or source.suffix.lower() not in TABLES + ANNOTATIONS


class _Import:
    """One import on its way from a layout to a dataset."""

    def __init__(
        self, opened: Source, layout: Layout, task: str, source: str, earlier: Mapping[str, str]
    ) -> None:
        self._earlier = earlier
        self._opened, self._layout, self._task, self._source = opened, layout, task, source
        self._formats = list(layout.formats)
        self._values: dict[int, str] = {}  # class by value of the mask files
        self._is_labelled = any(item.label for item in layout.items)
        self._has_objects = any(
            item.shapes is not None or item.mask or item.instances for item in layout.items
        )

    def run(
        self, name: str, skip_bad: bool, exclude_duplicates: bool, reporter: Reporter
    ) -> Imported:
        problems = self._layout.problems
        problems += self._unfit() + self._without_mask()
        wants = self._task != "classification" or not self._is_labelled
        checked = inspect(
            self._opened,
            self._layout,
            reporter,
            targets=wants and self._has_objects,
            boxes=self._task != "segmentation",
        )
        if wants and self._has_objects:
            names = self._layout.mask_classes
            self._values = name_values(checked, names, problems)
            if checked and not any(one.shapes or one.values - {0} for one in checked):
                problems.append(problem("nothing-marked", self._source, count=len(checked)))
                return self._refused()
        if not skip_bad and any(p.severity == "error" for p in problems):
            return self._refused()
        notes = _left_out(problems)
        group_copies(checked, problems, notes)
        if self._task == "classification" and not self._is_labelled and self._has_objects:
            checked, how = from_objects(self._opened, checked, reporter, problems)
            self._formats.append(how)
        if exclude_duplicates:
            checked = without_leaks(checked, problems, notes)
        fatal = self._too_little(checked)
        if fatal:
            problems.append(fatal)
            return self._refused()
        propose_groups(checked, problems, notes)
        complete_splits(checked, problems, notes, self._earlier)
        problems += odd_labels(checked) + only_in_tests(checked)
        notes += self._targets_in_words(checked) + self._shape_in_words(checked)
        dataset = self._build(checked, name, notes)
        return Imported(
            dataset=dataset,
            formats=tuple(self._formats),
            task=self._task,
            counts=counts(dataset),
            problems=shortened(problems),
        )

    def _refused(self) -> Imported:
        problems = shortened(self._layout.problems)
        return Imported(
            dataset=None, formats=tuple(self._formats), task=self._task, problems=problems
        )

    def _unfit(self) -> list[Problem]:
        """Whether the source has what the task needs."""
        items = self._layout.items
        if self._task == "classification" or not items:
            return []
        outlined = any(item.mask or item.instances for item in items) or any(
            shape.polygons or shape.rle for item in items for shape in item.shapes or ()
        )
        if outlined or (self._task == "detection" and self._has_objects):
            return []
        code = "no-boxes" if self._task == "detection" else "no-masks"
        return [problem(code, self._source, format=", ".join(map(str, self._formats)))]

    def _without_mask(self) -> list[Problem]:
        """Leave pictures out whose objects have boxes only, where others have masks: VOC's most."""
        items = self._layout.items
        if self._task != "segmentation" or not any(item.mask for item in items):
            return []
        bare = [item for item in items if item.shapes and not item.mask]
        if not bare:
            return []
        self._layout.items = [item for item in items if item.mask or not item.shapes]
        return [problem("boxes-no-mask", bare[0].path, count=len(bare))]

    def _too_little(self, checked: list[Checked]) -> Problem | None:
        """Why what was found is no dataset, if so."""
        if not checked:
            return problem("no-pictures", self._source)
        if self._task != "classification" or all(one.item.split == "pool" for one in checked):
            return None
        classes = {one.item.label for one in checked} - {None}
        if len(classes) < 2:
            names = ", ".join(map(str, classes)) or "–"
            return problem("one-class", self._source, count=len(classes), names=names)
        return None

    def _targets_in_words(self, checked: list[Checked]) -> list[Remark]:
        """How many boxes of which class, as a note and as a remark on the import."""
        times = Counter(shape.label for one in checked for shape in one.shapes)
        if self._task != "detection" or not times:
            return []
        found = ", ".join(f"{n:,} {label}" for label, n in sorted(times.items()))
        said = problem("boxes", "", count=times.total(), found=found)
        self._layout.problems.append(said)
        return [of_problem(said)]

    def _shape_in_words(self, checked: list[Checked]) -> list[Remark]:
        """That pictures will be squeezed, as a note and as a remark on the import."""
        count = sum(max(one.size) > SQUARE * min(one.size) for one in checked)
        if count < MANY * len(checked):
            return []
        height, width = _typical([one.size for one in checked])
        facts = {"count": count, "total": len(checked), "width": width, "height": height}
        said = problem("not-square", "", **facts)
        self._layout.problems.append(said)
        return [of_problem(said)]

    def _build(self, checked: list[Checked], name: str, notes: list[Remark]) -> ImageDataset:
        boxes, masks = self._boxes(checked), self._masks(checked)
        classes = _classes(checked, boxes, masks)
        index = {label: i for i, label in enumerate(classes)}
        labels = np.array([index.get(one.item.label or "", UNLABELLED) for one in checked])
        labels = labels.astype(np.int64)
        split = np.array([one.split for one in checked])
        labels[split == "pool"] = UNLABELLED
        if self._task != "classification":
            labels[:] = UNLABELLED
        ids = np.array([one.item.path for one in checked])
        groups = None
        if any(one.item.group for one in checked):
            groups = np.array([one.item.group or one.item.path for one in checked])
        captions = _columns([one.item.captions for one in checked])
        cells = _columns([one.item.attributes for one in checked])
        attributes = {n: _numeric(column) for n, column in cells.items()}
        return ImageDataset(
            name=name,
            classes=classes,
            images=self._images(checked),
            labels=labels,
            split=split,
            ids=ids,
            fingerprint=fingerprint(
                [one.content for one in checked],
                classes=classes,
                labels=labels,
                split=split,
                ids=ids,
                groups=groups,
                columns={f"caption:{n}": c for n, c in captions.items()} | attributes,
                targets=self._targets(checked),
            ),
            task=self._task,
            groups=groups,
            captions=captions,
            caption_names_class={n: _naming(c, checked) for n, c in captions.items()},
            attributes=attributes,
            boxes=boxes,
            masks=masks,
            good_classes=tuple(filter(is_good, classes)),
            image_size=_typical([one.size for one in checked]),
            source=origin_of(self._opened, self._layout),
            licence=licence_of(self._opened, self._layout),
            notes=tuple(notes),
        )

    def _images(self, checked: list[Checked]) -> EncodedImages:
        places = [one.place for one in checked if one.place]
        if not places:
            return self._opened.images([one.item.path for one in checked])
        pictures = sorted({one.of for one in checked})
        number = {path: i for i, path in enumerate(pictures)}
        return CropImages(
            self._opened.images(pictures),
            [number[one.of] for one in checked],
            places,
            [one.item.path for one in checked],
        )

    def _boxes(self, checked: list[Checked]) -> Boxes | None:
        if self._task != "detection":
            return None
        classes = tuple(sorted({shape.label for one in checked for shape in one.shapes}))
        number = {label: i for i, label in enumerate(classes)}
        found = [(row, one, shape) for row, one in enumerate(checked) for shape in one.shapes]
        sides = np.array([one.size[::-1] * 2 for _, one, _ in found], np.float64).reshape(-1, 4)
        corners = np.array([shape.box for *_, shape in found], np.float64).reshape(-1, 4)
        return Boxes(
            classes=classes,
            rows=np.array([row for row, *_ in found], np.int64),
            labels=np.array([number[shape.label] for *_, shape in found], np.int64),
            corners=(corners / sides).astype(np.float32),
        )

    def _masks(self, checked: list[Checked]) -> Masks | None:
        if self._task != "segmentation":
            return None
        sizes = [one.size for one in checked]
        if not any(one.item.mask or one.item.instances for one in checked):
            classes = sorted({shape.label for one in checked for shape in one.shapes})
            return DrawnMasks([one.shapes for one in checked], sizes, classes)
        paths = [one.item.mask or one.item.instances for one in checked]
        files = [path for path in paths if path]
        number = {path: i for i, path in enumerate(files)}
        classes = list(dict.fromkeys(self._values.values())) or [OBJECT]
        numbers = {value: classes.index(label) + 1 for value, label in self._values.items()}
        by_number = not any(one.item.mask for one in checked)
        places = [number[path] if path else -1 for path in paths]
        return MaskFiles(
            self._opened.images(files), places, sizes, {} if by_number else numbers, classes
        )

    def _targets(self, checked: list[Checked]) -> list[str] | None:
        """What stands for boxes and masks in the fingerprint."""
        if self._task == "classification":
            return None
        return [repr([(s.label, s.box, s.polygons, s.rle) for s in o.shapes]) + _file_hash(
            self._opened, o.item.mask or o.item.instances) for o in checked]  # fmt: skip


def _file_hash(opened: Source, path: str | None) -> str:
    return hashlib.sha256(opened.read(path)).hexdigest() if path else ""


def _left_out(problems: Sequence[Problem]) -> list[Remark]:
    bad = sum(p.severity == "error" for p in problems)
    return [remark("left-out", count=bad)] if bad else []


def _classes(checked: list[Checked], boxes: Boxes | None, masks: Masks | None) -> tuple[str, ...]:
    target = boxes or masks
    if target is not None:
        return target.classes
    return tuple(sorted({one.item.label for one in checked if one.item.label}))


def _columns(cells: list[dict[str, str]]) -> dict[str, np.ndarray]:
    """One text column per name that any item has."""
    names = sorted({name for row in cells for name in row})
    return {name: np.array([row.get(name, "") for row in cells]) for name in names}


def _numeric(column: np.ndarray) -> np.ndarray:
    """The column as float64 where every cell is a number (empty ones become NaN)."""
    try:
        numbers = np.array([float(cell) if cell else np.nan for cell in column.tolist()])
    except ValueError:
        return column
    return numbers if np.isfinite(numbers).any() else column


def _naming(column: np.ndarray, checked: list[Checked]) -> float:
    """The share of captions that name their own picture's class, word by word."""
    words = [re.sub(r"[\W_]+", " ", str(text).lower()) for text in column]
    labels = [re.sub(r"[\W_]+", " ", (one.item.label or "").lower()).strip() for one in checked]
    known = [(text, label) for text, label in zip(words, labels, strict=True) if text and label]
    named = sum(label in text for text, label in known)
    return named / len(known) if known else 0.0


def _typical(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """The median height and width."""
    height, width = np.median(np.array(sizes), axis=0)
    return int(height), int(width)


__all__ = ["TASKS", "Imported", "Problem", "read"]
