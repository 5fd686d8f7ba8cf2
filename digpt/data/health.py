"""Health: what about a dataset would make a result on it wrong, each finding with its files.

Sentences are made by whoever shows them, from a finding's code and facts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from digpt.data import balance
from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.data.duplicates import equal_sets, joined, near_pairs
from digpt.data.measures import Embed, Measures, measure
from digpt.data.sessions import session_leaks
from digpt.data.suspects import label_suspects
from digpt.reporter import Reporter

MOST_FILES = 200  # of a finding that are listed
MOST_SETS = 50  # of duplicates that are listed
BLANK = 0.01  # contrast below which a picture shows nothing: two or three grey levels of 255
OUTLIER = 5.0  # robust standard deviations from the median that are odd for this dataset
FEW = 20  # training images of a class below which it is hardly learnt
UNEVEN = 5.0  # largest class over smallest in train
TELLING = 0.6  # association of an attribute with the class that a model could learn instead
ODD_SIZE = 2.0  # times larger or smaller than the median, area or shape

SEVERITIES = ("error", "warning", "note")  # the first makes test figures wrong
CODES = {  # severity of each, in the order of showing
    "unreadable": "error",
    "exact-leak": "error",
    "conflicting-labels": "error",
    "group-leak": "error",
    "near-leak": "warning",
    "session-leak": "warning",
    "near-across-groups": "warning",
    "label-suspects": "warning",
    "blank": "warning",
    "blurred": "warning",
    "dark": "warning",
    "bright": "warning",
    "odd-size": "warning",
    "few-images": "warning",
    "uneven-classes": "warning",
    "attribute-tells-class": "warning",
    "attribute-unseen": "warning",
    "labels-unchecked": "note",
    "exact-duplicates": "note",
    "near-duplicates": "note",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing to know. `files` are listed worst first, `remarks` stand beside them (a split, a
    class, a value), and `sets` say which of the files belong together."""

    code: str
    severity: str
    count: int  # pictures concerned (or classes, groups, values: as the code says)
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    sets: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """All findings, the gravest first. No finding of a kind means: looked for and not found."""

    images: int
    embedded: bool  # whether look-alikes and labels could be checked
    findings: tuple[Finding, ...]

    def worst(self) -> str | None:
        """The gravest severity among the findings."""
        return next((s for s in SEVERITIES if any(f.severity == s for f in self.findings)), None)


def examine(dataset: ImageDataset, *, embed: Embed | None, reporter: Reporter) -> Health:
    """Look at every picture and column once; `embed` makes features of pictures, if there are any.

    Test images are looked at too: nothing is learnt from them but whether they may be trusted.
    """
    found = measure(dataset, embed=embed, reporter=reporter)
    findings = [
        *_unreadable(dataset, found),
        *_duplicates(dataset, found, reporter),
        *_torn_groups(dataset),
        *_pictures(dataset, found),
        *_labels(dataset, found, reporter),
        *_balance(dataset),
    ]
    order = list(CODES)
    return Health(
        images=len(dataset),
        embedded=embed is not None,
        findings=tuple(sorted(findings, key=lambda f: order.index(f.code))),
    )


def from_json(values: Mapping[str, Any]) -> Health:
    """What `dataclasses.asdict` made of a health, also by way of JSON."""
    findings = tuple(
        Finding(
            **{k: v for k, v in f.items() if k not in ("files", "remarks", "sets")},
            files=tuple(f["files"]),
            remarks=tuple(f["remarks"]),
            sets=tuple(map(tuple, f["sets"])),
        )
        for f in values["findings"]
    )
    return Health(images=values["images"], embedded=values["embedded"], findings=findings)


def sides(split: np.ndarray) -> np.ndarray:
    """(N,) str: pool and training images are on one side, validation and test each on their own."""
    return np.where(split == "pool", "train", split)


def _finding(code: str, count: int, **rest: Any) -> Finding:
    return Finding(code=code, severity=CODES[code], count=count, **rest)


def _listed(
    dataset: ImageDataset, code: str, rows: np.ndarray, remarks: Sequence[str], **facts: Any
) -> Iterator[Finding]:
    """A finding that lists rows, unless there are none."""
    if len(rows):
        files = tuple(str(name) for name in dataset.ids[rows[:MOST_FILES]])
        yield _finding(
            code, len(rows), files=files, remarks=tuple(remarks[:MOST_FILES]), facts=facts
        )


def _of_sets(
    dataset: ImageDataset, code: str, sets: Sequence[np.ndarray], **facts: Any
) -> Iterator[Finding]:
    """A finding that lists sets of rows that belong together, unless there are none."""
    if not sets:
        return
    rows = np.concatenate(sets)[:MOST_FILES]
    yield _finding(
        code,
        sum(map(len, sets)),
        files=tuple(str(name) for name in dataset.ids[rows]),
        remarks=tuple(str(name) for name in dataset.split[rows]),
        sets=tuple(tuple(str(n) for n in dataset.ids[s[:MOST_FILES]]) for s in sets[:MOST_SETS]),
        facts={"sets": len(sets)} | facts,
    )


def _unreadable(dataset: ImageDataset, found: Measures) -> Iterator[Finding]:
    rows = np.array(sorted(found.reasons), np.int64)
    yield from _listed(dataset, "unreadable", rows, [found.reasons[int(r)] for r in rows])


def _duplicates(dataset: ImageDataset, found: Measures, reporter: Reporter) -> Iterator[Finding]:
    equal = equal_sets(found.contents, np.flatnonzero(found.readable))
    pairs = near_pairs(found, reporter=reporter)
    side = sides(dataset.split)
    across, within = _parted(equal, side)
    yield from _of_sets(dataset, "exact-leak", across)
    yield from _of_sets(dataset, "exact-duplicates", within)
    yield from _of_sets(dataset, "conflicting-labels", _contradicting(equal, dataset.labels))
    torn = side[pairs[:, 0]] != side[pairs[:, 1]]
    yield from _of_sets(dataset, "near-leak", joined(pairs[torn]))
    yield from _of_sets(dataset, "near-duplicates", joined(pairs[~torn]))
    if dataset.groups is not None:
        apart = dataset.groups[pairs[:, 0]] != dataset.groups[pairs[:, 1]]
        yield from _of_sets(dataset, "near-across-groups", joined(pairs[apart]))
    if found.embedding is not None:
        known = np.concatenate([pairs[torn].ravel(), *across]).astype(np.int64)
        leaks = session_leaks(found, side, known)
        twins = [str(name) for name in dataset.ids[leaks.twins]]
        yield from _listed(dataset, "session-leak", leaks.rows, twins, share=leaks.share)


def _parted(
    sets: Sequence[np.ndarray], side: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The sets that lie on several sides, and those that lie on one."""
    across = [s for s in sets if len(set(side[s])) > 1]
    return across, [s for s in sets if len(set(side[s])) == 1]


def _contradicting(sets: Sequence[np.ndarray], labels: np.ndarray) -> list[np.ndarray]:
    return [s for s in sets if len(set(labels[s]) - {UNLABELLED}) > 1]


def _torn_groups(dataset: ImageDataset) -> Iterator[Finding]:
    """Groups on several sides: a part or patient that is trained on and tested on."""
    if dataset.groups is None:
        return
    names, which = np.unique(dataset.groups, return_inverse=True)
    _, on = np.unique(sides(dataset.split), return_inverse=True)
    held = np.zeros((len(names), int(on.max(initial=0)) + 1), bool)
    held[which, on] = True
    torn = np.flatnonzero(held.sum(axis=1) > 1)
    rows = np.flatnonzero(np.isin(which, torn))
    remarks = [f"{dataset.groups[r]}, {dataset.split[r]}" for r in rows[:MOST_FILES]]
    yield from _listed(dataset, "group-leak", rows, remarks, groups=len(torn))


def _pictures(dataset: ImageDataset, found: Measures) -> Iterator[Finding]:
    """Pictures that show nothing, are blurred, too dark or bright, or of an odd size."""
    seen = found.readable
    blank = seen & (found.contrast < BLANK)
    yield from _ranked(dataset, "blank", blank, found.light, "{:.2f}")
    shown = seen & ~blank
    sharp = np.log(np.maximum(found.sharpness, 1e-4))
    blurred = shown & (_deviation(sharp, shown) < -OUTLIER)
    yield from _ranked(dataset, "blurred", blurred, found.sharpness, "{:.2f}")
    light = _deviation(found.light, shown)
    yield from _ranked(
        dataset, "dark", shown & (light < -OUTLIER) & (found.light < 0.2), found.light, "{:.2f}"
    )
    yield from _ranked(
        dataset, "bright", shown & (light > OUTLIER) & (found.light > 0.8), -found.light, "{:.2f}"
    )
    yield from _odd_sizes(dataset, found)


def _ranked(
    dataset: ImageDataset, code: str, chosen: np.ndarray, by: np.ndarray, form: str
) -> Iterator[Finding]:
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(by[rows], kind="stable")]
    yield from _listed(dataset, code, rows, [form.format(abs(by[r])) for r in rows[:MOST_FILES]])


def _deviation(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How many robust standard deviations each value lies from the median of those seen."""
    if not seen.any():
        return np.zeros(len(values))
    middle = np.median(values[seen])
    spread = 1.4826 * np.median(np.abs(values[seen] - middle))  # of a normal distribution
    return (values - middle) / max(float(spread), 0.02)


def _odd_sizes(dataset: ImageDataset, found: Measures) -> Iterator[Finding]:
    seen = np.flatnonzero(found.readable)
    height, width = found.sizes[seen].T.astype(np.float64)
    if not len(seen) or not height.min() or not width.min():
        return
    area, shape = np.log(height * width), np.log(width / height)
    far = np.maximum(
        np.abs(area - np.median(area)) / (2 * np.log(ODD_SIZE)),
        np.abs(shape - np.median(shape)) / np.log(ODD_SIZE),
    )
    odd = np.flatnonzero(far > 1)
    rows = seen[odd[np.argsort(-far[odd], kind="stable")]]
    remarks = [f"{found.sizes[r][1]} × {found.sizes[r][0]}" for r in rows[:MOST_FILES]]
    typical = f"{np.median(width):.0f} × {np.median(height):.0f}"
    yield from _listed(dataset, "odd-size", rows, remarks, typical=typical)


def _labels(dataset: ImageDataset, found: Measures, reporter: Reporter) -> Iterator[Finding]:
    if found.embedding is None or dataset.task != "classification":
        return
    rows = np.flatnonzero(found.readable & (dataset.labels != UNLABELLED))
    groups = None if dataset.groups is None else dataset.groups[rows]
    doubt = label_suspects(
        found.embedding[rows], dataset.labels[rows], groups=groups, reporter=reporter
    )
    if not doubt.is_able:
        accuracy = None if np.isnan(doubt.accuracy) else doubt.accuracy
        yield _finding("labels-unchecked", len(rows), facts={"accuracy": accuracy})
        return
    chosen = rows[doubt.rows]
    remarks = [
        f"{dataset.classes[dataset.labels[row]]} → {dataset.classes[other]}"
        for row, other in zip(chosen, doubt.likely, strict=True)
    ]
    yield from _listed(dataset, "label-suspects", chosen, remarks, accuracy=doubt.accuracy)


def _balance(dataset: ImageDataset) -> Iterator[Finding]:
    counts = balance.training_counts(dataset) if dataset.task == "classification" else {}
    few = {name: n for name, n in counts.items() if n < FEW}
    if few:
        yield _finding("few-images", len(few), facts={"least": FEW, "classes": few})
    held = [n for n in counts.values() if n]
    if held and max(held) > UNEVEN * min(held):
        facts = {"largest": max(held), "smallest": min(held)}
        yield _finding("uneven-classes", len(held), facts=facts)
    for name, strength in balance.class_associations(dataset).items():
        if strength >= TELLING:
            facts = {"attribute": name, "strength": strength}
            yield _finding("attribute-tells-class", len(dataset), facts=facts)
    for name, values in balance.unseen_values(dataset).items():
        facts = {"attribute": name, "values": values}
        yield _finding("attribute-unseen", sum(values.values()), facts=facts)
