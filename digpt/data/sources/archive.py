"""What no archive may do, whatever its kind."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from digpt.data.sources.base import is_hidden
from digpt.errors import UserError

MAX_FILES = 1_000_000
MAX_TOTAL_BYTES = 50 * 2**30
MAX_RATIO = 200  # of a large member; text and pictures stay far below
SMALL_MEMBER = 10 * 2**20  # a blank bitmap may compress a thousandfold, but it is small
LONGEST_NAME = 255  # bytes of one part of a path: what file systems take
NESTED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".rar", ".7z", ".zst")


def refused(archive: Path, what: str, fix: str) -> UserError:
    """The archive, what is wrong with it, and what to do."""
    return UserError(
        f"The archive {archive.name} {what}. {fix}", code="bad-archive", field=archive.name
    )


def check_count(archive: Path, count: int) -> None:
    if count > MAX_FILES:
        raise refused(archive, f"holds {count:,} files", f"Use at most {MAX_FILES:,}.")


def check_total(archive: Path, total: int) -> None:
    if total > MAX_TOTAL_BYTES:
        what = f"unpacks to {total / 2**30:.0f} GiB"
        raise refused(archive, what, f"Split it below {MAX_TOTAL_BYTES // 2**30} GiB.")


def checked_name(archive: Path, name: str) -> str:
    """The member's path with forward slashes, or a refusal where it leads elsewhere."""
    name = name.replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or re.match(r"^[A-Za-z]:", name):
        raise refused(archive, f"holds a path that leads outside: {name!r}", "Make it again.")
    if not name.isprintable() or any(len(p.encode()) > LONGEST_NAME for p in parts):
        raise refused(archive, f"holds a name that no disk takes: {name[:80]!r}", "Rename it.")
    return str(PurePosixPath(name))


def listed(archive: Path, files: Iterable[str], folders: Iterable[str]) -> tuple[list[str], ...]:
    """Files and all folders above them, sorted; refuses what could not lie in one folder."""
    names = list(files)
    known = set(names)
    if len(known) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise refused(archive, f"holds {twice!r} twice", "Make it again.")
    above = {str(p) for name in (*names, *folders) for p in PurePosixPath(name).parents} - {"."}
    everywhere = above | set(folders)
    both = sorted(known & everywhere)
    if both:
        raise refused(archive, f"holds {both[0]!r} as a file and as a folder", "Make it again.")
    nested = next((n for n in names if PurePosixPath(n).suffix.lower() in NESTED), None)
    if nested:
        what = f"holds another archive: {nested!r}"
        raise refused(archive, what, "Unpack that one first, then pack everything as one.")
    return sorted(known), sorted(everywhere)


def is_kept(name: str) -> bool:
    """Whether a member is none of the system's leftovers."""
    return not is_hidden(PurePosixPath(name).parts)
