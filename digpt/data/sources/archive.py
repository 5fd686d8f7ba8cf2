"""What no archive may do, whatever its kind."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from digpt.data.problems import refusal
from digpt.data.sources.base import is_hidden
from digpt.errors import UserError

MAX_FILES = 1_000_000
MAX_TOTAL_BYTES = 50 * 2**30
MAX_RATIO = 200  # of a large member; text and pictures stay far below
SMALL_MEMBER = 10 * 2**20  # a blank bitmap may compress a thousandfold, but it is small
LONGEST_NAME = 255  # bytes of one part of a path: what file systems take
NESTED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".rar", ".7z", ".zst")


def refused(archive: Path, code: str, **facts: Any) -> UserError:
    """The archive, what is wrong with it, and what to do."""
    return refusal(code, archive.name, archive=archive.name, **facts)


def check_count(archive: Path, count: int) -> None:
    if count > MAX_FILES:
        raise refused(archive, "archive-files", count=count, most=MAX_FILES)


def check_total(archive: Path, total: int) -> None:
    if total > MAX_TOTAL_BYTES:
        facts = {"gib": total / 2**30, "most": MAX_TOTAL_BYTES // 2**30}
        raise refused(archive, "archive-size", **facts)


def checked_name(archive: Path, name: str) -> str:
    """The member's path with forward slashes, or a refusal where it leads elsewhere."""
    name = name.replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or re.match(r"^[A-Za-z]:", name):
        raise refused(archive, "archive-path", name=name)
    if not name.isprintable() or any(len(p.encode()) > LONGEST_NAME for p in parts):
        raise refused(archive, "archive-name", name=name[:80])
    return str(PurePosixPath(name))


def listed(archive: Path, files: Iterable[str], folders: Iterable[str]) -> tuple[list[str], ...]:
    """Files and all folders above them, sorted; refuses what could not lie in one folder."""
    names = list(files)
    known = set(names)
    if len(known) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise refused(archive, "archive-twice", name=twice)
    above = {str(p) for name in (*names, *folders) for p in PurePosixPath(name).parents} - {"."}
    everywhere = above | set(folders)
    both = sorted(known & everywhere)
    if both:
        raise refused(archive, "archive-both", name=both[0])
    nested = next((n for n in names if PurePosixPath(n).suffix.lower() in NESTED), None)
    if nested:
        raise refused(archive, "archive-nested", name=nested)
    return sorted(known), sorted(everywhere)


def is_kept(name: str) -> bool:
    """Whether a member is none of the system's leftovers."""
    return not is_hidden(PurePosixPath(name).parts)
