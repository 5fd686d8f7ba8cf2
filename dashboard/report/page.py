"""The report as one HTML page that asks for nothing else, and prints to a few A4 pages."""

from __future__ import annotations

import re
from importlib.resources import files

from dashboard.figures.template import look
from dashboard.html import NOTHING, Html, h, join, mark, rich
from dashboard.report.figures import draw
from dashboard.report.story import Cell, Section, Story, Table
from dashboard.text import Viewer

SYMBOLS = {"go": "✓", "no": "✕", "more": "!"}
_STYLES = {"risks": "small", "roadmap": "small", "assumptions": "dense", "trace": "dense"}
SHORT, SHORT_DENSE = 4, 20  # rows of a table that is not torn from its head
LONG_WORD = 6  # characters of a verdict that still fit at full size


def html_page(story: Story) -> str:
    """The whole document."""
    me = Viewer(story.language)
    return h(
        '<!doctype html><html lang="{lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>{title}</title><style>{style}</style></head><body><main>"
        "{head}{warnings}{verdict}{metrics}{sections}"
        '<p class="foot">{foot}</p></main></body></html>',
        lang=story.language,
        title=story.title,
        style=Html(style()),
        head=_head(story),
        warnings=join(h('<p class="warning">{w}</p>', w=w) for w in story.warnings),
        verdict=_verdict(story, me),
        metrics=_metrics(story),
        sections=join(_section(s, n, me) for n, s in enumerate(story.sections, 1)),
        foot=story.foot,
    )


def style() -> str:
    """The report's style sheet after the house's light colours."""
    house = files("dashboard").joinpath("static/house.css").read_text("utf-8")
    light = house[house.index("html:root") : house.index("}") + 1]
    return light + files("dashboard.report").joinpath("report.css").read_text("utf-8")


def _head(story: Story) -> Html:
    return h(
        '<header class="head" data-foot="{foot}"><div><div class="note">{kicker}</div>'
        "<h1>{title}</h1></div>"
        '<div class="note">{date}<br>{subject}</div></header>'
        '<p class="question">{question}</p><p class="answer">{answer}</p>',
        foot=story.foot,
        kicker=story.kicker,
        title=story.title,
        date=story.date,
        subject=story.subject,
        question=story.question,
        answer=rich(story.answer),
    )


def _verdict(story: Story, me: Viewer) -> Html:
    v = story.verdict
    reasons = join(
        h('<li><span class="ink-{t}">{s}</span><span>{w}</span></li>', t=tone, s=SYMBOLS[tone],
          w=rich(words))
        for tone, words in v.reasons
    )  # fmt: skip
    return h(
        '<div class="verdict {tone}"><div><div class="note">{label}</div>'
        '<div class="big {long} ink-{tone}">{symbol} {word}</div>'
        '<div class="note">{about}</div></div><ul class="why">{reasons}</ul></div>',
        tone=v.tone,
        label=me.text("roi.verdict"),
        long="long" if len(v.word) > LONG_WORD else "",
        symbol=v.symbol,
        word=v.word,
        about=v.about,
        reasons=reasons,
    )


def _metrics(story: Story) -> Html:
    if not story.metrics:
        return NOTHING
    cards = join(
        h('<div><div class="note">{l}</div><div class="value">{v}</div>'
          '<div class="note">{b}</div></div>', l=m.label, v=m.value, b=_below(m.below))
        for m in story.metrics
    )  # fmt: skip
    return h('<div class="metrics">{cards}</div>', cards=cards)


def _below(words: str) -> Html:
    """What stands under a figure; a range may break after its colon and its dash only."""
    return Html(re.sub("([：〜])", r"\1<wbr>", rich(words)))


def _section(section: Section, number: int, me: Viewer) -> Html:
    figures = [
        h('<div class="figure"><h3>{t}</h3>{svg}</div>', t=c.title, svg=draw(c, me))
        for c in section.charts
    ]
    table = _table(section.table) if section.table else NOTHING
    if len(figures) == 1:  # its table stands beside it and names the lines
        side = h('<div class="wide">{table}</div>', table=table)
        figures, table = [join([figures[0], side])], NOTHING
    longest = SHORT_DENSE if _STYLES.get(section.key) == "dense" else SHORT
    is_short = not figures and section.table is not None and len(section.table.rows) <= longest
    return h(
        '<section id="{key}" class="{small}"><div class="together"><h2>{n}. {title}</h2>'
        "{lead}{figures}{short}</div>{long}{points}{note}</section>",
        key=section.key,
        small=_STYLES.get(section.key, ""),
        n=number,
        title=section.title,
        lead=h("<p>{w}</p>", w=rich(section.lead)) if section.lead else NOTHING,
        figures=h('<div class="pair">{f}</div>', f=join(figures)) if figures else NOTHING,
        short=table if is_short else NOTHING,
        long=NOTHING if is_short else table,
        points=_points(section),
        note=h('<p class="note">{w}</p>', w=section.note) if section.note else NOTHING,
    )


def _points(section: Section) -> Html:
    if not section.points:
        return NOTHING
    lines = join(h("<li>{w}</li>", w=rich(w)) for w in section.points)
    return h('<ul class="points">{lines}</ul>', lines=lines)


def _table(table: Table) -> Html:
    kinds = ["n" if i in table.numeric else "" for i in range(len(table.heads))]
    widths = join(h('<col style="width:{w}%">', w=f"{100 * w:g}") for w in table.widths)
    heads = join(
        h('<th scope="col" class="{k}">{t}</th>', k=k, t=t)
        for k, t in zip(kinds, table.heads, strict=True)
    )
    rows = join(
        h("<tr>{cells}</tr>", cells=join(
            h('<td class="{k}">{c}</td>', k=k, c=_cell(c)) for k, c in zip(kinds, row, strict=True)
        ))
        for row in table.rows
    )  # fmt: skip
    return h(
        "<table><colgroup>{widths}</colgroup><thead><tr>{heads}</tr></thead>"
        "<tbody>{rows}</tbody></table>",
        widths=widths,
        heads=heads,
        rows=rows,
    )


def _mark(order: int) -> Html:
    """The arm's marker with its colour written out: in a PDF it does not inherit one."""
    return Html(mark(order).replace("currentColor", look(order, dark=False).colour))


def _cell(cell: Cell) -> Html:
    if cell.look is not None:
        kind = f"look{cell.look}" if 0 <= cell.look <= 4 else "lookx"
        return h('<span class="chip {k}">{mark} {t}</span>', k=kind, mark=_mark(cell.look),
                 t=cell.text)  # fmt: skip
    if cell.tone:
        return h('<span class="tag {k}">{t}</span>', k=cell.tone, t=cell.text)
    aside = h(' <span class="iv">{a}</span>', a=cell.aside) if cell.aside else NOTHING
    return h("<span>{t}</span>{a}", t=cell.text, a=aside)
