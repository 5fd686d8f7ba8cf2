"""The deep check on the page: what it would take, how far it is, what it has found."""

from dashboard.html import NOTHING, Html, card_head, figure, h, join, note, table
from dashboard.names import short_tokenizer
from dashboard.pages.shell import link
from dashboard.pages.tokens.view import View
from dashboard.ranges import ranged
from dashboard.text import Viewer
from jobs.views import EstimateView, Range


def offer(price: EstimateView, me: Viewer) -> Html:
    """What a deep check of the named tokenizers would take."""
    if not price.device_seconds.likely:
        said = me.text("tokens.deep.kept")
    else:
        time, times = ranged(price.wall_seconds, "duration", me)
        money, moneys = ranged(price.money, "money", me, price.currency)
        said = me.text(
            "tokens.deep.offer",
            time=time,
            times=times or time,
            money=money,
            moneys=moneys or money,
        )
    return h('<p class="d-note" id="tokens-deep-price">{s}</p>', s=said)


def deep_card(shown: View, me: Viewer) -> Html:
    """What the newest deep check has found so far."""
    deep = shown.deep
    if deep is None:
        return NOTHING
    columns = ("protocol", "accuracy", "scratch", "random")
    heads = [me.text("tokens.col.name"), *(me.text(f"tokens.deep.col.{c}") for c in columns)]
    rows = [
        [
            short_tokenizer(arm.tokenizer, me) if arm.tokenizer else me.text("tokens.deep.none"),
            me.text(f"protocol.{arm.protocol}"),
            _ranged(arm.accuracy, "accuracy", me),
            _ranged(arm.over_scratch, "points", me),
            _ranged(arm.over_random, "points", me),
        ]
        for arm in deep.arms
    ]
    caption = me.text(
        "tokens.deep.caption", images=me.number(deep.images_seen, "count"), labels=deep.labels
    )
    status = NOTHING if deep.status == "done" else note(me.text(f"tokens.deep.is.{deep.status}"))
    follow = h('<p><a href="{u}">{t}</a></p>', u=link("runs", deep.pilot),
               t=me.text("tokens.deep.follow"))  # fmt: skip
    body = [
        card_head(me.text("tokens.deep.title"), caption, me),
        status,
        h('<div id="tokens-deep-table">{t}</div>', t=table(heads, rows, numeric=(2, 3, 4)))
        if rows
        else NOTHING,
        note(me.text("tokens.deep.trust"), "more", "tokens-deep-trust") if rows else NOTHING,
        follow,
    ]
    return h('<section class="d-card d-stack d-token-part">{b}</section>', b=join(body))


def _ranged(value: Range | None, kind: str, me: Viewer) -> Html:
    return figure(*ranged(value, kind, me))
