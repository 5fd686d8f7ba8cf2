"""How data come into a home: from folders that are allowed, and as a whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from digpt.data.dataset import ImageDataset
from digpt.data.sources import TABLES
from digpt.data.sources.base import is_hidden
from digpt.data.stored import store_dataset
from digpt.data.torchvision_sets import PREFIX
from digpt.errors import UserError
from digpt.reporter import Reporter
from jobs.uploads import SPARE, SUFFIXES

MOST_OFFERED = 500  # entries of a folder: a person types the rest
_UNFINISHED = ".importing-"
_LOCK = "lock"


def on_server(text: str, roots: Sequence[Path]) -> Path:
    """A source on the server that a person in the browser named; only below `roots`.

    What lies outside is refused alike whether it exists or not: names are information too.
    """
    if not roots:
        raise UserError(
            "Folders of the server cannot be chosen here: its operator has set no DIGPT_DATA_ROOTS."
            " Upload an archive, or use digpt data add on the server.",
            code="no-roots",
            field="source",
        )
    named = text.removeprefix(PREFIX).partition("@")[2] if text.startswith(PREFIX) else text
    place = Path(named).expanduser()
    allowed = ", ".join(map(str, roots))
    if not _is_allowed(place, roots):
        raise UserError(
            f"{text} is not below the folders of the server that may be used: {allowed}.",
            code="outside-roots",
            field="source",
            named=text,
            allowed=allowed,
        )
    return Path(text) if text.startswith(PREFIX) else place


def folders_below(text: str, roots: Sequence[Path]) -> list[str]:
    """Folders, archives and tables in a folder, or the roots where it is none that may be used."""
    place = Path(text)
    if not text or not _is_allowed(place, roots) or not place.is_dir():
        return [str(root) for root in roots]
    with os.scandir(place) as entries:
        found = sorted(entry.path for entry in entries if _can_be_source(entry, roots))
    return [str(place), *found[:MOST_OFFERED]]


def _can_be_source(entry: "os.DirEntry[str]", roots: Sequence[Path]) -> bool:
    return (
        not is_hidden((entry.name,))
        and (entry.is_dir() or entry.name.lower().endswith((*SUFFIXES, *TABLES)))
        and _is_allowed(Path(entry.path), roots)
    )


def _is_allowed(place: Path, roots: Sequence[Path]) -> bool:
    return place.is_absolute() and any(
        place.resolve().is_relative_to(root.resolve()) for root in roots
    )


def move_in(dataset: ImageDataset, folder: Path, reporter: Reporter) -> None:
    """Store a dataset as `folder`, which appears when all of it is there.

    A process that is killed leaves a folder that the next import clears away.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    clear_unfinished(folder.parent)
    _check_room(dataset, folder.parent)
    beside = folder.parent / f"{_UNFINISHED}{uuid4().hex[:12]}"
    beside.mkdir()
    try:
        with (beside / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            store_dataset(dataset, beside, reporter=reporter)
            reporter.check()
            (beside / _LOCK).unlink()
            beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def clear_unfinished(datasets: Path) -> None:
    """Remove what imports that ended half-way have left; those still at work hold their lock."""
    for left in datasets.glob(f"{_UNFINISHED}*"):
        try:
            with (left / _LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # at work, or just being renamed
            continue


def _check_room(dataset: ImageDataset, datasets: Path) -> None:
    needed = getattr(dataset.images, "total_bytes", lambda: 0)()
    free = shutil.disk_usage(datasets).free - SPARE
    if needed > free:
        raise UserError(
            f"The images take {needed / 2**30:.1f} GiB, and {max(free, 0) / 2**30:.1f} GiB can be "
            f"used on the disk of {datasets}. Make room, or choose another home with DIGPT_HOME.",
            code="disk-full",
            field="home",
        )
