"""ZIPs are read in place, and a hostile one is refused in a sentence."""

import stat
import zipfile
from pathlib import Path

import pytest

from digpt.data import open_dataset, store_dataset
from digpt.data.importers import read
from digpt.data.sources import archive as limits
from digpt.reporter import Quiet


@pytest.fixture
def archive(tmp_path: Path):
    """Writes a ZIP from names (or entries) and bytes."""

    def make(files: dict, compression: int = zipfile.ZIP_DEFLATED) -> Path:
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w", compression) as opened:
            for name, data in files.items():
                opened.writestr(name, data)
        return path

    return make


def refusal(path: Path) -> str:
    found = read(path, name="x")
    assert found.dataset is None
    return found.problems[0].what


def test_a_zip_equals_the_folder_it_was_made_of(archive, folder, class_files):
    files = class_files(5)
    zipped, plain = read(archive(files), name="x"), read(folder(files), name="x")
    assert zipped.dataset is not None
    assert plain.dataset is not None
    assert zipped.format == "class folders (ZIP)"
    assert zipped.dataset.fingerprint == plain.dataset.fingerprint
    assert (zipped.dataset.images.load([3], 8) == plain.dataset.images.load([3], 8)).all()


def test_a_wrapping_folder_and_finder_leftovers_do_not_matter(archive, class_files):
    files = {f"my set/{path}": data for path, data in class_files(5, ("train", "test")).items()}
    found = read(
        archive(files | {"__MACOSX/my set/._x.png": b"x", "my set/.DS_Store": b""}), name="x"
    )
    assert found.dataset is not None
    assert found.dataset.classes == ("good", "scratch")


def test_a_zip_with_a_table_is_read_by_the_table(archive, png):
    rows = "".join(f"pics/{i}.png,{'ab'[i % 2]}\n" for i in range(6))
    files = {f"w/pics/{i}.png": png(i) for i in range(6)} | {"w/l.csv": f"path,label\n{rows}"}
    found = read(archive(files), name="x")
    assert found.dataset is not None
    assert found.format == "table w/l.csv (ZIP)"


def test_names_from_japanese_windows_are_read(archive, png, tmp_path: Path):
    path = archive({})
    with zipfile.ZipFile(path, "w") as opened:
        for k, label in enumerate(("良品", "傷")):
            for i in range(4):
                entry = zipfile.ZipInfo(f"{label}/{i}.png".encode("cp932").decode("cp437"))
                opened.writestr(entry, png(10 * k + i))
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # as Windows does: no UTF-8 flag
        start = data.find(mark)
        while start >= 0:
            name_at = start + (30 if at == 6 else 46)
            raw = data[name_at : name_at + 40]
            data[start + at + 1] &= 0xF7
            start = data.find(mark, start + 4)
            assert raw
    found = read(path, name="x")
    assert found.dataset is not None
    assert len(found.dataset.classes) == 2


def test_a_stored_zip_no_longer_needs_the_zip(archive, class_files, tmp_path: Path):
    path = archive(class_files(5))
    dataset = read(path, name="x").dataset
    assert dataset is not None
    before = dataset.images.load(range(10), 8)
    store_dataset(dataset, tmp_path / "kept", reporter=Quiet())
    path.unlink()
    assert (open_dataset(tmp_path / "kept").images.load(range(10), 8) == before).all()


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "C:\\evil.png"]
)
def test_a_path_that_leads_outside_is_refused(archive, name: str):
    assert "leads outside" in refusal(archive({name: b"x"}))


def test_a_link_is_refused(archive):
    entry = zipfile.ZipInfo("good/a.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "holds a link" in refusal(archive({entry: b"/etc/passwd"}))


def test_a_bomb_is_refused_before_it_is_unpacked(archive):
    assert "times its size" in refusal(archive({"good/a.png": b"\0" * (12 * 2**20)}))


def test_too_many_files_and_too_much_data_are_refused(
    archive, class_files, monkeypatch: pytest.MonkeyPatch
):
    path = archive(class_files(3))
    monkeypatch.setattr(limits, "MAX_FILES", 5)
    assert "holds 6 files" in refusal(path)
    monkeypatch.setattr(limits, "MAX_FILES", 50)
    monkeypatch.setattr(limits, "MAX_TOTAL_BYTES", 100)
    assert "unpacks to" in refusal(path)


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 not really")
    assert "cannot be read" in refusal(tmp_path / "a.zip")


def test_a_damaged_member_is_a_problem_of_that_picture(archive, class_files, png):
    path = archive(class_files(5), zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.find(b"IDAT")
    data[at + 10] ^= 0xFF
    path.write_bytes(data)
    found = read(path, name="x")
    assert found.dataset is None
    assert [p.file for p in found.problems] == ["good/p0.png"]


def test_a_zip_that_was_not_sent_to_its_end_says_so(class_files, tmp_path: Path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in class_files(5).items():
            packed.writestr(name, data)
    path.write_bytes(path.read_bytes()[:-1000])
    found = read(path, name="x")
    assert found.dataset is None
    assert "damaged, or cut short as by a broken transfer" in found.problems[0].what
