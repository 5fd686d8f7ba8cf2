"""Does it pay back? Sentence, cash flow, how sure, and every arm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from dashboard.names import arm_name_of
from dashboard.report.facts import Facts
from dashboard.report.story import Cell, Chart, FlowChart, Section, Table, ValueChart
from dashboard.report.words.phrases import (
    join,
    labels,
    name,
    no_result,
    protocol_name,
    why_not,
)
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.roi.arm import Figures
    from jobs.roi.evaluate import ArmResult, CaseResult


def money(facts: Facts, me: Viewer) -> Section:
    title, arm, result = me.text("report.money.title"), facts.shown_arm, facts.result
    if arm is None or arm.figures is None or result is None:
        lead = me.text("report.money.none", why=no_result(facts, me))
        return Section(key="money", title=title, lead=lead)
    return Section(
        key="money",
        title=title,
        lead=join([_pays(facts, arm, arm.figures, me), _futures(arm.figures, result, me)], me),
        charts=_charts(arm.figures, result, me),
        table=_table(facts, result, me),
        points=tuple(_points(facts, arm, arm.figures, result, me)),
        note=me.text("roi.foot", whole=me.number(arm.figures.whole.npv, "money", result.currency)),
    )


def _pays(facts: Facts, arm: ArmResult, f: Figures, me: Viewer) -> str:
    """Whether the money comes back at likely values."""
    assert facts.case is not None
    assert facts.result is not None
    amount = {"kind": "money", "currency": facts.result.currency}
    payback = f.to_come.payback_years
    return me.text(
        f"report.money.{pays_code(f)}",
        arm=name(arm.arm, me),
        one_off=me.number(-f.to_come.flows[0], **amount),
        payback=me.number(payback, "years"),
        years=facts.case.horizon_years,
        npv=me.number(f.npv, **amount),
        range=me.interval(f.npv_spread.q05, f.npv_spread.q95, **amount),
        rate=me.number(float(f.economics.discount_rate), "accuracy"),
    )


def pays_code(f: Figures) -> str:
    """How the likely values come out: which of the sentences is true."""
    payback, starts_free = f.to_come.payback_years, f.to_come.flows[0] == 0
    if f.npv > 0:
        if payback is None:  # only with a discount rate below 0
            return "value"
        return "at-once" if starts_free else "pays"
    if payback is not None and not starts_free and f.npv < 0:
        return "undiscounted"
    if f.npv == 0:
        return "even"
    return "loss" if starts_free else "never"


def _futures(f: Figures, result: CaseResult, me: Viewer) -> str:
    p, draws = me.number(f.p_positive, "share"), me.number(result.draws, "count")
    return me.text("report.money.futures", p=p, draws=draws)


def _charts(f: Figures, result: CaseResult, me: Viewer) -> tuple[Chart, ...]:
    from jobs.roi.export import npv_histogram  # noqa: PLC0415 - scipy, a second of start-up time

    flows, currency = f.to_come.flows, result.currency
    spread = f.npv_spread
    edges, counts = npv_histogram(f.npv_draws)
    amount = {"kind": "money", "currency": currency}
    total = me.number(sum(flows), **amount)
    flow = FlowChart(
        title=me.text("roi.flow"),
        finding=me.text("roi.finding.flow", years=len(flows) - 1, value=total),
        years=tuple(
            me.text("roi.start") if y == 0 else me.text("roi.year", year=y)
            for y in range(len(flows))
        ),
        flows=flows,
        cumulative=tuple(accumulate(flows)),
        currency=currency,
    )
    sure = ValueChart(
        title=me.text("roi.sure"),
        finding=me.text(
            "roi.finding.sure",
            median=me.number(spread.q50, **amount),
            range=me.interval(spread.q05, spread.q95, **amount),
            share=me.number(1 - f.p_positive, "share"),
        ),
        edges=tuple(edges),
        counts=tuple(counts),
        median=spread.q50,
        losing=1 - f.p_positive,
        currency=currency,
        axis=me.text("roi.axis.npv"),
    )
    return (flow, sure)


def _points(facts: Facts, arm: ArmResult, f: Figures, result: CaseResult, me: Viewer) -> list[str]:
    """What the verdict measures against, and why some arms have no figures."""
    found = [_rests_on(arm, me), _against(arm, f, result, me)]
    base, cheap = result.baseline, facts.cheap_baseline
    if base and cheap and base != cheap:
        found.append(
            me.text("report.money.two-baselines", baseline=name(base, me), cheap=name(cheap, me))
        )
    return [w for w in found if w] + [
        me.text("report.money.without", arm=name(a.arm, me), why=why_not(a, result.currency, me))
        for a in result.arms.values()
        if a.figures is None
    ]


def _rests_on(arm: ArmResult, me: Viewer) -> str:
    """Under which protocol and with how many labels the rates behind the money were measured."""
    if arm.label_budget is None:
        return ""
    words = {
        "protocol": protocol_name(arm.protocol, me),
        "labels": labels(str(arm.label_budget), me),
    }
    return me.text("report.money.rests", arm=name(arm.arm, me), **words)


def _against(arm: ArmResult, f: Figures, result: CaseResult, me: Viewer) -> str:
    """The shown arm against the verdict's own baseline."""
    if result.baseline is None:
        return me.text("report.money.against-nothing")
    if f.is_baseline:
        return me.text("report.money.is-baseline", arm=name(arm.arm, me))
    gain = f.increment
    way = "more" if gain.q05 > 0 else "less" if gain.q95 < 0 else "unclear"
    amount = {"kind": "money", "currency": result.currency}
    return me.text(
        f"report.money.{way}",
        arm=name(arm.arm, me),
        baseline=name(result.baseline, me),
        size=me.number(abs(gain.mean), **amount),
        range=me.interval(gain.q05, gain.q95, **amount),
    )


def _table(facts: Facts, result: CaseResult, me: Viewer) -> Table:
    """Every arm with its money, best first."""
    names = ("name", "verdict", "npv", "p", "increment", "miss", "false-alarm")
    arms = sorted(result.arms.values(), key=lambda a: -a.figures.npv if a.figures else float("inf"))
    rows = tuple(_row(a, facts.look(a.arm), result, me) for a in arms)
    heads = tuple(me.text(f"roi.column.{n}") for n in names)
    return Table(heads, rows, numeric=(2, 3, 4, 5, 6))


def _row(arm: ArmResult, look: int, result: CaseResult, me: Viewer) -> tuple[Cell, ...]:
    chip, f = Cell(arm_name_of(arm.arm, me), look=look), arm.figures
    verdict = _verdict(arm.verdict, me)
    if f is None:
        return (chip, verdict, *[Cell("–")] * 5)
    amount = {"kind": "money", "currency": result.currency}
    gain = Cell(me.text("roi.is-baseline"))
    if not f.is_baseline:
        span = me.interval(f.increment.q05, f.increment.q95, **amount)
        gain = Cell(me.number(f.increment.mean, **amount), span)
    return (
        chip,
        verdict,
        Cell(me.number(f.npv, **amount), me.interval(f.npv_spread.q05, f.npv_spread.q95, **amount)),
        Cell(me.number(f.p_positive, "share")),
        gain,
        _rate(f.miss_rate, f.miss_rate_interval, me),
        _rate(f.false_alarm_rate, f.false_alarm_rate_interval, me),
    )


def _verdict(verdict: str | None, me: Viewer) -> Cell:
    tones = {"GO": "go", "NO-GO": "no", "COLLECT MORE": "more"}
    return Cell(me.text(f"verdict.{verdict}"), tone=tones[verdict]) if verdict else Cell("–")


def _rate(value: float, ends: Sequence[float], me: Viewer) -> Cell:
    return Cell(me.number(value, "accuracy"), me.interval(ends[0], ends[1], "accuracy"))
