"""What was decided about the pilot: a list that only grows, each with what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboard.decisions import change_text, outcome_text
from dashboard.html import NOTHING, Html, card_head, h, join, tag, verdict_tag
from dashboard.names import arm_name_of
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.deciding import DecisionView


def decisions_html(found: Sequence[DecisionView], me: Viewer) -> Html:
    """All decisions, newest first."""
    head = card_head(me.text("decision.title"), me.text("decision.caption"), me)
    if not found:
        return join([head, h('<p class="d-note">{w}</p>', w=me.text("decision.none"))])
    items = join(_item(d, me) for d in found)
    return join([head, h('<ol class="d-decisions" id="roi-decisions">{i}</ol>', i=items)])


def _item(d: DecisionView, me: Viewer) -> Html:
    altered = tag(me.text("decision.altered.tag"), "no") if not d.is_intact else NOTHING
    return h(
        '<li data-decision="{id}"><div class="d-row"><span>{verdict} <b>{who}</b> '
        '<span class="d-note">#{id} · {at} · {stage}</span></span>{altered}</div>{about}{note}'
        "{more}</li>",
        id=d.id,
        verdict=verdict_tag(d.choice, me),
        who=d.who,
        at=f"{d.at.astimezone():%Y-%m-%d %H:%M}",
        stage=me.text(f"stage.{d.stage}"),
        altered=altered,
        about=h('<p class="d-note">{w}</p>', w=_about(d, me)),
        note=h("<p>{n}</p>", n=d.note) if d.note else NOTHING,
        more=_more(d, me),
    )


def _about(d: DecisionView, me: Viewer) -> str:
    parts = []
    if d.arm and d.npv is not None and d.p_positive is not None:
        parts.append(
            me.text(
                "decision.about",
                arm=arm_name_of(d.arm, me),
                npv=me.number(d.npv, "money", d.currency),
                p=me.number(d.p_positive, "share"),
            )
        )
    if d.verdict and d.verdict != d.choice:
        parts.append(me.text("decision.otherwise", verdict=me.text(f"verdict.{d.verdict}")))
    if not d.fixed_before_launch:
        parts.append(me.text("decision.not-fixed"))
    return " ".join(parts)


def _more(d: DecisionView, me: Viewer) -> Html:
    """Changes since launch, and forecasts against what came."""
    lines = [change_text(c, d.currency, me) for c in d.changes]
    lines += [outcome_text(o, d.currency, me) for a in d.actuals for o in a.outcomes]
    if not lines:
        return NOTHING
    return h('<ul class="d-diff">{x}</ul>', x=join(h("<li>{w}</li>", w=w) for w in lines))
