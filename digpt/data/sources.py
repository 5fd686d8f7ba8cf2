"""Where an import reads from: a folder, or a ZIP that is looked at with suspicion."""

import re
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from digpt.data.images import EncodedImages, FileImages, ZipImages, read_member
from digpt.errors import UserError

MAX_FILES = 1_000_000
MAX_TOTAL_BYTES = 50 * 2**30
MAX_RATIO = 200  # of a large member; text and pictures stay far below
SMALL_MEMBER = 10 * 2**20  # a blank bitmap may compress a thousandfold, but it is small


class Source(Protocol):
    """Files by relative path with forward slashes, sorted."""

    kind: str
    files: tuple[str, ...]
    folders: tuple[str, ...]

    def read(self, path: str) -> bytes: ...

    def images(self, paths: Sequence[str]) -> EncodedImages: ...


class FolderSource:
    """A folder and all below it, hidden files left out."""

    kind = "folder"

    def __init__(self, root: Path) -> None:
        self.root = root
        found = sorted(p for p in root.rglob("*") if not _is_hidden(p.relative_to(root).parts))
        self.files = tuple(p.relative_to(root).as_posix() for p in found if p.is_file())
        self.folders = tuple(p.relative_to(root).as_posix() for p in found if p.is_dir())

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def images(self, paths: Sequence[str]) -> EncodedImages:
        return FileImages(self.root, paths)


class ZipSource:
    """A ZIP archive, read in place: nothing is unpacked, so nothing can be written elsewhere."""

    kind = "ZIP"

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        try:
            with zipfile.ZipFile(archive) as opened:
                entries = opened.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise _refuse(archive, f"cannot be opened ({error})", "Make the ZIP again.") from error
        _check_sizes(archive, entries)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        folders = set()
        for entry in entries:
            name = _checked_name(archive, entry)
            if _is_hidden(PurePosixPath(name).parts):
                continue
            folders |= {str(p) for p in PurePosixPath(name).parents if str(p) != "."}
            if entry.is_dir():
                folders.add(name)
            else:
                self._entries[name] = entry
        self.files = tuple(sorted(self._entries))
        self.folders = tuple(sorted(folders))

    def read(self, path: str) -> bytes:
        with zipfile.ZipFile(self.archive) as opened:
            return read_member(opened, self._entries[path])

    def images(self, paths: Sequence[str]) -> EncodedImages:
        return ZipImages(self.archive, [(path, self._entries[path]) for path in paths])


def _is_hidden(parts: Sequence[str]) -> bool:
    """macOS and Windows leave such files in every folder and archive."""
    return any(p.startswith(".") or p in ("__MACOSX", "Thumbs.db", "desktop.ini") for p in parts)


def _check_sizes(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive that would fill the disk or the memory."""
    if len(entries) > MAX_FILES:
        raise _refuse(archive, f"holds {len(entries):,} files", f"Use at most {MAX_FILES:,}.")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_TOTAL_BYTES:
        limit = MAX_TOTAL_BYTES // 2**30
        raise _refuse(
            archive, f"unpacks to {total / 2**30:.0f} GiB", f"Split it below {limit} GiB."
        )
    for entry in entries:
        ratio = entry.file_size / max(entry.compress_size, 1)
        if entry.file_size > SMALL_MEMBER and ratio > MAX_RATIO:
            what = f"holds {entry.filename!r}, which unpacks to {ratio:.0f} times its size"
            raise _refuse(archive, what, "Take that file out.")


def _checked_name(archive: Path, entry: zipfile.ZipInfo) -> str:
    """The entry's path, or a refusal where it is not a plain file below the archive's root."""
    name = _decoded_name(entry).replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or re.match(r"^[A-Za-z]:", name):
        raise _refuse(archive, f"holds a path that leads outside: {name!r}", "Make it again.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _refuse(archive, f"holds a link: {name!r}", "Put the file itself in.")
    if entry.flag_bits & 1:
        raise _refuse(archive, f"is encrypted ({name!r})", "Save it without a password.")
    return str(PurePosixPath(name))


def _decoded_name(entry: zipfile.ZipInfo) -> str:
    """Japanese Windows writes names in CP932 without saying so; zipfile took them for CP437."""
    if entry.flag_bits & 0x800 or entry.filename.isascii():
        return entry.filename
    try:
        raw = entry.filename.encode("cp437")
    except UnicodeEncodeError:
        return entry.filename
    for encoding in ("utf-8", "cp932"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return entry.filename


def _refuse(archive: Path, what: str, fix: str) -> UserError:
    return UserError(
        f"The archive {archive.name} {what}. {fix}", code="bad-archive", field=archive.name
    )
