"""The deep check on the page: what it would take, how far it is, what it has found."""

from dashboard.html import NOTHING, Html, card_head, figure, h, join, note, table
from dashboard.pages.shell import link
from dashboard.pages.tokens.view import View
from dashboard.quality import DEEP, deep_caption, deep_offer, deep_rows, heads
from dashboard.text import Viewer
from jobs.views import EstimateView


def offer(price: EstimateView, me: Viewer) -> Html:
    """What a deep check of the named tokenizers would take."""
    return h('<p class="d-note" id="tokens-deep-price">{s}</p>', s=deep_offer(price, me))


def deep_card(shown: View, me: Viewer) -> Html:
    """What the newest deep check has found so far."""
    deep = shown.deep
    if deep is None:
        return NOTHING
    rows = deep_rows(deep, me, figure)
    body = table(heads(DEEP, "deep.col.", me), rows, numeric=(2, 3, 4))
    status = NOTHING if deep.status == "done" else note(me.text(f"tokens.deep.is.{deep.status}"))
    follow = h('<p><a href="{u}">{t}</a></p>', u=link("runs", deep.pilot),
               t=me.text("tokens.deep.follow"))  # fmt: skip
    parts = [
        card_head(me.text("tokens.deep.title"), deep_caption(deep, me), me),
        status,
        h('<div id="tokens-deep-table">{t}</div>', t=body) if rows else NOTHING,
        note(me.text("tokens.deep.trust"), "more", "tokens-deep-trust") if rows else NOTHING,
        follow,
    ]
    return h('<section class="d-card d-stack d-token-part">{b}</section>', b=join(parts))
