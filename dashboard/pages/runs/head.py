"""The page's answer: the pilot's title and sentence, the five figures, the other pilots."""

from datetime import UTC, datetime

from dashboard.html import (
    NOTHING,
    Action,
    Html,
    bar,
    h,
    join,
    metric,
    page_head,
    rich,
    state_tag,
)
from dashboard.numbers import when
from dashboard.pages.pilots import LIVE, left
from dashboard.pages.runs.view import View
from dashboard.pages.shell import link
from dashboard.text import Viewer
from jobs.views import PilotView


def head(shown: View, me: Viewer) -> Html:
    """Title, where it is, and the other pilots."""
    if shown.pilot is None:
        lead = rich(me.text("runs.lead.empty"))
        return page_head(me.text("nav.runs"), me.text("runs.title.empty"), lead)
    card = shown.pilot.card
    actions = (
        Action(me.text("runs.clone"), f"/new?clone={card.id}", "runs-clone"),
        Action(
            me.text("nav.compare"),
            link("compare", card.id),
            "runs-compare",
            primary=card.status not in LIVE,
        ),
    )
    top = page_head(
        f"{me.text('nav.runs')} · {card.dataset}",
        card.name,
        rich(sentence(shown.pilot, me)),
        actions,
        state_tag(card.status, me),
    )
    return join([top, _others(shown, me)])


def sentence(pilot: PilotView, me: Viewer) -> str:
    """The answer: how far, how long still, and whether anything is wrong."""
    card = pilot.card
    if card.status == "running":
        started = me.text(
            "runs.lead.running",
            share=me.number(card.progress.share, "share"),
            left=left(card.progress.eta_seconds, me),
        )
        failed = card.progress.stages_failed
        health = (
            me.text("runs.lead.failed-stages", count=failed)
            if failed
            else me.text("runs.lead.healthy")
        )
        return f"{started} {health}"
    return me.text(f"runs.lead.{card.status}", time=me.number(pilot.elapsed_seconds, "duration"))


def _others(shown: View, me: Viewer) -> Html:
    assert shown.pilot is not None
    links = join(
        h(
            '<li><a href="{href}">{name}</a> {state} <span class="d-note">{time}</span></li>',
            href=link("runs", c.id),
            name=c.name,
            state=state_tag(c.status, me),
            time=when(c.created_at, me.language, datetime.now(UTC)),
        )
        for c in shown.others
        if c.id != shown.pilot.card.id
    )
    if not links:
        return NOTHING
    return h(
        '<details class="d-others" id="runs-others"><summary>{title}</summary>'
        "<ul>{links}</ul></details>",
        title=me.text("runs.others"),
        links=links,
    )


def figures(shown: View, me: Viewer) -> Html:
    """The five figures and the bar."""
    pilot = shown.pilot
    if pilot is None:
        return NOTHING
    card = pilot.card
    at = card.progress
    parts = [
        metric(
            me.text("runs.stages"),
            me.text("overview.of", part=at.stages_done, whole=at.stages_total),
            me.text("runs.stages.note", reused=at.stages_reused, failed=at.stages_failed),
        ),
        metric(
            me.text("runs.elapsed"),
            me.number(pilot.elapsed_seconds, "duration"),
            _planned(pilot, me),
        ),
        metric(
            me.text("runs.spent"),
            me.number(pilot.money, "money", card.currency),
            _limit(pilot, me),
        ),
        metric(
            me.text("runs.device"),
            me.number(pilot.device_seconds, "duration"),
            _devices(shown, me),
        ),
        metric(
            me.text("runs.restarts"),
            me.number(pilot.restarts, "count"),
            me.text("runs.restarts.note", energy=me.number(pilot.energy_kwh, "energy"))
            if pilot.energy_kwh
            else me.text("runs.restarts.no-energy"),
        ),
    ]
    return h(
        '<div class="d-card" id="runs-figures"><div class="d-inline-metrics">{parts}</div>'
        '<div class="d-tall">{bar}</div></div>',
        parts=join(parts),
        bar=bar(at.share, me.text("progress.label")),
    )


def _planned(pilot: PilotView, me: Viewer) -> str:
    if pilot.estimate is None:
        return me.text("runs.not-planned")
    wall = pilot.estimate.wall_seconds
    low, high = wall.low or wall.likely, wall.high or wall.likely
    return me.text(
        "runs.planned",
        time=me.number(wall.likely, "duration"),
        range=me.interval(low, high, "duration"),
    )


def _limit(pilot: PilotView, me: Viewer) -> str:
    card = pilot.card
    alone = me.number(pilot.money_stand_alone, "money", card.currency)
    same = alone == me.number(pilot.money, "money", card.currency)
    if same and card.limit is None:
        return me.text("overview.spent.no-limit")
    if card.limit is None:
        return me.text("runs.spent.alone", alone=alone)
    limit = me.number(card.limit, "money", card.currency)
    return me.text("runs.spent.limit", limit=limit, alone=alone)


def _devices(shown: View, me: Viewer) -> str:
    if shown.cluster is None:
        return me.text("runs.device.ended")
    c = shown.cluster
    return me.text("runs.device.note", busy=c.busy, slots=c.slots, queue=c.queue)


def spoken(shown: View, me: Viewer) -> Html:
    """What a screen reader says; changes with every tenth, not with every step."""
    if shown.pilot is None or shown.pilot.card.status not in LIVE:
        return NOTHING
    tenth = int(10 * shown.pilot.card.progress.share) / 10
    words = me.text("runs.spoken", share=me.number(tenth, "share"))
    return h('<div class="d-hidden" aria-live="polite">{w}</div>', w=words)
