"""Pictures with masks beside them: a folder of each, or a.jpg with a_mask.png."""

from collections import Counter
from pathlib import PurePosixPath

from digpt.data.goodness import is_good
from digpt.data.layouts.items import SPLIT_NAMES, Item, Layout, composed, is_image, text_of
from digpt.data.problems import Problem, problem
from digpt.data.remarks import remark
from digpt.data.sources import Source

MASK_FOLDERS = frozenset(
    (
        *("mask", "masks", "gt", "ground_truth", "groundtruth", "annotations", "label", "labels"),
        *("segmentation", "segmentations", "segmentationclass"),
    )
)
INSTANCE_FOLDERS = frozenset(("instance", "instances", "segmentationobject"))
IMAGE_FOLDERS = frozenset(("image", "images", "img", "imgs", "jpegimages", "photos", "rgb"))
ENDINGS = ("_mask", "_masks", "_gt", "_seg", "_label", "_labels", "-mask")
Key = tuple[str, ...]


def mask_pairs(source: Source) -> Layout | None:
    """The pictures with their masks; None where hardly any picture has one.

    Folders that are left when those of splits, images and masks are taken away name classes.
    """
    pictures: dict[str, Key] = {}
    masks: dict[str, dict[Key, str]] = {"mask": {}, "instances": {}}
    for path in (p for p in source.files if is_image(p)):
        kind, key = _kind_and_key(path)
        if kind == "picture":
            pictures[path] = key
        else:
            masks[kind][key] = path
    used: set[str] = set()
    items = [_item(path, key, masks, used) for path, key in pictures.items()]
    found = [path for kind in masks.values() for path in kind.values()]
    if not used or len(used) < len(found) / 2:
        return None
    _forget_shared_label(items)
    layout = Layout([remark("as-masks", source=source.kind)], items, [])
    layout.mask_classes = mask_names(source, layout.problems)
    for path in sorted(set(found) - used):
        layout.problems.append(problem("mask-no-picture", path))
    bare = [
        item.path
        for item in items
        if not (item.mask or item.instances or is_good(item.label or ""))
    ]
    if bare:
        layout.problems.append(problem("pictures-no-mask", bare[0], count=len(bare)))
    return layout


def mask_names(source: Source, problems: list[Problem]) -> dict[int, str]:
    """Name by mask value, from a list of classes (1, 2 ...) or CVAT's map of colours, if any."""
    for path in source.files:
        name = PurePosixPath(path).name
        if name in ("classes.txt", "class_names.txt", "labelmap.txt"):
            lines = text_of(source, path, problems).splitlines()
            names = [composed(line.strip()) for line in lines if line.strip()]
            if name == "labelmap.txt":
                return _colours(names)
            first = names[:1] and names[0].lower() in ("background", "_background_")
            return dict(enumerate(names[1:] if first else names, 1))
    return {}


def _colours(lines: list[str]) -> dict[int, str]:
    """Name by 0xRRGGBB, from lines like scratch:250,50,83:parts:actions."""
    found = {}
    for line in lines:
        name, _, rest = line.partition(":")
        cells = rest.split(":")[0].split(",")
        if len(cells) == 3 and all(c.strip().isdecimal() for c in cells):
            red, green, blue = map(int, cells)
            found[red << 16 | green << 8 | blue] = name
    return {value: name for value, name in found.items() if value}


def _kind_and_key(path: str) -> tuple[str, Key]:
    """Whether a file is a picture, a mask or an instance mask, and what pairs it with others."""
    parts = composed(path).split("/")
    stem = PurePosixPath(parts[-1]).stem
    folders = [part.lower() for part in parts[:-1]]
    ending = next((e for e in ENDINGS if stem.lower().endswith(e)), "")
    if any(f in INSTANCE_FOLDERS for f in folders):
        kind, away = "instances", INSTANCE_FOLDERS
    elif any(f in MASK_FOLDERS for f in folders):
        kind, away = "mask", MASK_FOLDERS
    else:
        kind, away = ("mask" if ending else "picture"), IMAGE_FOLDERS
    rest = [p for p in parts[:-1] if p.lower() not in away and p.lower() not in IMAGE_FOLDERS]
    return kind, (*rest, stem[: len(stem) - len(ending)])


def _item(path: str, key: Key, masks: dict[str, dict[Key, str]], used: set[str]) -> Item:
    split = next((SPLIT_NAMES[p.lower()] for p in key[:-1] if p.lower() in SPLIT_NAMES), None)
    rest = tuple(p for p in key if p.lower() not in SPLIT_NAMES)
    item = Item(path, composed(rest[-2]) if len(rest) > 1 else None, split)
    for kind, found in masks.items():
        # masks without splits belong to the test pictures of defect sets such as MVTec's
        mask = found.get(key) or (found.get(rest) if split in (None, "test") else None)
        if mask:
            setattr(item, kind, mask)
            used.add(mask)
    return item


def _forget_shared_label(items: list[Item]) -> None:
    """Forget labels that are only the name of a folder around everything."""
    labels = Counter(item.label for item in items)
    if len(labels) == 1:
        for item in items:
            item.label = None
