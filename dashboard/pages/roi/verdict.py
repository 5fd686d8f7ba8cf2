"""The page's answer: title and sentence, and the verdict with its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.decisions import change_text
from dashboard.html import NOTHING, VERDICTS, Action, Html, h, join, note, page_head, rich
from dashboard.mistakes import case_error
from dashboard.names import arm_name_of
from dashboard.pages.roi.view import View
from dashboard.pages.shell import link
from dashboard.reasons import lead_key, reason_text, tone_of
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.roi.decision import Reason

SYMBOLS = {"go": "✓", "no": "✕", "more": "!"}
# where the figure of a reason comes from: a part of this page, or another page
_SOURCES = {
    **dict.fromkeys(
        ("probability-low", "probability-high", "probability-between"), "#roi-sure-head"
    ),
    **dict.fromkeys(
        ("is-baseline", "beats-baseline", "not-surely-better", "beats-nothing", "best-go-arm",
         "not-surely-better-than-nothing", "beats-no-model",
         "not-surely-better-than-no-model", "worse-than-no-model", "all-no-go", "decided-by-mean",
         "choice-repeated"),
        "#roi-arms-card"),
    **dict.fromkeys(("within-budget", "over-budget", "no-next-stage-cost"), "#roi-next-stage-cost"),
    "no-stage-budget": "#roi-stage-budget",
    "no-good-class": "#roi-good-classes",
    **dict.fromkeys(
        ("collect-experiment", "collect-unpriced", "more-data-cannot-pay", "no-experiment"),
        "#roi-next-card"),
    **dict.fromkeys(("minimum-missed", "no-evidence"), "compare"),
    **dict.fromkeys(("arm-failed", "arms-unknown"), "runs"),
}  # fmt: skip


def head(shown: View, me: Viewer) -> Html:
    """Title and answer."""
    if shown.card is None:
        return page_head(me.text("nav.roi"), me.text("roi.title"), rich(me.text("roi.lead.empty")))
    actions = (
        Action(me.text("roi.edit"), "#roi-fields", "roi-edit"),  # shown on phones, form at the end
        Action(me.text("nav.compare"), link("compare", shown.card.id), "roi-compare"),
        Action(me.text("decision.record"), "#roi-decide", "roi-to-decide"),
    )
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
        lead_key(result),
        arm=arm_name_of(arm.arm, me),
        npv=me.number(figures.npv_spread.q50, "money", result.currency),
        years=shown.case.horizon_years,
        of100=f"{100 * figures.p_positive:.0f}",
    )


def verdict_card(shown: View, me: Viewer) -> Html:
    """The verdict as symbol and word, with its reasons."""
    result = shown.result
    if shown.error is not None:
        words = case_error(shown.error, shown.case.currency if shown.case else "", me)
        return note(words, "no", "roi-error")
    if result is None:
        return NOTHING
    told, more = reasons(shown, me)
    if result.verdict is None:
        tone, big = "mute", me.text("roi.no-verdict")
    else:
        tone, symbol = VERDICTS[result.verdict]
        big = f"{symbol} {me.text(f'verdict.{result.verdict}')}"
    rest = NOTHING
    if more:
        rest = h(
            '<details><summary>{w}</summary><ul class="d-why">{more}</ul></details>',
            w=me.text("roi.more-reasons"),
            more=join(more),
        )
    return h(
        '<section class="d-card d-verdict d-edge-{tone}" id="roi-verdict" data-verdict="{code}">'
        '<div><div class="d-note">{label}</div><div class="d-big d-{tone}-ink">{big}</div>'
        '<div class="d-note">{about}</div></div>'
        '<div><ul class="d-why">{told}</ul>{rest}{fixed}</div></section>',
        tone=tone,
        code=result.verdict or "",
        label=me.text("roi.verdict"),
        big=big,
        about=_about(shown, me),
        told=join(told),
        rest=rest,
        fixed=fixed_html(shown, me),
    )


def fixed_html(shown: View, me: Viewer) -> Html:
    """Whether rule and case are as they were fixed before launch, and what was changed since."""
    if shown.result is None:
        return NOTHING
    if not shown.changes:
        key = "fixed.not" if shown.changes is None else "fixed.same"
        return h('<p class="d-note d-fixed-words" data-fixed="{k}">{w}</p>', k=key, w=me.text(key))
    lines = join(
        h("<li>{w}</li>", w=change_text(c, shown.result.currency, me)) for c in shown.changes
    )
    rule = any(c.is_rule for c in shown.changes)
    summary = me.text(f"fixed.changes{'.rule' if rule else ''}", count=len(shown.changes))
    return h(
        '<details class="d-fixed-words d-more-ink" data-fixed="changed" {open}>'
        '<summary>{s}</summary><ul class="d-diff">{lines}</ul></details>',
        open=Html("open") if rule else NOTHING,
        s=summary,
        lines=lines,
    )


def _about(shown: View, me: Viewer) -> str:
    assert shown.result is not None
    if shown.result.verdict == "GO" and shown.result.chosen_arm:
        return me.text("roi.about.go", arm=arm_name_of(shown.result.chosen_arm, me))
    return me.text("roi.about.none") if shown.result.verdict is None else ""


def reasons(shown: View, me: Viewer) -> tuple[list[Html], list[Html]]:
    """Reasons to show and those to unfold, every sentence once.

    How sure the shown arm is, what it beats, and the project's first, which is the doubt about the
    choice; an arm is compared with a rule without a model only where such a rule pays.
    """
    result, arm = shown.result, shown.shown_arm
    assert result is not None
    own, project, lead = [], list(result.reasons), 0
    if result.verdict is not None:
        own = list(arm.reasons) if arm else []
        project = [r for r in project if r.code != "best-go-arm"]
        lead = 3 if any(r.code.endswith("no-model") for r in own) else 2
    found = [*own[:lead], *project, *own[lead:]]
    known: dict[str, Reason] = {reason_text(r, result.currency, me): r for r in found}
    pilot = shown.card.id if shown.card else ""
    lines = [_reason_line(r, words, pilot, me) for words, r in known.items()]
    first = max(3, lead + 1)
    return lines[:first], lines[first:]


def _reason_line(reason: Reason, words: str, pilot: str, me: Viewer) -> Html:
    return h(
        '<li data-reason="{code}"><span class="d-{tone}-ink">{s}</span>'
        "<span>{w}{source}</span></li>",
        code=reason.code,
        tone=tone_of(reason.code),
        s=SYMBOLS[tone_of(reason.code)],
        w=rich(words),
        source=_source(reason.code, pilot, me),
    )


def _source(code: str, pilot: str, me: Viewer) -> Html:
    """A link to where a reason's figure comes from."""
    where = _SOURCES.get(code)
    if where is None:
        return NOTHING
    href = where if where.startswith("#") else link(where, pilot)
    return h(' <a class="d-from" href="{href}">{w}</a>', href=href, w=me.text("roi.from"))
