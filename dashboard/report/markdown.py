"""The report as Markdown, for tickets, wikis and chat; figures are told by their findings."""

from __future__ import annotations

from collections.abc import Iterator

from dashboard.report.story import Cell, Section, Story, Table
from dashboard.text import Viewer


def markdown(story: Story) -> str:
    """The whole report as text."""
    v = story.verdict
    label = Viewer(story.language).text("roi.verdict")
    lines = [
        f"# {story.title}",
        f"{story.kicker} · {story.date} · {story.subject}",
        *(f"> **{w}**" for w in story.warnings),
        story.question,
        story.answer,
        f"## {label}: {v.symbol} {v.word}",
        v.about,
        "\n".join(f"- {words}" for _, words in v.reasons),
        "\n".join(f"- {m.label}: **{m.value}** ({m.below})" for m in story.metrics),
    ]
    for number, section in enumerate(story.sections, 1):
        lines += _section(section, number)
    return "\n\n".join(line for line in [*lines, story.foot] if line) + "\n"


def _section(section: Section, number: int) -> Iterator[str]:
    yield f"## {number}. {section.title}"
    yield section.lead
    yield from (f"**{chart.title}** {chart.finding}" for chart in section.charts)
    if section.table:
        yield _table(section.table)
    yield "\n".join(f"- {point}" for point in section.points)
    yield section.note


def _table(table: Table) -> str:
    rule = ["---:" if i in table.numeric else "---" for i in range(len(table.heads))]
    rows = [list(table.heads), rule, *([_cell(c) for c in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cell: Cell) -> str:
    words = f"{cell.text} ({cell.aside})" if cell.aside else cell.text
    return words.replace("|", "\\|")
