"""Pictures that LabelMe keeps inside its JSON files, for where the files themselves are missing."""

import base64
import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from digpt.data.images import EncodedImages
from digpt.data.layouts.items import folder_of
from digpt.data.sources import Source
from digpt.data.sources.base import SourceImages
from digpt.encodings import decoded

_STARTS = {"/9j/": ".jpg", "iVBOR": ".png"}  # of base64


class WithEmbedded:
    """A source and, under paths of their own, the pictures inside its JSON files."""

    def __init__(self, source: Source) -> None:
        self.kind, self.files, self.folders = source.kind, source.files, source.folders
        self.problems = source.problems
        self._source = source
        self._inside: dict[str, str] = {}  # picture -> JSON file

    def add(self, content: dict[str, Any], path: str, named: str) -> str | None:
        """The path of the picture inside a JSON file; None where it holds none."""
        data = content.get("imageData")
        if not isinstance(data, str) or not data:
            return None
        name = PurePosixPath(named.replace("\\", "/"))
        suffix = next((s for start, s in _STARTS.items() if data.startswith(start)), name.suffix)
        picture = f"{folder_of(path)}/{name.stem}{suffix}".lstrip("/")
        self._inside.setdefault(picture, path)
        return picture

    @property
    def embedded(self) -> tuple[str, ...]:
        return tuple(self._inside)

    def read(self, path: str) -> bytes:
        if path not in self._inside:
            return self._source.read(path)
        return base64.b64decode(
            json.loads(decoded(self._source.read(self._inside[path])))["imageData"]
        )

    def size(self, path: str) -> int:
        """Bytes that a file takes; a picture inside a JSON file at most those of that file."""
        files = self._source.images([self._inside.get(path, path)])
        return getattr(files, "total_bytes", lambda: 0)()

    def images(self, paths: Sequence[str]) -> EncodedImages:
        if self._inside.keys().isdisjoint(paths):
            return self._source.images(paths)
        return SourceImages(self, paths)


__all__ = ["WithEmbedded"]
