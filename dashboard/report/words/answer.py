"""The first screen of a report: question, answer in one sentence, verdict, key figures."""

from __future__ import annotations

from dashboard.html import VERDICTS
from dashboard.reasons import lead_key, reason_text, tone_of
from dashboard.report.facts import Facts
from dashboard.report.story import Metric, Verdict
from dashboard.report.words.phrases import join, likely, listed, name, no_result
from dashboard.text import Viewer
from jobs.spec import PRETRAINING

SHOWN_REASONS = 4
LIVE = ("queued", "running")
_SAID_ELSEWHERE = (  # in the answer, among the risks, under the next stage's cost
    "best-go-arm",
    "choice-repeated",
    "within-budget",
)


def answer(facts: Facts, me: Viewer) -> str:
    """The answer in one sentence, or why there is none yet."""
    result, arm = facts.result, facts.shown_arm
    if facts.problem is not None:
        return me.text("report.answer.error", why=no_result(facts, me))
    if facts.case is None or result is None:
        return me.text("report.answer.no-case")
    if result.verdict is None or arm is None or arm.figures is None:
        return me.text("report.answer.none", why=no_result(facts, me))
    words = me.text(
        lead_key(result),
        arm=name(arm.arm, me),
        npv=me.number(arm.figures.npv_spread.q50, "money", result.currency),
        years=facts.case.horizon_years,
        of100=f"{100 * arm.figures.p_positive:.0f}",
    )
    skips = result.verdict == "GO" and arm.method not in PRETRAINING
    return join([words, me.text("report.answer.no-pretraining") if skips else ""], me)


def verdict(facts: Facts, me: Viewer) -> Verdict:
    """The verdict as symbol and word, with its reasons."""
    result = facts.result
    if result is None or result.verdict is None:
        about = "report.about.no-case" if facts.case is None else "roi.about.none"
        why = (("more", no_result(facts, me).replace("**", "")),)
        return Verdict("mute", "–", me.text("roi.no-verdict"), me.text(about), why)
    tone, symbol = VERDICTS[result.verdict]
    about = me.text(f"report.about.{result.verdict}", arm=name(result.chosen_arm, me))
    word = me.text(f"verdict.{result.verdict}")
    return Verdict(tone, symbol, word, about, _reasons(facts, me))


def _reasons(facts: Facts, me: Viewer) -> tuple[tuple[str, str], ...]:
    """The shown arm's reasons, then the project's, every sentence once."""
    result, arm = facts.result, facts.shown_arm
    assert result is not None
    found = [*(arm.reasons if arm else ()), *result.reasons]
    told = {
        reason_text(r, result.currency, me): tone_of(r.code)
        for r in found
        if r.code not in _SAID_ELSEWHERE
    }
    return tuple((tone, words) for words, tone in list(told.items())[:SHOWN_REASONS])


def metrics(facts: Facts, me: Viewer) -> tuple[Metric, ...]:
    """NPV, how sure it is, ROI, payback and the next stage's cost; none without an arm to show."""
    arm, result, case = facts.shown_arm, facts.result, facts.case
    if arm is None or arm.figures is None or result is None or case is None:
        return ()
    f, currency = arm.figures, result.currency
    money = {"kind": "money", "currency": currency}
    years = me.text("roi.over", years=case.horizon_years)
    span = me.interval(f.npv_spread.q05, f.npv_spread.q95, **money)
    draws, p_go = me.number(result.draws, "count"), me.number(case.p_go, "share")
    roi, payback = f.to_come.roi, f.to_come.payback_years
    return (
        Metric(me.text("roi.npv"), me.number(f.npv, **money), f"5–95%{me.text('colon')}{span}"),
        Metric(
            me.text("roi.p"),
            me.number(f.p_positive, "share"),
            me.text("report.p.note", draws=draws, p_go=p_go),
        ),
        Metric(
            me.text("roi.roi"),
            me.number(roi, "share"),
            me.text("report.no-spending") if roi is None else years,
        ),
        Metric(
            me.text("roi.payback"),
            me.text("roi.never") if payback is None else me.number(payback, "years"),
            me.text("roi.at-likely") if payback is not None else years,
        ),
        _next_stage(facts, me, currency),
    )


def _next_stage(facts: Facts, me: Viewer, currency: str) -> Metric:
    assert facts.case is not None
    cost, budget = likely(facts.case.next_stage_cost), likely(facts.case.stage_budget)
    missing = me.text("report.not-entered")
    return Metric(
        me.text("case.next_stage_cost"),
        missing if cost is None else me.number(cost, "money", currency),
        me.text(
            "report.budget",
            budget=missing if budget is None else me.number(budget, "money", currency),
        ),
    )


def warnings(facts: Facts, me: Viewer) -> tuple[str, ...]:
    """What a reader must know before believing a single figure."""
    found = []
    data = facts.provenance.dataset
    if facts.is_example:
        found.append(me.text("report.warning.example"))
    if data is not None and data.builtin:
        found.append(me.text("report.warning.builtin", dataset=data.name))
    if facts.card.status in LIVE:
        found.append(me.text("report.warning.running"))
    without = [a.name for a in facts.arms if a.name not in {s.arm for s in facts.scores}]
    if without and facts.card.status not in LIVE:
        names = listed([name(a, me) for a in without], me)
        found.append(me.text("report.warning.partial", arms=names))
    return tuple(found)
