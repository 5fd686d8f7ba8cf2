"""LabelMe: a JSON file per picture, as Labelme, AnyLabeling and X-AnyLabeling write them."""

import json
import math
from pathlib import PurePosixPath
from typing import Any

from digpt.data.goodness import is_good
from digpt.data.images import BadImage
from digpt.data.layouts.folders import class_folders
from digpt.data.layouts.items import Item, Layout, Places, composed, split_of_folders
from digpt.data.problems import problem
from digpt.data.reasons import because, reason
from digpt.data.remarks import remark
from digpt.data.shapes import Shape
from digpt.data.sources import Source

LOOKED_AT = 5  # JSON files, to know whose they are
CORNERS = 48  # of the polygon that stands for a circle
POINTS = {"rectangle": 2, "circle": 2, "polygon": 3, "rotation": 3}  # at least


def labelme_paths(source: Source) -> list[str]:
    """The JSON files, if one of the first is LabelMe's."""
    found = [p for p in source.files if PurePosixPath(p).suffix.lower() == ".json"]
    return found if any(is_labelme(source, path) for path in found[:LOOKED_AT]) else []


def is_labelme(source: Source, path: str) -> bool:
    try:
        data = source.read(path)
    except (OSError, BadImage):
        return False
    return b'"shapes"' in data and b'"imagePath"' in data


def labelme(source: Source, paths: list[str]) -> Layout:
    """The pictures that have a JSON file, with their objects; where nothing is marked in any, the
    flag that is set is the class.

    Good pictures are seldom annotated: where class folders have one for them, the folders are the
    classes and all pictures are taken.
    """
    layout = Layout([remark("as-labelme", count=len(paths), source=source.kind)], [], [])
    places, known = Places(source), {}
    for path in paths:
        item = _read(source, path, places, layout)
        if item is None:
            continue
        if item.path in known:
            layout.problems.append(problem("labelme-twice", path, path=item.path))
            continue
        known[item.path] = item
    layout.items = list(known.values())
    _read_flags(layout)
    left = [path for path in places if path not in known]
    if not _read_folders(source, layout, known) and left:
        layout.problems.append(problem("labelme-left", "", count=len(left), example=left[0]))
    return layout


def _read(source: Source, path: str, places: Places, layout: Layout) -> Item | None:
    try:
        content = json.loads(source.read(path))
    except (OSError, ValueError, RecursionError, BadImage) as error:
        layout.problems.append(problem("labelme-unreadable", path, reason=because(error)))
        return None
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        layout.problems.append(problem("labelme-other", path))
        return None
    named, split = content.get("imagePath"), split_of_folders(path)
    named = named if isinstance(named, str) and named else PurePosixPath(path).stem
    stem = PurePosixPath(path).stem  # the picture's name too, whatever it was called before
    picture = places.find(named, path, split) or places.find(stem, path, split)
    if picture is None:
        layout.problems.append(problem("labelme-missing", path, name=named))
        return None
    item = Item(picture, None, split_of_folders(picture) or split, size=_size(content))
    item.shapes = _shapes(shapes, path, layout)
    flags = content.get("flags")
    for name, value in flags.items() if isinstance(flags, dict) else ():
        item.attributes[composed(str(name))] = "true" if value is True else "false"
    return item


def _shapes(listed: list[Any], path: str, layout: Layout) -> list[Shape]:
    found = []
    for number, one in enumerate(listed, 1):
        where = f"{path}, shape {number}"
        kind = one.get("shape_type") or "polygon" if isinstance(one, dict) else None
        if kind is not None and str(kind) not in POINTS:
            known = tuple(k for k in POINTS if k != "rotation")
            layout.problems.append(problem("labelme-type", where, kind=str(kind), known=known))
            continue
        try:
            found.append(_shape(one, str(kind), where))
        except (ValueError, TypeError, OverflowError) as error:
            layout.problems.append(problem("labelme-shape", where, reason=because(error)))
    return found


def _shape(one: Any, kind: str, where: str) -> Shape:
    label = composed(str(one.get("label") or "").strip()) if isinstance(one, dict) else ""
    if not label:
        raise ValueError(reason("labelme-label"))
    points = one.get("points")
    if not isinstance(points, list) or not all(map(_is_point, points)):
        raise ValueError(reason("labelme-points"))
    if len(points) < POINTS[kind]:
        raise ValueError(reason("labelme-few", kind=kind, least=POINTS[kind], count=len(points)))
    outline = [(float(x), float(y)) for x, y in points]
    if kind == "circle":
        outline = _around(outline[0], outline[1])
    xs, ys = zip(*outline, strict=True)
    box = (min(xs), min(ys), max(xs), max(ys))
    polygons = () if kind == "rectangle" else (tuple(v for point in outline for v in point),)
    return Shape(label, box, where, polygons)


def _is_point(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value)
    )


def _around(centre: tuple[float, float], edge: tuple[float, float]) -> list[tuple[float, float]]:
    (x, y), radius = centre, math.dist(centre, edge)
    turns = (2 * math.pi * k / CORNERS for k in range(CORNERS))
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]


def _size(content: dict[str, Any]) -> tuple[int, int] | None:
    width, height = content.get("imageWidth"), content.get("imageHeight")
    if not (isinstance(width, int) and isinstance(height, int)):
        return None
    return (width, height) if 0 < width < 10**6 and 0 < height < 10**6 else None


def _read_flags(layout: Layout) -> None:
    """Flags as classes where no file marks anything and some set a flag."""
    items = layout.items
    chosen = [[n for n, value in i.attributes.items() if value == "true"] for i in items]
    if any(item.shapes for item in items) or not any(chosen):
        return
    layout.formats.append(remark("class-of-flags"))
    for item, flags in zip(items, chosen, strict=True):
        item.shapes, item.attributes = None, {}
        if not flags:
            item.split = "pool"
            layout.problems.append(problem("labelme-no-flag", item.path))
            continue
        item.label = flags[0]
        if len(flags) > 1:
            facts = {"path": item.path, "count": len(flags), "label": flags[0]}
            item.attributes["labels"] = ";".join(flags)
            layout.problems.append(problem("row-classes", item.path, **facts))


def _read_folders(source: Source, layout: Layout, known: dict[str, Item]) -> bool:
    """Whether class folders, one of them of good pictures, say the classes of all pictures."""
    folders = class_folders(source)
    labels = {item.label for item in folders.items if item.label}
    if len(labels) < 2 or not any(map(is_good, labels)):
        return False
    by_path = {item.path: item for item in folders.items}
    for path, item in known.items():
        if path in by_path and item.label is None:
            item.label = by_path[path].label
    bare = [item for item in folders.items if item.path not in known]
    layout.items += bare
    layout.formats += folders.formats
    layout.problems += folders.problems
    if bare:
        layout.problems.append(problem("labelme-none", "", count=len(bare), example=bare[0].path))
    return True


__all__ = ["is_labelme", "labelme", "labelme_paths"]
