"""A folder on this machine."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from digpt.data.images import EncodedImages, FileImages, read_file
from digpt.data.problems import Problem, problem, refusal
from digpt.data.reasons import because
from digpt.data.sources.archive import MAX_FILES
from digpt.data.sources.base import is_hidden


class FolderSource:
    """A folder and all below it; links to folders are not followed, so it has an end.

    Links that lead nowhere and links to folders are said.
    """

    kind = "folder"

    def __init__(self, root: Path, roots: Sequence[Path] = ()) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self._allowed = tuple(r.resolve() for r in roots)
        files, folders = [], []
        for path, entry in self._walk(""):
            (folders if entry.is_dir(follow_symlinks=False) else files).append(path)
            if len(files) > MAX_FILES:
                raise refusal("source-large", str(root), path=str(root), most=MAX_FILES)
        self.files = tuple(sorted(files))
        self.folders = tuple(sorted(folders))

    def read(self, path: str) -> bytes:
        return read_file(self.root / path)

    def images(self, paths: Sequence[str]) -> EncodedImages:
        return FileImages(self.root, paths)

    def _walk(self, below: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
        """Usable entries with their path; os.scandir, since a stat for each file takes minutes."""
        try:
            entries = list(os.scandir(self.root / below))
        except OSError as error:
            self.problems.append(problem("folder-unreadable", below, reason=because(error)))
            return
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if is_hidden((entry.name,)):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield path, entry
                yield from self._walk(path)
            elif self._is_file(path, entry) and self._is_usable(path, entry):
                yield path, entry

    def _is_file(self, path: str, entry: "os.DirEntry[str]") -> bool:
        try:
            if entry.is_file():
                return True
            if entry.is_symlink():
                code = "link-folder" if entry.is_dir() else "link-broken"
                self.problems.append(problem(code, path))
        except OSError:  # links in a circle
            self.problems.append(problem("link-broken", path))
        return False

    def _is_usable(self, path: str, entry: "os.DirEntry[str]") -> bool:
        if not path.isascii() and not _is_text(path):
            shown = os.fsencode(path).decode("cp932", "replace")
            self.problems.append(problem("name-encoding", shown))
            return False
        if self._allowed and entry.is_symlink():
            target = (self.root / path).resolve()
            if not any(target.is_relative_to(root) for root in self._allowed):
                self.problems.append(problem("link-outside", path))
                return False
        return True


def _is_text(path: str) -> bool:
    """Whether a name is UTF-8; bytes that are not come as lone surrogates."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
