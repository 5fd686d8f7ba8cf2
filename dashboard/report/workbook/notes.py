"""Sheet of notes: what is live, what is fixed, and where the figures come from."""

from __future__ import annotations

from openpyxl import Workbook

from dashboard.report.facts import Facts
from dashboard.report.words.trace import trace
from dashboard.report.workbook.sheet import Sheet
from dashboard.text import Viewer

_NOTES = ("live", "fixed", "thresholds", "mix", "timing", "tax", "irr", "spent", "likely")


def add_notes(book: Workbook, facts: Facts, me: Viewer) -> None:
    sheet = Sheet(book, me.text("sheet.notes"), (30, 40, 30, 40))
    sheet.title(me.text("sheet.notes.title"))
    for key in _NOTES:
        sheet.wrapped(me.text(f"sheet.notes.{key}"), 4)
    sheet.row += 1
    section = trace(facts, me)
    sheet.heads([section.title])
    for row in section.table.rows if section.table else ():
        for i, cell in enumerate(row, 1):
            sheet.put(i, cell.text, kind="note")
        sheet.row += 1
    for words in (*section.points, section.note):
        sheet.wrapped(words, 4)
