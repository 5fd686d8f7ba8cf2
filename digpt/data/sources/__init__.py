"""Where an import reads from: a folder or an archive, told apart by content, not by name.

Archives are read in place and looked at with suspicion: nothing is ever unpacked under a name that
an archive chose.
"""

from collections.abc import Sequence
from pathlib import Path

from digpt.data.problems import refusal
from digpt.data.reasons import because
from digpt.data.sources.archive import refused
from digpt.data.sources.base import Source
from digpt.data.sources.folder import FolderSource
from digpt.data.sources.tars import TarSource
from digpt.data.sources.zips import ZipSource

TABLES = (".csv", ".tsv", ".xlsx", ".xlsm", ".parquet", ".jsonl")
ANNOTATIONS = (".json", ".yaml", ".yml")
_MAGIC = {  # first bytes -> kind; a plain tar says so at byte 257
    b"PK\x03\x04": "ZIP",
    b"PK\x05\x06": "ZIP",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"Rar!": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"MZ": "program",
    b"\x7fELF": "program",
}
_NAMED = {
    ".zip": ("ZIP",),
    ".tar": ("tar",),
    ".gz": ("gzip",),
    ".tgz": ("gzip",),
    ".bz2": ("bzip2",),
    ".tbz2": ("bzip2",),
    ".xz": ("xz",),
    ".txz": ("xz",),
}


def open_source(source: Path, roots: Sequence[Path] = ()) -> Source:
    """The folder or archive at `source`, or the folder around a table or annotation file.

    `roots`: folders that links may lead into; none means that any link of the user's own is fine.
    """
    if source.is_dir():
        return FolderSource(source, roots)
    if not source.exists():
        named = str(source)
        raise refusal("source-missing", named, path=named, here=str(Path.cwd()))
    suffix = source.suffix.lower()
    if suffix in TABLES + ANNOTATIONS:
        return FolderSource(source.parent, roots)
    if suffix in _NAMED:
        return _archive(source, suffix)
    raise refusal("source-unknown", source.name, name=source.name)


def _archive(source: Path, suffix: str) -> Source:
    found = _kind(source)
    if found not in _NAMED[suffix]:
        facts = {"named": _NAMED[suffix][0]} | ({"found": found} if found else {})
        raise refused(source, "archive-kind" if found else "archive-unknown", **facts)
    return ZipSource(source) if found == "ZIP" else TarSource(source, found)


def _kind(source: Path) -> str:
    """What the first bytes say."""
    try:
        with source.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise refused(source, "archive-unreadable", reason=because(error)) from error
    if head[257:262] == b"ustar":
        return "tar"
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


__all__ = ["ANNOTATIONS", "TABLES", "FolderSource", "Source", "TarSource", "ZipSource",
           "open_source"]  # fmt: skip
