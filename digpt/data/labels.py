"""Which class each picture is of, where the source marks objects instead of naming classes."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from digpt.data.crops import BACKGROUND, MOST, CropImages, Place, crops
from digpt.data.fingerprint import pixel_hash
from digpt.data.images import BadImage
from digpt.data.inspection import Checked, in_order
from digpt.data.layouts import Item
from digpt.data.mask_files import named_values
from digpt.data.problems import Problem, problem
from digpt.data.remarks import Remark, remark
from digpt.data.sources import Source
from digpt.reporter import Reporter

_MISSING = frozenset(("nan", "null", "none", "n/a", "#n/a", "-", "na"))  # as programs write it
FEWEST = 5  # pictures of a class below which no split can hold some


def name_values(
    checked: list[Checked], names: Mapping[int, str], problems: list[Problem]
) -> dict[int, str]:
    """Class name by mask value; the objects found in masks get these names."""
    values: set[int] = set().union(*(one.values for one in checked))
    found = named_values(values, names)
    if found is None:
        problems.append(problem("mask-values", "", count=len(values - {0})))
        return {}
    for one in checked:
        if one.values and one.item.shapes is None:
            known = [s for s in one.shapes if int(s.label) in found]
            one.shapes = [s._replace(label=found[int(s.label)]) for s in known]
    return found


def from_objects(
    source: Source, checked: list[Checked], reporter: Reporter, problems: list[Problem]
) -> tuple[list[Checked], Remark]:
    """Pictures with the class of their objects, or squares cut around the objects; how.

    Whole pictures where each shows objects of one class at most and every class (background: none)
    has some pictures; squares otherwise.
    """
    by_picture = [{shape.label for shape in one.shapes} for one in checked]
    sizes = Counter(next(iter(found), BACKGROUND) for found in by_picture if len(found) < 2)
    has_one_each = max(map(len, by_picture), default=0) < 2
    if has_one_each and len(sizes) > 1 and min(sizes.values()) >= FEWEST:
        for one, found in zip(checked, by_picture, strict=True):
            one.item.label = next(iter(found), BACKGROUND)
        problems.append(problem("class-of-objects", ""))
        return checked, remark("class-of-objects")
    cut = _cut(source, checked, reporter)
    kept = sum(one.item.label != BACKGROUND for one in cut)
    total = sum(len(one.shapes) for one in checked)
    facts = {"kept": kept, "total": total, "most": MOST, "empty": len(cut) - kept}
    problems.append(problem("objects-cut", "", **facts))
    return cut, remark("objects-cut")


def _cut(source: Source, checked: list[Checked], reporter: Reporter) -> list[Checked]:
    """Squares around objects, and of background, each with its own pixels' hash."""
    classes = {shape.label for one in checked for shape in one.shapes}
    marked = [one for one in checked if one.shapes]
    pictures = source.images([one.item.path for one in marked])

    def squares(index: int) -> list[Checked]:
        one = marked[index]
        found = crops(
            one.shapes,
            one.item.path,
            one.size,
            len(classes),
            background=BACKGROUND not in classes,
        )
        paths = [f"{one.item.path}.{k}.png" for k in range(len(found))]
        cutter = CropImages(pictures, [index] * len(found), [place for _, place in found], paths)
        try:
            return [_square(one, cutter, k, *found[k]) for k in range(len(found))]
        except BadImage:  # it could be read a moment ago: the file is being changed
            return []

    return [square for some in in_order(squares, len(marked), reporter) for square in some]


def _square(one: Checked, cutter: CropImages, k: int, label: str, place: Place) -> Checked:
    pixels = np.ascontiguousarray(cutter.pixels(k))
    item = Item(
        cutter.paths[k],
        label,
        one.item.split,
        one.item.group or one.item.path,
        dict(one.item.captions),
        dict(one.item.attributes),
    )
    return Checked(item, pixel_hash(pixels), pixels.shape[:2], place=place, of=one.item.path)


def odd_labels(checked: Sequence[Checked]) -> list[Problem]:
    """Classes that look the same to a person and are not, and classes with hardly a picture."""
    sizes = Counter(one.item.label for one in checked if one.item.label)
    alike: dict[str, set[str]] = defaultdict(set)
    for label in sizes:
        alike[_seen(label)].add(label)
    found = []
    for same in (sorted(names) for names in alike.values() if len(names) > 1):
        found.append(problem("class-alike", "", labels=tuple(map(repr, same))))
    wide = sorted(label for label in sizes if _has_wide(label))
    if wide:
        plain = unicodedata.normalize("NFKC", wide[0])
        found.append(problem("class-wide", "", label=wide[0], count=len(wide), plain=plain))
    for label in sorted(label for label in sizes if label.casefold() in _MISSING):
        found.append(problem("class-missing", "", label=label, count=sizes[label]))
    for label, count in sorted(sizes.items()):
        if count < FEWEST:
            found.append(problem("class-few", "", label=label, count=count, least=FEWEST))
    return found


def _seen(label: str) -> str:
    """A class's name as it looks: of one width and case, without what takes no room."""
    plain = unicodedata.normalize("NFKC", label)
    return "".join(c for c in plain if unicodedata.category(c) != "Cf").strip().casefold()


def _has_wide(label: str) -> bool:
    """Whether it holds full-width forms of what ASCII has: １, Ａ, （ or an ideographic space."""
    return any("\uff01" <= c <= "\uff5e" or c == "\u3000" for c in label)


def only_in_tests(checked: Sequence[Checked]) -> list[Problem]:
    """Classes of given val or test splits that given training pictures do not have."""
    trained = {one.item.label for one in checked if one.item.split == "train"}
    tested = {one.item.label for one in checked if one.item.split in ("val", "test")}
    unknown = sorted(label for label in tested - trained if label)
    if not trained or not unknown:
        return []
    return [problem("class-untrained", "", labels=tuple(unknown))]


__all__ = ["from_objects", "name_values", "odd_labels", "only_in_tests"]
