"""Does pretraining beat the cheap baseline? Sentence, curves and table."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.figures.accuracy import budget_order, budget_places
from dashboard.names import arm_name_of, budget_name
from dashboard.numbers import is_trifle
from dashboard.report.facts import CHEAP_PROTOCOL, METRIC, Facts, Gain, Score
from dashboard.report.story import AccuracyChart, Cell, Line, Section, Table
from dashboard.report.words.phrases import join, labels, listed, protocol_name, size
from dashboard.text import Viewer
from jobs.spec import PRETRAINING


def accuracy(facts: Facts, me: Viewer) -> Section:
    protocol, budget = _setting(facts)
    shown = [s for s in facts.scores if s.protocol == protocol]
    at_budget = sorted((s for s in shown if s.label_budget == budget), key=lambda s: -s.value)
    return Section(
        key="accuracy",
        title=me.text("report.accuracy.title"),
        lead=join([_cheap(facts, me), _fair(facts.fair_gain, me)], me),
        charts=(_chart(shown, at_budget, me),),
        table=_table(facts, at_budget, me),
        note=_note(facts, at_budget, me),
    )


def _cheap(facts: Facts, me: Viewer) -> str:
    """The answer: the best pretrained arm against the cheap baseline."""
    if not any(a.method in PRETRAINING for a in facts.arms):
        return me.text("report.accuracy.no-pretraining")
    gain = facts.cheap_gain
    if gain is None:
        return me.text("report.accuracy.no-baseline")
    return _told(gain, f"report.accuracy.{gain.direction}", me)


def _fair(gain: Gain | None, me: Viewer) -> str:
    """The same arm like with like, where that is another protocol than the cheap one."""
    if gain is None or gain.protocol == CHEAP_PROTOCOL:
        return ""
    return _told(gain, f"report.fair.{gain.direction}", me)


def _told(gain: Gain, key: str, me: Viewer) -> str:
    return me.text(
        key,
        arm=arm_name_of(gain.arm, me),
        baseline=arm_name_of(gain.baseline, me),
        size=size(gain.value, me),
        value=me.number(gain.value, "points"),
        range=me.interval(gain.low, gain.high, "points"),
        protocol=protocol_name(gain.protocol, me),
        labels=labels(gain.label_budget, me),
    )


def _setting(facts: Facts) -> tuple[str, str]:
    """Protocol and label budget that are shown: the cheap comparison's, else the most common."""
    if facts.cheap_gains:
        return facts.cheap_gains[0].protocol, facts.cheap_gains[0].label_budget
    cells = [(s.protocol, s.label_budget) for s in facts.scores]
    return max(dict.fromkeys(cells), key=lambda c: (cells.count(c), budget_order(c[1])))


def _chart(shown: Sequence[Score], ranked: Sequence[Score], me: Viewer) -> AccuracyChart:
    budgets = sorted({s.label_budget for s in shown}, key=budget_order)
    places = budget_places(budgets)
    arms = dict.fromkeys(s.arm for s in [*ranked, *shown])
    best = ranked[0] if ranked else max(shown, key=lambda s: s.value)
    return AccuracyChart(
        title=me.text("compare.curves"),
        finding=me.text(
            "compare.finding.best",
            setting=labels(best.label_budget, me),
            arm=arm_name_of(best.arm, me),
            value=me.number(best.value, "accuracy"),
            range=me.interval(best.low, best.high, "accuracy"),
        ),
        budgets=tuple(budget_name(b, me) for b in budgets),
        places=tuple(places[b] for b in budgets),
        lines=tuple(
            _line(arm_name_of(arm, me), [s for s in shown if s.arm == arm], budgets) for arm in arms
        ),
        axis=me.text("compare.axis.budget"),
    )


def _line(name: str, own: Sequence[Score], budgets: Sequence[str]) -> Line:
    at = {s.label_budget: s for s in own}
    found = [at.get(b) for b in budgets]
    return Line(
        name,
        own[0].look,
        tuple(s.value if s else None for s in found),
        tuple(s.low if s else None for s in found),
        tuple(s.high if s else None for s in found),
    )


def _table(facts: Facts, ranked: Sequence[Score], me: Viewer) -> Table:
    """The arms at one label budget, best first."""
    gains = {g.arm: g for g in facts.cheap_gains}
    kind = _cost_kind(facts, ranked)
    heads = ("report.column.arm", "report.column.accuracy", "report.column.gain",
             f"report.column.{kind}")  # fmt: skip
    rows = []
    for s in ranked:
        gain = gains.get(s.arm)
        against = Cell("–")
        if s.arm == facts.cheap_baseline:
            against = Cell(me.text("compare.is-baseline"))
        elif gain is not None:
            span = me.interval(gain.low, gain.high, "points-bare")
            against = Cell(me.number(gain.value, "points"), span)
        span = me.interval(s.low, s.high, "accuracy")
        rows.append(
            (
                Cell(arm_name_of(s.arm, me), look=s.look),
                Cell(me.number(s.value, "accuracy"), span),
                against,
                Cell(_cost(s, kind, facts, me)),
            )
        )
    return Table(tuple(me.text(h) for h in heads), tuple(rows), numeric=(1, 2, 3))


def _cost_kind(facts: Facts, ranked: Sequence[Score]) -> str:
    """Money, or device time where an arm costs less than the smallest coin."""
    trifles = any(is_trifle(s.cost, facts.card.currency) for s in ranked)
    return "duration" if trifles else "money"


def _cost(score: Score, kind: str, facts: Facts, me: Viewer) -> str:
    value = score.cost if kind == "money" else score.device_seconds
    return me.number(value, kind, facts.card.currency)


def _note(facts: Facts, ranked: Sequence[Score], me: Viewer) -> str:
    if not ranked:
        return ""
    first = ranked[0]
    setting = me.text(
        "report.accuracy.note",
        metric=me.text(f"metric.{METRIC}"),
        protocol=protocol_name(first.protocol, me),
        labels=labels(first.label_budget, me),
    )
    covered = listed([me.text(f"covers.{c}") for c in first.covers], me)
    parts = [setting, me.text("compare.covers", what=covered) if covered else ""]
    if any(s.method in PRETRAINING and "pretraining" not in s.covers for s in ranked):
        parts.append(me.text("compare.covers.not-pretraining"))
    parts.append(me.text("report.accuracy.cost"))
    return join(parts, me)
