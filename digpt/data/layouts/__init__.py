"""What a source's files, names and tables say: which picture is of which class, split and group."""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath

from digpt.data.images import BadImage
from digpt.data.layouts.coco import coco, coco_paths
from digpt.data.layouts.folders import class_folders
from digpt.data.layouts.huggingface import arrow_paths, huggingface
from digpt.data.layouts.items import (
    PACKED,
    UNREAD,
    UNREAD_TABLES,
    Item,
    Layout,
    is_table,
    suffix_of,
)
from digpt.data.layouts.labelme import is_labelme, labelme, labelme_paths
from digpt.data.layouts.manifest import add_details, is_manifest, manifest, table_paths, understood
from digpt.data.layouts.masks import mask_pairs
from digpt.data.layouts.tables import read_table
from digpt.data.layouts.voc import voc, voc_paths
from digpt.data.layouts.yolo import yolo, yolo_path
from digpt.data.problems import Problem, problem
from digpt.data.reasons import because
from digpt.data.remarks import remark
from digpt.data.sources import Source
from digpt.encodings import decoded

LOOKED_AT = 5  # JSON files that may be damaged
_PACKED = {  # folders in which torchvision keeps pictures of its sets packed together
    "MNIST": "MNIST",
    "FashionMNIST": "FashionMNIST",
    "KMNIST": "KMNIST",
    "cifar-10-batches-py": "CIFAR10",
    "cifar-100-python": "CIFAR100",
    "stl10_binary": "STL10",
}


def find_layout(source: Source, chosen: str = "") -> Layout:
    """How the source is laid out; `chosen` is the file that was given instead of its folder.

    Annotations of objects win over tables that list paths and classes, these over masks, these
    over class folders. A plain folder of pictures without any of them is a pool.
    """
    layout = _of_chosen(source, chosen) if chosen else _of_all(source)
    layout.problems += [] if chosen else _unread(source, layout)
    layout.problems[:0] = source.problems
    return layout


def _of_all(source: Source) -> Layout:
    if paths := arrow_paths(source):
        return huggingface(source, paths)
    if (path := yolo_path(source)) is not None:
        return yolo(source, path)
    if paths := coco_paths(source):
        return coco(source, paths)
    if paths := voc_paths(source):
        return voc(source, paths)
    if paths := labelme_paths(source):
        return labelme(source, paths)
    tables = [understood(read_table(source, path), source) for path in table_paths(source)]
    if listing := [table for table in tables if is_manifest(table)]:
        return manifest(source, listing)
    layout = mask_pairs(source) or class_folders(source)
    if not layout.items and (packed := [f for f in source.folders if f in _PACKED]):
        facts = {"name": _PACKED[packed[0]], "folder": packed[0]}
        layout.problems = [problem("torchvision-packed", packed[0], **facts)]
    for table in tables:
        add_details(layout, table, source)
    return layout


def _unread(source: Source, layout: Layout) -> list[Problem]:
    """Pictures of kinds that we cannot read, JSON files that nothing tells, packed files."""
    found = [p for p in source.files if suffix_of(p) in UNREAD]
    packed = [p for p in source.files if suffix_of(p) in PACKED]
    tables = [p for p in source.files if suffix_of(p) in UNREAD_TABLES]
    told = [p for p in source.files if suffix_of(p) == ".json"]
    problems = []
    if all(item.shapes is None for item in layout.items):
        if not any(item.label for item in layout.items):
            problems += _broken(source, told[:LOOKED_AT])
        stems = {str(PurePosixPath(item.path).with_suffix("")) for item in layout.items}
        found += [path for path in told if path[:-5] in stems]
    for code, paths in (("files-unread", found), ("tables-unread", tables)):
        if paths:
            kinds = ", ".join(sorted(set(map(suffix_of, paths))))
            problems.append(problem(code, paths[0], count=len(paths), kinds=kinds))
    if packed:
        problems.append(problem("files-packed", packed[0], count=len(packed), name=packed[0]))
    return problems


def _broken(source: Source, paths: list[str]) -> Iterator[Problem]:
    """JSON files that are cut or damaged: they may be the annotations that are missed."""
    for path in paths:
        try:
            json.loads(decoded(source.read(path)))
        except (OSError, ValueError, RecursionError, BadImage) as error:
            yield problem("coco-unreadable", path, reason=because(error))


def _of_chosen(source: Source, chosen: str) -> Layout:
    suffix = PurePosixPath(chosen).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return yolo(source, chosen)
    if suffix == ".json":
        read = labelme if is_labelme(source, chosen) else coco
        return read(source, [chosen])
    if chosen in arrow_paths(source):
        return huggingface(source, [chosen])
    table = understood(read_table(source, chosen), source)
    if is_manifest(table):
        return manifest(source, [table])
    return Layout(
        [remark("as-table", files=(chosen,), source=source.kind)],
        [],
        table.problems or [problem("table-columns", chosen, columns=", ".join(table.header))],
    )


__all__ = ["Item", "Layout", "find_layout", "is_table"]
