"""Pascal VOC: one XML file per picture, as LabelImg and Roboflow write them."""

import re
from pathlib import PurePosixPath
from xml.etree import ElementTree

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
from digpt.data.layouts.masks import mask_names
from digpt.data.problems import Problem, problem
from digpt.data.reasons import because, number, reason
from digpt.data.remarks import remark
from digpt.data.shapes import Shape
from digpt.data.sources import Source
from digpt.encodings import decoded, mentions

# the values 1 to 20 in the masks of the VOC challenges
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
_DECLARED = re.compile(rb"<\?xml[^>]*encoding=[\"']([\w.-]+)")
_JAPANESE = {
    **dict.fromkeys(("shift_jis", "shift-jis", "x-sjis", "windows-31j", "cp932"), "cp932"),
    "euc-jp": "euc_jp",
    "iso-8859-1": "iso-8859-1",
}
MOST_BYTES = 16 * 2**20  # of one XML file


def voc_paths(source: Source) -> list[str]:
    """The XML files, if the first of them is an annotation."""
    found = [p for p in source.files if PurePosixPath(p).suffix.lower() == ".xml"]
    return found if any(_is_voc(source, path) for path in found[:5]) else []


def voc(source: Source, paths: list[str]) -> Layout:
    """The pictures that the XML files name, with their objects; splits from ImageSets/Main."""
    layout = Layout([remark("as-voc", count=len(paths), source=source.kind)], [], [])
    masks = _mask_files(source)
    is_mask = {path for paths in masks.values() for path in paths.values()}
    places, splits = Places(source, is_mask), _listed_splits(source, layout.problems)
    known: set[str] = set()
    for path in paths:
        item = _read(source, path, places, layout)
        if item is None:
            continue
        if item.path in known:
            layout.problems.append(problem("voc-twice", path, path=item.path))
            continue
        known.add(item.path)
        stem = PurePosixPath(item.path).stem
        item.split = splits.split(stem) or split_of_folders(item.path) or split_of_folders(path)
        layout.items.append(item)
    layout.problems += splits.problems()
    _add_masks(source, layout, masks)
    for path in places:
        if path not in known:
            layout.problems.append(problem("voc-none", path))
    return layout


def _mask_files(source: Source) -> dict[str, dict[str, str]]:
    """Path by picture's stem, of classes and of objects."""
    found: dict[str, dict[str, str]] = {"SegmentationClass": {}, "SegmentationObject": {}}
    for path in source.files:
        folder = PurePosixPath(path).parent.name
        if folder in found and is_image(path):
            found[folder][PurePosixPath(path).stem] = path
    return found


def _add_masks(source: Source, layout: Layout, found: dict[str, dict[str, str]]) -> None:
    """Give the pictures their masks, and the masks' values names."""
    for item in layout.items:
        stem = PurePosixPath(item.path).stem
        item.mask = found["SegmentationClass"].get(stem)
        item.instances = found["SegmentationObject"].get(stem) if item.mask else None
    layout.mask_classes = mask_names(source, layout.problems)
    labels = {shape.label for item in layout.items for shape in item.shapes or ()}
    if not layout.mask_classes and labels <= set(VOC_CLASSES):
        layout.mask_classes = dict(enumerate(VOC_CLASSES, 1))


def _is_voc(source: Source, path: str) -> bool:
    try:
        return mentions(source.read(path)[:8192], "<annotation")
    except (OSError, BadImage):
        return True  # so that it is said


def _read(source: Source, path: str, places: Places, layout: Layout) -> Item | None:
    try:
        root = _parsed(source.read(path))
    except (OSError, BadImage, ValueError, ElementTree.ParseError) as error:
        layout.problems.append(problem("voc-unreadable", path, reason=because(error)))
        return None
    if root.tag != "annotation":
        layout.problems.append(problem("voc-other", path))
        return None
    picture = _picture(root, path, places)
    if picture is None:
        named = root.findtext("filename") or PurePosixPath(path).stem
        layout.problems.append(problem("voc-missing", path, name=named))
        return None
    item = Item(picture, None, shapes=[], size=_size(root))
    for count, found in enumerate(root.iter("object"), 1):
        where = f"{path}, object {count}"
        try:
            shape = _shape(found, where)
        except (ValueError, TypeError) as error:
            item.has_lost = True
            layout.problems.append(problem("voc-object", where, reason=because(error)))
            continue
        assert item.shapes is not None
        item.shapes.append(shape)
    return item


def _parsed(data: bytes) -> ElementTree.Element:
    if len(data) > MOST_BYTES:
        raise ValueError(reason("xml-large", mib=MOST_BYTES // 2**20))
    declared = _DECLARED.match(data)
    name = declared[1].decode().lower() if declared else ""
    # expat reads no encoding of several bytes but UTF-8 and UTF-16
    text = data.decode(_JAPANESE[name]) if name in _JAPANESE else decoded(data)
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise ValueError(reason("xml-entities"))
    return ElementTree.fromstring(text)


def _picture(root: ElementTree.Element, path: str, places: Places) -> str | None:
    """By the name in the file, else (renamed pictures) by the XML file's own name."""
    split = split_of_folders(path)
    named = (root.findtext("filename") or "").strip()
    found = places.find(named, path, split) if named else None
    if found:
        return found
    suffixes = (".jpg", ".jpeg", ".png", ".bmp", ".JPG", ".tif", ".tiff")
    stem = PurePosixPath(path).stem
    return next(filter(None, (places.find(stem + s, path, split) for s in suffixes)), None)


def _shape(found: ElementTree.Element, where: str) -> Shape:
    label = composed((found.findtext("name") or "").strip())
    box = found.find("bndbox")
    if not label or box is None:
        raise ValueError(reason("voc-incomplete"))
    corners = [(box.findtext(side) or "").strip() for side in ("xmin", "ymin", "xmax", "ymax")]
    if not all(corners):
        raise ValueError(reason("voc-corners"))
    x0, y0, x1, y1 = map(number, corners)
    return Shape(label, (x0, y0, x1, y1), where)


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    """Width and height as the file says; some tools write zeros."""
    try:
        width = int(float(root.findtext("size/width") or 0))
        height = int(float(root.findtext("size/height") or 0))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _listed_splits(source: Source, problems: list[Problem]) -> Listed:
    """By picture's stem, from ImageSets/Main/train.txt and its like."""
    found = Listed()
    stems = {PurePosixPath(p).stem for p in source.files if is_image(p)}
    for path in source.files:
        split = SPLIT_NAMES.get(PurePosixPath(path).stem.lower())
        if "ImageSets" in path.split("/") and path.endswith(".txt") and split:
            for line in filter(None, map(str.strip, text_of(source, path, problems).splitlines())):
                # names may hold spaces; a number may follow that says whether a class is there
                stem = line if line in stems else line.split()[0]
                found.add(stem, split) if stem in stems else found.miss(path, stem)
    return found
