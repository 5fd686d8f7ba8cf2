"""A tar archive, plain or compressed, read in place."""

import bz2
import lzma
import os
import shutil
import tarfile
import tempfile
import weakref
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from digpt.data.images import EncodedImages, check_size
from digpt.data.problems import Problem
from digpt.data.reasons import because, reason
from digpt.data.sources import archive as limits
from digpt.data.sources.archive import checked_name, is_kept, listed, refused
from digpt.data.sources.base import SourceImages
from digpt.data.sources.zips import japanese

CHUNK = 2**20
XZ_MEMORY = 512 * 2**20  # an xz file names the memory that it wants
SPARE = 2**30  # bytes of disk that stay free
_DAMAGED = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, LookupError)


class TarSource:
    """A tar archive. A compressed one is first written, without its names, to one unnamed file.

    That file has no place in any folder, so it is gone with the process, however that ends.
    """

    kind = "tar"

    def __init__(self, archive: Path, compression: str = "tar") -> None:
        self.problems: list[Problem] = []
        self._file = _plain(archive, compression)
        weakref.finalize(self, self._file.close)  # images may outlive whoever opened the source
        size = os.fstat(self._file.fileno()).st_size
        self._places: dict[str, tuple[int, int]] = {}
        files, folders, total = [], [], 0
        for count, member in enumerate(_members(archive, self._file), 1):
            limits.check_count(archive, count)
            name = checked_name(archive, _name(member))
            _check_kind(archive, member, name)
            if member.isdir():
                folders += [name] if is_kept(name) and name != "." else []
                continue
            if member.size < 0 or member.offset_data + member.size > size:
                raise refused(archive, "archive-cut", name=name)
            total += member.size
            limits.check_total(archive, total)
            if is_kept(name):
                files.append(name)
                self._places[name] = (member.offset_data, member.size)
        found, above = listed(archive, files, folders)
        self.files, self.folders = tuple(found), tuple(above)

    def read(self, path: str) -> bytes:
        start, size = self._places[path]
        check_size(size)
        return os.pread(self._file.fileno(), size, start)  # no shared position: safe in threads

    def size(self, path: str) -> int:
        return self._places[path][1]

    def images(self, paths: Sequence[str]) -> EncodedImages:
        return SourceImages(self, paths)


def _members(archive: Path, file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:", errors="surrogateescape") as opened:
            yield from opened
            end = os.pread(file.fileno(), tarfile.BLOCKSIZE, opened.offset)
            if end.strip(b"\0") or len(end) < tarfile.BLOCKSIZE:  # tarfile takes either for the end
                raise EOFError(reason("cut-short"))
    except _DAMAGED as error:
        raise refused(archive, "archive-unreadable", reason=because(error)) from error


def _name(member: tarfile.TarInfo) -> str:
    """Names are bytes: UTF-8, or CP932 from Japanese Windows."""
    raw = member.name.encode("utf-8", "surrogateescape")
    return japanese(raw) or raw.decode("utf-8", "replace")


def _check_kind(archive: Path, member: tarfile.TarInfo, name: str) -> None:
    if member.issym() or member.islnk():
        raise refused(archive, "archive-link", name=name)
    if member.issparse():
        raise refused(archive, "archive-sparse", name=name)
    if not member.isfile() and not member.isdir():
        raise refused(archive, "archive-device", name=name)


# ---- decompression --------------------------------------------------------------------------


class _Decompressor(Protocol):
    """What bz2 and lzma offer; zlib is made to."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the other two."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _decompressor(compression: str) -> _Decompressor:
    if compression == "gzip":
        return _Gzip()
    if compression == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


def _plain(archive: Path, compression: str) -> IO[bytes]:
    """The archive itself, or what it holds, in an unnamed file on the disk for such things."""
    if compression == "tar":
        return archive.open("rb")
    plain: Any = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the source
    try:
        _unpack(archive, compression, plain)
    except BaseException:
        plain.close()
        raise
    return plain


def _unpack(archive: Path, compression: str, plain: IO[bytes]) -> None:
    packed, unpacked = archive.stat().st_size, 0
    free = shutil.disk_usage(tempfile.gettempdir()).free - SPARE
    try:
        for chunk in _chunks(archive, compression):
            unpacked += len(chunk)
            limits.check_total(archive, unpacked)
            ratio = unpacked / max(packed, 1)
            if unpacked > limits.SMALL_MEMBER and ratio > limits.MAX_RATIO:
                raise refused(archive, "archive-ratio", ratio=limits.MAX_RATIO)
            if unpacked > free:
                facts = {"gib": free / 2**30, "folder": tempfile.gettempdir()}
                raise refused(archive, "archive-disk", **facts)
            plain.write(chunk)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise refused(archive, "archive-unreadable", reason=because(error)) from error
    plain.flush()


def _chunks(archive: Path, compression: str) -> Iterator[bytes]:
    """What it unpacks to, never more than a chunk in memory."""
    with archive.open("rb") as file:
        inner = _decompressor(compression)
        data = file.read(CHUNK)
        while data or not inner.needs_input:
            yield inner.decompress(data, CHUNK)
            data = b""
            if inner.eof:
                data = inner.unused_data.lstrip(b"\0") or file.read(CHUNK)
                if not data:
                    return
                inner = _decompressor(compression)  # archives may be written one after another
            elif inner.needs_input:
                data = file.read(CHUNK)
        if not inner.eof:
            raise EOFError(reason("cut-short"))
