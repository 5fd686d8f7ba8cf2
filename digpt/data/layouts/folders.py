"""Pictures by the folders they lie in: one folder per class, or no classes at all."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from digpt.data.layouts.items import (
    SPLIT_NAMES,
    Item,
    Layout,
    composed,
    folder_of,
    is_image,
    is_table,
)
from digpt.data.problems import Problem, problem
from digpt.data.remarks import remark
from digpt.data.sources import Source


def class_folders(source: Source) -> Layout:
    """One folder per class, with or without a level of split folders above."""
    prefix = wrapper(source)
    images = [p for p in source.files if is_image(p) and p.startswith(prefix)]
    inside = {p: PurePosixPath(p[len(prefix) :]).parts for p in images}
    tops = sorted({parts[0] for parts in inside.values() if len(parts) > 1})
    if images and not tops:
        return _plain(source, images)
    has_splits = any(top.lower() in SPLIT_NAMES for top in tops)
    layout = Layout(
        formats=[remark(f"as-{'split-' if has_splits else ''}classes", source=source.kind)],
        items=[],
        problems=list(_empty_classes(source, prefix, images, has_splits)),
    )
    if has_splits:
        layout.problems += _beside_splits(tops)
    for path, parts in inside.items():
        _place(layout, path, parts, has_splits)
    layout.problems += _inner_folders(inside.values(), has_splits)
    return layout


def _inner_folders(places: Iterable[tuple[str, ...]], has_splits: bool) -> list[Problem]:
    """Whether folders of one name lie in several class folders: they may be the real classes."""
    above: dict[str, set[str]] = defaultdict(set)
    for parts in places:
        folders = parts[1:-1] if has_splits else parts[:-1]
        if len(folders) > 1:
            above[composed(folders[1])].add(composed(folders[0]))
    inner = sorted(name for name, classes in above.items() if len(classes) > 1)
    if not inner:
        return []
    outer = sorted(set().union(*(above[name] for name in inner)))
    facts = {"inner": tuple(inner), "outer": tuple(outer)}
    return [problem("inner-folders", "", **facts)]


def _plain(source: Source, images: list[str]) -> Layout:
    """A folder of pictures and nothing else: a pool to pretrain on, or to label."""
    return Layout(
        formats=[remark("as-pool", source=source.kind)],
        items=[Item(path, None, "pool") for path in images],
        problems=[problem("no-classes", folder_of(images[0]), count=len(images))],
    )


def wrapper(source: Source) -> str:
    """The path of folders that only wrap the data, as archives like to have one."""
    prefix = ""
    while True:
        level = [p[len(prefix) :] for p in source.files if p.startswith(prefix)]
        if any("/" not in p and (is_image(p) or is_table(p)) for p in level):
            return prefix
        below = [p[len(prefix) :] for p in source.folders if p.startswith(prefix)]
        tops = {p.split("/")[0] for p in below if p}
        if len(tops) != 1 or next(iter(tops)).lower() in SPLIT_NAMES:
            return prefix
        inner = f"{next(iter(tops))}/"
        has_folders = any(p.startswith(inner) for p in below)
        has_table = any(p.startswith(inner) and p.count("/") == 1 and is_table(p) for p in level)
        if not (has_folders or has_table):
            return prefix
        prefix += inner


def _place(layout: Layout, path: str, parts: tuple[str, ...], has_splits: bool) -> None:
    """Add one picture by the folders it lies in, or say why it has no class."""
    split = SPLIT_NAMES.get(parts[0].lower()) if has_splits else None
    folders = parts[1:-1] if has_splits else parts[:-1]
    if has_splits and split is None:
        return  # said once for the whole folder
    if split == "pool":
        layout.items.append(Item(path, None, split))
    elif folders:
        layout.items.append(Item(path, composed(folders[0]), split))
    else:
        layout.problems.append(problem("no-class-folder", path))


def _empty_classes(
    source: Source, prefix: str, images: list[str], has_splits: bool
) -> Iterator[Problem]:
    """A class folder without a picture: a typo, a failed copy, or a class that is not there yet."""
    depth = 2 if has_splits else 1
    filled = {"/".join(p[len(prefix) :].split("/")[:depth]) for p in images}
    for folder in source.folders:
        if not folder.startswith(prefix):
            continue
        parts = PurePosixPath(folder[len(prefix) :]).parts
        if has_splits and parts and SPLIT_NAMES.get(parts[0].lower()) in (None, "pool"):
            continue
        if len(parts) == depth and "/".join(parts) not in filled:
            yield problem("empty-class", folder)


def _beside_splits(tops: list[str]) -> Iterator[Problem]:
    for top in tops:
        if top.lower() not in SPLIT_NAMES:
            yield problem("beside-splits", top)
    names = Counter(SPLIT_NAMES.get(top.lower()) for top in tops)
    for split, n in names.items():
        if split and n > 1:
            yield problem("split-twice", split, count=n, split=split)
