"""COCO: boxes, polygons and run lengths in JSON, as Roboflow, CVAT and Label Studio export them."""

import json
from collections import Counter
from pathlib import PurePosixPath
from typing import Any, TypeVar

from digpt.data.images import BadImage
from digpt.data.layouts.ids import Ids, as_id
from digpt.data.layouts.items import Item, Layout, Places, composed, split_in, split_of_folders
from digpt.data.problems import problem
from digpt.data.reasons import because, reason
from digpt.data.remarks import remark
from digpt.data.shapes import Rle, Shape
from digpt.data.sources import Source
from digpt.encodings import decoded, mentions

T = TypeVar("T")
MOST_RUNS = 10_000_000  # of one mask


def coco_paths(source: Source) -> list[str]:
    """The JSON files that look like COCO's."""
    found = [p for p in source.files if PurePosixPath(p).suffix.lower() == ".json"]
    return [path for path in found if path.count("/") <= 4 and _is_coco(source, path)]


def coco(source: Source, paths: list[str]) -> Layout:
    """The pictures of all files with their objects; a file's name or folder tells the split."""
    layout = Layout([remark("as-coco", files=tuple(paths), source=source.kind)], [], [])
    places, known = Places(source), {}
    for path in paths:
        content = _content(source, path, layout)
        if content is not None:
            layout.licence = layout.licence or _licence(content)
            _Reading(path, places, layout, known).read(content)
    left = [path for path in places if path not in known]
    if left:
        layout.problems.append(problem("coco-left", paths[0], count=len(left), example=left[0]))
    return layout


def _is_coco(source: Source, path: str) -> bool:
    try:
        data = source.read(path)
    except (OSError, BadImage):
        return True  # so that it is said
    return mentions(data, '"images"') and (
        mentions(data, '"annotations"') or mentions(data, '"categories"')
    )


def _content(source: Source, path: str, layout: Layout) -> dict[str, Any] | None:
    try:
        content = json.loads(decoded(source.read(path)))
        if not isinstance(content, dict):
            raise ValueError(reason("json-object"))
        wrong = [k for k in ("images", "annotations") if not isinstance(content.get(k, []), list)]
        if wrong:
            raise ValueError(reason("json-list", name=wrong[0]))
    except (OSError, ValueError, RecursionError, BadImage) as error:
        layout.problems.append(problem("coco-unreadable", path, reason=because(error)))
        return None
    return content


def _licence(content: dict[str, Any]) -> str:
    """The names of the licences that the file lists."""
    listed = content.get("licenses")
    named = [
        one["name"].strip()
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict) and isinstance(one.get("name"), str)
    ]
    return ", ".join(dict.fromkeys(filter(None, named)))


class _Reading:
    """One file; `known` holds the pictures of all files by path."""

    def __init__(self, path: str, places: Places, layout: Layout, known: dict[str, Item]) -> None:
        self._path, self._places, self._layout, self._known = path, places, layout, known
        self._split = split_in(path) or split_of_folders(path)
        self._images: Ids[Item | None] = Ids()  # None: of a picture that is missing
        self._classes: Ids[str] = Ids()

    def read(self, content: dict[str, Any]) -> None:
        self._read_classes(content.get("categories"))
        for number, image in enumerate(content.get("images", []), 1):
            self._add_picture(f"{self._path}, image {number}", image)
        seen: Counter[Any] = Counter()
        for number, annotation in enumerate(content.get("annotations", []), 1):
            where = f"{self._path}, annotation {number}"
            if not isinstance(annotation, dict):
                self._say("coco-annotation", where)
                continue
            ident = as_id(annotation.get("id"))
            seen[ident] += 1
            if ident is not None and seen[ident] == 2:
                self._say("coco-annotation-id", where, id=ident)
            self._add_object(where, annotation)
        self._say_ids("image", self._images)
        self._say_ids("category", self._classes)

    def _read_classes(self, categories: Any) -> None:
        for number, one in enumerate(categories if isinstance(categories, list) else [], 1):
            where = f"{self._path}, category {number}"
            if not isinstance(one, dict) or as_id(one.get("id")) is None or not one.get("name"):
                self._say("coco-category", where)
            elif one["id"] in self._classes:
                self._say("coco-category-id", where, id=one["id"])
            else:
                self._add(self._classes, where, one["id"], composed(str(one["name"]).strip()))

    def _add_picture(self, where: str, image: Any) -> None:
        name = image.get("file_name") if isinstance(image, dict) else None
        ident = as_id(image.get("id")) if isinstance(image, dict) else None
        if not isinstance(name, str) or ident is None:
            self._say("coco-image", where)
            return
        if ident in self._images:
            self._say("coco-image-id", where, id=ident)
            return
        path = self._places.find(name, self._path, self._split)
        if path is None:
            self._say("coco-image-missing", where, name=name)
            self._add(self._images, where, ident, None)
            return
        if path in self._known:
            self._say("coco-image-twice", where, path=path)
            self._add(self._images, where, ident, self._known[path])
            return
        width, height = _number(image.get("width")), _number(image.get("height"))
        size = (int(width), int(height)) if width and height else None
        item = Item(path, None, self._split or split_of_folders(path), shapes=[], size=size)
        self._known[path] = item
        self._layout.items.append(item)
        self._add(self._images, where, ident, item)

    def _add(self, ids: Ids[T], where: str, ident: Any, meant: T) -> None:
        alike = ids.add(ident, meant)
        if alike is not None:
            self._say("coco-ids-alike", where, id=ident, other=alike)

    def _add_object(self, where: str, annotation: dict[str, Any]) -> None:
        item = self._images.find(annotation.get("image_id"), where)
        if item is None:
            return
        if isinstance(annotation.get("caption"), str):  # a file of captions, not of objects
            item.captions.setdefault("caption", annotation["caption"].strip())
            return
        label = self._classes.find(annotation.get("category_id"), where)
        if label is None:
            item.has_lost = True
            return
        try:
            shape = _shape(label, where, annotation)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            item.has_lost = True
            self._say("coco-outline", where, reason=because(error))
            return
        assert item.shapes is not None
        item.shapes.append(shape)

    def _say_ids(self, kind: str, ids: Ids[Any]) -> None:
        """Ids that annotations write otherwise, and unknown ones: all of them in one sentence."""
        if ids.rewritten:
            asked, known = ids.rewritten[0]
            facts = {"count": len(ids.rewritten), "id": asked, "other": known}
            self._say(f"coco-{kind}-ids-written", self._path, **facts)
        if len(ids.unknown) > 1 and not ids.found:
            facts = {"count": len(ids.unknown), "id": ids.unknown[0][1], "other": ids.example}
            self._say(f"coco-no-{kind}-at-all", self._path, **facts)
            return
        for where, ident in ids.unknown:
            self._say(f"coco-no-{kind}", where, id=ident)

    def _say(self, code: str, where: str, **facts: Any) -> None:
        self._layout.problems.append(problem(code, where, **facts))


def _shape(label: str, where: str, annotation: dict[str, Any]) -> Shape:
    polygons, rle = _outline(annotation.get("segmentation"))
    box = annotation.get("bbox")
    if box:
        x, y, width, height = _corners(box)
        corners = (x, y, x + width, y + height)
    elif polygons:
        xs = [x for polygon in polygons for x in polygon[::2]]
        ys = [y for polygon in polygons for y in polygon[1::2]]
        corners = (min(xs), min(ys), max(xs), max(ys))
    elif rle:
        corners = rle.bounds()
    else:
        raise ValueError(reason("outline-none"))
    return Shape(label, corners, where, polygons, rle)


def _corners(box: Any) -> tuple[float, ...]:
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError(reason("coco-box"))
    try:
        return tuple(map(float, box))
    except (TypeError, ValueError) as error:
        raise ValueError(reason("coco-box")) from error


def _outline(found: Any) -> tuple[tuple[tuple[float, ...], ...], Rle | None]:
    """Polygons or run lengths; an empty segmentation is none."""
    if not found:
        return (), None
    if isinstance(found, dict):
        height, width = map(int, found["size"])
        counts = found["counts"]
        runs = tuple(map(int, counts)) if isinstance(counts, list) else rle_counts(counts)
        if min(runs, default=0) < 0 or sum(runs) != height * width or height * width > 10**8:
            raise ValueError(reason("rle-size"))
        return (), Rle(runs, height, width)
    polygons = tuple(tuple(map(float, polygon)) for polygon in found)
    if any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
        raise ValueError(reason("outline-points"))
    return polygons, None


def rle_counts(text: str) -> tuple[int, ...]:
    """Run lengths from COCO's compressed text: each run less the last but one."""
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64 or shift > 60 or len(counts) > MOST_RUNS:
            raise ValueError(reason("rle-damaged"))
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return tuple(counts)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and 0 < value < 10**6 else None
