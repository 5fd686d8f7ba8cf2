"""LabelMe: a JSON file per picture, as Labelme, AnyLabeling and X-AnyLabeling write them."""

import json
from pathlib import PurePosixPath
from typing import Any

from digpt.data.goodness import is_good
from digpt.data.images import BadImage
from digpt.data.layouts.folders import class_folders
from digpt.data.layouts.items import Item, Layout, Places, composed, split_of_folders
from digpt.data.layouts.labelme_pictures import WithEmbedded
from digpt.data.layouts.labelme_shapes import AREAS, THIN, kind_of, read_shape
from digpt.data.problems import problem
from digpt.data.reasons import because
from digpt.data.remarks import remark
from digpt.data.shapes import Shape
from digpt.data.sources import Source
from digpt.encodings import decoded, mentions

LOOKED_AT = 5  # JSON files, to know whose they are
SAID = 5  # labels


def labelme_paths(source: Source) -> list[str]:
    """The JSON files, if one of the first is LabelMe's."""
    found = [p for p in source.files if PurePosixPath(p).suffix.lower() == ".json"]
    return found if any(is_labelme(source, path) for path in found[:LOOKED_AT]) else []


def is_labelme(source: Source, path: str) -> bool:
    try:
        data = source.read(path)
    except (OSError, BadImage):
        return False
    return mentions(data, '"shapes"', '"imagePath"')


def labelme(source: Source, paths: list[str]) -> Layout:
    """The pictures that have a JSON file, with their objects; where nothing is marked in any, the
    flag that is set is the class.

    Good pictures are seldom annotated: where class folders have one for them, the folders are the
    classes and all pictures are taken.
    """
    layout = Layout([remark("as-labelme", count=len(paths), source=source.kind)], [], [])
    places, known, thin = Places(source), {}, []
    pictures = WithEmbedded(source)
    for path in paths:
        item = _read(pictures, path, places, layout, thin)
        if item is None:
            continue
        if item.path in known:
            layout.problems.append(problem("labelme-twice", path, path=item.path))
            continue
        known[item.path] = item
    layout.items = list(known.values())
    if thin:
        labels = tuple(dict.fromkeys(shape.label for shape in thin))
        facts = {"count": len(thin), "labels": labels[:SAID]}
        layout.problems.append(problem("labelme-thin", thin[0].where, **facts))
    if pictures.embedded:
        layout.source = pictures
        facts = {"count": len(pictures.embedded), "example": pictures.embedded[0]}
        layout.problems.append(problem("labelme-embedded", "", **facts))
    _read_flags(layout)
    left = [path for path in places if path not in known]
    if not _read_folders(source, layout, known) and left:
        layout.problems.append(problem("labelme-left", "", count=len(left), example=left[0]))
    return layout


def _read(
    source: WithEmbedded, path: str, places: Places, layout: Layout, thin: list[Shape]
) -> Item | None:
    try:
        content = json.loads(decoded(source.read(path)))
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
    picture = picture or source.add(content, path, named)
    if picture is None:
        layout.problems.append(problem("labelme-missing", path, name=named))
        return None
    item = Item(picture, None, split_of_folders(picture) or split, size=_size(content))
    item.shapes = _shapes(shapes, path, item.size, layout, thin)
    item.has_lost = len(item.shapes) < len(shapes)
    flags = content.get("flags")
    for name, value in flags.items() if isinstance(flags, dict) else ():
        item.attributes[composed(str(name))] = "true" if value is True else "false"
    return item


def _shapes(
    listed: list[Any], path: str, size: tuple[int, int] | None, layout: Layout, thin: list[Shape]
) -> list[Shape]:
    """The shapes that can be read; those without an area are added to `thin` too."""
    found = []
    for number, one in enumerate(listed, 1):
        where = f"{path}, shape {number}"
        try:
            kind = kind_of(one)
            if kind not in AREAS | THIN:
                known = tuple(k for k in AREAS if k != "rotation")
                layout.problems.append(problem("labelme-type", where, kind=kind, known=known))
                continue
            shape = read_shape(one, where, size)
        except (ValueError, TypeError, OverflowError, BadImage) as error:
            layout.problems.append(problem("labelme-shape", where, reason=because(error)))
            continue
        shape = shape._replace(label=composed(shape.label))
        found.append(shape)
        thin += [shape] if kind in THIN else []
    return found


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
