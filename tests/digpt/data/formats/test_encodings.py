"""Every encoding that Excel, PowerShell and Windows in Japan write is read; no other is guessed."""

import json

import pytest

from digpt.data.importers import read
from digpt.encodings import decoded, mentions
from tests.digpt.data.formats.conftest import coco_json, picture, said

UTF_16 = ("utf-16", "utf-16-le")  # with a mark, as Excel and PowerShell write it, and without
ENCODINGS = (*UTF_16, "utf-16-be", "utf-8", "utf-8-sig", "cp932", "utf-32")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", ["a,傷\r\n", '{"images": "傷"}', "", "x"])
def test_text_is_read_back(encoding: str, text: str):
    data = text.encode(encoding)
    assert decoded(data) == text
    assert mentions(data, '"images"') == ("images" in text)


@pytest.mark.parametrize(
    "data", ["傷あり".encode("utf-16")[:-1], "傷,a".encode("utf-16-le"), b"a\x81", b"abc\0def"]
)
def test_what_is_no_text_is_not_guessed(data: bytes):
    with pytest.raises(UnicodeError, match="save it as UTF-8"):
        decoded(data)


COCO = {"a.json": json.dumps(coco_json(4))}
LABELME = {
    f"{k}.json": json.dumps(
        {
            "imagePath": f"{k}.png",
            "shapes": [{"label": "傷", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]}],
        }
    )
    for k in range(4)
}
VOC = {
    f"{k}.xml": '<?xml version="1.0" encoding="utf-16"?>'
    f"<annotation><filename>{k}.png</filename><object><name>傷</name><bndbox><xmin>1</xmin>"
    "<ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
    for k in range(4)
}
YOLO = {f"{k}.txt": "0 0.5 0.5 0.2 0.2\n" for k in range(4)} | {"classes.txt": "scratch\n"}


@pytest.mark.parametrize(
    "files", [COCO, LABELME, VOC, YOLO], ids=["coco", "labelme", "voc", "yolo"]
)
@pytest.mark.parametrize("encoding", UTF_16)
def test_annotations_in_utf_16_come_in(folder, files: dict[str, str], encoding: str):
    pictures = {f"{k}.png": picture(k) for k in range(4)}
    texts = {path: text.encode(encoding) for path, text in files.items()}
    found = read(folder(pictures | texts), name="x", task="detection")
    assert found.dataset is not None, said(found)
    assert found.dataset.boxes is not None
    assert len(found.dataset.boxes.rows) >= 4


def test_annotations_that_were_cut_say_how_to_save_them(folder):
    cut = json.dumps(coco_json(4)).encode("utf-16")[:-1]
    found = read(folder({"0.png": picture(0), "a.json": cut}), name="x", task="detection")
    assert "save it as UTF-8" in said(found)
