"""LabelMe's shapes: outlines, circles, masks, and what has no area: lines and points."""

import base64
import math
from typing import Any

import numpy as np

from digpt.data.images import MAX_PIXELS
from digpt.data.mask_files import mask_values
from digpt.data.reasons import reason
from digpt.data.shapes import Rle, Shape, rle_of

CORNERS = 48  # of the polygon that stands for a circle
AREAS = {  # points at least, of what has an area
    "rectangle": 2,
    "polygon": 3,
    "circle": 2,
    "mask": 2,
    "oriented_rectangle": 3,
    "rotation": 3,  # AnyLabeling's name for it
}
THIN = {"line": 2, "linestrip": 2, "point": 1, "points": 1}
Point = tuple[float, float]


def read_shape(one: Any, where: str, size: tuple[int, int] | None) -> Shape:
    """One shape of a kind among AREAS and THIN; a line or a point is one pixel wide.

    `size`: width and height of the picture that was annotated. ValueError, TypeError, OverflowError
    or BadImage say why it cannot be read.
    """
    kind = kind_of(one)
    label = str(one.get("label") or "").strip()
    if not label:
        raise ValueError(reason("labelme-label"))
    points = one.get("points")
    if not isinstance(points, list) or not all(map(_is_point, points)):
        raise ValueError(reason("labelme-points"))
    least = (AREAS | THIN)[kind]
    if len(points) < least:
        raise ValueError(reason("labelme-few", kind=kind, least=least, count=len(points)))
    outline = [(float(x), float(y)) for x, y in points]
    if kind == "mask":
        rle = _mask(one.get("mask"), outline, size)
        return Shape(label, rle.bounds(), where, rle=rle)
    if kind == "circle":
        outline = _around(outline[0], outline[1])
    half = 0.5 if kind in THIN else 0.0
    if kind in THIN:
        outline += outline[::-1]  # there and back: drawn, it is one pixel wide
    xs, ys = zip(*outline, strict=True)
    box = (min(xs) - half, min(ys) - half, max(xs) + half, max(ys) + half)
    polygons = () if kind == "rectangle" else (tuple(v for point in outline for v in point),)
    return Shape(label, box, where, polygons)


def kind_of(one: Any) -> str:
    """The shape's type; old files have polygons without one."""
    if not isinstance(one, dict):
        raise ValueError(reason("json-object"))
    return str(one.get("shape_type") or "polygon")


def _is_point(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value)
    )


def _around(centre: Point, edge: Point) -> list[Point]:
    (x, y), radius = centre, math.dist(centre, edge)
    turns = (2 * math.pi * k / CORNERS for k in range(CORNERS))
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]


def _mask(encoded: Any, corners: list[Point], size: tuple[int, int] | None) -> Rle:
    """A mask's PNG lies with its corner pixels at the two points, both of them inside."""
    if not isinstance(encoded, str) or not encoded:
        raise ValueError(reason("labelme-no-mask"))
    if size is None or size[0] * size[1] > MAX_PIXELS:
        raise ValueError(reason("labelme-mask-size"))
    values = mask_values(base64.b64decode(encoded)) > 0
    left, top = (round(min(v)) for v in zip(*corners[:2], strict=True))
    height, width = values.shape
    inside = values[max(-top, 0) : size[1] - top, max(-left, 0) : size[0] - left]
    whole = np.zeros(size[::-1], bool)
    whole[max(top, 0) : top + height, max(left, 0) : left + width] = inside
    return rle_of(whole)
