"""Every arm as a table: its rates, its money, its gain over the baseline and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from dashboard.html import (
    NOTHING,
    Data,
    Html,
    arm_chip,
    card_head,
    h,
    join,
    rich,
    table,
    verdict_tag,
)
from dashboard.names import arm_name_of, budget_name
from dashboard.pages.roi.view import View
from dashboard.reasons import reason_text
from dashboard.text import Viewer, has_text

if TYPE_CHECKING:
    from jobs.roi.evaluate import ArmResult, CaseResult


def arms_card(shown: View, me: Viewer) -> Html:
    """Every arm with its rates, money, gain over the baseline and verdict."""
    result = shown.result
    if result is None:
        return NOTHING
    names = ("name", "verdict", "npv", "p", "increment", "miss", "false-alarm")
    heads = [me.text(f"roi.column.{n}") for n in names]
    arms = sorted(result.arms.values(), key=lambda a: -a.figures.npv if a.figures else float("inf"))
    rows = [_arm_line(a, shown, me) for a in arms]
    caption = me.text("roi.arms.caption", baseline=_baseline(result, me))
    data = _arms_data(arms, result.currency, me)
    return join(
        [
            card_head(me.text("roi.arms"), caption, me, data, "roi-arms"),
            h('<div id="roi-arms-rows">{t}</div>', t=table(heads, rows, numeric=(2, 3, 4, 5, 6))),
            data.table("roi-arms"),
        ]
    )


def _baseline(result: CaseResult, me: Viewer) -> str:
    return arm_name_of(result.baseline, me) if result.baseline else me.text("roi.nothing")


def _arm_line(arm: ArmResult, shown: View, me: Viewer) -> list[object]:
    assert shown.result is not None
    currency = shown.result.currency
    chip = arm_chip(arm.arm, shown.looks.get(arm.arm, -1), me, baseline=False)
    f = arm.figures
    if f is None:
        why = me.text("list.separator").join(reason_text(r, currency, me) for r in arm.reasons)
        return [_below(chip, rich(why)), *["–"] * 6]
    verdict = verdict_tag(arm.verdict, me) if arm.verdict else "–"
    spread, gain = f.npv_spread, f.increment
    increment: object = me.text("roi.is-baseline")
    if not f.is_baseline:
        increment = _with_interval(
            me.number(gain.mean, "money", currency),
            me.interval(gain.q05, gain.q95, "money", currency),
        )
    money = {"kind": "money", "currency": currency}
    return [
        _below(chip, _setting(arm, me)),
        verdict,
        _with_interval(me.number(f.npv, **money), me.interval(spread.q05, spread.q95, **money)),
        me.number(f.p_positive, "share"),
        increment,
        _rate(f.miss_rate, f.miss_rate_interval, me),
        _rate(f.false_alarm_rate, f.false_alarm_rate_interval, me),
    ]


def _below(chip: Html, words: str) -> Html:
    return h('{chip}<br><span class="d-note d-wide">{words}</span>', chip=chip, words=words)


def _rate(value: float, ends: tuple[float, float], me: Viewer) -> Html:
    return _with_interval(me.number(value, "accuracy"), me.interval(*ends, "accuracy"))


def _with_interval(value: str, span: str) -> Html:
    return h('<b>{v}</b><br><span class="d-iv">{r}</span>', v=value, r=span)


def _setting(arm: ArmResult, me: Viewer) -> str:
    protocol = (
        me.text(f"protocol.{arm.protocol}")
        if has_text(f"protocol.{arm.protocol}")
        else arm.protocol
    )
    return f"{protocol} · {budget_name(arm.label_budget or '–', me)}"


def _arms_data(arms: Sequence[ArmResult], currency: str, me: Viewer) -> Data:
    rows = [
        {
            me.text("roi.column.name"): arm_name_of(a.arm, me),
            me.text("roi.column.setting"): _setting(a, me),
            me.text("roi.column.miss"): a.figures.miss_rate if a.figures else None,
            me.text("roi.column.false-alarm"): a.figures.false_alarm_rate if a.figures else None,
            f"{me.text('roi.column.npv')} ({currency})": a.figures.npv if a.figures else None,
            "5%": a.figures.npv_spread.q05 if a.figures else None,
            "95%": a.figures.npv_spread.q95 if a.figures else None,
            me.text("roi.column.p"): a.figures.p_positive if a.figures else None,
            f"{me.text('roi.column.increment')} ({currency})": a.figures.increment.mean
            if a.figures
            else None,
            me.text("roi.column.verdict"): me.text(f"verdict.{a.verdict}") if a.verdict else "",
        }
        for a in arms
    ]
    return Data(pd.DataFrame(rows), "digpt_roi.csv")
