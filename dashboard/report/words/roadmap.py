"""What comes next, when it goes on, and what it costs."""

from __future__ import annotations

from dashboard.grounds import labels_note
from dashboard.numbers import day
from dashboard.reasons import reason_text
from dashboard.report.facts import Facts
from dashboard.report.story import Cell, Section, Table
from dashboard.report.words.phrases import join, likely, name, no_result
from dashboard.text import Viewer
from jobs.spec import PRETRAINING

_NEXT = (
    "collect-experiment",
    "collect-unpriced",
    "more-data-cannot-pay",
    "no-experiment",
    "arms-unknown",
)


def roadmap(facts: Facts, me: Viewer) -> Section:
    heads = tuple(me.text(f"report.column.{c}") for c in ("stage", "purpose", "condition", "cost"))
    rows = [_pilot(facts, me)]
    if facts.case is not None and facts.result is not None and facts.result.verdict:
        rows += [_validation(facts, me), _roll_out(facts, me)]
    return Section(
        key="roadmap",
        title=me.text("report.roadmap.title"),
        lead=lead(facts, me),
        table=Table(heads, tuple(rows), numeric=(3,), widths=(0.13, 0.35, 0.32, 0.2)),
    )


def lead(facts: Facts, me: Viewer) -> str:
    """The next step in a sentence."""
    result, case = facts.result, facts.case
    if result is None or case is None or result.verdict is None:
        return me.text("report.roadmap.none", why=no_result(facts, me))
    if result.verdict == "GO":
        return me.text("report.roadmap.GO", cost=_money(case.next_stage_cost, facts, me),
                       budget=_money(case.stage_budget, facts, me))  # fmt: skip
    found = [r for r in result.reasons if r.code in _NEXT]
    told = [reason_text(r, result.currency, me) for r in found]
    labels = [r.facts["of_class"] for r in found if r.facts.get("experiment") == "more-labels"]
    if labels:
        told.append(labels_note(any(labels), me))
    return join([me.text(f"report.roadmap.{result.verdict}"), *told], me)


def _pilot(facts: Facts, me: Viewer) -> tuple[Cell, ...]:
    card = facts.card
    ended = (
        me.text("report.roadmap.pilot.ended", date=day(card.ended_at, me.language))
        if card.ended_at
        else me.text("report.roadmap.pilot.open")
    )
    return (
        Cell(me.text("report.stage.pilot")),
        Cell(me.text("report.roadmap.pilot")),
        Cell(ended),
        Cell(me.number(card.spent, "money", card.currency), me.text("report.roadmap.computing")),
    )


def _validation(facts: Facts, me: Viewer) -> tuple[Cell, ...]:
    assert facts.case is not None
    assert facts.result is not None
    arm = facts.shown_arm
    stop = facts.result.verdict == "NO-GO"
    is_pretrained = arm is not None and arm.method in PRETRAINING
    is_baseline = arm is not None and arm.arm == facts.result.baseline
    condition = me.text(
        "report.roadmap.validation.alone" if is_baseline else "report.roadmap.validation.when",
        p_go=me.number(facts.case.p_go, "share"),
        baseline=name(facts.result.baseline, me),
    )
    purpose = "report.roadmap.validation" + (".seeds" if is_pretrained else "")
    return (
        Cell(me.text("report.stage.validation")),
        Cell(me.text(purpose)),
        Cell(me.text("report.roadmap.stopped") if stop else condition),
        Cell(_money(facts.case.next_stage_cost, facts, me)),
    )


def _roll_out(facts: Facts, me: Viewer) -> tuple[Cell, ...]:
    assert facts.result is not None
    arm = facts.shown_arm
    stop = facts.result.verdict == "NO-GO"
    cost = Cell("–")
    if arm is not None and arm.figures is not None:
        e, currency = arm.figures.economics, facts.result.currency
        yearly = me.number(float(e.run_per_year), "money", currency)
        cost = Cell(
            me.number(float(e.one_off), "money", currency),
            me.text("report.roadmap.yearly", cost=yearly),
        )
    return (
        Cell(me.text("report.stage.roll-out")),
        Cell(me.text("report.roadmap.roll-out")),
        Cell(me.text("report.roadmap.stopped" if stop else "report.roadmap.roll-out.when")),
        cost,
    )


def _money(value: object, facts: Facts, me: Viewer) -> str:
    assert facts.case is not None
    amount = likely(value)
    if amount is None:
        return me.text("report.not-entered")
    return me.number(amount, "money", facts.case.currency)
