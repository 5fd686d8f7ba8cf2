"""Import: look at a folder, a table or a ZIP, say what is wrong, and make a dataset of the rest."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from digpt.data.card import counts
from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.data.fingerprint import fingerprint, pixel_hash
from digpt.data.images import BadImage, decode_at
from digpt.data.layouts import (
    Item,
    Layout,
    Problem,
    add_details,
    class_folders,
    is_manifest,
    manifest,
    read_table,
    table_paths,
)
from digpt.data.sources import FolderSource, Source, ZipSource
from digpt.data.splits import assign
from digpt.errors import UserError
from digpt.reporter import Quiet, Reporter

GOOD = frozenset(["good", "normal", "ok", "okay", "pass", "passed", "良品", "正常", "良", "合格"])
VAL_SHARE = 0.2  # of train, where there is no validation split
ALL_SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}  # where there is no split at all
MOST_LISTED = 200  # problems of one kind that are listed one by one
_NUMBERED = re.compile(r"^(.+?)[_-](\d+)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What an import found; `dataset` is None where an error stands among the problems."""

    dataset: ImageDataset | None
    format: str
    counts: Mapping[str, Any] = field(default_factory=dict)  # split -> class -> images
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _Checked:
    """An item whose picture was decoded once."""

    item: Item
    content: str  # SHA-256 of its pixels
    size: tuple[int, int]  # height, width
    split: str = ""


def read(
    source: Path,
    *,
    name: str,
    task: str = "classification",
    skip_bad: bool = False,
    exclude_cross_split_duplicates: bool = True,
    reporter: Reporter | None = None,
) -> Imported:
    """Look at every picture of a source; originals are only read.

    Errors mean no dataset, unless `skip_bad` leaves the items concerned out. A picture that stands
    in several splits stays in one only: else test figures would count what training saw.
    """
    if task != "classification":
        raise UserError(
            f"Task {task!r} cannot be imported. This version imports classification.",
            code="unknown-task",
            field="task",
        )
    try:
        opened = _open(Path(source))
    except UserError as error:
        problem = Problem("error", error.field or str(source), error.message, "")
        return Imported(dataset=None, format="unreadable", problems=[problem])
    layout = _layout(opened, Path(source))
    checked = _check_pictures(opened, layout, reporter or Quiet())
    problems = layout.problems
    if not skip_bad and any(p.severity == "error" for p in problems):
        return Imported(dataset=None, format=layout.format, problems=_shortened(problems))
    notes = _left_out(problems)
    if exclude_cross_split_duplicates:
        checked = _without_leaks(checked, problems, notes)
    fatal = _too_little(checked, Path(source))
    if fatal:
        problems.append(fatal)
        return Imported(dataset=None, format=layout.format, problems=_shortened(problems))
    _propose_groups(checked, problems, notes)
    _complete_splits(checked, problems, notes)
    dataset = _build(opened, checked, name, notes)
    return Imported(
        dataset=dataset,
        format=layout.format,
        counts=counts(dataset),
        problems=_shortened(problems),
    )


def _open(source: Path) -> Source:
    if source.is_dir():
        return FolderSource(source)
    if not source.exists():
        raise UserError(
            f"{source} does not exist. Check the path; relative paths start at {Path.cwd()}.",
            code="missing-source",
            field=str(source),
        )
    if source.suffix.lower() == ".zip":
        return ZipSource(source)
    if source.suffix.lower() in (".csv", ".tsv"):
        return FolderSource(source.parent)
    raise UserError(
        f"{source.name} is no folder, ZIP, CSV or TSV. Give one of these.",
        code="unknown-format",
        field=source.name,
    )


def _layout(opened: Source, source: Path) -> Layout:
    """Tables that list paths and classes win; else class folders, with a table of details."""
    is_table = source.suffix.lower() in (".csv", ".tsv") and not source.is_dir()
    paths = [source.name] if is_table else table_paths(opened)
    read = [read_table(opened, path) for path in paths]
    listing = [table for table in read if is_manifest(table)]
    if listing:
        return manifest(opened, listing)
    if is_table:
        what = "The table needs a column of paths (path, file, image) and one of classes (label)."
        missing = [Problem("error", source.name, what, "Rename its columns.")]
        return Layout("table", [], read[0].problems or missing)
    layout = class_folders(opened)
    for table in read:
        add_details(layout, table)
    return layout


def _check_pictures(opened: Source, layout: Layout, reporter: Reporter) -> list[_Checked]:
    """Decode every picture once; those that cannot be are problems."""
    items = sorted(layout.items, key=lambda item: item.path)
    images = opened.images([item.path for item in items])
    checked = []
    for index, item in enumerate(items):
        reporter.check()
        try:
            pixels = np.asarray(decode_at(images, index))
        except BadImage as error:
            what = f"Image {index + 1} of {len(items)} cannot be read: {error}."
            layout.problems.append(
                Problem("error", item.path, what, "Re-export it, or leave it out with --skip-bad.")
            )
        else:
            checked.append(_Checked(item, pixel_hash(pixels), pixels.shape[:2]))
        reporter.progress(index + 1, len(items))
    return checked


def _left_out(problems: Sequence[Problem]) -> list[str]:
    bad = sum(p.severity == "error" for p in problems)
    return [f"{bad} bad items were left out at import."] if bad else []


def _without_leaks(
    checked: list[_Checked], problems: list[Problem], notes: list[str]
) -> list[_Checked]:
    """Pictures with equal pixels in several splits stay only in the first of train, pool, val."""
    problems += _repeats(checked)
    order = ("train", "pool", "val", "test")
    places: dict[str, list[_Checked]] = defaultdict(list)
    for one in checked:
        if one.item.split is not None:
            places[one.content].append(one)
    shared = [same for same in places.values() if len({one.item.split for one in same}) > 1]
    dropped: list[_Checked] = []
    for same in shared:
        kept = min((one.item.split or "" for one in same), key=order.index)
        dropped += [one for one in same if one.item.split != kept]
    if not dropped:
        return checked
    lost = Counter(one.item.split or "" for one in dropped)
    by_split = " and ".join(f"{lost[split]} in {split}" for split in order if lost[split])
    text = (
        f"{sum(map(len, shared))} files hold {len(shared)} pictures that are in more than one "
        f"split. The copies were excluded ({by_split}); those in the first of "
        f"{', '.join(order)} stay."
    )
    fix = "Nothing need be done; without this, test figures would count what training saw."
    problems.append(Problem("warning", dropped[0].item.path, text, fix))
    notes.append(text)
    gone = {id(one) for one in dropped}
    return [one for one in checked if id(one) not in gone]


def _repeats(checked: list[_Checked]) -> list[Problem]:
    """Equal pictures inside one split, and equal pictures of different classes."""
    places: dict[str, list[_Checked]] = defaultdict(list)
    for one in checked:
        places[one.content].append(one)
    repeated = [same for same in places.values() if len(same) > 1]
    torn = [same for same in repeated if len({one.item.label for one in same} - {None}) > 1]
    within = sum(n - 1 for n in Counter((o.content, o.item.split) for o in checked).values())
    found = []
    if torn:
        names = sorted({one.item.label or "" for one in torn[0]})
        what = f"{len(torn)} pictures are in several classes, e.g. in {' and '.join(names)}."
        fix = "Decide which class is right, and remove the others."
        found.append(Problem("warning", torn[0][0].item.path, what, fix))
    if within:
        what = f"{within} files repeat another picture of their own split."
        fix = "Nothing need be done; they count twice."
        found.append(Problem("note", repeated[0][0].item.path, what, fix))
    return found


def _too_little(checked: list[_Checked], source: Path) -> Problem | None:
    """Why what was found is no dataset, if so."""
    classes = {one.item.label for one in checked} - {None}
    if not checked:
        fix = (
            "Give a folder with one folder of pictures per class, or a table of paths and classes."
        )
        return Problem("error", str(source), "No usable picture was found.", fix)
    if len(classes) < 2:
        what = f"Only {len(classes)} class was found ({', '.join(map(str, classes)) or 'none'})."
        fix = "Classification needs two or more: one folder each, or a column of classes."
        return Problem("error", str(source), what, fix)
    return None


def _propose_groups(checked: list[_Checked], problems: list[Problem], notes: list[str]) -> None:
    """Take what stands before the number in a file's name as its group, where names are like that.

    `12100044_1.jpg` and `12100044_2.jpg` were cut from one picture and must not be torn apart.
    """
    if any(one.item.group for one in checked):
        problems += _torn_groups(checked)
        return
    found = [_NUMBERED.match(PurePosixPath(one.item.path).stem) for one in checked]
    groups = [match.group(1) if match else "" for match in found]
    if not _are_sources(groups, checked):
        return
    for one, group in zip(checked, groups, strict=True):
        one.item.group = group or one.item.path
    count = len({one.item.group for one in checked})
    text = (
        f"In file names like {PurePosixPath(checked[0].item.path).name} what stands before the "
        f"number is taken as the source: {count} groups that splits keep together."
    )
    problems.append(Problem("note", "", text, "Give a table with a column group to say otherwise."))
    notes.append(text)


def _are_sources(groups: list[str], checked: list[_Checked]) -> bool:
    """Whether prefixes look like sources: shared, many for every class, in one given split each."""
    named = Counter(group for group in groups if group)
    if named.total() < 0.8 * len(groups) or sum(times > 1 for times in named.values()) < 2:
        return False
    of_class, splits = defaultdict(set), defaultdict(set)
    for group, one in zip(groups, checked, strict=True):
        if group:
            of_class[one.item.label].add(group)
            splits[group].add(one.item.split)
    # fewer are names of finer classes, or a camera's counter
    return min(map(len, of_class.values())) >= 5 and max(map(len, splits.values())) == 1


def _torn_groups(checked: list[_Checked]) -> list[Problem]:
    """Groups of the table that its own splits tear apart."""
    splits = defaultdict(set)
    for one in checked:
        if one.item.group and one.item.split:
            splits[one.item.group].add(one.item.split)
    torn = sorted(group for group, found in splits.items() if len(found) > 1)
    if not torn:
        return []
    what = f"{len(torn)} groups are in several splits, e.g. {torn[0]!r}: test figures flatter."
    return [Problem("warning", "", what, "Give all pictures of a group the same split.")]


def _complete_splits(checked: list[_Checked], problems: list[Problem], notes: list[str]) -> None:
    """Cut the splits that the source does not have, by group and class, with seed 0."""
    given = {one.item.split for one in checked}
    for one in checked:
        one.split = one.item.split or ""
    text = ""
    if given <= {None, "pool"}:
        _cut([one for one in checked if one.split == ""], ALL_SHARES)
        text = "The source has no splits: cut 60% train, 20% val and 20% test by class"
    else:
        for one in checked:
            one.split = one.split or "train"
        if "test" not in given:
            source = "val" if "val" in given and "train" in given else "train"
            _cut([o for o in checked if o.split == source], _two(source, "test"))
            text = f"The source has no test split: a part of {source} was cut by class"
        if "val" not in given:
            _cut([o for o in checked if o.split == "train"], _two("train", "val"))
            text += "; also " if text else ""
            text += f"no validation split: cut {VAL_SHARE:.0%} of train by class"
        if "train" not in given:
            text = ""
    if text:
        grouped = any(one.item.group for one in checked)
        text = f"{text[0].upper()}{text[1:]}{' and group' if grouped else ''}, seed 0."
        problems.append(Problem("note", "", text, "Give the splits yourself to say otherwise."))
        notes.append(text)


def _two(stays: str, cut: str) -> dict[str, float]:
    return {stays: 1 - VAL_SHARE, cut: VAL_SHARE}


def _cut(some: list[_Checked], shares: Mapping[str, float]) -> None:
    """Split these items anew; neither a group nor equal pictures end up in two splits."""
    classes = sorted({one.item.label or "" for one in some})
    labels = [classes.index(one.item.label or "") for one in some]
    for one, split in zip(some, assign(labels, _linked(some), shares, seed=0), strict=True):
        one.split = str(split)


def _linked(some: list[_Checked]) -> list[str]:
    """One name per block of items that share a group or a picture, directly or through others."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for one in some:
        content, group = f"content {one.content}", f"group {one.item.group or one.item.path}"
        parent[root(content)] = root(group)
    return [root(f"content {one.content}") for one in some]


def _build(opened: Source, checked: list[_Checked], name: str, notes: list[str]) -> ImageDataset:
    classes = tuple(sorted({one.item.label for one in checked if one.item.label}))
    index = {label: i for i, label in enumerate(classes)}
    labels = np.array([index.get(one.item.label or "", UNLABELLED) for one in checked], np.int64)
    split = np.array([one.split for one in checked])
    labels[split == "pool"] = UNLABELLED
    ids = np.array([one.item.path for one in checked])
    has_groups = any(one.item.group for one in checked)
    groups = np.array([one.item.group or one.item.path for one in checked]) if has_groups else None
    captions = _columns([one.item.captions for one in checked])
    attributes = {n: _numeric(c) for n, c in _columns([o.item.attributes for o in checked]).items()}
    return ImageDataset(
        name=name,
        classes=classes,
        images=opened.images([str(path) for path in ids]),
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
        ),
        groups=groups,
        captions=captions,
        caption_names_class={n: _naming(c, classes, checked) for n, c in captions.items()},
        attributes=attributes,
        good_classes=tuple(label for label in classes if label.strip().lower() in GOOD),
        image_size=_typical([one.size for one in checked]),
        source=f"{opened.kind} {name}",
        licence=_licence(opened),
        notes=tuple(notes),
    )


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


def _naming(column: np.ndarray, classes: Sequence[str], checked: list[_Checked]) -> float:
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


def _licence(opened: Source) -> str:
    """The first line of a licence file at the top, if there is one."""
    for path in opened.files:
        if "/" not in path and Path(path).stem.upper() in ("LICENSE", "LICENCE", "COPYING"):
            lines = opened.read(path).decode("utf-8", "replace").split("\n")
            return next((line.strip()[:80] for line in lines if line.strip()), "")
    return ""


def _shortened(problems: list[Problem]) -> list[Problem]:
    """Errors first; beyond so many, one line that counts the rest."""
    ranks = ("error", "warning", "note")
    ordered = sorted(problems, key=lambda p: ranks.index(p.severity))
    shown = []
    for rank in ranks:
        some = [p for p in ordered if p.severity == rank]
        shown += some[:MOST_LISTED]
        if len(some) > MOST_LISTED:
            what = f"And {len(some) - MOST_LISTED} more like these."
            shown.append(Problem(rank, "", what, "Put the listed ones right first."))
    return shown


__all__ = ["Imported", "Problem", "read"]
