"""Uploads arrive piece by piece, go on where they stopped, and leave no trace when dropped."""

import os
from pathlib import Path

import pytest

from digpt.data.sources.archive import MAX_TOTAL_BYTES
from digpt.errors import UserError
from jobs import uploads as module
from jobs.uploads import KEPT_SECONDS, LARGEST, OutOfStep, Uploads


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads")


def send(uploads: Uploads, key: str, offset: int, *pieces: bytes) -> None:
    with uploads.appending(key, offset) as add:
        for piece in pieces:
            add(piece)


def test_a_file_is_whole_once_all_pieces_are_there(uploads: Uploads):
    key = uploads.begin("parts.zip", 6).key
    send(uploads, key, 0, b"ab", b"c")
    assert uploads.get(key).received == 3
    send(uploads, key, 3, b"def")
    assert uploads.whole(key).read_bytes() == b"abcdef"
    assert uploads.whole(key).name == "parts.zip"


def test_what_came_before_a_fault_is_kept(uploads: Uploads, tmp_path: Path):
    key = uploads.begin("parts.zip", 6).key

    def broken() -> None:
        with uploads.appending(key, 0) as add:
            add(b"abcd")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        broken()
    again = Uploads(tmp_path / "uploads")  # another process, after a restart
    assert again.get(key).received == 4
    send(again, key, 4, b"ef")
    assert again.whole(key).read_bytes() == b"abcdef"


@pytest.mark.parametrize("offset", [0, 2, 4, 10])
def test_a_piece_at_another_place_is_told_where_the_file_ends(uploads: Uploads, offset: int):
    key = uploads.begin("parts.zip", 6).key
    send(uploads, key, 0, b"abc")
    with pytest.raises(OutOfStep) as told:
        send(uploads, key, offset, b"x")
    assert told.value.received == 3
    assert uploads.get(key).received == 3


def test_two_tabs_that_send_the_same_file_never_mix_it_up(uploads: Uploads):
    key = uploads.begin("parts.zip", 6).key
    with uploads.appending(key, 0) as first, uploads.appending(key, 0) as second:
        first(b"abc")
        with pytest.raises(OutOfStep):
            second(b"abc")
        first(b"def")
    assert uploads.whole(key).read_bytes() == b"abcdef"


def test_more_than_was_promised_is_refused(uploads: Uploads):
    key = uploads.begin("parts.zip", 3).key
    with pytest.raises(UserError, match="More came"):
        send(uploads, key, 0, b"abcd")
    assert uploads.get(key).received == 0


def test_an_unfinished_file_cannot_be_imported(uploads: Uploads):
    key = uploads.begin("parts.zip", 4).key
    send(uploads, key, 0, b"abc")
    with pytest.raises(UserError, match="75%"):
        uploads.whole(key)


def test_a_dropped_upload_leaves_no_trace(uploads: Uploads, tmp_path: Path):
    key = uploads.begin("parts.zip", 4).key
    send(uploads, key, 0, b"abc")
    uploads.drop(key)
    assert list((tmp_path / "uploads").iterdir()) == []
    with pytest.raises(UserError, match="not here any more"):
        uploads.get(key)
    uploads.drop(key)  # twice is once


def test_what_nobody_went_on_with_is_cleared_away(tmp_path: Path):
    now = [0.0]
    uploads = Uploads(tmp_path / "uploads", clock=lambda: now[0])
    old, new = uploads.begin("old.zip", 4).key, uploads.begin("new.zip", 4).key
    for path in (tmp_path / "uploads" / new).iterdir():
        os.utime(path, (KEPT_SECONDS, KEPT_SECONDS))
    for path in (tmp_path / "uploads" / old).iterdir():
        os.utime(path, (0, 0))
    now[0] = KEPT_SECONDS + 1
    uploads.clear_old()
    assert uploads.get(new).size == 4
    with pytest.raises(UserError):
        uploads.get(old)


@pytest.mark.parametrize("name", ["photo.jpg", "parts.exe", "parts.zip.exe", "", "..zip"])
def test_only_archives_are_taken(uploads: Uploads, name: str):
    with pytest.raises(UserError, match="no archive"):
        uploads.begin(name, 10)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/parts.zip", "parts.zip"),
        ("C:\\data\\部品 A.zip", "部品 A.zip"),
        (f"{'x' * 300}.tar.gz", f"{'x' * 113}.tar.gz"),
        ("\x00a\n.zip", "a.zip"),
    ],
)
def test_a_name_can_lead_nowhere(uploads: Uploads, tmp_path: Path, name: str, kept: str):
    upload = uploads.begin(name, 1)
    assert upload.name == kept
    send(uploads, upload.key, 0, b"a")
    assert uploads.whole(upload.key).parent.parent == tmp_path / "uploads"


@pytest.mark.parametrize("key", ["", "..", "../../../etc/passwd1", "a" * 21, "a" * 22, "a/" * 11])
def test_a_made_up_key_finds_nothing(uploads: Uploads, key: str):
    with pytest.raises(UserError, match="not here any more"):
        uploads.get(key)
    with pytest.raises(UserError, match="not here any more"), uploads.appending(key, 0):
        pass


@pytest.mark.parametrize("size", [0, -1, LARGEST + 1])
def test_a_size_that_cannot_be_is_refused_at_once(uploads: Uploads, size: int):
    with pytest.raises(UserError, match="GiB"):
        uploads.begin("parts.zip", size)


def test_the_disk_is_looked_at_before_anything_is_sent(uploads: Uploads, tmp_path, monkeypatch):
    free = module.SPARE + 1000
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match="Make room"):
        uploads.begin("parts.zip", 501)
    first = uploads.begin("parts.zip", 300)
    with pytest.raises(UserError, match="Make room"):  # the first still needs its 300
        uploads.begin("more.zip", 400)
    uploads.drop(first.key)
    assert uploads.begin("more.zip", 400).size == 400


def test_an_upload_may_be_as_large_as_an_archive_may_unpack_to():
    assert LARGEST == MAX_TOTAL_BYTES
