"""Pieces of a slide in the house style: text, boxes and tables. Lengths are in inches."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pptx.dml.color import RGBColor
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Inches, Pt

from dashboard.figures.template import colours, look
from dashboard.report.story import Cell, Table

LATIN, ASIAN = "Arial", "Yu Gothic"  # what Office has; others put their own in place
MORE = "#855600"  # --more of house.css, which figures have no need of
COLOURS = {**colours(dark=False), "more": MORE, "mute": colours(dark=False)["muted"]}
LINE = 1.32  # height of a line, in font sizes
PADDING = 0.05  # of a table's cell
NO_STYLE = "{2D5ABB26-0587-4C30-8999-92F81FD0307C}"  # PowerPoint's "No Style, No Grid"
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"


@dataclass(frozen=True, slots=True)
class Area:
    """Where something stands on a slide."""

    left: float
    top: float
    width: float
    height: float = 0.3

    @property
    def box(self) -> tuple[Any, Any, Any, Any]:
        return Inches(self.left), Inches(self.top), Inches(self.width), Inches(self.height)


@dataclass(frozen=True, slots=True)
class Ink:
    """How text is set."""

    points: float
    colour: str = "text"  # a name in COLOURS
    bold: bool = False
    right: bool = False


def rgb(colour: str) -> RGBColor:
    """A colour by its name in the house, or as #RRGGBB."""
    return RGBColor.from_string(COLOURS.get(colour, colour).lstrip("#"))


def text(slide: Any, lines: str | Sequence[str], area: Area, ink: Ink, language: str) -> float:
    """Paragraphs one under another, **bold** parts bold; returns where they end."""
    paragraphs = [lines] if isinstance(lines, str) else list(lines)
    frame = slide.shapes.add_textbox(*area.box).text_frame
    frame.word_wrap = True
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    for i, words in enumerate(paragraphs):
        paragraph = frame.paragraphs[0] if i == 0 else frame.add_paragraph()
        paragraph.space_after = Pt(_gap(paragraphs, ink.points))
        paragraph.alignment = PP_ALIGN.RIGHT if ink.right else PP_ALIGN.LEFT
        runs(paragraph, words, ink, language)
    return area.top + text_height(paragraphs, area.width, ink.points)


def text_height(paragraphs: Sequence[str], width: float, points: float) -> float:
    """Inches that paragraphs take one under another."""
    lines = sum(lines_needed(words, width, points) for words in paragraphs)
    return (lines * LINE * points + len(paragraphs) * _gap(paragraphs, points)) / 72


def _gap(paragraphs: Sequence[str], points: float) -> float:
    """Points between paragraphs."""
    return 0.4 * points if len(paragraphs) > 1 else 0.0


def runs(paragraph: Any, words: str, ink: Ink, language: str) -> None:
    for i, part in enumerate(words.split("**")):
        if part:
            run = paragraph.add_run()
            run.text = part
            set_font(run.font, ink, language, bold=ink.bold or i % 2 == 1)


def set_font(font: Any, ink: Ink, language: str, *, bold: bool) -> None:
    """Size, colour and both faces: Latin letters, and Japanese ones."""
    font.size, font.bold, font.name = Pt(ink.points), bold, LATIN
    font.color.rgb = rgb(ink.colour)
    properties = font._element  # python-pptx has no name for the East Asian face
    properties.set("lang", "ja-JP" if language == "ja" else "en-US")
    for old in properties.findall(f"{{{_A}}}ea"):
        properties.remove(old)
    face = properties.makeelement(f"{{{_A}}}ea", {"typeface": ASIAN})
    properties.find(f"{{{_A}}}latin").addnext(face)


def box(slide: Any, area: Area, colour: str) -> None:
    """A filled rectangle without an outline."""
    shape = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, *area.box)
    shape.fill.solid()
    shape.fill.fore_color.rgb = rgb(colour)
    shape.line.fill.background()
    shape.shadow.inherit = False


def table(slide: Any, content: Table, area: Area, points: float, language: str) -> float:
    """A plain table with a line under its head; returns where it ends."""
    rows = [tuple(Cell(head) for head in content.heads), *content.rows]
    shape = slide.shapes.add_table(len(rows), len(content.heads), *area.box)
    properties = shape._element.graphic.graphicData.tbl.tblPr
    properties.find(f"{{{_A}}}tableStyleId").text = NO_STYLE
    widths = [area.width * share for share in shares(content, area.width, points)]
    for column, width in zip(shape.table.columns, widths, strict=True):
        column.width = Inches(width)
    end = area.top
    for r, row in enumerate(rows):
        height = row_height(row, widths, points)
        shape.table.rows[r].height = Inches(height)
        end += height
        for i, cell in enumerate(row):
            ink = Ink(points - (r == 0), "muted" if r == 0 else "text", right=i in content.numeric)
            _fill(shape.table.cell(r, i), cell, ink, language)
            _underline(shape.table.cell(r, i), "axis" if r == 0 else "grid")
    return end


def _fill(field: Any, cell: Cell, ink: Ink, language: str) -> None:
    field.margin_left = field.margin_right = Inches(0.06)
    field.margin_top = field.margin_bottom = Inches(PADDING)
    field.vertical_anchor = MSO_ANCHOR.TOP
    field.text_frame.word_wrap = True
    paragraph = field.text_frame.paragraphs[0]
    paragraph.alignment = PP_ALIGN.RIGHT if ink.right else PP_ALIGN.LEFT
    main = ink
    if cell.look is not None:
        main = Ink(ink.points, look(cell.look, dark=False).colour, bold=True)
    elif cell.tone:
        main = Ink(ink.points, cell.tone, bold=True)
    runs(paragraph, cell.text, main, language)
    if cell.aside:
        below = field.text_frame.add_paragraph()
        below.alignment = paragraph.alignment
        runs(below, cell.aside, Ink(ink.points - 2, "muted"), language)


def _underline(field: Any, colour: str) -> None:
    """The line under a cell; python-pptx has no name for it."""
    properties = field._tc.get_or_add_tcPr()
    line = properties.makeelement(f"{{{_A}}}lnB", {"w": "9525"})
    fill = line.makeelement(f"{{{_A}}}solidFill", {})
    fill.append(fill.makeelement(f"{{{_A}}}srgbClr", {"val": COLOURS[colour].lstrip("#")}))
    line.append(fill)
    properties.insert(0, line)


def row_height(row: Sequence[Cell], widths: Sequence[float], points: float) -> float:
    """Inches that a row takes once its words are broken into lines."""
    asides = any(cell.aside for cell in row)
    lines = max(lines_needed(c.text, w - 0.14, points) for c, w in zip(row, widths, strict=True))
    return (lines * LINE * points + (LINE * (points - 2) if asides else 0)) / 72 + 2 * PADDING


def shares(content: Table, width: float, points: float) -> list[float]:
    """Column widths as shares: as given, else by what the cells need, long ones held back."""
    if content.widths:
        return list(content.widths)
    columns = zip(content.heads, *content.rows, strict=True) if content.rows else []
    needs = []
    for head, *cells in columns:
        # a head may take two lines, and a long name too
        wanted = [0.5 * em(head) + 1, *(em(c.text) for c in cells), *(0.85 * em(c.aside)
                  for c in cells)]  # fmt: skip
        needs.append(min(max(wanted), 0.34 * width * 72 / points) + 1.2)
    total = sum(needs) or 1.0
    return [need / total for need in needs]


def em(words: str) -> float:
    """Width of words in font sizes: Japanese letters are square, Latin ones about half of that."""
    wide = sum(unicodedata.east_asian_width(c) in "WFA" for c in words)
    return wide + 0.53 * (len(words) - wide)


def lines_needed(words: str, width: float, points: float) -> int:
    """How many lines the words take in so many inches; a little is left at each line's end."""
    fits = 0.94 * width * 72 / points
    return max(1, -int(-em(words.replace("**", "")) // fits))


def row_heights(content: Table, width: float, points: float) -> list[float]:
    """Inches that the head and every row take."""
    widths = [width * share for share in shares(content, width, points)]
    rows = [[Cell(head) for head in content.heads], *content.rows]
    return [row_height(row, widths, points) for row in rows]


def parts(content: Table, width: float, height: float, points: float) -> Iterator[Table]:
    """The table in as few parts as fit into the height, about equally long, each with its head."""
    head, *rows = row_heights(content, width, points)
    room = height - head
    cut = _cut(rows, room)
    least = sum(rows) / len(cut)
    while len(cut) > 1 and room > least:  # lower as long as it takes no more: no row left alone
        room *= 0.95
        even = _cut(rows, room)
        cut = even if len(even) == len(cut) else cut
    for first, end in cut:
        yield Table(content.heads, content.rows[first:end], content.numeric, content.widths)


def _cut(heights: Sequence[float], room: float) -> list[tuple[int, int]]:
    """Where stretches of rows begin and end, each no higher than the room but for a single row."""
    starts, taken = [0], 0.0
    for i, height in enumerate(heights):
        if i > starts[-1] and taken + height > room:
            starts.append(i)
            taken = 0.0
        taken += height
    return list(pairwise([*starts, len(heights)]))
