"""Results of stages as folders: made aside, renamed when complete, never changed again.

A folder counts when it carries `_SUCCESS`, which holds the stage's summary and a checksum of every
file. Work in progress stands under `.work` on the same disk, so that the rename is atomic.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digpt.errors import UserError, is_disk_full
from jobs.settings import Settings

SUCCESS = "_SUCCESS"
CHECKPOINTS = "checkpoints"  # where a stage keeps what it needs to resume; gone once complete


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The artifacts under one root."""

    root: Path

    def folder(self, key: str) -> Path:
        """Where the complete result of a stage is, or will be."""
        return self.root / key[:2] / key

    def work(self, key: str, number: int) -> Path:
        """Where attempt `number` works."""
        return self.root / ".work" / f"{key}.{number}"

    def is_complete(self, key: str) -> bool:
        return (self.folder(key) / SUCCESS).is_file()

    def keys(self) -> Iterator[str]:
        """Keys of all complete results."""
        for success in sorted(self.root.glob(f"[!.]*/*/{SUCCESS}")):
            yield success.parent.name

    def open(self, key: str, number: int) -> Path:
        """The work folder of a new attempt, with the last attempt's checkpoint if there is one."""
        work = self.work(key, number)
        with disk(self.root):
            if work.exists():
                shutil.rmtree(work)
            work.mkdir(parents=True)
            for former in range(number - 1, 0, -1):
                found = self.work(key, former) / CHECKPOINTS
                if found.is_dir() and not (work / CHECKPOINTS).exists():
                    found.rename(work / CHECKPOINTS)
                shutil.rmtree(self.work(key, former), ignore_errors=True)
        return work

    def commit(self, key: str, number: int, summary: Mapping[str, Any]) -> Path:
        """Make the work of an attempt the result of the stage, whole or not at all."""
        work, folder = self.work(key, number), self.folder(key)
        if self.is_complete(key):  # an attempt thought dead came first: same key, same result
            shutil.rmtree(work, ignore_errors=True)
            return folder
        with disk(self.root):
            shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)
            files = {str(p.relative_to(work)): _fingerprint(p) for p in _files(work)}
            content = {"key": key, "summary": summary, "files": files}
            _write(work / SUCCESS, json.dumps(content, ensure_ascii=False))
            for place in (*(p for p in work.rglob("*") if p.is_dir()), work):
                _sync(place)
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists():
                shutil.rmtree(folder)  # without _SUCCESS: somebody removed the mark
            work.rename(folder)
            _sync(folder.parent)
        return folder

    def discard(self, key: str, number: int, *, keep_checkpoint: bool = True) -> None:
        """Drop an attempt's work; its checkpoint stays for the next one."""
        work = self.work(key, number)
        if not (keep_checkpoint and (work / CHECKPOINTS).is_dir()):
            shutil.rmtree(work, ignore_errors=True)

    def summary(self, key: str) -> dict[str, Any]:
        """What the stage said of its result."""
        return self._success(key)["summary"]

    def verify(self, key: str) -> list[str]:
        """What is wrong with a result: files missing, changed or not declared. Empty: nothing."""
        declared: dict[str, Any] = self._success(key)["files"]
        folder = self.folder(key)
        present = {str(p.relative_to(folder)): p for p in _files(folder) if p.name != SUCCESS}
        problems = [f"{name} is missing" for name in declared if name not in present]
        problems += [f"{name} was added" for name in present if name not in declared]
        for name in sorted(present.keys() & declared.keys()):
            if _fingerprint(present[name], sync=False) != declared[name]:
                problems.append(f"{name} was changed")
        return sorted(problems)

    def remove(self, key: str) -> None:
        """Take a result away; the mark goes first, so that half of it never counts."""
        (self.folder(key) / SUCCESS).unlink(missing_ok=True)
        shutil.rmtree(self.folder(key), ignore_errors=True)

    def _success(self, key: str) -> dict[str, Any]:
        path = self.folder(key) / SUCCESS
        try:
            return json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"The result of stage {key[:12]} cannot be read ({path}: {error}). "
                "Retry the pilot to make it again.",
                code="artifact-unreadable",
                field="artifacts",
                path=str(path),
            ) from error


def open_artifacts(settings: Settings) -> Artifacts:
    """The artifacts of a home; so far only on a local (or mounted) folder."""
    if "://" in settings.artifacts_url:
        raise UserError(
            f"Artifacts cannot be kept at {settings.artifacts_url!r} yet: give a local or mounted "
            "folder in DIGPT_ARTIFACTS_URL.",
            code="bad-artifacts-url",
            field="artifacts_url",
            value=settings.artifacts_url,
        )
    return Artifacts(settings.artifacts)


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Turn a full disk into a sentence."""
    try:
        yield
    except Exception as error:
        if is_disk_full(error):
            raise disk_full(folder) from error
        raise


def disk_full(folder: Path) -> UserError:
    """How much is free where, and what to do."""
    place = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    free = shutil.disk_usage(place).free
    return UserError(
        f"No space left on the disk of {folder} ({free / 1e9:.2f} GB free). Free some space or set "
        "DIGPT_ARTIFACTS_URL to a folder on another disk, then retry the pilot.",
        code="disk-full",
        field="artifacts_url",
        free_bytes=free,
    )


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _fingerprint(path: Path, *, sync: bool = True) -> list[Any]:
    """[bytes, SHA-256 hex] of a file, which is on the disk afterwards."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if sync:
            os.fsync(file.fileno())
        return [file.tell(), digest]


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
