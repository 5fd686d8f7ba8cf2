"""The page's answer: title and sentence, and the verdict with its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.html import NOTHING, VERDICTS, Action, Html, h, join, note, page_head, rich
from dashboard.names import arm_name_of
from dashboard.pages.roi.view import View
from dashboard.pages.shell import link
from dashboard.reasons import reason_text
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.roi.decision import Reason

SHOWN_REASONS = 3
# what speaks for an arm, what against it, and what is only said
_GOOD = (
    "probability-high",
    "beats-baseline",
    "beats-nothing",
    "is-baseline",
    "within-budget",
    "best-go-arm",
)
_BAD = ("probability-low", "over-budget", "minimum-missed", "all-no-go")


def head(shown: View, me: Viewer) -> Html:
    """Title and answer."""
    if shown.card is None:
        return page_head(me.text("nav.roi"), me.text("roi.title"), rich(me.text("roi.lead.empty")))
    actions = (Action(me.text("nav.compare"), link("compare", shown.card.id), "roi-compare"),)
    crumb = f"{me.text('nav.roi')} · {shown.card.name}"
    return page_head(crumb, me.text("roi.title"), rich(sentence(shown, me)), actions)


def sentence(shown: View, me: Viewer) -> str:
    """The answer in one sentence, or why there is none yet."""
    result, arm = shown.result, shown.shown_arm
    if shown.error is not None:
        return me.text("roi.lead.error")
    if result is None or result.verdict is None or arm is None or arm.figures is None:
        return me.text("roi.lead.none")
    assert shown.case is not None
    figures = arm.figures
    return me.text(
        f"roi.lead.{result.verdict}",
        arm=arm_name_of(arm.arm, me),
        npv=me.number(figures.npv_spread.q50, "money", result.currency),
        years=shown.case.horizon_years,
        of100=f"{100 * figures.p_positive:.0f}",
    )


def verdict_card(shown: View, me: Viewer) -> Html:
    """The verdict as symbol and word, with its reasons."""
    result = shown.result
    if shown.error is not None:
        return note(me.error(shown.error), "no", "roi-error")
    if result is None:
        return NOTHING
    told = reasons(shown, me)
    if result.verdict is None:
        tone, big = "mute", me.text("roi.no-verdict")
    else:
        tone, symbol = VERDICTS[result.verdict]
        big = f"{symbol} {me.text(f'verdict.{result.verdict}')}"
    rest = NOTHING
    if told[SHOWN_REASONS:]:
        more = join(told[SHOWN_REASONS:])
        rest = h(
            '<details><summary>{w}</summary><ul class="d-why">{more}</ul></details>',
            w=me.text("roi.more-reasons"),
            more=more,
        )
    return h(
        '<section class="d-card d-verdict d-edge-{tone}" id="roi-verdict" data-verdict="{code}">'
        '<div><div class="d-note">{label}</div><div class="d-big d-{tone}-ink">{big}</div>'
        '<div class="d-note">{about}</div></div>'
        '<div><ul class="d-why">{told}</ul>{rest}</div></section>',
        tone=tone,
        code=result.verdict or "",
        label=me.text("roi.verdict"),
        big=big,
        about=_about(shown, me),
        told=join(told[:SHOWN_REASONS]),
        rest=rest,
    )


def _about(shown: View, me: Viewer) -> str:
    assert shown.result is not None
    if shown.result.verdict == "GO" and shown.result.chosen_arm:
        return me.text("roi.about.go", arm=arm_name_of(shown.result.chosen_arm, me))
    return me.text("roi.about.none") if shown.result.verdict is None else ""


def reasons(shown: View, me: Viewer) -> list[Html]:
    """All reasons: the shown arm's, then the project's; the doubt about the choice comes third."""
    result, arm = shown.result, shown.shown_arm
    assert result is not None
    if result.verdict is None:
        found = list(result.reasons)
    else:
        own = list(arm.reasons) if arm else []
        project = [r for r in result.reasons if r.code != "best-go-arm"]
        found = [*own[:2], *project, *own[2:]]
    known: dict[str, Reason] = {reason_text(r, result.currency, me): r for r in found}
    return [_reason_line(r, words) for words, r in known.items()]


def _reason_line(reason: Reason, words: str) -> Html:
    if reason.code in _GOOD:
        tone, symbol = "go", "✓"
    elif reason.code in _BAD:
        tone, symbol = "no", "✕"
    else:
        tone, symbol = "more", "!"
    return h(
        '<li data-reason="{code}"><span class="d-{tone}-ink">{s}</span><span>{w}</span></li>',
        code=reason.code,
        tone=tone,
        s=symbol,
        w=rich(words),
    )
