"""Step 1: every dataset as a card, and the chosen one with its pictures, counts and notes."""

from dashboard.html import NOTHING, Html, empty, h, join, note, png, table, tag
from dashboard.pages.new.view import View
from dashboard.problems import dataset_notes, remark_words
from dashboard.text import Viewer
from jobs.views import DatasetView


def dataset_cards(shown: View, me: Viewer) -> Html:
    """Every dataset as a card; the chosen one says so."""
    cards = join(_dataset_card(d, shown, me) for d in shown.datasets)
    return h('<div class="d-grid" id="new-datasets">{cards}</div>', cards=cards)


def _dataset_card(data: DatasetView, shown: View, me: Viewer) -> Html:
    chosen = data.name == shown.draft.dataset
    good = [tag(f"✓ {me.text('new.chosen')}", "info")] if chosen else []
    return h(
        '<article class="d-card d-choice {sel}" data-pick="new-dataset" data-value="{name}">'
        '<div class="d-row"><h2>{name}</h2>{tags}</div><div class="d-note">{about}</div>'
        '<div class="d-thumbs">{pictures}</div></article>',
        sel="d-selected" if chosen else "",
        name=data.name,
        tags=join(good),
        about=me.text(
            "new.dataset.about",
            images=me.number(data.images, "count"),
            classes=len(data.classes),
            origin=me.text("new.builtin")
            if data.builtin
            else me.text("new.version", n=data.version or 1),
        ),
        pictures=join(png(p, c) for c, p in shown.thumbnails.get(data.name, [])[:6]),
    )


def dataset_detail(shown: View, me: Viewer) -> Html:
    """The chosen dataset: pictures, counts by split and class, notes and warnings."""
    data = shown.dataset
    if data is None:
        why = me.text("new.no-data.why")
        return empty(me.text("new.no-data"), why, me.text("overview.own.go"), "/new?add=1")
    pictures = join(
        h('<figure>{p}<figcaption class="d-note">{c}</figcaption></figure>', p=png(p, c), c=c)
        for c, p in shown.thumbnails.get(data.name, [])
    )
    drawn = shown.draft.images
    more = (
        note(me.text("new.images", images=me.number(drawn, "count")), "info") if drawn else NOTHING
    )
    notes = join(note(remark_words(w, me), "more") for w in data.warnings)
    remarks = join(h('<p class="d-note">{n}</p>', n=n) for n in dataset_notes(data, me))
    return h(
        '<div class="d-card d-stack"><h2>{name}</h2><div class="d-thumbs d-large">{pictures}</div>'
        '{counts}{more}{notes}{remarks}<p class="d-note">{source}</p></div>',
        name=data.name,
        pictures=pictures,
        counts=_counts(data, me),
        more=more,
        notes=notes,
        remarks=remarks,
        source=me.text(
            "new.source",
            source=me.fact(data.source) or me.text("data.not-told"),
            licence=me.fact(data.licence) or me.text("data.not-told"),
        ),
    )


def _counts(data: DatasetView, me: Viewer) -> Html:
    names = [*data.classes, *([""] if any("" in c for c in data.counts.values()) else [])]
    heads = [
        me.text("new.split"),
        *(n or me.text("new.unlabelled") for n in names),
        me.text("new.sum"),
    ]
    lines = [
        [
            me.text(f"split.{split}"),
            *(me.number(counts.get(n, 0), "count") for n in names),
            me.number(sum(counts.values()), "count"),
        ]
        for split, counts in data.counts.items()
    ]
    return table(heads, lines, numeric=range(1, len(heads)))
