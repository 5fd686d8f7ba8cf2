"""Pictures with masks: values, colours, palettes, a number per object."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digpt.data import open_dataset, store_dataset
from digpt.data.importers import read
from digpt.reporter import Quiet
from tests.digpt.data.formats.conftest import Files, corners_in_pixels, encoded, picture, said


def mask(value: int = 255, dtype: type = np.uint8) -> np.ndarray:
    """40 × 60 with an object at 10, 5 to 20, 15."""
    pixels = np.zeros((40, 60), dtype)
    pixels[5:15, 10:20] = value
    return pixels


def mask_files(n: int = 10, one: np.ndarray | None = None) -> Files:
    one = mask() if one is None else one
    return {f"images/{k}.png": picture(k) for k in range(n)} | {
        f"masks/{k}.png": encoded(one) for k in range(n)
    }


@pytest.mark.parametrize("value", [1, 255])
def test_black_and_white_masks_are_one_class(folder, value: int):
    found = read(folder(mask_files(one=mask(value))), name="x", task="segmentation")
    assert found.format == "images with masks (folder)"
    assert found.dataset is not None
    assert found.dataset.masks is not None
    assert found.dataset.masks.classes == ("object",)
    assert np.array_equal(found.dataset.masks.pixels(0), mask(1))


def test_objects_in_masks_have_boxes(folder):
    two = mask()
    two[30:35, 40:50] = 255
    found = read(folder(mask_files(one=two)), name="x", task="detection")
    assert corners_in_pixels(found, 0) == [[10, 5, 20, 15], [40, 30, 50, 35]]


def test_numbered_objects_are_one_class_with_a_box_each(folder):
    touching = mask(300, np.uint16)
    touching[5:15, 20:25] = 301
    files = {p.replace("masks", "instances"): d for p, d in mask_files(one=touching).items()}
    found = read(folder(files), name="x", task="detection")
    assert corners_in_pixels(found, 0) == [[10, 5, 20, 15], [20, 5, 25, 15]]
    dataset = read(folder(files), name="x", task="segmentation").dataset
    assert dataset is not None
    assert dataset.masks is not None
    assert set(np.unique(dataset.masks.pixels(0))) == {0, 1}


def test_values_are_classes_named_by_a_list_and_255_is_not_said(folder, tmp_path: Path):
    many = mask(2)
    many[0, :], many[39, :] = 255, 1
    files = mask_files(one=many) | {"classes.txt": "背景\n傷\n".encode()}
    dataset = read(folder(files), name="x", task="segmentation").dataset
    assert dataset is not None
    assert dataset.masks is not None
    assert dataset.masks.classes == ("背景", "傷")
    assert np.array_equal(dataset.masks.pixels(0), many)
    store_dataset(dataset, tmp_path / "kept", reporter=Quiet())
    kept = open_dataset(tmp_path / "kept")
    assert kept.masks is not None
    assert np.array_equal(kept.masks.pixels(3), many)
    assert kept.masks.classes == ("背景", "傷")


def test_colours_are_classes(folder):
    colours = np.zeros((40, 60, 3), np.uint8)
    colours[:5] = (255, 0, 0)
    colours[5:9] = (0, 255, 0)
    dataset = read(folder(mask_files(one=colours)), name="x", task="segmentation").dataset
    assert dataset is not None
    assert dataset.masks is not None
    assert dataset.masks.classes == ("value 65280", "#ff0000")
    assert np.bincount(dataset.masks.pixels(0).ravel()).tolist() == [31 * 60, 4 * 60, 5 * 60]


def test_a_palette_counts_by_its_numbers(folder):
    image = Image.fromarray(mask(3)).convert("P")
    image.putdata(mask(3).ravel().tolist())
    image.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 200, 0, 0])
    import io  # noqa: PLC0415 - one use

    out = io.BytesIO()
    image.save(out, "PNG")
    files = mask_files() | {f"masks/{k}.png": out.getvalue() for k in range(10)}
    dataset = read(folder(files), name="x", task="segmentation").dataset
    assert dataset is not None
    assert dataset.masks is not None
    assert np.array_equal(dataset.masks.pixels(0), mask(1))


def test_masks_beside_their_pictures_are_found_by_their_ending(folder):
    files = {f"{k}.png": picture(k) for k in range(6)}
    files |= {f"{k}_mask.png": encoded(mask()) for k in range(6)}
    found = read(folder(files), name="x", task="segmentation")
    assert found.dataset is not None
    assert len(found.dataset) == 6


def test_defect_sets_with_ground_truth_keep_their_classes(folder):
    """As MVTec's: good training pictures, test pictures by defect, masks for the defects."""
    files = {f"train/good/{k}.png": picture(k) for k in range(8)}
    files |= {f"test/good/{k}.png": picture(20 + k) for k in range(5)}
    files |= {f"test/broken/{k}.png": picture(40 + k) for k in range(5)}
    files |= {f"ground_truth/broken/{k}_mask.png": encoded(mask()) for k in range(5)}
    found = read(folder(files), name="x")
    assert found.dataset is not None
    assert found.dataset.classes == ("broken", "good")
    assert "Classes without a training picture: broken" in said(found, "warning")
    pixels = read(folder(files), name="x", task="segmentation").dataset
    assert pixels is not None
    assert pixels.masks is not None
    marked = [p for i, p in enumerate(pixels.ids) if pixels.masks.pixels(i).any()]
    assert marked == [f"test/broken/{k}.png" for k in range(5)]


def test_pictures_with_and_without_objects_are_two_classes(folder):
    files = mask_files(12)
    files |= {f"masks/{k}.png": encoded(mask(0)) for k in range(6)}
    found = read(folder(files), name="x")
    assert found.counts["train"].keys() == {"background", "object"}
    assert "the class of the objects for each picture" in found.format


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"masks/0.png": encoded(mask()[:20])}, "has 60 × 20 pixels, its picture 60 × 40"),
        (
            {"masks/0.png": b"no mask"},
            "masks/0.png: The mask cannot be used: it is no PNG, BMP, TIFF or GIF",
        ),
        (
            {"masks/0.png": encoded(mask())[:60]},
            "The mask cannot be used: it is no PNG, BMP, TIFF or GIF",
        ),
        ({"masks/0.png": encoded(mask(), "JPEG")}, "a JPEG blurs the edges"),
        ({"masks/gone.png": encoded(mask())}, "The mask has no picture"),
        ({"images/0.png": b"no picture"}, "images/0.png: Image 1 of 10 cannot be read"),
    ],
)
def test_a_mistake_is_named_and_can_be_left_out(refused_then_skipped, files: Files, what: str):
    refused_then_skipped(mask_files() | files, what, "segmentation")


def test_a_picture_without_a_mask_is_said(folder):
    found = read(folder(mask_files() | {"images/new.png": picture(70)}), name="x",
                 task="segmentation")  # fmt: skip
    assert "1 pictures have no mask" in said(found, "warning")


def test_too_many_values_are_no_classes(folder):
    every = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60)
    found = read(folder(mask_files(one=every)), name="x", task="segmentation")
    assert "The masks have 2399 values" in said(found)


def test_colours_have_the_names_of_cvats_label_map_and_objects_may_be_colours(folder):
    colours, objects = (np.zeros((40, 60, 3), np.uint8) for _ in range(2))
    colours[5:15, 5:15] = colours[20:30, 30:40] = (250, 50, 83)
    objects[5:15, 5:15], objects[20:30, 30:40] = (128, 0, 0), (0, 128, 0)
    files = {"labelmap.txt": b"# label:color_rgb:parts:actions\nnone:0,0,0::\ndent:250,50,83::\n"}
    for i in range(6):
        files[f"JPEGImages/{i}.jpg"] = picture(i)
        files[f"SegmentationClass/{i}.png"] = encoded(colours)
        files[f"SegmentationObject/{i}.png"] = encoded(objects)
    found = read(folder(files), name="x", task="detection").dataset
    assert found is not None
    assert found.boxes is not None
    assert (found.classes, len(found.boxes.corners)) == (("dent",), 12)
