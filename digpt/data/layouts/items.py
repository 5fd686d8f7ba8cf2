"""What a layout finds: pictures with what is said of them, and the objects marked in them."""

import unicodedata
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from digpt.data.images import BadImage
from digpt.data.problems import Problem, problem
from digpt.data.reasons import because
from digpt.data.remarks import Remark
from digpt.data.shapes import Shape
from digpt.data.sources import TABLES, Source
from digpt.encodings import decoded

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
        *(".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif", ".heic", ".heif"),
    )
)
UNREAD = frozenset(  # pictures too, but raw, in layers, medical or moving
    (
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".raw", ".psd", ".pdf"),
        *(".svg", ".jxl", ".exr", ".dcm", ".npy", ".npz", ".mp4", ".avi", ".mov", ".mkv", ".wmv"),
    )
)
UNREAD_TABLES = frozenset((".xls", ".xlsb", ".ods", ".numbers"))
PACKED = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".lzh"))
SPLIT_NAMES = {
    "pool": "pool", "unlabelled": "pool", "unlabeled": "pool",
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
    "学習": "train", "学習用": "train", "学習データ": "train", "訓練": "train", "訓練用": "train",
    "訓練データ": "train", "検証": "val", "検証用": "val", "検証データ": "val",
    "テスト": "test", "テスト用": "test", "テストデータ": "test", "評価": "test", "評価用": "test",
    "評価データ": "test", "ラベルなし": "pool", "未ラベル": "pool",
}  # fmt: skip

STAYS = ("train", "pool", "val", "test")  # of a picture in several splits, the first counts


@dataclass(slots=True)
class Item:
    """One picture as its place or its row describes it."""

    path: str
    label: str | None
    split: str | None = None
    group: str = ""
    captions: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    shapes: list[Shape] | None = None  # None: nobody looked for objects
    has_lost: bool = False  # objects that cannot be read are marked in it too
    mask: str | None = None  # path of a picture whose values are classes
    instances: str | None = None  # path of a picture whose values are objects
    size: tuple[int, int] | None = None  # width and height that the annotations were made for


@dataclass(slots=True)
class Layout:
    """What was found: how the source is laid out, the items, and what was wrong with them."""

    formats: list[Remark]
    items: list[Item]
    problems: list[Problem]
    mask_classes: dict[int, str] = field(default_factory=dict)  # name by value of the mask files
    source: Source | None = None  # where the pictures are, if not in the files themselves
    licence: str = ""  # as the annotations tell
    origin: str = ""  # the address that the annotations name


def suffix_of(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def is_image(path: str) -> bool:
    return suffix_of(path) in SUFFIXES


def is_table(path: str) -> bool:
    return suffix_of(path) in TABLES


def folder_of(path: str) -> str:
    """The path's folder; empty at the top."""
    return path.rpartition("/")[0]


def split_in(name: str) -> str | None:
    """The split that a file's or folder's name speaks of: instances_train2017, valid, test-1."""
    stem = name.rpartition("/")[2].split(".")[0].lower()
    words = "".join(c if c.isalpha() else " " for c in stem).split()
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def split_of_folders(path: str) -> str | None:
    """The split that the folders above a file speak of, the nearest first."""
    parts = folder_of(path).split("/")
    return next(filter(None, (split_in(part) for part in reversed(parts) if part)), None)


def text_of(source: Source, path: str, problems: list[Problem]) -> str:
    """A text file; empty where it cannot be read, which is said."""
    try:
        return decoded(source.read(path))
    except (OSError, ValueError, BadImage) as error:
        problems.append(problem("text-unreadable", path, reason=because(error)))
        return ""


class Listed:
    """Splits by picture, as lists or folders tell them; of several the first of STAYS counts."""

    def __init__(self) -> None:
        self._splits: dict[str, set[str]] = {}
        self._unknown: dict[str, list[str]] = {}  # names that no picture has, by list

    def add(self, picture: str, split: str) -> None:
        self._splits.setdefault(picture, set()).add(split)

    def miss(self, listing: str, name: str) -> None:
        self._unknown.setdefault(listing, []).append(name)

    def __contains__(self, picture: str) -> bool:
        return picture in self._splits

    def split(self, picture: str) -> str | None:
        return min(self._splits.get(picture, ()), key=STAYS.index, default=None)

    def problems(self) -> Iterator[Problem]:
        torn = [p for p, splits in self._splits.items() if len(splits) > 1]
        if torn:
            yield problem("split-several", "", count=len(torn), example=torn[0])
        for listing, names in self._unknown.items():
            yield problem("list-unknown", listing, count=len(names), example=names[0])


def composed(text: str) -> str:
    """Text as Windows and Linux write it: macOS takes が apart into か and a mark (NFD)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


class Places:
    """Finds the pictures that annotations speak of, by as much of their path as agrees."""

    def __init__(self, source: Source, without: Container[str] = ()) -> None:
        self._by_path: dict[str, str] = {}
        self._by_name: dict[str, list[str]] = {}
        for path in source.files:
            if is_image(path) and path not in without:
                plain = composed(path)
                self._by_path[plain] = path
                name = plain.rpartition("/")[2]
                for known_as in (name, PurePosixPath(name).stem):
                    self._by_name.setdefault(known_as, []).append(path)

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        """By name in small letters: Windows does not tell A.JPG from a.jpg."""
        found: dict[str, list[str]] = {}
        for name, paths in self._by_name.items():
            found.setdefault(name.casefold(), []).extend(paths)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_path.values())

    def exact(self, path: str) -> str | None:
        """The picture at exactly this path, however its name is composed."""
        return self._by_path.get(composed(path))

    def find(self, name: str, near: str, split: str | None = None) -> str | None:
        """The picture `name`, seen from a file at `near`; None where there is none or no one."""
        found = self.all_like(name, near, split)
        return found[0] if len(found) == 1 else None

    def all_like(self, name: str, near: str, split: str | None = None) -> list[str]:
        """The pictures that `name` may mean, seen from a file at `near`.

        A name may be a path from elsewhere (C:\\data\\images\\a.png): what matters is its end. It
        may lack the suffix.
        """
        parts = [p for p in composed(name).replace("\\", "/").split("/") if p not in ("", ".")]
        if not parts:
            return []
        beside = self._by_path.get("/".join([*filter(None, [folder_of(near)]), *parts]))
        if beside:
            return [beside]
        found = self._by_name.get(parts[-1]) or self._folded.get(parts[-1].casefold(), [])
        if len(found) > 1:
            found = _longest_end(found, parts)
        if len(found) > 1 and split:
            found = [p for p in found if split in map(split_in, p.split("/")[:-1])] or found
        if len(found) > 1:
            found = [p for p in found if p.startswith(folder_of(near))] or found
        return found


def _longest_end(found: list[str], parts: list[str]) -> list[str]:
    """Those of the paths in folders that agree with most of the name's, from its end."""

    def agreeing(path: str) -> int:
        pairs = zip(composed(path).split("/")[-2::-1], parts[-2::-1], strict=False)
        count = 0
        for one, other in pairs:
            if one != other:
                break
            count += 1
        return count

    best = max(map(agreeing, found))
    return [path for path in found if agreeing(path) == best]
