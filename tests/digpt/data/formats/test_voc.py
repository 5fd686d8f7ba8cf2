"""Pascal VOC: an XML file per picture."""

import numpy as np
import pytest

from digpt.data.importers import read
from tests.digpt.data.formats.conftest import Files, corners_in_pixels, encoded, picture, said


def xml(name: str, *objects: str, size: str = "60,40") -> bytes:
    width, height = size.split(",")
    boxes = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for label, x0, y0, x1, y1 in (o.split(",") for o in objects)
    )
    text = f"<annotation><filename>{name}</filename><size><width>{width}</width><height>{height}"
    return f"{text}</height><depth>3</depth></size>{boxes}</annotation>".encode()


def voc_files(n: int = 10) -> Files:
    """As LabelImg leaves it: JPEGImages, Annotations and lists of splits."""
    files: Files = {}
    for k in range(n):
        files[f"JPEGImages/{k}.png"] = picture(k)
        files[f"Annotations/{k}.xml"] = xml(f"{k}.png", "傷,10,5,18,9", "dent,30,20,36,26")
    files["ImageSets/Main/train.txt"] = "\n".join(map(str, range(6))).encode()
    files["ImageSets/Main/val.txt"] = b"6\n7\n"
    files["ImageSets/Main/test.txt"] = b"8\n9\n"
    return files


def test_boxes_and_listed_splits_are_read(folder):
    found = read(folder(voc_files()), name="x", task="detection")
    assert found.format == "Pascal VOC, 10 XML files (folder)"
    assert found.dataset is not None
    assert found.dataset.classes == ("dent", "傷")
    assert corners_in_pixels(found, 0) == [[10, 5, 18, 9], [30, 20, 36, 26]]
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(train=6, val=2, test=2)


def test_pictures_beside_their_files_in_split_folders_are_read(folder):
    files = {}
    for k, split in enumerate(("train", "valid", "test")):
        for i in range(5):
            files[f"{split}/{i}.png"] = picture(10 * k + i)
            files[f"{split}/{i}.xml"] = xml(f"{i}.png", "dent,30,20,36,26")
    found = read(folder(files), name="x", task="detection")
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(train=5, val=5, test=5)


def test_a_picture_without_objects_stays_as_one_without(folder):
    files = voc_files() | {"JPEGImages/e.png": picture(99), "Annotations/e.xml": xml("e.png")}
    found = read(folder(files), name="x", task="detection")
    assert found.dataset is not None
    row = list(found.dataset.ids).index("JPEGImages/e.png")
    assert corners_in_pixels(found, row) == []


BOMB = b'<!DOCTYPE a [<!ENTITY a "aaaa">]><annotation><filename>0.png</filename></annotation>'


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"Annotations/x.xml": b"<annotation><filename>"}, "x.xml: The XML cannot be read"),
        ({"Annotations/x.xml": BOMB}, "defines entities"),
        ({"Annotations/x.xml": BOMB.decode().encode("utf-16")}, "defines entities"),
        ({"Annotations/x.xml": b"<other/>"}, "The XML is no annotation"),
        ({"Annotations/x.xml": xml("gone.png")}, "Its picture gone.png does not exist"),
        ({"Annotations/x.xml": xml("3.png")}, "has a second XML file"),
        ({"Annotations/0.xml": xml("0.png", "dent,5,5,5,9")}, "has no area"),
        ({"Annotations/0.xml": xml("0.png", "dent,65,5,70,9")}, "lies outside the picture"),
        ({"Annotations/0.xml": xml("0.png", "dent,a,5,70,9")}, "The object cannot be read"),
        ({"Annotations/0.xml": xml("0.png", ",1,5,7,9")}, "no name or no bndbox"),
        (
            {"Annotations/0.xml": xml("0.png", "dent,1,5,7,9", size="40,60")},
            "The annotations are for 40 × 60 pixels, the picture has 60 × 40 (it may have been "
            "turned by its EXIF mark)",
        ),
    ],
)
def test_a_mistake_is_named_and_can_be_left_out(refused_then_skipped, files: Files, what: str):
    refused_then_skipped(voc_files() | files, what)


def test_a_picture_without_a_file_is_said(folder):
    found = read(folder(voc_files() | {"JPEGImages/new.png": picture(77)}), name="x",
                 task="detection")  # fmt: skip
    assert "JPEGImages/new.png: The picture has no XML file" in said(found, "warning")


def test_segmentation_takes_the_masks_and_leaves_pictures_with_boxes_only(folder):
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 5:25] = 7
    files = {}
    for i in range(8):
        files[f"JPEGImages/{i}.png"] = picture(i)
        files[f"Annotations/{i}.xml"] = xml(f"{i}.png", "car,5,10,25,20")
        if i < 6:
            files[f"SegmentationClass/{i}.png"] = encoded(mask)
    source = folder(files)
    found = read(source, name="x", task="segmentation")
    assert found.dataset is not None
    assert found.dataset.classes == ("car",)
    assert len(found.dataset) == 6
    assert "2 pictures have boxes but no mask" in said(found, "warning")
    assert len(read(source, name="x", task="detection").dataset or ()) == 8
