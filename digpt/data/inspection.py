"""Every picture of an import is decoded once: what can be used of it, and what is wrong."""

import io
import os
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np

from digpt.data.crops import Place
from digpt.data.fingerprint import pixel_hash
from digpt.data.images import BadImage, EncodedImages, Facts, decode_with_facts, read_at
from digpt.data.layouts import Item, Layout
from digpt.data.mask_files import mask_values, objects
from digpt.data.problems import Problem, problem
from digpt.data.reasons import because, reason
from digpt.data.shapes import Shape, fitted
from digpt.data.sources import Source
from digpt.reporter import Reporter

T = TypeVar("T")
BATCH = 16  # pictures of one task; tiny ones would spend more time on changing hands
_KINDS = {  # format by suffix; others are not compared
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), ("JPEG", "MPO")),
    **dict.fromkeys((".tif", ".tiff"), ("TIFF",)),
    **dict.fromkeys((".bmp", ".dib"), ("BMP", "DIB")),
    ".png": ("PNG",),
    ".webp": ("WEBP",),
    ".gif": ("GIF",),
}
_DEEP = 16  # bits that a 16-bit picture should use


@dataclass(slots=True)
class Checked:
    """A picture that can be used, or a square cut out of one."""

    item: Item
    content: str  # SHA-256 of its pixels
    size: tuple[int, int]  # height, width
    shapes: list[Shape] = field(default_factory=list)  # in pixels, inside the picture
    values: frozenset[int] = frozenset()  # of its mask
    place: Place | None = None  # of a square, in the picture `of`
    of: str = ""
    split: str = ""


@dataclass(slots=True)
class _Seen:
    """What one picture has shown; `checked` is None where it cannot be used."""

    checked: Checked | None
    facts: Facts | None
    problems: list[Problem]
    is_emptied: bool = False  # none of its objects can be used


def inspect(
    source: Source, layout: Layout, reporter: Reporter, *, targets: bool, boxes: bool
) -> list[Checked]:
    """The pictures that can be used, by path; problems are added to the layout's.

    `targets`: masks are looked at too; `boxes`: the objects in them as well.
    """
    items = sorted(layout.items, key=lambda item: item.path)
    images = source.images([item.path for item in items])

    def look(index: int) -> _Seen:
        return _look(source, images, items[index], index, targets=targets, boxes=boxes)

    checked, facts, emptied = [], [], []
    for item, seen in zip(items, in_order(look, len(items), reporter), strict=True):
        layout.problems += seen.problems
        emptied += [item.path] if seen.is_emptied else []
        checked += [seen.checked] if seen.checked else []
        facts += [(seen.checked.item.path, seen.facts)] if seen.checked and seen.facts else []
    if emptied:
        lost = problem("objects-lost", "", count=len(emptied), example=emptied[0])
        layout.problems.append(lost)
    layout.problems += _odd_files(facts)
    return checked


def in_order(work: Callable[[int], T], count: int, reporter: Reporter) -> Iterator[T]:
    """`work` of 0 ... count - 1, done by a few threads, given in order; stops when cancelled."""
    threads = min(4, os.cpu_count() or 1)
    done = 0
    waiting: deque[Future[list[T]]] = deque()
    step = 1 if count < 8 * BATCH else BATCH
    with ThreadPoolExecutor(threads) as pool:
        try:
            for start in range(0, count, step):
                reporter.check()
                some = range(start, min(start + step, count))
                waiting.append(pool.submit(lambda rows: [work(i) for i in rows], some))
                if len(waiting) > 2 * threads:
                    found = waiting.popleft().result()
                    done += len(found)
                    yield from found
                    reporter.progress(done, count)
            while waiting:
                reporter.check()
                found = waiting.popleft().result()
                done += len(found)
                yield from found
                reporter.progress(done, count)
        finally:
            pool.shutdown(cancel_futures=True)


def _look(
    source: Source, images: EncodedImages, item: Item, index: int, *, targets: bool, boxes: bool
) -> _Seen:
    try:
        data = read_at(images, index)
        picture, facts = decode_with_facts(data)
        if _hides_archive(data):
            raise BadImage(reason("zip-hidden"))
    except BadImage as error:
        facts = {"index": index + 1, "total": len(images), "reason": because(error)}
        return _Seen(None, None, [problem("image-unreadable", item.path, **facts)])
    pixels = np.asarray(picture)
    size = pixels.shape[:2]
    checked = Checked(item, pixel_hash(pixels), size)
    if not targets:
        return _Seen(checked, facts, [])
    problems = _wrong_size(item, size)
    if problems:
        return _Seen(None, None, problems)
    if item.shapes is not None:
        checked.shapes, problems = fitted(item.shapes, item.path, size)
        has_lost = item.has_lost or any(p.severity == "error" for p in problems)
        if has_lost and not (checked.shapes or item.mask or item.instances):
            return _Seen(None, None, problems, is_emptied=True)
    if (item.mask or item.instances) and not (boxes and item.shapes is not None):
        try:
            _look_at_masks(source, checked, boxes=boxes)
        except BadImage as error:
            where = item.mask or item.instances or ""
            unusable = problem("mask-unusable", where, reason=because(error))
            return _Seen(None, None, [unusable])
    return _Seen(checked, facts, problems)


def _look_at_masks(source: Source, checked: Checked, *, boxes: bool) -> None:
    """Note the mask's values, and each object with its value for a name."""
    paths = [checked.item.mask, checked.item.instances]
    found = [mask_values(read_at(source.images([p]), 0)) if p else None for p in paths]
    for values in found:
        if values is not None and values.shape != checked.size:
            sizes = {"mask": _sides(values.shape), "real": _sides(checked.size)}
            raise BadImage(reason("mask-size", **sizes))
    values, instances = found
    if values is None:
        assert instances is not None
        values = np.minimum(instances, 1)
    checked.values = frozenset(np.unique(values).tolist())
    if boxes:
        where = checked.item.instances or checked.item.mask or ""
        checked.shapes = [Shape(str(v), box, where) for v, box in objects(values, instances)]


def _wrong_size(item: Item, size: tuple[int, int]) -> list[Problem]:
    """Annotations for a picture of another size would mark other places."""
    height, width = size
    if item.size in (None, (width, height)) or not item.shapes:
        return []
    code = "size-turned" if item.size == (height, width) else "size-differs"
    return [problem(code, item.path, said=_sides(item.size[::-1]), real=_sides(size))]


def _sides(size: tuple[int, ...]) -> str:
    """Width × height of (height, width)."""
    return f"{size[1]} × {size[0]}"


def _hides_archive(data: bytes) -> bool:
    """Whether a ZIP stands behind the picture, and ends where the file ends."""
    at = data.rfind(b"PK\x05\x06", max(len(data) - 66_000, 0))
    if at < 0 or at + 22 + int.from_bytes(data[at + 20 : at + 22], "little") != len(data):
        return False
    return zipfile.is_zipfile(io.BytesIO(data))


def _odd_files(facts: Sequence[tuple[str, Facts]]) -> list[Problem]:
    """What is fine to import and good to know: pages, names that lie, dark 16-bit pictures."""
    found = []
    pages = [(path, f.pages) for path, f in facts if f.pages > 1 and f.kind != "MPO"]
    if pages:
        found.append(problem("pages", pages[0][0], count=len(pages)))
    lying = [(path, f.kind) for path, f in facts if not _fits(path, f.kind)]
    if lying:
        kinds = tuple(sorted({kind for _, kind in lying}))
        found.append(problem("misnamed", lying[0][0], count=len(lying), kinds=kinds))
    deep = [f.deepest for _, f in facts if f.deepest]
    bits = max(deep).bit_length() if deep else _DEEP
    if bits < _DEEP:
        first = next(path for path, f in facts if f.deepest)
        levels = 2 ** max(bits - 8, 0)
        found.append(problem("dark", first, count=len(deep), bits=bits, levels=levels))
    return found


def _fits(path: str, kind: str) -> bool:
    return kind in _KINDS.get(PurePosixPath(path).suffix.lower(), (kind,))
