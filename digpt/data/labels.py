"""Which class each picture is of, where the source marks objects instead of naming classes."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from digpt.data.crops import BACKGROUND, MOST, CropImages, Place, crops
from digpt.data.fingerprint import pixel_hash
from digpt.data.images import BadImage
from digpt.data.inspection import Checked, in_order
from digpt.data.layouts import Item
from digpt.data.mask_files import named_values
from digpt.data.problems import Problem
from digpt.data.sources import Source
from digpt.reporter import Reporter

FEWEST = 5  # pictures of a class below which no split can hold some


def name_values(
    checked: list[Checked], names: Sequence[str], problems: list[Problem]
) -> dict[int, str]:
    """Class name by mask value; the objects found in masks get these names."""
    values: set[int] = set().union(*(one.values for one in checked))
    try:
        found = named_values(values, names)
    except ValueError as error:
        fix = "Numbers of objects belong into a folder named instances; classes have few values."
        problems.append(Problem("error", "", f"{str(error)[0].upper()}{str(error)[1:]}.", fix))
        return {}
    for one in checked:
        if one.values:
            known = [s for s in one.shapes if int(s.label) in found]
            one.shapes = [s._replace(label=found[int(s.label)]) for s in known]
    return found


def from_objects(
    source: Source, checked: list[Checked], reporter: Reporter, problems: list[Problem]
) -> tuple[list[Checked], str]:
    """Pictures with the class of their objects, or squares cut around the objects; how, in words.

    Whole pictures where each shows objects of one class at most and every class (background: none)
    has some pictures; squares otherwise.
    """
    by_picture = [{shape.label for shape in one.shapes} for one in checked]
    sizes = Counter(next(iter(found), BACKGROUND) for found in by_picture if len(found) < 2)
    has_one_each = max(map(len, by_picture), default=0) < 2
    if has_one_each and len(sizes) > 1 and min(sizes.values()) >= FEWEST:
        for one, found in zip(checked, by_picture, strict=True):
            one.item.label = next(iter(found), BACKGROUND)
        what = "Each picture has the class of the objects marked in it; without any it is "
        what += f"{BACKGROUND!r}."
        problems.append(Problem("note", "", what, "Use --task detection to keep the boxes."))
        return checked, "the class of the objects for each picture"
    cut = _cut(source, checked, reporter)
    kept = sum(one.item.label != BACKGROUND for one in cut)
    total = sum(len(one.shapes) for one in checked)
    what = f"Pictures show several objects, so {kept} of the {total} marked ones were cut out "
    what += f"(at most {MOST} of one picture), and {len(cut) - kept} places without any as "
    what += f"{BACKGROUND!r}. Squares of one picture stay in one split."
    problems.append(Problem("note", "", what, "Use --task detection to keep pictures and boxes."))
    return cut, "each object cut out"


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
        alike[unicodedata.normalize("NFKC", label).strip().casefold()].add(label)
    found = []
    for same in (sorted(names) for names in alike.values() if len(names) > 1):
        what = f"The classes {' and '.join(map(repr, same))} differ in width, case or spaces only."
        found.append(Problem("warning", "", what, "Write them alike if they are one class."))
    wide = sorted(label for label in sizes if _has_wide(label))
    if wide:
        what = f"The class {wide[0]!r} has full-width letters or digits"
        what += f", as have {len(wide) - 1} more." if len(wide) > 1 else "."
        fix = f"Write {unicodedata.normalize('NFKC', wide[0])!r} if that is what is meant."
        found.append(Problem("warning", "", what, fix))
    for label, count in sorted(sizes.items()):
        if count < FEWEST:
            what = f"The class {label!r} has {count} pictures only."
            fix = f"Add some, or leave it out: {FEWEST} or more let every split hold one."
            found.append(Problem("warning", "", what, fix))
    return found


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
    what = f"No training picture is of the class {unknown[0]!r}"
    what += f", nor of {len(unknown) - 1} more." if len(unknown) > 1 else "."
    fix = "Nothing can learn it: add training pictures, or correct the name."
    return [Problem("warning", "", what, fix)]


__all__ = ["from_objects", "name_values", "odd_labels", "only_in_tests"]
