"""How data come into a home: from folders that are allowed, and as a whole or not at all."""

import fcntl
import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from digpt.data.dataset import ImageDataset
from digpt.data.stored import store_dataset
from digpt.data.torchvision_sets import PREFIX
from digpt.errors import UserError
from digpt.reporter import Reporter

SPARE = 2**30  # bytes that an import leaves free: database and results need room too
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
    if not place.is_absolute() or not any(
        place.resolve().is_relative_to(root.resolve()) for root in roots
    ):
        raise UserError(
            f"{text} is not below the folders of the server that may be used: {allowed}.",
            code="outside-roots",
            field="source",
            allowed=allowed,
        )
    return Path(text) if text.startswith(PREFIX) else place


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
