"""Versions of a dataset: when each came, which pilots used it, and what changed between two."""

from typing import TYPE_CHECKING

from dashboard.findings import move_text
from dashboard.html import Html, h, join, note, table
from dashboard.numbers import when
from dashboard.pages.data.view import View
from dashboard.pages.shell import link
from dashboard.text import Viewer

if TYPE_CHECKING:
    from datetime import datetime

    from digpt.data.difference import Change, Difference

MOST_PILOTS = 5  # that a row names


def version_table(shown: View, me: Viewer, now: "datetime") -> Html:
    """Every version with its fingerprint and its pilots, newest first."""
    if not shown.versions:
        return h('<p class="d-note">{w}</p>', w=me.text("data.versions.builtin"))
    heads = [me.text(f"data.version.{c}") for c in ("number", "when", "images", "print", "pilots")]
    rows = [
        [
            h("<b>{n}</b>", n=v.version),
            when(v.created_at, me.language, now),
            me.number(v.images, "count"),
            h("<code>{f}</code>", f=v.fingerprint[:12]),
            _pilots(v.pilots, me),
        ]
        for v in shown.versions
    ]
    return table(heads, rows, numeric=(2,))


def _pilots(ids: tuple[str, ...], me: Viewer) -> Html:
    named = [
        h('<a href="{href}">{i}</a>', href=link("runs", ident), i=ident)
        for ident in ids[:MOST_PILOTS]
    ]
    if len(ids) > MOST_PILOTS:
        named.append(h("{w}", w=me.text("health.more", count=len(ids) - MOST_PILOTS)))
    return join(named, ", ") if named else h("–")


def difference_box(found: "Difference", first: int, second: int, me: Viewer) -> Html:
    """What changed, in one line and in lists."""
    if found.is_empty:
        return note(me.text("data.diff.same", first=first, second=second), "go", "data-diff")
    parts = {
        "added": found.added,
        "removed": found.removed,
        "pictures": found.pictures,
        "labels": found.labels,
        "splits": found.splits,
    }
    rows = [
        [me.text(f"data.diff.{name}"), me.number(part.count, "count"), _examples(part, name, me)]
        for name, part in parts.items()
    ]
    rows.append([me.text("data.diff.unchanged"), me.number(found.unchanged, "count"), ""])
    heads = [me.text("data.diff.change"), me.text("data.diff.images"), me.text("data.diff.which")]
    return h('<div id="data-diff">{t}</div>', t=table(heads, rows, numeric=(1,)))


def _examples(part: "Change", kind: str, me: Viewer) -> Html:
    """The first files; all that are kept open up."""
    if not part.files:
        return Html("")
    said = [move_text(r, me) if kind == "splits" else r for r in part.remarks]
    lines = [f"{name} ({said[i]})" if said else name for i, name in enumerate(part.files)]
    items = join(h("<li>{x}</li>", x=line) for line in lines)
    words = me.text(
        "data.files", shown=me.number(len(lines), "count"), count=me.number(part.count, "count")
    )
    return h(
        "<details><summary>{w}</summary><ul class='d-tall d-facts d-note'>{items}</ul></details>",
        w=words,
        items=items,
    )
