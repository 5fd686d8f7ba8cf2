"""Token cache: what a tokenizer makes of every pretraining image and view, computed once.

N images, V views, h × w grid, D width. Continuous tokens are kept in float16, codes in the smallest
integer type that holds them.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from digpt.errors import UserError, pick
from digpt.reporter import Reporter
from digpt.tokenizers.base import Tokenizer, Tokens

LARGEST = float(np.finfo(np.float16).max)
ABOUT = "cache.json"  # written last: without it a folder holds no cache

VIEWS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda images: images,
    "flip": lambda images: images.flip(-1),
}


def write(
    tokenizer: Tokenizer,
    images: np.ndarray,
    rows: np.ndarray,
    folder: Path,
    *,
    views: Sequence[str] = ("identity", "flip"),
    device: torch.device,
    reporter: Reporter,
    batch: int = 256,
) -> None:
    """Write the tokens of `images[rows]` (uint8, (M, S, S, 3)) in each view into `folder`."""
    transforms = [pick(VIEWS, v, "view") for v in views]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)  # a cache counts only once its description is there
    tokenizer = tokenizer.to(device)
    files: _Files | None = None
    for start in range(0, len(rows), batch):
        reporter.check()
        chunk = np.ascontiguousarray(images[rows[start : start + batch]])
        pixels = torch.from_numpy(chunk).to(device).permute(0, 3, 1, 2).float() / 255
        for view, transform in enumerate(transforms):
            tokens = tokenizer.encode(transform(pixels))
            if files is None:
                files = _Files.create(folder, tokenizer, tokens, len(rows), len(views))
            files.put(start, view, tokens.patches, tokens.global_token)
        reporter.progress(min(start + batch, len(rows)), len(rows))
    if files is None:
        raise UserError(
            "There is no image to make tokens of: pool and train are empty.", code="no-images"
        )
    _finish(files, folder, tokenizer, views)


@dataclass(frozen=True)
class TokenCache:
    """A written cache, memory-mapped. `read` is what pretraining calls."""

    name: str
    dim: int
    codes: int | None
    grid_size: tuple[int, int]
    views: tuple[str, ...]
    patches: np.ndarray  # (N, V, h, w, D) or (N, V, h, w)
    global_tokens: np.ndarray | None  # (N, V, D)
    mean: np.ndarray
    std: np.ndarray
    global_mean: np.ndarray | None
    global_std: np.ndarray | None

    @property
    def has_global(self) -> bool:
        return self.global_tokens is not None

    def __len__(self) -> int:
        return len(self.patches)

    @staticmethod
    def open(folder: Path) -> "TokenCache":
        """The cache in `folder`; a damaged one is refused."""
        about = _read_about(folder)
        for name, size in about["files"].items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != size:
                raise _damaged(folder, path, "missing or cut short")
        with np.load(folder / "statistics.npz", allow_pickle=False) as found:
            statistics = {name: found[name] for name in found.files}
        has_global = "global_tokens.npy" in about["files"]
        return TokenCache(
            name=about["name"],
            dim=about["dim"],
            codes=about["codes"],
            grid_size=(about["grid_size"][0], about["grid_size"][1]),
            views=tuple(about["views"]),
            patches=np.load(folder / "patches.npy", mmap_mode="r"),
            global_tokens=np.load(folder / "global_tokens.npy", mmap_mode="r")
            if has_global
            else None,
            mean=statistics["mean"],
            std=statistics["std"],
            global_mean=statistics.get("global_mean"),
            global_std=statistics.get("global_std"),
        )

    @staticmethod
    def verify(folder: Path) -> None:
        """Read every byte and compare checksums; `open` only compares sizes, which takes no time.

        Statistics and tokens that do not match what was written are refused."""
        for name, expected in _read_about(folder)["sha256"].items():
            path = folder / name
            if not path.is_file() or _digest(path) != expected:
                raise _damaged(folder, path, "missing or changed since it was written")

    def read(self, rows: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Tokens (B, h, w, D) or codes (B, h, w), and global tokens (B, D), of rows and views."""
        shared = None if self.global_tokens is None else self.global_tokens[rows, views]
        return self.patches[rows, views], shared


@dataclass
class _Files:
    """The arrays while they are being written, and the sums for their statistics."""

    patches: np.ndarray
    shared: np.ndarray | None
    sums: dict[str, np.ndarray]

    @staticmethod
    def create(
        folder: Path, tokenizer: Tokenizer, tokens: Tokens, count: int, views: int
    ) -> "_Files":
        patches, shared = tokens
        kind = _code_type(tokenizer.dim) if tokenizer.is_discrete else np.dtype(np.float16)
        shape = (count, views, *patches.shape[1:])
        need = int(np.prod(shape)) * kind.itemsize
        need += 0 if shared is None else count * views * shared.shape[1] * 2
        free = shutil.disk_usage(folder).free
        if need > free:
            raise UserError(
                f"The tokens of {tokenizer.name} need {need / 1e9:.1f} GB and {free / 1e9:.1f} GB "
                "are free. Make room, or choose fewer views or a narrower tokenizer.",
                code="disk-full",
                field="tokenizer",
            )
        open_map = np.lib.format.open_memmap
        return _Files(
            open_map(folder / "patches.npy", "w+", kind, shape),
            None
            if shared is None
            else open_map(
                folder / "global_tokens.npy", "w+", np.float16, (count, views, shared.shape[1])
            ),
            {},
        )

    def put(self, start: int, view: int, patches: Tensor, shared: Tensor | None) -> None:
        rows = slice(start, start + len(patches))
        self.patches[rows, view] = patches.cpu().numpy()
        if patches.is_floating_point():
            _check_range(patches)
            self._add("", patches.flatten(0, 2))
        if shared is not None and self.shared is not None:
            _check_range(shared)
            self.shared[rows, view] = shared.cpu().numpy()
            self._add("global_", shared)

    def _add(self, prefix: str, values: Tensor) -> None:
        """Sums over tokens, in float64: (n, D) -> (D,)."""
        plain = values.double().cpu().numpy()
        parts = {"count": np.array(float(len(plain))), "sum": plain.sum(0)}
        parts["squares"] = (plain**2).sum(0)
        for name, value in parts.items():
            key = prefix + name
            self.sums[key] = self.sums.get(key, 0.0) + value


def _check_range(values: Tensor) -> None:
    """Refuse what float16 cannot hold: one infinity would spoil every statistic."""
    if not bool((values.abs() <= LARGEST).all()):
        raise UserError(
            f"The tokenizer gives values that are not numbers or beyond {LARGEST:.0f}. Its weights "
            "are damaged or it does not suit these images; choose another.",
            code="bad-tokens",
            field="tokenizer",
        )


def _finish(files: _Files, folder: Path, tokenizer: Tokenizer, views: Sequence[str]) -> None:
    """Statistics and description; the description is written last and lists the others."""
    names = ["patches.npy"] + ([] if files.shared is None else ["global_tokens.npy"])
    for array in (files.patches, files.shared):
        if array is not None:
            array.flush()  # pyright: ignore[reportAttributeAccessIssue] (a memory map)
    statistics = _statistics(files.sums, tokenizer)
    np.savez(folder / "statistics.npz", allow_pickle=False, **statistics)
    names.append("statistics.npz")
    about = {
        "name": tokenizer.name,
        "dim": tokenizer.dim,
        "codes": tokenizer.dim if tokenizer.is_discrete else None,
        "grid_size": list(files.patches.shape[2:4]),
        "views": list(views),
        "files": {n: (folder / n).stat().st_size for n in names},
        "sha256": {n: _digest(folder / n) for n in names},
    }
    whole = folder / (ABOUT + ".part")
    whole.write_text(json.dumps(about))
    whole.replace(folder / ABOUT)


def _statistics(sums: Mapping[str, np.ndarray], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    found = {}
    if tokenizer.is_discrete:
        found = {"mean": np.zeros(1, np.float32), "std": np.ones(1, np.float32)}
    for prefix in ("", "global_"):
        if prefix + "count" not in sums:
            continue
        count = sums[prefix + "count"]
        mean = sums[prefix + "sum"] / count
        variance = np.maximum(sums[prefix + "squares"] / count - mean**2, 0)
        found[prefix + "mean"] = mean.astype(np.float32)
        found[prefix + "std"] = np.sqrt(variance).astype(np.float32)
    return found


def _damaged(folder: Path, path: Path, what: str) -> UserError:
    return UserError(
        f"The token cache {path} is {what}. Remove {folder} and run the pilot again; it makes the "
        "tokens anew.",
        code="damaged-cache",
        field=str(path),
    )


def _read_about(folder: Path) -> dict:
    try:
        return json.loads((folder / ABOUT).read_text())
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise UserError(
            f"{folder} holds no complete token cache. Run the pilot again; it makes the tokens.",
            code="no-cache",
            field=str(folder),
        ) from error


def _code_type(codes: int) -> np.dtype:
    return np.dtype(np.uint16 if codes <= 65_536 else np.int32)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
