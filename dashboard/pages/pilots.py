"""What several pages say of a pilot: which one is meant, how far it is, what its gain means."""

from typing import TYPE_CHECKING

from dashboard.html import Html, empty
from dashboard.pages.shell import link
from dashboard.text import Viewer
from jobs.views import GainView, PilotCard, Range

if TYPE_CHECKING:
    from jobs.service import PilotService

LIVE = ("queued", "running")


def chosen_pilots(service: "PilotService", asked: list[str]) -> list[PilotCard]:
    """The pilots asked for, else the newest one that has begun to give results."""
    if asked:
        return [service.pilot(ident).card for ident in asked]
    cards = service.pilots(size=20).items
    with_results = [c for c in cards if c.gain or c.status in ("done", "partial")]
    return (with_results or list(cards))[:1]


def direction(gain: GainView) -> str:
    """Whether a difference is up, down, or unclear because its interval contains 0."""
    return "up" if gain.low > 0 else "down" if gain.high < 0 else "unclear"


def progress_words(card: PilotCard, me: Viewer) -> str:
    """ "62% · 31 of 48 stages · about 6 min left (4–9)"."""
    at = card.progress
    words = me.text(
        "progress.words",
        share=me.number(at.share, "share"),
        done=at.stages_done,
        total=at.stages_total,
    )
    return f"{words} · {left(at.eta_seconds, me)}"


def left(eta: Range | None, me: Viewer) -> str:
    """How long it will still take, always with its range; "estimating" before that is known."""
    if eta is None:
        return me.text("progress.estimating")
    time = me.number(eta.likely, "duration")
    if eta.low is None or eta.high is None:
        return me.text("progress.left", time=time)
    span = me.interval(eta.low, eta.high, "duration")
    return me.text("progress.left-range", time=time, range=span)


def no_pilot(page: str, me: Viewer) -> Html:
    """What a page says while there is no pilot at all, and the way to the first one."""
    return empty(
        me.text(f"{page}.empty"),
        me.text(f"{page}.empty.why"),
        me.text("overview.new"),
        link("new"),
        f"{page}-empty",
    )
