"""How cells look and are named: inputs are blue, measured values stand on grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.workbook.defined_name import DefinedName

from dashboard.figures.template import colours

FACE = "Arial"
INPUT_BLUE = "0000FF"  # the finance trade's colour for what may be changed
_GREY = PatternFill("solid", fgColor="F0F2F6")
_TITLE = Font(name=FACE, size=14, bold=True)
_HEAD = Font(name=FACE, size=10, bold=True)
_PLAIN = Font(name=FACE, size=10)
_MUTED = Font(name=FACE, size=9, color=colours(dark=False)["muted"].lstrip("#"))
_UNDER = Border(bottom=Side(style="thin", color=colours(dark=False)["axis"].lstrip("#")))

RATE, SHARE, COUNT, YEARS = "0.0000%", "0%", "#,##0", "0.00"
PER_ITEM = "#,##0.000000"


class Sheet:
    """One sheet that is filled from the top; rows and columns count from 1."""

    def __init__(self, book: Workbook, title: str, widths: Sequence[float]) -> None:
        self._book = book
        self.page: Any = book.create_sheet(title)
        self.row = 1
        for i, width in enumerate(widths, 1):
            self.page.column_dimensions[get_column_letter(i)].width = width
        self.page.sheet_view.showGridLines = False
        self.page.page_setup.orientation = "landscape"
        self.page.page_setup.paperSize = self.page.PAPERSIZE_A4
        self.page.page_setup.fitToWidth, self.page.page_setup.fitToHeight = 1, 0
        self.page.sheet_properties.pageSetUpPr.fitToPage = True

    def title(self, words: str, below: str = "") -> None:
        self.put(1, words).font = _TITLE
        self.row += 1
        if below:
            self.put(1, below).font = _MUTED
            self.row += 1
        self.row += 1

    def heads(self, words: Sequence[str], first: int = 1) -> None:
        """A row of column heads with a line under it, as high as the longest needs."""
        letters = [get_column_letter(i) for i in range(first, first + len(words))]
        widths = [self.page.column_dimensions[letter].width for letter in letters]
        lines = [_letters(w) / width for w, width in zip(words, widths, strict=True)]
        self.page.row_dimensions[self.row].height = 15 * (1 + int(max(lines)))
        for i, head in enumerate(words, first):
            cell = self.put(i, head)
            cell.font, cell.border = _HEAD, _UNDER
            cell.alignment = Alignment(
                horizontal="left" if i == first else "right", vertical="bottom", wrap_text=True
            )
        self.row += 1

    def put(self, column: int, value: Any, form: str = "General", kind: str = "plain") -> Any:
        """A value in this row. kind: plain (a formula or label), input, fixed (measured), note."""
        cell = self.page.cell(self.row, column, value)
        cell.number_format = form
        cell.font = Font(name=FACE, size=10, color=INPUT_BLUE) if kind == "input" else _PLAIN
        if kind == "fixed":
            cell.fill = _GREY
        if kind == "note":
            cell.font = _MUTED
        if column > 1 and kind != "note":
            cell.alignment = Alignment(horizontal="right")
        elif isinstance(value, int):
            cell.alignment = Alignment(horizontal="left")  # a year
        return cell

    def name(self, name: str, column: int, last_row: int | None = None) -> None:
        """Name this row's cell, or the column from it to `last_row`."""
        letter = get_column_letter(column)
        at = f"${letter}${self.row}"
        if last_row is not None:
            at += f":${letter}${last_row}"
        where = f"{quote_sheetname(self.page.title)}!{at}"
        self._book.defined_names[name] = DefinedName(name, attr_text=where)

    def wrapped(self, words: str, columns: int) -> None:
        """A sentence over several columns, high enough for its lines."""
        self.page.merge_cells(
            start_row=self.row, end_row=self.row, start_column=1, end_column=columns
        )
        cell = self.put(1, words)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        width = sum(
            self.page.column_dimensions[get_column_letter(i)].width for i in range(1, columns + 1)
        )
        self.page.row_dimensions[self.row].height = 14 * (1 + int(_letters(words) / width))
        self.row += 1


def _letters(words: str) -> float:
    """Width of words in letters; Japanese ones count twice."""
    return sum(2.1 if ord(c) > 0x2E7F else 1.05 for c in words)


def money_form(currency: str) -> str:
    """Amounts to the smallest coin."""
    return "#,##0;[Red]-#,##0" if currency == "JPY" else "#,##0.00;[Red]-#,##0.00"
