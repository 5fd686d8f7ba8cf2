"""Whatever is damaged: never a crash, never a part of a dataset passed off as the whole."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digpt.data.importers import TASKS, read
from tests.digpt.data.damage import Edit, check_whole, damaged, edits
from tests.digpt.data.formats.conftest import coco_files, coco_json, picture
from tests.digpt.data.formats.test_labelme import DENT, labelme_files, written
from tests.digpt.data.formats.test_voc import voc_files
from tests.digpt.data.formats.test_yolo import yolo_files
from tests.digpt.data.test_manifests import KINDS
from tests.digpt.data.test_tar_archives import tar_of

pytestmark = pytest.mark.slow
often = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
tasks = st.sampled_from(sorted(TASKS))
SQUARE = [10, 5, 20, 5, 20, 15, 10, 15]


def write(root: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        target = root / path
        if not target.exists() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return root


@often
@given(edits, tasks, st.booleans())
def test_coco_files(tmp_path: Path, some: list[Edit], task: str, skip_bad: bool):
    content = coco_json(6)
    for annotation in content["annotations"][::2]:
        annotation["segmentation"] = [SQUARE]
    source = write(tmp_path, coco_files(damaged(json.dumps(content).encode(), some), 6))
    check_whole(read(source, name="x", task=task, skip_bad=skip_bad), skip_bad)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
places = st.sampled_from(
    ["id", "image_id", "category_id", "bbox", "segmentation", "file_name", "width", "name", "size"]
)


@often
@given(st.sampled_from(["images", "annotations", "categories"]), places, anything, tasks)
def test_coco_values_of_any_kind(tmp_path: Path, part: str, place: str, value: object, task: str):
    content = coco_json(6)
    content[part][0][place] = value
    source = write(tmp_path, coco_files(content, 6))
    for skip_bad in (False, True):
        check_whole(read(source, name="x", task=task, skip_bad=skip_bad), skip_bad)


@often
@given(edits, st.booleans())
def test_xml_files(tmp_path: Path, some: list[Edit], skip_bad: bool):
    files = voc_files()
    files["Annotations/0.xml"] = damaged(files["Annotations/0.xml"], some)
    found = read(write(tmp_path, files), name="x", task="detection", skip_bad=skip_bad)
    check_whole(found, skip_bad)


@often
@given(
    st.sampled_from(["shapes", "flags", "imagePath", "imageWidth", *DENT]), anything, st.booleans()
)
def test_labelme_values_of_any_kind(tmp_path: Path, place: str, value: object, skip_bad: bool):
    changed = {"shapes": [DENT | {place: value}]} if place in DENT else {place: value}
    files = labelme_files(6) | {"0.json": written("0.png", DENT, **changed)}
    found = read(write(tmp_path, files), name="x", task="segmentation", skip_bad=skip_bad)
    check_whole(found, skip_bad)


@often
@given(edits, st.sampled_from(["data.yaml", "labels/train/0.txt"]), st.booleans())
def test_yolo_files(tmp_path: Path, some: list[Edit], name: str, skip_bad: bool):
    files = yolo_files()
    files[name] = damaged(files[name], some)
    found = read(write(tmp_path, files), name="x", task="detection", skip_bad=skip_bad)
    check_whole(found, skip_bad)


@often
@given(edits, st.sampled_from(sorted(KINDS)), st.booleans())
def test_tables_of_every_kind(tmp_path: Path, some: list[Edit], name: str, skip_bad: bool):
    files = {f"img/{i}.png": picture(i, 8, 8) for i in range(6)}
    source = write(tmp_path / name, files | {name: damaged(KINDS[name], some)})
    check_whole(read(source, name="x", skip_bad=skip_bad), skip_bad)


def zip_of(files: dict[str, bytes], mode: str) -> bytes:
    out = io.BytesIO()
    kind = zipfile.ZIP_STORED if mode == "stored" else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w", kind) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return out.getvalue()


PACKED = {
    "a.zip": zip_of,
    "b.zip": lambda files, _: zip_of(files, "stored"),
    "a.tar": lambda files, _: tar_of(files, "w:"),
    "a.tar.gz": lambda files, _: tar_of(files, "w:gz"),
    "a.tar.bz2": lambda files, _: tar_of(files, "w:bz2"),
    "a.tar.xz": lambda files, _: tar_of(files, "w:xz"),
}


@pytest.mark.parametrize("name", PACKED)
@often
@given(edits, st.booleans())
def test_archives(tmp_path: Path, class_files, name: str, some: list[Edit], skip_bad: bool):
    (tmp_path / name).write_bytes(damaged(PACKED[name](class_files(5), ""), some))
    check_whole(read(tmp_path / name, name="x", skip_bad=skip_bad), skip_bad)
