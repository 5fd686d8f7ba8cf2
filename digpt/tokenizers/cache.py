"""Token cache: what a tokenizer makes of every pretraining image and view, computed once.

N images in shards of n, V views, h × w grid, D width. Continuous tokens are kept in float16, codes
in the smallest integer type that holds them. A shard is one .npy file of records (patches, and the
global token where there is one), memory-mapped, whose name carries its CRC-32; it appears whole or
not at all, so that a run which was killed goes on from the shards that are there.
"""

import hashlib
import json
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from digpt.arrays import new_array
from digpt.data.views import WHOLE, Views
from digpt.errors import UserError
from digpt.reporter import Reporter
from digpt.tokenizers.base import Tokenizer, Tokens
from digpt.tokenizers.portions import Portions, encode
from digpt.tokenizers.statistics import Sums

LARGEST = float(np.finfo(np.float16).max)
ABOUT = "cache.json"  # written last: without it a folder holds no cache
UNFINISHED = "checkpoints"  # shards of a cache in the making; the engine keeps it between attempts
OWNER = "of.json"  # beside them: which cache they belong to
SHARD_BYTES = 64 << 20  # about what is lost at a kill
MOST_SHARDS = 256  # each holds a file open while it is mapped
_SHARD = re.compile(r"shard-(\d{5})-([0-9a-f]{8})\.npy")


def write(
    tokenizer: Tokenizer,
    images: np.ndarray,
    rows: np.ndarray,
    folder: Path,
    *,
    views: Sequence[str] = ("identity", "flip"),
    crop_scale: tuple[float, float] = WHOLE,
    size: int | None = None,
    device: torch.device,
    reporter: Reporter,
    batch: int = 256,
) -> None:
    """Write the tokens of `images[rows]` (uint8, (M, S, S, 3)) in each view into `folder`.

    size: side of what the tokenizer reads, S when not given.
    Goes on from the whole shards that a run before left there.
    """
    if not len(rows):
        raise UserError(
            "There is no image to make tokens of: pool and train are empty.", code="no-images"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)  # a cache counts only once its description is there
    seen = Views(views, len(rows), crop_scale, size or images.shape[1])
    portions = Portions(tokenizer.to(device), device, reporter, batch)
    writer = _Writer.of(portions, images, rows, seen, batch)
    parts = folder / UNFINISHED
    identity = writer.identity()
    whole = _whole_shards(parts, identity, reporter)
    missing = [n for n in range(writer.shards) if n not in whole]
    need = sum(len(writer.places(n)) for n in missing) * writer.row_bytes
    check_space(tokenizer.name, need, folder)
    parts.mkdir(exist_ok=True)
    _write_json(parts / OWNER, identity)
    if whole:
        reporter.log(f"Going on: {len(whole)} of {writer.shards} shards of tokens are there.")
    for number in missing:
        writer.write_shard(number, parts, reporter)
    _finish(writer, folder, parts)


def check_space(name: str, need: int, folder: Path) -> None:
    """Raise `UserError` unless `need` bytes are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if need > free:
        raise UserError(
            f"The tokens of {name} need {need / 1e9:.1f} GB and {free / 1e9:.1f} GB "
            "are free. Make room, or choose fewer views or a narrower tokenizer.",
            code="disk-full",
            field="tokenizer",
        )


@dataclass(frozen=True)
class TokenCache:
    """A written cache, memory-mapped. `read` is what pretraining calls."""

    folder: Path
    name: str
    dim: int
    codes: int | None
    grid_size: tuple[int, int]
    views: tuple[str, ...]
    crop_scale: tuple[float, float]
    has_global: bool
    count: int
    shard_rows: int
    shards: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    global_mean: np.ndarray | None
    global_std: np.ndarray | None
    _mapped: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return self.count

    @staticmethod
    def open(folder: Path) -> "TokenCache":
        """The cache in `folder`; files that are missing or cut short are refused.

        Bytes that changed are found when their shard is first read.
        """
        about = _read_about(folder)
        for name, size in about["files"].items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != size:
                raise _damaged(path, "missing or cut short")
        try:
            with np.load(folder / "statistics.npz", allow_pickle=False) as found:
                statistics = {name: found[name] for name in found.files}
        except (ValueError, zipfile.BadZipFile) as error:
            raise _damaged(folder / "statistics.npz", "changed since it was written") from error
        return TokenCache(
            folder=folder,
            name=about["name"],
            dim=about["dim"],
            codes=about["codes"],
            grid_size=(about["grid_size"][0], about["grid_size"][1]),
            views=tuple(about["views"]),
            crop_scale=(about["crop_scale"][0], about["crop_scale"][1]),
            has_global=about["has_global"],
            count=about["rows"],
            shard_rows=about["shard_rows"],
            shards=tuple(name for name in about["files"] if _SHARD.fullmatch(name)),
            mean=statistics["mean"],
            std=statistics["std"],
            global_mean=statistics.get("global_mean"),
            global_std=statistics.get("global_std"),
        )

    def read(self, rows: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Tokens (B, h, w, D) or codes (B, h, w), and global tokens (B, D), of rows and views."""
        shared = self._gather("global", rows, views) if self.has_global else None
        return self._gather("patches", rows, views), shared

    def _gather(self, name: str, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        numbers = rows // self.shard_rows
        parts = [(numbers == n, self._shard(int(n))[name]) for n in np.unique(numbers)]
        found = np.empty((len(rows), *parts[0][1].shape[2:]), parts[0][1].dtype)
        for own, shard in parts:  # (n, V, ...)
            found[own] = shard[rows[own] % self.shard_rows, views[own]]
        return found

    def verify(self) -> None:
        """Read every byte of every shard; what does not match its checksum is refused."""
        for number in range(len(self.shards)):
            self._shard(number)

    def _shard(self, number: int) -> np.ndarray:
        """Records (n,) of a shard, mapped; its checksum is compared at the first use.

        That costs one pass through the file, which an epoch would read anyway.
        """
        if number not in self._mapped:
            path = self.folder / self.shards[number]
            if not _is_whole(path):
                raise _damaged(path, "missing or changed since it was written")
            self._mapped[number] = np.load(path, mmap_mode="r")
        return self._mapped[number]


@dataclass(frozen=True)
class _Writer:
    """Makes shards, each independent of the others and of when it is made."""

    portions: Portions
    images: np.ndarray
    rows: np.ndarray
    views: Views
    batch: int
    record: np.dtype  # of one image: patches (V, h, w, D) or (V, h, w), global (V, D)
    shard_rows: int

    @staticmethod
    def of(
        portions: Portions, images: np.ndarray, rows: np.ndarray, views: Views, batch: int
    ) -> "_Writer":
        one = np.zeros(1, np.int64)  # one image, to know the shapes
        tried = encode(portions.tokenizer, views.see(images[rows[one]], one, one), portions.device)
        record = _record(portions.tokenizer, tried, len(views.names))
        wanted = max(SHARD_BYTES // record.itemsize, -(-len(rows) // MOST_SHARDS))
        shard_rows = max(wanted // batch, 1) * batch  # whole batches: the same at any interruption
        return _Writer(portions, images, rows, views, batch, record, shard_rows)

    @property
    def tokenizer(self) -> Tokenizer:
        return self.portions.tokenizer

    @property
    def shards(self) -> int:
        return -(-len(self.rows) // self.shard_rows)

    @property
    def codes(self) -> int | None:
        return self.tokenizer.dim if self.tokenizer.is_discrete else None

    @property
    def row_bytes(self) -> int:
        return self.record.itemsize

    def places(self, number: int) -> np.ndarray:
        """Places in `rows` of a shard's images, (n,)."""
        start = number * self.shard_rows
        return np.arange(start, min(start + self.shard_rows, len(self.rows)))

    def identity(self) -> dict[str, Any]:
        """What must be equal for shards of an earlier run to belong to this one."""
        return {
            "tokenizer": self.tokenizer.name,
            "weights": _digest_of(self.tokenizer),
            "rows": hashlib.sha256(np.asarray(self.rows, np.int64).tobytes()).hexdigest(),
            "images": list(self.images.shape),
            "views": list(self.views.names),
            "crop_scale": list(self.views.scale),
            "size": self.views.size,
            "record": str(self.record),
            "shard_rows": self.shard_rows,
        }

    def write_shard(self, number: int, folder: Path, reporter: Reporter) -> None:
        """One shard and the sums of its tokens; it counts once it has its final name."""
        places, sums = self.places(number), Sums()
        aside = folder / f"shard-{number:05d}.part"
        shard = new_array(aside, self.record, (len(places),))
        for start in range(0, len(places), self.batch):
            few = places[start : start + self.batch]
            chunk = np.ascontiguousarray(self.images[self.rows[few]])
            for view in range(len(self.views.names)):
                seen = self.views.see(chunk, few, np.full(len(few), view))
                place = start
                for tokens in self.portions.of(seen):
                    reporter.check()
                    part = shard[place : place + len(tokens.patches)]
                    part["patches"][:, view] = stored(tokens.patches, self.codes)
                    if tokens.global_token is not None:
                        part["global"][:, view] = stored(tokens.global_token, None)
                    sums.count(tokens)
                    place += len(tokens.patches)
                    done = view + (place - start) / len(few)  # views of these images
                    rows = int(few[0] + len(few) * done / len(self.views.names))
                    reporter.progress(rows, len(self.rows))
        shard.flush()
        del shard
        np.savez(folder / _sums_name(number), allow_pickle=False, **sums.values)
        crc = _crc(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(folder / f"shard-{number:05d}-{crc:08x}.npy")


def _record(tokenizer: Tokenizer, tokens: Tokens, views: int) -> np.dtype:
    kind = _code_type(tokenizer.dim) if tokenizer.is_discrete else np.dtype(np.float16)
    fields: list[Any] = [("patches", kind, (views, *tokens.patches.shape[1:]))]
    if tokens.global_token is not None:
        fields.append(("global", np.float16, (views, tokens.global_token.shape[1])))
    return np.dtype(fields)


def stored(values: Tensor, codes: int | None) -> np.ndarray:
    """Tokens in float16, or codes in the smallest type; what float16 cannot hold is refused,
    because one infinity would spoil every statistic."""
    if codes is not None:
        return values.cpu().numpy().astype(_code_type(codes))
    if not bool((values.abs() <= LARGEST).all()):
        raise UserError(
            f"The tokenizer gives values that are not numbers or beyond {LARGEST:.0f}. Its weights "
            "are damaged or it does not suit these images; choose another.",
            code="bad-tokens",
            field="tokenizer",
        )
    return values.float().cpu().numpy().astype(np.float16)


def _whole_shards(parts: Path, identity: dict[str, Any], reporter: Reporter) -> set[int]:
    """Numbers of the shards that are complete with their sums; what else is there is removed."""
    if not parts.is_dir():
        return set()
    if _json(parts / OWNER) != identity:
        reporter.log("The shards that are there belong to other tokens; starting anew.")
        shutil.rmtree(parts)
        return set()
    whole: set[int] = set()
    for path in sorted(parts.glob("shard-*")):
        match = _SHARD.fullmatch(path.name)
        if match and _sums_of(parts, int(match[1])) is not None and _is_whole(path):
            whole.add(int(match[1]))
            continue
        if match:
            reporter.log(f"{path.name} is damaged and will be made anew.", "warning")
        path.unlink()
    return whole


def _finish(writer: _Writer, folder: Path, parts: Path) -> None:
    """Shards to their place, statistics, and last the description, which lists the others."""
    sums = Sums()
    for number in range(writer.shards):
        sums.merge(_sums_of(parts, number) or {})
    for old in folder.glob("shard-*.npy"):  # of a cache that stood here before
        old.unlink()
    shards = sorted(p for p in parts.iterdir() if _SHARD.fullmatch(p.name))
    for path in shards:
        path.rename(folder / path.name)
    np.savez(folder / "statistics.npz", allow_pickle=False, **sums.statistics())
    names = [*(p.name for p in shards), "statistics.npz"]
    tokenizer = writer.tokenizer
    about = {
        "name": tokenizer.name,
        "dim": tokenizer.dim,
        "codes": writer.codes,
        "grid_size": list(writer.record["patches"].shape[1:3]),
        "has_global": "global" in (writer.record.names or ()),
        "views": list(writer.views.names),
        "crop_scale": list(writer.views.scale),
        "rows": len(writer.rows),
        "shard_rows": writer.shard_rows,
        "files": {n: (folder / n).stat().st_size for n in names},
    }
    _write_json(folder / ABOUT, about)
    shutil.rmtree(parts)


def _damaged(path: Path, what: str) -> UserError:
    return UserError(
        f"The token cache {path} is {what}. Retry the pilot: it makes the tokens anew. Without a "
        f"pilot, remove {path.parent} and write them again.",
        code="damaged-cache",
        field=str(path),
        path=str(path),
    )


def _read_about(folder: Path) -> dict[str, Any]:
    about = _json(folder / ABOUT)
    if about is None:
        raise UserError(
            f"{folder} holds no complete token cache. Run the pilot again; it makes the tokens.",
            code="no-cache",
            field=str(folder),
        )
    return about


def _sums_name(number: int) -> str:
    return f"sums-{number:05d}.npz"


def _sums_of(parts: Path, number: int) -> dict[str, np.ndarray] | None:
    """The sums of a shard; None where they are missing or damaged."""
    try:
        with np.load(parts / _sums_name(number), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _is_whole(path: Path) -> bool:
    """Whether a shard is there and has the CRC-32 that its name says."""
    match = _SHARD.fullmatch(path.name)
    return match is not None and path.is_file() and _crc(path) == int(match[2], 16)


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(values))
    aside.replace(path)


def _code_type(codes: int) -> np.dtype:
    return np.dtype(np.uint16 if codes <= 65_536 else np.int32)


def _digest_of(tokenizer: Tokenizer) -> str:
    """SHA-256 of the tokenizer's weights and settings."""
    digest = hashlib.sha256(repr(tokenizer.config()).encode())
    for name, value in tokenizer.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
