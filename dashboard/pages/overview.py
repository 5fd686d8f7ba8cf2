"""Overview: every pilot as a card, and what they say together."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import (
    NOTHING,
    VERDICTS,
    Action,
    Html,
    arm_chip,
    bar,
    empty,
    h,
    interval_bar,
    join,
    metric,
    metrics,
    page_head,
    png,
    rich,
    state_tag,
    verdict_tag,
)
from dashboard.names import arm_name_of
from dashboard.numbers import when
from dashboard.pages.pilots import LIVE, direction, progress_words
from dashboard.pages.shell import QUIET, link, opening, page_html, viewer
from dashboard.text import Viewer
from jobs.views import GainView, PilotCard

if TYPE_CHECKING:
    from jobs.service import PilotService

NAME, PATH = "overview", ""
THUMBNAILS = 6
FILTERS = ("all", "running", "decided", "archived")


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    cards: tuple[PilotCard, ...]  # those of the filter
    everything: tuple[PilotCard, ...]  # those not archived
    archived: int
    thumbnails: dict[str, list[tuple[str, bytes]]]  # by dataset
    chosen: str  # the filter


def view(service: "PilotService", chosen: str = "all") -> View:
    """The pilots and their pictures."""
    everything = tuple(service.pilots(size=100).items)
    archived = service.pilots(archived=True, size=100)
    cards = {
        "running": tuple(c for c in everything if c.status in LIVE),
        "decided": tuple(c for c in everything if c.verdict),
        "archived": tuple(archived.items),
    }.get(chosen, everything)
    names = dict.fromkeys(c.dataset for c in cards)
    return View(
        cards, everything, archived.total, {n: _thumbnails(service, n) for n in names}, chosen
    )


def _thumbnails(service: "PilotService", dataset: str) -> list[tuple[str, bytes]]:
    known = {d.name for d in service.datasets()}
    return service.thumbnails(dataset, THUMBNAILS) if dataset in known else []


def head(shown: View, me: Viewer) -> Html:
    """Title, answer and the four figures."""
    actions = (
        Action(me.text("overview.compare"), link("compare"), "overview-compare"),
        Action(me.text("overview.new"), link("new"), "overview-new", primary=True),
    )
    lead = rich(sentence(shown.everything, me))
    top = page_head(me.text("overview.crumb"), me.text("overview.title"), lead, actions)
    return join([top, _figures(shown.everything, me)]) if shown.everything else top


def sentence(cards: tuple[PilotCard, ...], me: Viewer) -> str:
    """The page's answer in one or two sentences."""
    if not cards:
        return me.text("overview.lead.empty")
    decided = [c for c in cards if c.verdict]
    live = sum(c.status in LIVE for c in cards)
    count = {v: sum(c.verdict == v for c in decided) for v in VERDICTS}
    parts = []
    if decided:
        key = "overview.lead.go" if count["GO"] else "overview.lead.no-go"
        parts.append(me.text(key, go=count["GO"], count=len(decided)))
        rest = [
            me.text(f"overview.lead.rest.{v}", count=count[v])
            for v in ("NO-GO", "COLLECT MORE")
            if count[v]
        ]
        parts.append(
            me.text("overview.lead.and").join(rest) + me.text("overview.lead.stop") if rest else ""
        )
    else:
        parts.append(me.text("overview.lead.undecided", count=len(cards)))
    if live:
        parts.append(me.text("overview.lead.running", count=live))
    return me.text("overview.lead.space").join(p for p in parts if p)


def _figures(cards: tuple[PilotCard, ...], me: Viewer) -> Html:
    live = sum(c.status in LIVE for c in cards)
    currency = cards[0].currency
    reused = sum(c.progress.stages_reused for c in cards)
    total = sum(c.progress.stages_total for c in cards)
    decided = sum(c.verdict is not None for c in cards)
    return metrics(
        [
            metric(
                me.text("overview.pilots"),
                me.number(len(cards), "count"),
                me.text("overview.pilots.note", done=len(cards) - live, live=live),
            ),
            metric(
                me.text("overview.spent"),
                me.number(sum(c.spent for c in cards), "money", currency),
                _limits(cards, currency, me),
            ),
            metric(
                me.text("overview.reused"),
                me.number(reused, "count"),
                me.text("overview.reused.note", total=me.number(total, "count")),
            ),
            metric(
                me.text("overview.decided"),
                me.text("overview.of", part=decided, whole=len(cards)),
                me.text("overview.decided.note", go=sum(c.verdict == "GO" for c in cards)),
            ),
        ],
        "overview-figures",
    )


def _limits(cards: tuple[PilotCard, ...], currency: str, me: Viewer) -> str:
    limits = [c.limit for c in cards if c.limit is not None]
    if not limits:
        return me.text("overview.spent.no-limit")
    return me.text("overview.spent.note", limit=me.number(sum(limits), "money", currency))


def grid(shown: View, me: Viewer) -> Html:
    """All cards, and the one that invites to the next pilot."""
    if not shown.everything and not shown.archived:
        return empty(
            me.text("overview.empty"),
            me.text("overview.empty.why"),
            me.text("overview.empty.go"),
            link("new"),
            "overview-empty",
        )
    reach = max([0.01, *(max(abs(c.gain.low), abs(c.gain.high)) for c in shown.cards if c.gain)])
    cards = [_card(c, shown.thumbnails.get(c.dataset, []), reach, me) for c in shown.cards]
    invite = empty(
        me.text("overview.own"),
        me.text("overview.own.why"),
        me.text("overview.own.go"),
        f"{link('new')}?add=1",
    )
    return h('<div class="d-grid" id="overview-grid">{cards}</div>', cards=join([*cards, invite]))


def _card(card: PilotCard, pictures: list[tuple[str, bytes]], reach: float, me: Viewer) -> Html:
    badge = verdict_tag(card.verdict, me) if card.verdict else state_tag(card.status, me)
    return h(
        '<article class="d-card d-pilot" id="pilot-{id}">'
        '<div class="d-row">{badge}<span class="d-note">{time}</span></div>'
        '<div><h2><a href="{href}">{name}</a></h2><div class="d-note">{about}</div></div>'
        '<div class="d-thumbs">{pictures}</div><p>{remark}</p>{middle}'
        '<div class="d-row d-foot-row">{best}<span class="d-note">{spent}</span></div></article>',
        id=card.id,
        badge=badge,
        time=when(card.ended_at or card.created_at, me.language, datetime.now(UTC)),
        href=link("runs" if card.status in LIVE else "compare", card.id),
        name=card.name,
        about=me.text(
            "overview.about",
            dataset=card.dataset,
            images=me.number(card.images, "count"),
            classes=card.classes,
        ),
        pictures=join(png(data) for _, data in pictures),
        remark=remark(card, me),
        middle=_gain(card.gain, reach, me) if card.gain else _progress(card, me),
        best=_best(card, me),
        spent=rich(_spent(card, me)),
    )


def remark(card: PilotCard, me: Viewer) -> str:
    """What the pilot has shown so far, in one sentence."""
    if card.status in ("failed", "cancelled", "queued"):
        return me.text(f"overview.remark.{card.status}")
    if card.verdict and card.gain:
        return me.text(f"overview.remark.{card.verdict}")
    if card.gain:
        baseline = arm_name_of(card.gain.baseline, me)
        return me.text(f"overview.remark.gain-{direction(card.gain)}", baseline=baseline)
    if card.status == "running":
        eta = card.progress.eta_seconds
        if eta is None:
            return me.text("overview.remark.estimating")
        return me.text("overview.remark.running", time=me.number(eta.likely, "duration"))
    return me.text("overview.remark.no-gain")


def _gain(gain: GainView, reach: float, me: Viewer) -> Html:
    tones = {"up": "go", "down": "no", "unclear": "more"}
    tone = tones[direction(gain)]
    return h(
        '<div><div class="d-row"><span class="d-note">{label}</span><span><b>{value}</b> '
        '<span class="d-iv">{range}</span></span></div>{bar}</div>',
        label=me.text("overview.gain", baseline=arm_name_of(gain.baseline, me)),
        value=me.number(gain.value, "points"),
        range=me.interval(gain.low, gain.high, "points"),
        bar=interval_bar(gain.value, gain.low, gain.high, reach, tone),
    )


def _progress(card: PilotCard, me: Viewer) -> Html:
    if card.status not in LIVE:
        return NOTHING
    return h(
        '<div>{bar}<div class="d-note">{words}</div></div>',
        bar=bar(card.progress.share, me.text("progress.label")),
        words=progress_words(card, me),
    )


def _best(card: PilotCard, me: Viewer) -> Html:
    if card.best_arm is None:
        words = me.text("overview.arms", arms=card.arms, count=card.seeds)
        return h('<span class="d-note">{words}</span>', words=words)
    look = card.gain.look if card.gain and card.gain.arm == card.best_arm else 0
    return h(
        '<span class="d-row"><span class="d-note">{label}</span>{arm}</span>',
        label=me.text("overview.best"),
        arm=arm_chip(card.best_arm, look, me),
    )


def _spent(card: PilotCard, me: Viewer) -> str:
    spent = me.number(card.spent, "money", card.currency)
    if card.limit is None:
        return me.text("overview.card.spent", spent=spent)
    limit = me.number(card.limit, "money", card.currency)
    return me.text("overview.card.spent-of", spent=spent, limit=limit)


def foot(me: Viewer) -> Html:
    """What the gain means."""
    return h('<p class="d-foot">{words}</p>', words=me.text("overview.foot"))


def _filters(shown: View, me: Viewer) -> list[tuple[str, str]]:
    counts = {
        "all": len(shown.everything),
        "running": sum(c.status in LIVE for c in shown.everything),
        "decided": sum(c.verdict is not None for c in shown.everything),
        "archived": shown.archived,
    }
    return [(f"{me.text(f'overview.filter.{name}')} {counts[name]}", name) for name in FILTERS]


def build(service: "PilotService", language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    me = Viewer(language)
    top = opening("overview", me.text("overview.title"), me, "overview-head")
    with gr.Row(elem_classes="d-section"):
        page_html(h("<h2>{title}</h2>", title=me.text("overview.pilots")))
        chosen = gr.Radio(
            [(me.text(f"overview.filter.{name}"), name) for name in FILTERS],
            value="all",
            label=me.text("overview.filter"),
            show_label=False,
            container=False,
            elem_id="overview-filter",
            elem_classes="d-segmented",
        )
    cards = page_html(elem_id="overview-cards")
    page_html(foot(me))
    drawn = gr.State("")
    timer = gr.Timer(3)
    outputs: list[Any] = [top, cards, chosen, drawn]

    def draw(name: str, before: str, request: gr.Request) -> list[Any]:
        who = viewer(request, language)
        shown = view(service, name)
        now = repr((name, shown.cards, shown.everything, who.dark))
        if now == before:
            return [gr.skip()] * len(outputs)
        choices = gr.update(choices=_filters(shown, who))
        return [head(shown, who), grid(shown, who), choices, now]

    events = [demo.load, timer.tick, chosen.change]
    gr.on(events, draw, [chosen, drawn], outputs, queue=False, **QUIET)
