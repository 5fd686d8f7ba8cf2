"""How it was measured, in half a page for the sceptic."""

from __future__ import annotations

from dashboard.report.facts import Facts
from dashboard.report.story import Section
from dashboard.text import Viewer


def method(facts: Facts, me: Viewer) -> Section:
    card, data, case, result = facts.card, facts.provenance.dataset, facts.case, facts.result
    grouped = data is not None and data.groups is not None
    points = [
        me.text(
            "report.method.data.grouped" if grouped else "report.method.data",
            images=me.number(card.images, "count"),
            classes=card.classes,
        ),
        me.text("report.method.fair"),
    ]
    if case is not None and result is not None:
        pi = me.number(case.total_prevalence, "accuracy")
        draws = me.number(result.draws, "count")
        points += [
            me.text("report.method.money", prevalence=pi, rate=_rate(facts, me)),
            me.text("report.method.draws", draws=draws),
            me.text(
                "report.method.rule",
                p_go=me.number(case.p_go, "share"),
                p_no=me.number(case.p_no, "share"),
            ),
        ]
    points.append(me.text("report.method.limits"))
    return Section(key="method", title=me.text("report.method.title"), points=tuple(points))


def _rate(facts: Facts, me: Viewer) -> str:
    arm = facts.shown_arm
    rate = arm.figures.economics.discount_rate if arm and arm.figures else None
    return me.number(None if rate is None else float(rate), "accuracy")
