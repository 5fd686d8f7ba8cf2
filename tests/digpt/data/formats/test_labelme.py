"""LabelMe: a JSON file beside each picture."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from digpt.data.importers import read
from tests.digpt.data.formats.conftest import (
    Files,
    corners_in_pixels,
    encoded,
    picture,
    said,
)


def shape(label: str, kind: str, *points: list[float]) -> dict[str, Any]:
    return {"label": label, "points": list(points), "shape_type": kind, "group_id": None}


SCRATCH = shape("傷", "rectangle", [18, 9], [10, 5])  # drawn from its lower right corner
DENT = shape("dent", "polygon", [30, 20], [36, 20], [36, 26])
HOLE = shape("hole", "circle", [20, 30], [24, 30])


def written(name: str, *shapes: object, **changed: Any) -> bytes:
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": name,
        "imageData": None,
        "imageHeight": 40,
        "imageWidth": 60,
    }
    return json.dumps(content | changed, ensure_ascii=False).encode()


def labelme_files(n: int = 10) -> Files:
    files: Files = {}
    for k in range(n):
        files[f"{k}.png"] = picture(k)
        files[f"{k}.json"] = written(f"..\\images\\{k}.png", SCRATCH, DENT, HOLE)
    return files


def test_rectangles_polygons_and_circles_are_boxes(folder):
    found = read(folder(labelme_files()), name="x", task="detection")
    assert found.format == "LabelMe, 10 JSON files (folder)"
    assert found.dataset is not None, said(found)
    assert found.dataset.classes == ("dent", "hole", "傷")
    assert corners_in_pixels(found, 0) == [[10, 5, 18, 9], [30, 20, 36, 26], [16, 26, 24, 34]]


def test_outlines_are_masks(folder):
    dataset = read(folder(labelme_files()), name="x", task="segmentation").dataset
    assert dataset is not None
    assert dataset.masks is not None
    values, counts = np.unique(dataset.masks.pixels(0), return_counts=True)
    areas = dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert areas[3] == 8 * 4
    assert areas[2] == pytest.approx(np.pi * 4**2, rel=0.25)
    assert areas[1] < 6 * 6 < 2 * areas[1]  # a triangle


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_mask_gives_its_pixels_and_their_box(folder):
    pixels = np.array([[0, 1, 1], [1, 1, 0]], np.uint8)
    blob = shape("stain", "mask", [20, 10], [22, 11]) | {"mask": in_base64(encoded(pixels))}
    beyond = blob | {"points": [[58, 10], [60, 11]]}  # its right column is outside
    files = labelme_files()
    files["0.json"] = written("0.png", blob)
    files["1.json"] = written("1.png", beyond)
    found = read(folder(files), name="x", task="segmentation")
    assert found.dataset is not None, said(found)
    assert found.dataset.masks is not None
    stain = found.dataset.masks.classes.index("stain") + 1
    assert np.argwhere(found.dataset.masks.pixels(0) == stain).tolist() == [
        [10, 21], [10, 22], [11, 20], [11, 21],
    ]  # fmt: skip
    assert (found.dataset.masks.pixels(1) == stain).sum() == 3
    assert corners_in_pixels(read(folder(files), name="x", task="detection"), 0) == [
        [20, 10, 23, 12]
    ]


def test_lines_and_points_say_a_class_and_are_one_pixel_wide(folder):
    files = labelme_files()
    line = shape("傷", "linestrip", [10, 5], [20, 5], [20, 15])
    files["0.json"] = written("0.png", line, shape("dent", "point", [30, 20]))
    found = read(folder(files), name="x", task="segmentation")
    assert found.dataset is not None, said(found)
    assert found.dataset.masks is not None
    values = found.dataset.masks.pixels(0)
    assert (values == found.dataset.masks.classes.index("傷") + 1).sum() == 21
    assert (values == found.dataset.masks.classes.index("dent") + 1).sum() == 1
    assert "0.json, shape 1: 2 lines or points (傷 and dent) have no area" in said(found, "warning")
    as_classes = read(folder(files), name="x").dataset
    assert as_classes is not None
    labels = [as_classes.classes[k] for k in as_classes.labels[:2]]
    assert as_classes.ids[:2].tolist() == ["0.png.0.png", "0.png.1.png"]
    assert labels == ["傷", "dent"]


def test_embedded_pictures_stand_in_for_missing_files(folder):
    files = labelme_files()
    inside = in_base64(files.pop("0.png"))
    files["0.json"] = written("..\\photos\\0.bmp", SCRATCH, imageData=inside)
    found = read(folder(files), name="x", task="detection")
    assert found.dataset is not None, said(found)
    assert found.dataset.ids[0] == "0.png"
    assert found.dataset.images.read(0) == picture(0)  # pyright: ignore[reportAttributeAccessIssue]
    assert "1 pictures are not there as files" in said(found, "note")


def test_objects_give_the_classes_of_a_classification(folder):
    found = read(folder(labelme_files()), name="x")
    assert found.dataset is not None
    assert found.dataset.classes == ("dent", "hole", "傷")
    assert found.format == "LabelMe, 10 JSON files (folder), each object cut out"


def test_a_flag_is_the_class_where_nothing_is_marked(folder):
    files: Files = {}
    for k in range(20):
        files[f"{k}.png"] = picture(k)
        files[f"{k}.json"] = written(f"{k}.png", flags={"良品": k % 2 == 0, "傷": k % 2 == 1})
    files["19.json"] = written("19.png", flags={"良品": False, "傷": False})
    found = read(folder(files), name="x")
    assert found.dataset is not None, said(found)
    assert found.dataset.classes == ("傷", "良品")
    assert "the flag that is set" in found.format
    assert "19.png: No flag is set" in said(found, "warning")


def test_pictures_in_a_folder_of_good_ones_need_no_file(folder):
    files: Files = {f"OK/{k}.png": picture(k) for k in range(10)}
    for k in range(10, 20):
        files[f"NG/{k}.png"] = picture(k)
        files[f"NG/{k}.json"] = written(f"{k}.png", DENT)
    source = folder(files)
    assert read(source, name="x").dataset.classes == ("NG", "OK")  # pyright: ignore
    found = read(source, name="x", task="detection")
    assert found.dataset is not None
    assert len(found.dataset) == 20
    assert "10 pictures have no JSON file: nothing is marked in them" in said(found, "warning")


def test_pictures_without_a_file_are_named_and_stay_out(folder):
    files = labelme_files() | {"more.png": picture(99)}
    found = read(folder(files), name="x", task="detection")
    assert found.dataset is not None
    assert "more.png" not in found.dataset.ids
    assert "1 pictures have no JSON file, so they are not imported, e.g. more.png" in said(
        found, "warning"
    )


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'{"shapes": [', "0.json: The JSON cannot be read"),
        (written("gone.png"), "Its picture gone.png does not exist, and none is embedded"),
        (written("gone.png", imageData="/9j/ÿ"), "Image 11 of 11 cannot be read"),
        (written("x.png", shape("a", "mask", [1, 2], [3, 4])), "its mask is missing"),
        (written("x.png", shape("a", "mask", [1, 2], [3, 4]) | {"mask": "AAAA"}), "or damaged"),
        (written("3.png"), "3.png has a second JSON file"),
        (written("x.png", shape("a", "spline", [1, 2], [3, 4])), "'spline' is not known"),
        (written("x.png", shape("a", "rectangle", [1, 2])), "needs 2 points, this one has 1"),
        (written("x.png", shape("a", "polygon", [1, 2], [3, 4])), "needs 3 points"),
        (written("x.png", {"label": "a", "points": [[1, "b"]]}), "not all pairs of numbers"),
        (written("x.png", shape(" ", "circle", [9, 9], [9, 12])), "it has no label"),
        (written("x.png", DENT, "text"), "shape 2: The shape cannot be read"),
        (written("x.png", shape("a", "circle", [9, 9], [9, 9])), "has no area"),
        (written("x.png", shape("a", "circle", [9, 9], [float("nan"), 9])), "no number that can"),
        (written("x.png", DENT, imageWidth=40, imageHeight=60), "may have been turned"),
    ],
)
def test_what_cannot_be_used_is_named(refused_then_skipped, data: bytes, what: str):
    files = labelme_files()
    stem = "x" if b"gone.png" in data or b"3.png" in data else "0"
    files[f"{stem}.json"] = data.replace(b"x.png", b"0.png")
    refused_then_skipped(files, what)
