"""What the values of an Excel sheet do not tell: merged cells, and formulas without a value."""

import io
import re
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

_CHUNK, _OVERLAP = 2**20, 2**10  # bytes of XML
_MERGED = re.compile(rb'<mergeCell\s[^>]*ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_UNCOMPUTED = re.compile(rb"</f>\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")


class Merged(NamedTuple):
    """Cells of one column that are one, by numbers from 1."""

    column: int
    first: int
    last: int


def merged_cells(data: bytes, sheet: str) -> list[Merged]:
    """The merged cells of one column; `sheet` is the path of its XML inside the file."""
    from openpyxl.utils import column_index_from_string as number  # noqa: PLC0415 - start-up time

    found = (match.groups() for match in _matches(data, sheet, _MERGED))
    return [Merged(number(a.decode()), int(b), int(d)) for a, b, c, d in found if a == c]


def uncomputed(data: bytes, sheet: str) -> int:
    """How many cells hold a formula that no program has computed yet."""
    return sum(1 for _ in _matches(data, sheet, _UNCOMPUTED))


def _matches(data: bytes, sheet: str, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """All matches in a file of any length, each at most `_OVERLAP` bytes long."""
    rest = b""
    with zipfile.ZipFile(io.BytesIO(data)) as packed, packed.open(sheet.lstrip("/")) as file:
        while chunk := file.read(_CHUNK):
            text, end = rest + chunk, 0
            for match in pattern.finditer(text):
                yield match
                end = match.end()
            rest = text[max(end, len(text) - _OVERLAP) :]
