"""What to find out next: the experiments that could change the answer, their price and worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.grounds import labels_note
from dashboard.html import NOTHING, Html, card_head, h, join, table
from dashboard.names import arm_name_of, input_name
from dashboard.pages.roi.form import FIELDS
from dashboard.pages.roi.view import View
from dashboard.reasons import experiment_key
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.roi.decision import Experiment

MORE_SEEDS = 3  # as many more pretraining seeds as a clone asks for
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Step:
    """Something that could be found out. `price` None: nobody has said."""

    what: str
    how: Html  # what to do, or a link that does it
    worth: float  # at most, in the case's currency
    price: float | None
    of_class: str | None = None  # of training labels: whose they are, "" for all classes alike

    @property
    def order(self) -> tuple[bool, float]:
        """Priced ones by what is left after the price, then the others by their worth."""
        return self.price is None, -(self.worth - (self.price or 0.0))


def steps(shown: View, seeds_price: float | None, me: Viewer) -> list[Step]:
    """All steps worth more than their price, the most worthwhile first.

    `seeds_price` is that of MORE_SEEDS seeds, None where they cannot be had.
    """
    result, arm = shown.result, shown.shown_arm
    if result is None or arm is None or arm.figures is None or shown.card is None:
        return []
    found = [_step(x, shown, me) for x in result.experiments]
    rates = arm.figures.evppi.get("model.rates", 0.0)
    if seeds_price is not None:
        found.append(_seeds(rates, seeds_price, shown.card.id, me))
    return sorted((s for s in found if s.worth > (s.price or 0.0)), key=lambda s: s.order)


def following_card(shown: View, seeds_price: float | None, me: Viewer) -> Html:
    """What is worth finding out before deciding?"""
    if shown.result is None or shown.shown_arm is None:
        return NOTHING
    found, currency = steps(shown, seeds_price, me)[:SHOWN], shown.result.currency
    head = card_head(me.text("roi.next"), me.text("roi.next.caption"), me)
    if not found:
        return join([head, h('<p class="d-note">{w}</p>', w=me.text("roi.next.none"))])
    heads = [me.text(f"roi.next.{n}") for n in ("what", "worth", "price", "how")]
    rows = [
        [
            h('<span class="d-wide">{w}</span>', w=s.what),
            me.number(s.worth, "money", currency),
            me.text("roi.next.unpriced")
            if s.price is None
            else me.number(s.price, "money", currency),
            h('<span class="d-wide">{w}</span>', w=s.how),
        ]
        for s in found
    ]
    labels = [s.of_class for s in found if s.of_class is not None]
    about = h('<p class="d-note" id="roi-next-labels">{w}</p>', w=labels_note(any(labels), me))
    rest = about if labels else NOTHING
    return join([head, h("<div>{t}</div>", t=table(heads, rows, numeric=(1, 2))), rest])


def _step(x: Experiment, shown: View, me: Viewer) -> Step:
    about = x.subject
    subject = input_name(about, me) if isinstance(about, str) else me.number(about, "count")
    arm = arm_name_of(x.arm, me) if x.arm else ""
    key = experiment_key(x.kind, x.of_class)
    words = me.text(key, arm=arm, subject=subject, of_class=x.of_class)
    how = _field_of(x, me) if x.kind == "study" else _labelling(x, shown, me)
    of_class = x.of_class if x.kind == "more-labels" else None
    return Step(words[:1].upper() + words[1:], how, x.value, x.price, of_class)


def _field_of(x: Experiment, me: Viewer) -> Html:
    """What to do about an uncertain input, with a way to its field."""
    field = next((f for f in FIELDS if f.name == x.subject), None)
    words = me.text("roi.next.study")
    return _how(words, [(f"#{field.elem_id}", "roi.next.field", "")] if field else [], me)


def _labelling(x: Experiment, shown: View, me: Viewer) -> Html:
    """Images to label: the table to fill in, and the pilot for when that is done."""
    data, pilot = shown.data, shown.card.id if shown.card else ""
    if data is None:
        return h("{w}", w=me.text(f"roi.next.{x.kind}"))
    split = "test" if x.kind == "test-rates" else "train"
    counts = data.counts.get(split, {})
    there = counts.get(x.of_class, 0) if x.of_class else sum(n for c, n in counts.items() if c)
    wanted = int(x.subject) if isinstance(x.subject, float) else there
    if x.of_class and not data.builtin:  # a random draw would hold few of them
        words = me.text("roi.next.class", n=me.number(wanted, "count"), of_class=x.of_class)
        return _how(words, [(_prepared(pilot, "newest"), "roi.next.seeds.how", "")], me)
    if data.builtin:
        images = round(data.images * (1 + wanted / max(there, 1)))
        words = me.text("roi.next.drawn", n=me.number(images, "count"))
        return _how(words, [(_prepared(pilot, str(images)), "roi.next.seeds.how", "")], me)
    prepare = (_prepared(pilot, "newest"), "roi.next.seeds.how", "")
    unlabelled = data.counts.get("pool", {}).get("", 0)
    if not unlabelled:
        return _how(me.text(f"roi.next.{x.kind}"), [prepare], me)
    table = f"/roi/labels?pilot={pilot}&count={wanted}&split={split}"
    words = me.text(
        "roi.next.fill" if unlabelled >= wanted else "roi.next.fill-all",
        n=me.number(min(wanted, unlabelled), "count"),
    )
    return _how(words, [(table, "roi.next.table", "labels.csv"), prepare], me)


def _prepared(pilot: str, labels: str) -> str:
    return f"/new?clone={pilot}&labels={labels}"


def _how(words: str, links: Sequence[tuple[str, str, str]], me: Viewer) -> Html:
    """What to do, and buttons that do it: address, text, and the file's name where it is one."""
    buttons = join(
        h(
            '<a class="d-btn d-small" href="{u}"{download}>{w}</a>',
            u=address,
            download=h(' download="{f}"', f=file) if file else NOTHING,
            w=me.text(key),
        )
        for address, key, file in links
    )
    return h('{w}<span class="d-steps">{b}</span>', w=words, b=buttons)


def _seeds(worth: float, price: float, pilot: str, me: Viewer) -> Step:
    """More pretraining seeds (or label seeds): a pilot that one click prepares."""
    how = h(
        '<a class="d-btn d-small" id="roi-next-seeds" href="{u}">{w}</a>',
        u=f"/new?clone={pilot}&more_seeds={MORE_SEEDS}",
        w=me.text("roi.next.seeds.how"),
    )
    return Step(me.text("roi.next.seeds", n=MORE_SEEDS), how, worth, price)
