"""Where the pictures of a source come from and what may be done with them, as its files tell."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from digpt.data.images import BadImage
from digpt.data.layouts import Layout
from digpt.data.sources import Source
from digpt.encodings import decoded

_LICENCE_FILES = ("LICENSE", "LICENCE", "COPYING")
_ROBOFLOW_README = "README.dataset.txt"
_LONGEST = 80  # characters of a licence's name
_MOST = 2**20  # characters


def licence_of(source: Source, layout: Layout) -> str:
    """What a licence file, the annotations or Roboflow's README say, in this order; else ""."""
    lines = [line for line in _lines(source, *_LICENCE_FILES) if line]
    said = re.compile(r"licen[sc]e:\s*(.+)", re.IGNORECASE)
    named = [m[1] for line in _lines(source, _ROBOFLOW_README) if (m := said.match(line))]
    return next(iter([*lines[:1], *filter(None, [layout.licence]), *named]), "")[:_LONGEST]


def origin_of(source: Source, layout: Layout) -> str:
    """The address that the annotations or Roboflow's README name; else ""."""
    named = [x for x in _lines(source, _ROBOFLOW_README) if re.fullmatch(r"https?://\S+", x)]
    return next(iter([*filter(None, [layout.origin]), *named]), "")


def _lines(source: Source, *names: str) -> Iterator[str]:
    """The lines of the first such file at the top, or in the one folder around everything."""
    for path in source.files:
        name = PurePosixPath(path).name
        if path.count("/") > 1 or not (name in names or PurePosixPath(name).stem.upper() in names):
            continue
        try:
            text = decoded(source.read(path))[:_MOST]
        except (OSError, BadImage, UnicodeError):
            return
        yield from (line.strip() for line in text.split("\n"))
        return
