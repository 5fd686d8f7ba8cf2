"""Archives on their way in from a browser: piece by piece, and on from where a connection broke.

The shape is that of the tus protocol (https://tus.io): begin, ask how much is there, append at an
offset, drop. What has arrived is kept whatever happens to the connection, the page or the server.
"""

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from digpt.errors import UserError

SPARE = 2**30  # bytes that whatever comes in leaves free: database and results need room too
LARGEST = 50 * 2**30  # what an archive may unpack to; digpt.data itself takes a second to import
SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
KEPT_SECONDS = 24 * 3600.0  # what nobody went on with is cleared away
LONGEST_NAME = 120
_KEY = re.compile(r"[A-Za-z0-9_-]{22}")
_ABOUT = "about.json"  # no archive's name


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """One file on its way: how much of it is here."""

    key: str
    name: str
    size: int
    received: int

    @property
    def is_whole(self) -> bool:
        return self.received == self.size


class OutOfStep(Exception):
    """A piece starts elsewhere than where the file ends; `received` is where it must start."""

    def __init__(self, received: int) -> None:
        super().__init__(f"{received} bytes are here")
        self.received = received


class Uploads:
    """The uploads of one home, each a folder of its own that `drop` removes without a trace."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock

    def begin(self, name: str, size: int) -> Upload:
        """Make room for a file; refuses what cannot be an archive or does not fit on the disk."""
        name = _plain_name(name)
        if not name.lower().endswith(SUFFIXES):
            raise UserError(
                f"{name} is no archive that can be imported. Pack the folder as ZIP or tar.",
                code="upload-kind",
                field="upload",
                name=name,
            )
        if not 0 < size <= LARGEST:
            raise UserError(
                f"{name} has {_gib(size)} GiB; an upload may have more than nothing and at most "
                f"{_gib(LARGEST)} GiB. Use a folder of the server, or digpt data add.",
                code="upload-size",
                field="upload",
                name=name,
                gib=_gib(size),
                most=_gib(LARGEST),
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        self.clear_old()
        self._check_room(name, size)
        key = secrets.token_urlsafe(16)
        place = self._folder / key
        place.mkdir()
        (place / name).touch()
        (place / _ABOUT).write_text(json.dumps({"name": name, "size": size}), "utf-8")
        return Upload(key=key, name=name, size=size, received=0)

    def get(self, key: str) -> Upload:
        """How much of an upload is here."""
        place = self._place(key)
        try:
            about = json.loads((place / _ABOUT).read_text("utf-8"))
            received = (place / about["name"]).stat().st_size
        except FileNotFoundError as error:
            raise _gone() from error
        return Upload(key=key, name=about["name"], size=about["size"], received=received)

    @contextmanager
    def appending(self, key: str, offset: int) -> Iterator[Callable[[bytes], None]]:
        """What adds bytes at the end, which must be at `offset`; keeps what came before a fault."""
        upload = self.get(key)
        with (self._place(key) / upload.name).open("ab", buffering=0) as file:
            at = offset

            def add(piece: bytes) -> None:
                nonlocal at
                _check_step(file, at)  # at each piece: a second tab may be sending the same file
                if at + len(piece) > upload.size:
                    raise UserError(
                        f"More came of {upload.name} than it should have. Upload it again.",
                        code="upload-more",
                        field="upload",
                        name=upload.name,
                    )
                at += file.write(piece)

            _check_step(file, at)
            yield add

    def whole(self, key: str) -> Path:
        """The file under its own name, once all of it is here."""
        upload = self.get(key)
        if not upload.is_whole:
            share = int(100 * upload.received / upload.size)
            raise UserError(
                f"{upload.name} is not here yet: {share}% has arrived. Wait for the upload.",
                code="upload-unfinished",
                field="upload",
                name=upload.name,
                share=share,
            )
        return self._place(key) / upload.name

    def drop(self, key: str) -> None:
        """Remove an upload and all of its bytes; one that is gone stays gone."""
        shutil.rmtree(self._place(key), ignore_errors=True)

    def clear_old(self) -> None:
        """Remove the uploads that nobody has added to for a day."""
        for place in self._places():
            newest = max((f.stat().st_mtime for f in place.iterdir()), default=0.0)
            if self._clock() - newest > KEPT_SECONDS:
                shutil.rmtree(place, ignore_errors=True)

    def _check_room(self, name: str, size: int) -> None:
        """The whole file must fit beside those that are still coming, and its images once more."""
        coming = sum(one.size - one.received for one in map(self.get, self._keys()))
        free = shutil.disk_usage(self._folder).free - SPARE - coming
        if 2 * size > free:
            raise UserError(
                f"{name} takes {_gib(size)} GiB and its images as much again, and "
                f"{_gib(max(free, 0))} GiB can be used on the server's disk. Make room there, or "
                "choose another home with DIGPT_HOME.",
                code="upload-room",
                field="upload",
                name=name,
                gib=_gib(size),
                free=_gib(max(free, 0)),
            )

    def _keys(self) -> list[str]:
        return [place.name for place in self._places() if (place / _ABOUT).exists()]

    def _places(self) -> list[Path]:
        if not self._folder.exists():
            return []
        return [place for place in self._folder.iterdir() if _KEY.fullmatch(place.name)]

    def _place(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise _gone()
        return self._folder / key


def _check_step(file: FileIO, at: int) -> None:
    received = os.fstat(file.fileno()).st_size
    if received != at:
        raise OutOfStep(received)


def _gone() -> UserError:
    return UserError(
        "This upload is not here any more. Choose the file again.",
        code="upload-gone",
        field="upload",
    )


def _plain_name(name: str) -> str:
    """The file's own name, without what could lead elsewhere, its ending kept."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(c for c in last if c.isprintable()).strip().lstrip(".")
    return plain[-LONGEST_NAME:] or "upload"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f}"
