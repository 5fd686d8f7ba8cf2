"""Tar archives, plain or compressed, and what no archive of any kind may do."""

import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from digpt.data import open_dataset, store_dataset
from digpt.data.importers import read
from digpt.data.sources import archive as limits
from digpt.data.sources import tars
from digpt.reporter import Quiet

KINDS = {"set.tar": "w:", "set.tar.gz": "w:gz", "set.tgz": "w:gz", "set.tar.bz2": "w:bz2",
         "set.tar.xz": "w:xz"}  # fmt: skip


def tar_of(files: dict[str, bytes], mode: str = "w:") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as opened:  # pyright: ignore[reportCallIssue]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            opened.addfile(member, io.BytesIO(data))
    return out.getvalue()


def tar_with(path: Path, **changed: object) -> Path:
    """A tar with one member that has some odd properties."""
    with tarfile.open(path, "w") as opened:
        member = tarfile.TarInfo("good/a.png")
        for name, value in changed.items():
            setattr(member, name, value)
        opened.addfile(member)
    return path


def refusal(path: Path) -> str:
    found = read(path, name="x")
    assert found.dataset is None
    return found.problems[0].what


@pytest.mark.parametrize("name", KINDS)
def test_a_tar_equals_the_folder_it_was_made_of(folder, class_files, tmp_path: Path, name: str):
    files = class_files(5)
    (tmp_path / name).write_bytes(tar_of(files, KINDS[name]))
    packed, plain = read(tmp_path / name, name="x"), read(folder(files), name="x")
    assert packed.dataset is not None
    assert plain.dataset is not None
    assert packed.format == "class folders (tar)"
    assert packed.dataset.fingerprint == plain.dataset.fingerprint
    store_dataset(packed.dataset, tmp_path / "kept", reporter=Quiet())
    (tmp_path / name).unlink()
    kept = open_dataset(tmp_path / "kept").images.load(range(10), 8)
    assert (kept == plain.dataset.images.load(range(10), 8)).all()


def test_archives_written_one_after_another_are_read_to_the_end(class_files, tmp_path: Path):
    whole = tar_of(class_files(5))
    halves = whole[: len(whole) // 2], whole[len(whole) // 2 :]
    (tmp_path / "a.tar.gz").write_bytes(b"".join(map(gzip.compress, halves)))
    (tmp_path / "a.tar.xz").write_bytes(b"".join(map(lzma.compress, halves)))
    assert read(tmp_path / "a.tar.gz", name="x").dataset is not None
    assert read(tmp_path / "a.tar.xz", name="x").dataset is not None


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "a/../../b.png", "C:\\evil.png"])
def test_a_path_that_leads_outside_is_refused(tmp_path: Path, name: str):
    assert "leads outside" in refusal(tar_with(tmp_path / "a.tar", name=name))


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "holds a link"),
        (tarfile.LNKTYPE, "holds a link"),
        (tarfile.CHRTYPE, "holds a device"),
        (tarfile.BLKTYPE, "holds a device"),
        (tarfile.FIFOTYPE, "holds a device"),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes, what: str):
    assert what in refusal(tar_with(tmp_path / "a.tar", type=kind, linkname="/etc/passwd"))


def test_a_tar_that_is_cut_short_is_refused(class_files, tmp_path: Path):
    whole = tar_of(class_files(20))
    for kind, pack in {"tar": bytes, "tar.gz": gzip.compress, "tar.xz": lzma.compress}.items():
        path = tmp_path / f"a.{kind}"
        path.write_bytes(pack(whole)[: len(pack(whole)) * 2 // 3 + 100])
        assert "cannot be read" in refusal(path) or "cut short" in refusal(path)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_a_bomb_is_refused_long_before_it_is_unpacked(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(tar_of({"good/a.bmp": b"\0" * 2**26}, KINDS["set" + name[1:]]))
    assert "more than 200 times its size" in refusal(tmp_path / name)


def test_a_bomb_of_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tars, "XZ_MEMORY", 2**20)
    (tmp_path / "a.tar.xz").write_bytes(tar_of({"good/a.bmp": b"\0" * 2**16}, "w:xz"))
    assert "cannot be read" in refusal(tmp_path / "a.tar.xz")


def test_too_many_files_too_much_data_and_too_little_disk_are_refused(
    class_files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.tar").write_bytes(tar_of(class_files(3)))
    (tmp_path / "a.tar.gz").write_bytes(tar_of(class_files(3), "w:gz"))
    monkeypatch.setattr(tars, "SPARE", 2**60)
    assert "needs more disk than is free" in refusal(tmp_path / "a.tar.gz")
    monkeypatch.setattr(limits, "MAX_FILES", 5)
    assert "holds 6 files" in refusal(tmp_path / "a.tar")
    monkeypatch.setattr(limits, "MAX_FILES", 50)
    monkeypatch.setattr(limits, "MAX_TOTAL_BYTES", 100)
    assert "unpacks to" in refusal(tmp_path / "a.tar")


@pytest.mark.parametrize("name", ["inner.zip", "inner.tar.gz", "a/b.7z", "x.RAR"])
def test_an_archive_inside_an_archive_is_refused(class_files, tmp_path: Path, name: str):
    (tmp_path / "a.tar").write_bytes(tar_of(class_files(3) | {name: b"PK"}))
    assert "holds another archive" in refusal(tmp_path / "a.tar")


def test_two_files_of_one_name_and_a_file_that_is_a_folder_are_refused(png, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("good/a.png", png(1))
        opened.writestr("good/./a.png", png(2))
    assert "holds 'good/a.png' twice" in refusal(tmp_path / "a.zip")
    (tmp_path / "b.tar").write_bytes(tar_of({"good/a.png": png(1), "good/a.png/b.png": png(2)}))
    assert "as a file and as a folder" in refusal(tmp_path / "b.tar")


@pytest.mark.parametrize("name", ["good/" + "x" * 300 + ".png", "good/a\nb.png"])
def test_a_name_that_no_disk_takes_is_refused(png, tmp_path: Path, name: str):
    (tmp_path / "a.tar").write_bytes(tar_of({name: png(1)}))
    assert "a name that no disk takes" in refusal(tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.zip", tar_of({"a/b.png": b"x"}), "by its content tar"),
        ("a.zip", gzip.compress(b"x", mtime=0), "by its content gzip"),
        ("a.tar.gz", b"PK\x03\x04rest", "by its content ZIP"),
        ("a.zip", b"Rar!\x1a\x07", "by its content RAR"),
        ("a.tar", b"MZ program", "by its content program"),
        ("a.zip", b"\xff\xd8\xff picture first" + b"PK\x05\x06" + b"\0" * 18, "by its content"),
    ],
)
def test_a_name_that_lies_is_refused(tmp_path: Path, name: str, data: bytes, says: str):
    (tmp_path / name).write_bytes(data)
    assert says in refusal(tmp_path / name)


def test_a_device_in_a_zip_is_refused(tmp_path: Path):
    entry = zipfile.ZipInfo("good/a.png")
    entry.external_attr = (stat.S_IFCHR | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr(entry, b"x")
    assert "holds a device" in refusal(tmp_path / "a.zip")


def test_a_picture_that_is_a_zip_as_well_is_a_problem(folder, class_files, png):
    hidden = io.BytesIO()
    with zipfile.ZipFile(hidden, "w") as opened:
        opened.writestr("program.js", b"alert(1)")
    source = folder(class_files(5) | {"good/both.png": png(9) + hidden.getvalue()})
    found = read(source, name="x")
    assert found.dataset is None
    assert "a picture and a ZIP at once" in found.problems[0].what
    assert read(source, name="x", skip_bad=True).dataset is not None


def test_japanese_names_of_old_tars_are_read(png, tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar", "w", encoding="cp932") as opened:
        for k, label in enumerate(("良品", "傷")):
            for i in range(5):
                data = png(10 * k + i)
                member = tarfile.TarInfo(f"{label}/{i}.png")
                member.size = len(data)
                opened.addfile(member, io.BytesIO(data))
    found = read(tmp_path / "a.tar", name="x")
    assert found.dataset is not None
    assert found.dataset.classes == ("傷", "良品")
