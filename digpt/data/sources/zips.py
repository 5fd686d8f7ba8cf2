"""A ZIP archive, read in place."""

import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

from digpt.data.images import DECODE_ERRORS, BadImage, EncodedImages, check_size
from digpt.data.problems import Problem
from digpt.data.reasons import because, reason
from digpt.data.sources import archive as limits
from digpt.data.sources.archive import checked_name, is_kept, listed, refused
from digpt.data.sources.base import SourceImages


class ZipSource:
    """A ZIP archive; nothing is unpacked, so nothing can be written elsewhere."""

    kind = "ZIP"

    def __init__(self, archive: Path) -> None:
        self.problems: list[Problem] = []
        try:
            self._opened = zipfile.ZipFile(archive)  # kept: listing it again for a file takes long
        except zipfile.BadZipFile as error:
            raise refused(archive, "archive-unreadable", reason=reason("cut-short")) from error
        except (OSError, ValueError, NotImplementedError) as error:
            raise refused(archive, "archive-unreadable", reason=because(error)) from error
        entries = self._opened.infolist()
        _check_sizes(archive, entries)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        files, folders = [], []
        for entry in entries:
            name = checked_name(archive, _decoded_name(entry))
            _check_kind(archive, entry, name)
            if not is_kept(name):
                continue
            (folders if entry.is_dir() else files).append(name)
            self._entries[name] = entry
        found, above = listed(archive, files, folders)
        self.files, self.folders = tuple(found), tuple(above)

    def read(self, path: str) -> bytes:
        """The member's bytes, at most as many as its header promises (a bomb may lie)."""
        entry = self._entries[path]
        check_size(entry.file_size)
        try:
            with self._opened.open(entry) as stream:
                return stream.read(entry.file_size)
        except DECODE_ERRORS as error:
            raise BadImage(reason("zip-damaged")) from error

    def size(self, path: str) -> int:
        return self._entries[path].file_size

    def images(self, paths: Sequence[str]) -> EncodedImages:
        return SourceImages(self, paths)


def _check_sizes(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive that would fill the disk or the memory."""
    limits.check_count(archive, len(entries))
    limits.check_total(archive, sum(entry.file_size for entry in entries))
    if sum(entry.compress_size for entry in entries) > archive.stat().st_size:
        raise refused(archive, "archive-overlap")
    for entry in entries:
        ratio = entry.file_size / max(entry.compress_size, 1)
        if entry.file_size > limits.SMALL_MEMBER and ratio > limits.MAX_RATIO:
            raise refused(archive, "archive-member-ratio", name=entry.filename, ratio=ratio)


def _check_kind(archive: Path, entry: zipfile.ZipInfo, name: str) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise refused(archive, "archive-link", name=name)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refused(archive, "archive-device", name=name)
    if entry.flag_bits & 1:
        raise refused(archive, "archive-encrypted", name=name)


def _decoded_name(entry: zipfile.ZipInfo) -> str:
    """Japanese Windows writes names in CP932 without saying so; zipfile took them for CP437."""
    if entry.flag_bits & 0x800 or entry.filename.isascii():
        return entry.filename
    try:
        raw = entry.filename.encode("cp437")
    except UnicodeEncodeError:
        return entry.filename
    return japanese(raw) or entry.filename


def japanese(raw: bytes) -> str:
    """A name in UTF-8 or CP932; empty where it is in neither."""
    for encoding in ("utf-8", "cp932"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return ""
