"""YOLO (v5 to v11): a YAML file of classes, and one text file of boxes or polygons per picture."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from types import NoneType
from typing import Any

from digpt.data.images import BadImage
from digpt.data.layouts.items import (
    SPLIT_NAMES,
    Item,
    Layout,
    Listed,
    Places,
    composed,
    is_image,
    split_of_folders,
    text_of,
)
from digpt.data.problems import Problem, problem
from digpt.data.reasons import Reason, because, number, reason
from digpt.data.remarks import Remark, remark
from digpt.data.shapes import Shape
from digpt.data.sources import Source
from digpt.encodings import decoded

MOST_BYTES = 2**20  # of the YAML file
_LISTINGS = ("classes.txt", "obj.names")  # of LabelImg and Label Studio; of CVAT
_FIRST = 50  # text files beside pictures that are looked at: captions may lie there too


def yolo_path(source: Source) -> str | None:
    """The YAML file with class names; "" where labels lie beside images without one, else None.

    Beside labels a YAML file that cannot be read is taken for theirs.
    """
    damaged = ""
    for path in source.files:
        if PurePosixPath(path).suffix.lower() in (".yaml", ".yml") and path.count("/") <= 2:
            content = _yaml(source, path)
            if isinstance(content, dict) and ("names" in content or "nc" in content):
                return path
            damaged = damaged or (path if isinstance(content, (Reason, NoneType)) else "")
    texts = {p for p in source.files if p.endswith(".txt")}
    pictures = [p for p in source.files if is_image(p)]
    if any(_is_label(p) and p in texts for p in map(_label_of, pictures)):
        return damaged
    beside = [p for p in map(_beside, pictures) if p in texts]
    return damaged if any(_holds_objects(source, path) for path in beside[:_FIRST]) else None


def _holds_objects(source: Source, path: str) -> bool:
    """Whether a text file's first line is a class number and the numbers of a box or polygon."""
    try:
        cells = decoded(source.read(path)).split("\n", 1)[0].split()
        return len(cells) > 4 and cells[0].isdecimal() and all(map(_is_share, cells[1:]))
    except (OSError, BadImage, ValueError):
        return False


def _is_share(cell: str) -> bool:
    return -1 <= float(cell) <= 2


def yolo(source: Source, path: str) -> Layout:
    """The pictures with their objects; splits from the YAML file, else from folder names."""
    content = _yaml(source, path) if path else {}
    layout = Layout([_format(source, path)], [], [])
    if not isinstance(content, dict):
        why = content if isinstance(content, Reason) else reason("json-object")
        layout.problems.append(problem("yaml-unreadable", path, reason=why))
        content = {}
    layout.licence, layout.origin = _provenance(content)
    names = _names(source, path, content, layout)
    splits = _splits(source, path, content, layout)
    keypoints = bool(content.get("kpt_shape"))
    files, bare = set(source.files), []
    used: set[str] = set()
    for picture in (p for p in source.files if is_image(p)):
        split = splits.split(picture) or split_of_folders(picture)
        item = Item(picture, None, split, shapes=[])
        label = next((p for p in (_label_of(picture), _beside(picture)) if p in files), None)
        if label is None:
            bare.append(picture)
        else:
            used.add(label)
            problems = len(layout.problems)
            item.shapes = list(_shapes(source, label, names, layout, keypoints))
            item.has_lost = len(layout.problems) > problems
        layout.items.append(item)
    layout.problems += _unmatched(source, used, bare)
    return layout


def _format(source: Source, path: str) -> Remark:
    if path:
        return remark("as-yolo", file=path, source=source.kind)
    return remark("as-bare-yolo", source=source.kind)


def _yaml(source: Source, path: str) -> Any:
    """What the file holds, or the reason why it cannot be read."""
    import yaml  # noqa: PLC0415 - digpt needs torch and images only; YAML here alone

    try:
        data = source.read(path)
        if len(data) > MOST_BYTES or data.count(b"*") > 1000:  # aliases of aliases are a bomb
            return reason("yaml-large")
        return yaml.safe_load(decoded(data))
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark
        return reason("syntax", line=at.line + 1, column=at.column + 1) if at else because(error)
    except (OSError, BadImage, ValueError, yaml.YAMLError, RecursionError) as error:
        return because(error)


def _provenance(content: dict[Any, Any]) -> tuple[str, str]:
    """Licence and address, as Roboflow adds them to the YAML file."""
    told = content.get("roboflow")
    told = told if isinstance(told, dict) else {}
    licence, address = (told.get(key) for key in ("license", "url"))
    return (
        licence.strip() if isinstance(licence, str) else "",
        address.strip() if isinstance(address, str) and address.startswith("http") else "",
    )


def _names(source: Source, path: str, content: dict[Any, Any], layout: Layout) -> list[str]:
    """Class names in order; without any, classes are called by their numbers."""
    found = content.get("names")
    if isinstance(found, dict):
        try:
            found = [found[key] for key in sorted(found, key=int)]
        except (TypeError, ValueError):
            found = None
    if isinstance(found, list):
        names = [composed(str(name).strip()) for name in found]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            layout.problems.append(problem("yaml-class-twice", path, label=twice[0]))
        return names
    for listing in (p for p in source.files if PurePosixPath(p).name in _LISTINGS):
        lines = text_of(source, listing, layout.problems).splitlines()
        return [composed(line.strip()) for line in lines if line.strip()]
    layout.problems.append(problem("yaml-no-names", path))
    return []


def _splits(source: Source, path: str, content: dict[Any, Any], layout: Layout) -> Listed:
    """Of pictures, where train, val and test of the YAML file name folders or lists here."""
    found = Listed()
    for key, split in SPLIT_NAMES.items():
        named = content.get(key)
        for text in named if isinstance(named, list) else [named]:
            if isinstance(text, str) and text.strip():
                pictures = _pictures_of(source, text, found, layout.problems)
                if not pictures:
                    layout.problems.append(problem("yaml-path", path, key=key, named=text))
                for picture in pictures:
                    found.add(picture, split)
    layout.problems += found.problems()
    return found


def _pictures_of(source: Source, text: str, listed: Listed, problems: list[Problem]) -> list[str]:
    """The pictures below a folder (or in a list) that is named as it lay on another machine."""
    parts = [p for p in text.replace("\\", "/").split("/") if p not in ("", ".", "..")]
    if not parts:
        return []
    if parts[-1].endswith(".txt"):
        listing = next((p for p in source.files if p.split("/")[-1] == parts[-1]), None)
        return _in_list(source, listing, listed, problems) if listing else []
    pictures = [p for p in source.files if is_image(p)]
    for start in range(len(parts)):  # the longest end of the path that is a folder here
        tail = "/".join(parts[start:])
        below = [p for p in pictures if f"/{tail}/" in f"/{p}"]
        if below:
            return below
    return []


def _in_list(source: Source, listing: str, listed: Listed, problems: list[Problem]) -> list[str]:
    places, found = Places(source), []
    for line in filter(None, map(str.strip, text_of(source, listing, problems).splitlines())):
        picture = places.find(line, listing)
        found += [picture] if picture else []
        if picture is None:
            listed.miss(listing, line)
    return found


def _shapes(
    source: Source, path: str, names: list[str], layout: Layout, keypoints: bool
) -> Iterable[Shape]:
    try:
        lines = decoded(source.read(path)).splitlines()
    except (OSError, BadImage, ValueError):
        layout.problems.append(problem("yolo-file", path))
        return
    for count, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {count}"
        try:
            yield _shape(line.split(), names, where, keypoints)
        except (ValueError, OverflowError) as error:
            layout.problems.append(problem("yolo-line", where, reason=because(error)))


def _shape(cells: list[str], names: list[str], where: str, keypoints: bool) -> Shape:
    """A box (5 numbers), or a polygon (class and three points or more)."""
    which = int(number(cells[0]))
    if which < 0 or (names and which >= len(names)):
        raise ValueError(reason("yolo-class", number=which, count=len(names)))
    label = names[which] if names else str(which)
    values = [number(cell) for cell in cells[1:]]
    if len(values) < 4:
        raise ValueError(reason("yolo-few", count=len(values)))
    if len(values) in (4, 5) or keypoints:  # a fifth number is the confidence of a prediction
        x, y, width, height = values[:4]
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return Shape(label, _shares(box), where, relative=True)
    if len(values) % 2:
        raise ValueError(reason("yolo-odd", count=len(values)))
    xs, ys = values[::2], values[1::2]
    box = (min(xs), min(ys), max(xs), max(ys))
    return Shape(label, _shares(box), where, polygons=(tuple(values),), relative=True)


def _shares(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    if max(map(abs, box)) > 2:
        raise ValueError(reason("yolo-shares"))
    return box


def _unmatched(source: Source, used: set[str], bare: list[str]) -> list[Problem]:
    found = []
    for path in source.files:
        if _is_label(path) and path not in used:
            found.append(problem("yolo-no-picture", path))
    if bare:
        found.append(problem("yolo-no-file", bare[0], count=len(bare)))
    return found


def _is_label(path: str) -> bool:
    return path.endswith(".txt") and "labels" in path.split("/")


def _label_of(picture: str) -> str:
    """.../images/train/a.jpg -> .../labels/train/a.txt, the last folder "images" counting."""
    parts = picture.split("/")
    places = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return str(PurePosixPath("/".join(parts)).with_suffix(".txt"))


def _beside(picture: str) -> str:
    return str(PurePosixPath(picture).with_suffix(".txt"))
