"""Squares around objects, and places where there are none."""

import numpy as np
import pytest

from digpt.data.crops import MOST, crops
from digpt.data.shapes import Shape


def marked(n: int, side: int = 10) -> list[Shape]:
    draw = np.random.default_rng(n)
    places = draw.integers(0, 300 - side, (n, 2))
    return [
        Shape("ab"[i % 2], (float(x), float(y), float(x + side), float(y + side)), "")
        for i, (x, y) in enumerate(places)
    ]


@pytest.mark.parametrize("n", [1, 6, 15])
def test_background_touches_no_object_and_all_squares_lie_inside(n: int):
    shapes = marked(n)
    found = crops(shapes, "p.png", (300, 300), 2, background=True)
    assert [label for label, _ in found[:n]] == [s.label for s in shapes]
    for label, (left, top, right, bottom) in found:
        assert 0 <= left < right <= 300
        assert 0 <= top < bottom <= 300
        assert right - left == bottom - top
        for x0, y0, x1, y1 in (s.box for s in shapes):
            apart = right <= x0 or left >= x1 or bottom <= y0 or top >= y1
            assert apart or label != "background"


def test_background_is_about_as_frequent_as_one_class():
    counts = [crops(marked(8), f"{k}.png", (300, 300), 4, background=True) for k in range(200)]
    empty = sum(label == "background" for found in counts for label, _ in found)
    assert empty == pytest.approx(200 * 8 / 4, rel=0.1)


def test_a_crowded_picture_gives_so_many_squares_at_most_and_always_the_same():
    shapes = marked(60)
    first = crops(shapes, "p.png", (300, 300), 2, background=False)
    assert len(first) == MOST
    assert first == crops(shapes, "p.png", (300, 300), 2, background=False)
    assert first != crops(shapes, "other.png", (300, 300), 2, background=False)


def test_a_square_covers_its_object_with_some_room():
    wide = Shape("a", (100.0, 100.0, 180.0, 120.0), "")
    [(_, (left, top, right, bottom))] = crops([wide], "p", (300, 300), 1, background=False)
    assert (left, top, right, bottom) == (80, 50, 200, 170)


def test_an_object_at_the_edge_of_a_small_picture_is_cut_from_inside_it():
    edge = Shape("a", (50.0, 0.0, 60.0, 40.0), "")
    [(_, place)] = crops([edge], "p", (40, 60), 1, background=False)
    assert place == (20, 0, 60, 40)
