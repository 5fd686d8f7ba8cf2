"""What every source of an import offers."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from digpt.data.images import EncodedImages, Indices, load_encoded
from digpt.data.problems import Problem

# macOS and Windows leave such files in every folder and archive; ~$ is of files open in Excel
_LEFTOVERS = frozenset(("__MACOSX", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN"))


class Source(Protocol):
    """Files by relative path with forward slashes, sorted; hidden ones are left out."""

    kind: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    problems: list[Problem]  # files that were found and cannot be used

    def read(self, path: str) -> bytes: ...

    def images(self, paths: Sequence[str]) -> EncodedImages: ...


class SourceImages:
    """Images that a source reads for us: members of an archive, rows of a table."""

    def __init__(self, source: Source, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self._source = source

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> bytes:
        return self._source.read(self.paths[index])

    def total_bytes(self) -> int:
        """What all the files take once they are unpacked; 0 where the source cannot tell."""
        size = getattr(self._source, "size", lambda path: 0)
        return sum(map(size, self.paths))

    def load(self, indices: Indices, size: int) -> np.ndarray:
        return load_encoded(self, indices, size)


def is_hidden(parts: Sequence[str]) -> bool:
    """Whether any part of a path is hidden or a leftover."""
    return any(part.startswith((".", "~$")) or part in _LEFTOVERS for part in parts)
