"""What the page says around its figures: title and answer, progress, and what all rests on."""

import pandas as pd

from dashboard.html import NOTHING, Action, Html, h, note, page_head, rich, state_tag
from dashboard.names import arm_name_of
from dashboard.pages.compare.view import View, labels, setting
from dashboard.pages.pilots import LIVE, direction, progress_words
from dashboard.pages.shell import link
from dashboard.text import Viewer


def head(shown: View, me: Viewer) -> Html:
    """Title, answer, and the way to the business case."""
    if not shown.cards:
        lead = rich(me.text("compare.lead.empty"))
        return page_head(me.text("compare.crumb"), me.text("compare.title"), lead)
    card = shown.cards[0]
    names = me.text("list.separator").join(c.name for c in shown.cards)
    badge = state_tag(card.status, me) if card.status in LIVE else NOTHING
    return page_head(
        f"{me.text('nav.compare')} · {names}",
        me.text("compare.title"),
        rich(sentence(shown, me)),
        (
            Action(me.text("compare.runs"), link("runs", card.id), "compare-runs"),
            Action(me.text("compare.case"), link("roi", card.id), "compare-case", primary=True),
        ),
        badge,
    )


def sentence(shown: View, me: Viewer) -> str:
    """The answer: the best arm's gain with its doubt, and how many arms beat the baseline here."""
    card = shown.cards[0]
    parts = []
    if card.gain is not None:
        g = card.gain
        parts.append(
            me.text(
                f"compare.lead.{direction(g)}",
                arm=arm_name_of(g.arm, me),
                baseline=arm_name_of(g.baseline, me),
                value=me.number(g.value, "points"),
                range=me.interval(g.low, g.high, "points"),
                protocol=me.text(f"protocol.in.{g.protocol}"),
                labels=labels(g.label_budget, me),
            )
        )
    elif card.status in LIVE:
        parts.append(me.text("compare.lead.running"))
    else:
        parts.append(me.text("compare.lead.no-gain"))
    if len(shown.gains) and shown.choice.budget:
        better = int((shown.gains.low > 0).sum())
        parts.append(
            me.text(
                "compare.lead.beat",
                better=better,
                count=len(shown.gains),
                setting=setting(shown, me),
            )
        )
    return me.text("overview.lead.space").join(parts)


def progress(shown: View, me: Viewer) -> Html:
    """While arms still run: how far they are, and that the page fills by itself."""
    live = [c for c in shown.cards if c.status in LIVE]
    if not live:
        return NOTHING
    words = me.text("compare.filling", progress=progress_words(live[0], me))
    return note(words, "info", "compare-progress")


def foot(shown: View, me: Viewer) -> Html:
    """What the figures rest on."""
    parts = [me.text("compare.foot"), *_covers(shown.rows, me)]
    return h('<p class="d-foot">{w}</p>', w=me.text("overview.lead.space").join(parts))


def _covers(rows: pd.DataFrame, me: Viewer) -> list[str]:
    """What the intervals cover, and a caution where the pretraining seed is not in them."""
    known = dict.fromkeys(p.strip() for c in rows.covers for p in str(c).split(",") if p.strip())
    if not known:
        return []
    names = [me.text(f"covers.{name}") for name in known]
    words = [me.text("compare.covers", what=me.text("list.separator").join(names))]
    return words if "pretraining" in known else [*words, me.text("compare.covers.not-pretraining")]
