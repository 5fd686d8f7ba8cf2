"""The data card: pictures, counts, provenance, columns, and the card as a file."""

import base64

from dashboard.datacard import as_json, as_markdown, column_lines, fact_lines
from dashboard.html import Html, h, join, note, png, table
from dashboard.pages.data.view import View
from dashboard.problems import dataset_notes, remark_words
from dashboard.text import Viewer


def card(shown: View, me: Viewer) -> Html:
    """Everything a person should know of the dataset before believing a result on it."""
    pictures = join(
        h('<figure>{p}<figcaption class="d-note">{c}</figcaption></figure>', p=png(p, c), c=c)
        for c, p in shown.thumbnails
    )
    warnings = join(note(remark_words(w, me), "more") for w in shown.chosen.warnings)
    notes = join(h('<p class="d-note">{n}</p>', n=n) for n in dataset_notes(shown.chosen, me))
    return h(
        '<div class="d-stack" id="data-card"><div class="d-card-head"><h2>{title}</h2>'
        '<span class="d-links">{links}</span></div><div class="d-thumbs d-large">{pictures}</div>'
        "{facts}{counts}{columns}{warnings}{notes}</div>",
        title=me.text("data.card"),
        links=_downloads(shown, me),
        pictures=pictures,
        facts=_facts(shown, me),
        counts=_counts(shown, me),
        columns=_columns(shown, me),
        warnings=warnings,
        notes=notes,
    )


def _downloads(shown: View, me: Viewer) -> Html:
    """The card as Markdown and as JSON, inside the page itself."""
    name = shown.chosen.name
    files = {
        "md": ("text/markdown", as_markdown(shown.card, shown.health, shown.versions, me)),
        "json": ("application/json", as_json(shown.card, shown.health, shown.versions)),
    }
    return join(
        h(
            '<a id="data-card-{kind}" download="{name}-card.{kind}" href="{href}">{word}</a>',
            kind=kind,
            name=name,
            href=f"data:{media};charset=utf-8;base64,"
            + base64.b64encode(content.encode()).decode(),
            word=me.text(f"data.card.{kind}"),
        )
        for kind, (media, content) in files.items()
    )


def _facts(shown: View, me: Viewer) -> Html:
    rows = join(
        h("<dt>{label}</dt><dd>{value}</dd>", label=label, value=value)
        for label, value in fact_lines(shown.card, me)
    )
    return h('<dl class="d-pairs">{rows}</dl>', rows=rows)


def _counts(shown: View, me: Viewer) -> Html:
    counts = shown.card["counts"]
    classes = [*shown.card["classes"], *([""] if any("" in c for c in counts.values()) else [])]
    heads = [
        me.text("data.class"),
        *(me.text(f"split.{s}") for s in counts),
        me.text("new.sum"),
    ]
    rows = [
        [
            name or me.text("new.unlabelled"),
            *(me.number(c.get(name, 0), "count") for c in counts.values()),
            me.number(sum(c.get(name, 0) for c in counts.values()), "count"),
        ]
        for name in classes
    ]
    total = [
        h("<b>{w}</b>", w=me.text("new.sum")),
        *(me.number(sum(c.values()), "count") for c in counts.values()),
        me.number(shown.card["images"], "count"),
    ]
    body = table(heads, [*rows, total], numeric=range(1, len(heads)))
    return h('<div class="d-tall">{body}</div>', body=body)


def _columns(shown: View, me: Viewer) -> Html:
    lines = column_lines(shown.card, me)
    if not lines:
        return Html("")
    heads = [me.text("data.column"), me.text("data.column.kind"), me.text("data.column.holds")]
    return table(heads, lines)
