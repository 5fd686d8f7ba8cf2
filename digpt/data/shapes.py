"""Marked objects as annotations tell of them, and what remains of them on the real picture."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from digpt.data.problems import Problem, problem
from digpt.data.reasons import reason

SLACK = 1.0  # pixels by which rounding may carry a box over the edge


class Rle(NamedTuple):
    """Run lengths of background and object in turn, down each column, as COCO writes them."""

    counts: tuple[int, ...]
    height: int
    width: int

    def bounds(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 around the object; ValueError where no pixel is marked."""
        rows, columns = rle_pixels(self).nonzero()
        if not len(rows):
            raise ValueError(reason("rle-empty"))
        left, top = float(columns.min()), float(rows.min())
        return left, top, float(columns.max()) + 1, float(rows.max()) + 1


class Shape(NamedTuple):
    """One marked object. `box` is x0, y0, x1, y1 in pixels, or in shares where `relative`."""

    label: str
    box: tuple[float, float, float, float]
    where: str  # for problems: the annotation's place
    polygons: tuple[tuple[float, ...], ...] = ()  # x, y, x, y ... in the box's unit
    rle: Rle | None = None
    relative: bool = False


def fitted(
    shapes: Sequence[Shape], path: str, size: tuple[int, int]
) -> tuple[list[Shape], list[Problem]]:
    """The shapes in pixels of a picture of `size` (height, width), cut at its edges."""
    kept, problems = [], []
    for shape in shapes:
        one, problem = _fit(_in_pixels(shape, size), path, size)
        kept += [one] if one else []
        problems += [problem] if problem else []
    return kept, problems


def rle_pixels(rle: Rle) -> np.ndarray:
    """bool (height, width), true on the object."""
    values = np.arange(len(rle.counts)) % 2 == 1
    return np.repeat(values, rle.counts).reshape(rle.height, rle.width, order="F")


def rle_of(pixels: np.ndarray) -> Rle:
    """Run lengths of bool (height, width)."""
    flat = pixels.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *ends.tolist(), flat.size]).tolist()
    return Rle(tuple([0, *counts] if flat[0] else counts), *pixels.shape)


def drawn(shapes: Sequence[Shape], classes: Sequence[str], size: tuple[int, int]) -> np.ndarray:
    """uint8 (H, W): the class's number from 1 on each object, 0 elsewhere; later ones on top.

    An object without an outline fills its box.
    """
    height, width = size
    canvas = Image.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    number = {name: k for k, name in enumerate(classes, 1)}
    for shape in shapes:
        value = number[shape.label]
        if shape.rle and (shape.rle.height, shape.rle.width) == size:
            canvas.paste(value, mask=Image.fromarray(rle_pixels(shape.rle)))
            continue
        for polygon in shape.polygons:
            pen.polygon(list(zip(polygon[::2], polygon[1::2], strict=True)), fill=value)
        if not shape.polygons:
            x0, y0, x1, y1 = shape.box
            pen.rectangle((round(x0), round(y0), round(x1) - 1, round(y1) - 1), fill=value)
    return np.asarray(canvas)


def _in_pixels(shape: Shape, size: tuple[int, int]) -> Shape:
    if not shape.relative:
        return shape
    height, width = size
    x0, y0, x1, y1 = shape.box
    scales = (width, height)
    polygons = tuple(
        tuple(value * scales[i % 2] for i, value in enumerate(polygon))
        for polygon in shape.polygons
    )
    box = (x0 * width, y0 * height, x1 * width, y1 * height)
    return shape._replace(box=box, polygons=polygons, relative=False)


def _fit(shape: Shape, path: str, size: tuple[int, int]) -> tuple[Shape | None, Problem | None]:
    height, width = size
    numbers = (*shape.box, *(v for polygon in shape.polygons for v in polygon))
    if not all(math.isfinite(v) and abs(v) < 1e7 for v in numbers):
        return None, problem("box-number", shape.where, path=path)
    x0, y0, x1, y1 = shape.box
    said = {"path": path, "box": f"({_plain(x0)}, {_plain(y0)}) – ({_plain(x1)}, {_plain(y1)})"}
    sides = {"width": width, "height": height}
    if x1 <= x0 or y1 <= y0:
        return None, problem("box-area", shape.where, **said)
    cut = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        return None, problem("box-outside", shape.where, **said, **sides)
    beyond = max(cut[0] - x0, cut[1] - y0, x1 - cut[2], y1 - cut[3])
    if beyond <= SLACK:
        return shape._replace(box=cut), None
    return shape._replace(box=cut), problem("box-beyond", shape.where, **said, **sides)


def _plain(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
