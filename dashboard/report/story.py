"""A report before any paper: its parts in one language, the same for HTML, PDF and slides."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a table: what it says, a muted aside (an interval), an arm's look or a tone."""

    text: str
    aside: str = ""
    look: int | None = None  # an arm: its marker and colour
    tone: str = ""  # go, no, more: a verdict


@dataclass(frozen=True, slots=True)
class Table:
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[int, ...] = ()  # right-aligned columns
    widths: tuple[float, ...] = ()  # shares of the width; empty: as the content asks


@dataclass(frozen=True, slots=True)
class Line:
    """One arm's accuracy by label budget; None where it was not tried."""

    name: str
    look: int
    values: tuple[float | None, ...]
    lows: tuple[float | None, ...]
    highs: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccuracyChart:
    """Accuracy by label budget. `finding` is what it shows, for those who cannot see it."""

    title: str
    finding: str
    budgets: tuple[str, ...]  # as written on the axis, ascending
    places: tuple[float, ...]  # where they stand on the axis
    lines: tuple[Line, ...]
    axis: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowChart:
    """Cash flow by year, year 0 first, and its cumulative sum."""

    title: str
    finding: str
    years: tuple[str, ...]
    flows: tuple[float, ...]
    cumulative: tuple[float, ...]
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueChart:
    """How often which NPV comes out; what loses money stands apart."""

    title: str
    finding: str
    edges: tuple[float, ...]  # one more than counts
    counts: tuple[int, ...]
    median: float
    losing: float  # share of draws
    currency: str
    axis: str


Chart = AccuracyChart | FlowChart | ValueChart


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A question with its answer first."""

    key: str
    title: str
    lead: str = ""  # with **bold** parts
    charts: tuple[Chart, ...] = ()
    table: Table | None = None
    points: tuple[str, ...] = ()  # sentences one under another
    note: str = ""  # small print


@dataclass(frozen=True, slots=True)
class Metric:
    label: str
    value: str
    below: str


@dataclass(frozen=True, slots=True)
class Verdict:
    tone: str  # go, no, more, mute
    symbol: str
    word: str
    about: str
    reasons: tuple[tuple[str, str], ...]  # (tone, sentence)


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """A whole report in one language."""

    language: str
    kicker: str
    title: str
    question: str
    answer: str
    date: str
    subject: str  # dataset and pilot in a line
    foot: str
    verdict: Verdict
    warnings: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    sections: tuple[Section, ...] = field(default_factory=tuple)

    def section(self, key: str) -> Section | None:
        return next((s for s in self.sections if s.key == key), None)


def sentences(story: Story) -> Sequence[str]:
    """Every text of the report, for those who check the words."""
    found = [story.kicker, story.title, story.question, story.answer, story.date, story.subject,
             story.foot, *story.warnings]  # fmt: skip
    v = story.verdict
    found += [v.word, v.about, *(words for _, words in v.reasons)]
    found += [text for m in story.metrics for text in (m.label, m.value, m.below)]
    for s in story.sections:
        found += [s.title, s.lead, s.note, *s.points]
        found += [text for c in s.charts for text in (c.title, c.finding)]
        if s.table:
            found += s.table.heads
            found += [text for row in s.table.rows for c in row for text in (c.text, c.aside)]
    return [text for text in found if text]
