"""One slide for the answer, then one or two for each section. 16:9; lengths are in inches."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from pptx import Presentation
from pptx.util import Inches

from dashboard.report.page import SYMBOLS
from dashboard.report.slides.charts import draw
from dashboard.report.slides.pieces import (
    Area,
    Ink,
    box,
    parts,
    row_heights,
    table,
    text,
    text_height,
)
from dashboard.report.story import Chart, Section, Story, Table
from dashboard.text import Viewer

WIDTH, HEIGHT, MARGIN = 13.333, 7.5, 0.6
BODY = WIDTH - 2 * MARGIN
END = 6.85  # where a slide's content ends
NOTE = 0.5  # room for small print above that
GAP = 0.4  # between two things side by side
POINTS = 12.0  # of tables
BLANK = 6  # the empty layout of python-pptx's own template


def slides(story: Story) -> bytes:
    """The presentation as a file."""
    deck = _Deck(story)
    deck.answer()
    for number, section in enumerate(story.sections, 1):
        deck.section(section, f"{number}. {section.title}")
    return deck.file()


class _Deck:
    """Puts a story's parts on slides."""

    def __init__(self, story: Story) -> None:
        self._story, self._me = story, Viewer(story.language)
        self._deck = Presentation()
        self._deck.slide_width, self._deck.slide_height = Inches(WIDTH), Inches(HEIGHT)
        self._deck.core_properties.title = story.title
        self._deck.core_properties.author = "D-iGPT Pilot"

    def file(self) -> bytes:
        out = io.BytesIO()
        self._deck.save(out)
        return out.getvalue()

    def answer(self) -> None:
        """Question, answer, verdict with reasons, and the key figures."""
        story, v = self._story, self._story.verdict
        slide = self._slide()
        self._text(slide, story.kicker, Area(MARGIN, 0.45, BODY), Ink(12, "muted"))
        dated = Area(WIDTH - MARGIN - 6, 0.45, 6)
        self._text(slide, f"{story.date} · {story.subject}", dated, Ink(11, "muted", right=True))
        top = self._text(slide, story.title, Area(MARGIN, 0.78, BODY, 0.55), Ink(27, bold=True))
        top = self._text(slide, story.question, Area(MARGIN, top + 0.1, BODY), Ink(14, "muted"))
        top = self._text(slide, story.answer, Area(MARGIN, top + 0.12, BODY, 0.8), Ink(19))
        for words in story.warnings:
            ink = Ink(11.5, "more", bold=True)
            top = self._text(slide, words, Area(MARGIN, top + 0.1, BODY), ink)
        top = max(top + 0.3, 3.0)
        box(slide, Area(MARGIN, top, 0.07, 1.9), v.tone)
        left, width = MARGIN + 0.28, 3.5
        self._text(slide, self._me.text("roi.verdict"), Area(left, top, width), Ink(12, "muted"))
        word = f"{v.symbol} {v.word}"
        ink = Ink(30 if len(word) < 10 else 24, v.tone, bold=True)
        self._text(slide, word, Area(left, top + 0.33, width, 0.6), ink)
        self._text(slide, v.about, Area(left, top + 1.05, width, 0.7), Ink(13, "muted"))
        reasons = [f"{SYMBOLS[tone]} {words}" for tone, words in v.reasons]
        self._text(slide, reasons, Area(left + 3.8, top, BODY - 4.1, 1.9), Ink(14))
        self._metrics(slide, max(top + 2.15, 5.5))

    def _metrics(self, slide: Any, top: float) -> None:
        metrics = self._story.metrics
        step = BODY / max(len(metrics), 1)
        for i, m in enumerate(metrics):
            left, width = MARGIN + i * step, step - 0.2
            self._text(slide, m.label, Area(left, top, width), Ink(11, "muted"))
            self._text(slide, m.value, Area(left, top + 0.28, width, 0.4), Ink(21, bold=True))
            self._text(slide, m.below, Area(left, top + 0.72, width, 0.4), Ink(10.5, "muted"))

    def section(self, section: Section, title: str) -> None:
        """A slide with the section's charts, then its table on as many as it needs."""
        rest, lead = section.table, section.lead
        if section.charts:
            slide, top = self._headed(title, lead)
            beside = rest if len(section.charts) == 1 and self._fits_beside(rest, top) else None
            self._charts(slide, section.charts, beside, top)
            self._note(slide, section.note)
            rest, lead = (None if beside else rest), ""
        if rest is not None:
            self._tables(rest, title, lead, section.points, "" if section.charts else section.note)
        elif section.points or not section.charts:
            slide, top = self._headed(title, lead)
            self._text(slide, section.points, Area(MARGIN, top, BODY, END - top), Ink(14))
            self._note(slide, "" if section.charts else section.note)

    def _fits_beside(self, content: Table | None, top: float) -> bool:
        """Whether a table has room beside a chart; a long one takes slides of its own."""
        if content is None:
            return False
        return top + sum(row_heights(content, (BODY - GAP) / 2, POINTS - 1)) <= END - NOTE

    def _charts(
        self, slide: Any, charts: Sequence[Chart], beside: Table | None, top: float
    ) -> None:
        """Charts side by side, or one with its table."""
        height, half = END - NOTE - top, (BODY - GAP) / 2
        width = BODY if len(charts) == 1 and beside is None else half
        for i, chart in enumerate(charts):
            left = MARGIN + i * (half + GAP)
            self._text(slide, chart.title, Area(left, top, width), Ink(13, bold=True))
            draw(slide, chart, Area(left, top + 0.3, width, height - 0.35), self._me)
        if beside is not None:
            area = Area(MARGIN + half + GAP, top, half)
            table(slide, beside, area, POINTS - 1, self._story.language)

    def _tables(
        self, content: Table, title: str, lead: str, points: Sequence[str], note: str
    ) -> None:
        room = END - (NOTE if note else 0.0) - 1.3 - (0.5 if lead else 0.0)
        for i, part in enumerate(parts(content, BODY, room, POINTS)):
            slide, top = self._headed(title, lead if i == 0 else "")
            end = table(slide, part, Area(MARGIN, top, BODY), POINTS, self._story.language)
            is_last = len(part.rows) and part.rows[-1] is content.rows[-1]
            if is_last and points:
                if end + 0.25 + text_height(points, BODY, 13) > END - (NOTE if note else 0.0):
                    slide, top = self._headed(title, "")
                    end = top - 0.25
                end = self._text(slide, points, Area(MARGIN, end + 0.25, BODY), Ink(13))
            if is_last and note:
                self._text(slide, note, Area(MARGIN, end + 0.2, BODY), Ink(10, "muted"))

    def _headed(self, title: str, lead: str) -> tuple[Any, float]:
        """A slide with its question and answer, and where the rest begins."""
        slide = self._slide()
        box(slide, Area(MARGIN, 0.52, 0.07, 0.44), "accent")
        self._text(slide, title, Area(MARGIN + 0.2, 0.5, BODY - 0.2, 0.5), Ink(24, bold=True))
        end = self._text(slide, lead, Area(MARGIN, 1.2, BODY), Ink(15)) if lead else 1.1
        return slide, end + 0.2

    def _slide(self) -> Any:
        slide = self._deck.slides.add_slide(self._deck.slide_layouts[BLANK])
        foot, number = self._story.foot, str(len(self._deck.slides))
        self._text(slide, foot, Area(MARGIN, 7.08, 9), Ink(9, "muted"))
        at = Area(WIDTH - MARGIN - 1, 7.08, 1)
        self._text(slide, number, at, Ink(9, "muted", right=True))
        return slide

    def _note(self, slide: Any, words: str) -> None:
        if words:
            self._text(slide, words, Area(MARGIN, END - NOTE + 0.08, BODY), Ink(10, "muted"))

    def _text(self, slide: Any, words: str | Sequence[str], area: Area, ink: Ink) -> float:
        return text(slide, words, area, ink, self._story.language)
