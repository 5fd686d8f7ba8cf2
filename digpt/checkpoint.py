"""Checkpoints that survive any kill: whole or absent, checked when read, the last two kept.

One checkpoint is one safetensors file (tensors, and plain values as JSON in its header) whose name
carries the step and the CRC-32 of the whole file: `step-00000420-1a2b3c4d.safetensors`.
"""

import json
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from digpt.reporter import Reporter

KEEP = 2
_NAME = re.compile(r"step-(\d+)-([0-9a-f]{8})\.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a run needs to go on after `step` steps: tensors by name, and plain JSON values."""

    step: int
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int = KEEP) -> Path:
    """Write a checkpoint all or nothing, then delete all but the newest `keep`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()}
    content = save(tensors, metadata={"values": json.dumps(checkpoint.values)})
    path = folder / f"step-{checkpoint.step:08d}-{zlib.crc32(content):08x}.safetensors"
    aside = path.with_suffix(".tmp")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    _sync_folder(folder)
    for old in [*_newest_first(folder)[keep:], *folder.glob("step-*.tmp")]:
        old.unlink(missing_ok=True)
    return path


def read_checkpoint(folder: Path, reporter: Reporter) -> Checkpoint | None:
    """The newest checkpoint that is whole, or None; damaged ones are reported and passed over."""
    for path in _newest_first(folder):
        try:
            return _read(path)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            reporter.log(
                f"Checkpoint {path.name} is damaged ({error}); going back to the one before.",
                "warning",
            )
    return None


def delete_checkpoints(folder: Path) -> None:
    """Remove all checkpoints, and the folder if nothing else is in it."""
    if not folder.is_dir():
        return
    for path in [*_newest_first(folder), *folder.glob("step-*.tmp")]:
        path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _newest_first(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step-*.safetensors") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.name, reverse=True)


def _read(path: Path) -> Checkpoint:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    found = _crc(path)
    if found != int(match[2], 16):
        raise ValueError(f"CRC-32 is {found:08x}, not {match[2]}")
    with safe_open(path, framework="pt") as file:
        values = json.loads(file.metadata()["values"])
        names = file.keys()
        return Checkpoint(int(match[1]), {name: file.get_tensor(name) for name in names}, values)


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
