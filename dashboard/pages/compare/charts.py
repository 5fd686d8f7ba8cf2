"""The three figures: accuracy by labels, accuracy by cost, and the differences between arms."""

from typing import Any

import pandas as pd

from dashboard.figures import budget_curves, cost_front, difference_heatmap
from dashboard.figures.accuracy import stars
from dashboard.html import Data
from dashboard.names import arm_name_of, budget_name
from dashboard.numbers import is_trifle
from dashboard.pages.compare.view import View, named, setting
from dashboard.pages.shell import chart
from dashboard.text import Viewer

_COLUMNS = ("pilot_name", "name", "protocol", "label_budget", "metric", "value", "low", "high",
            "n_seeds", "images_seen", "device_seconds", "cost_stand_alone", "currency")  # fmt: skip


def curves_card(shown: View, me: Viewer) -> list[Any]:
    """How many labels does each arm need?"""
    rows = named(shown.rows, shown, me)
    caption = me.text(
        "compare.curves.caption",
        metric=me.text(f"metric.{shown.choice.metric}"),
        protocol=me.text(f"protocol.in.{shown.choice.protocol}"),
        count=int(rows.n_seeds.max()),
    )
    fig, data = budget_curves(rows, me), data_of(rows, "curves", me)
    title, finding = me.text("compare.curves"), _best_finding(shown, me)
    return chart("compare-curves", title, caption, fig, data, me, finding)


def _best_finding(shown: View, me: Viewer) -> str:
    """The figure in one sentence: which arm is highest at the chosen label budget."""
    if shown.at_budget.empty:
        return ""
    best = named(shown.at_budget, shown, me).iloc[0]
    return me.text(
        "compare.finding.best",
        setting=setting(shown, me),
        arm=best["name"],
        value=me.number(best["value"], "accuracy"),
        range=me.interval(best["low"], best["high"], "accuracy"),
    )


def cost_card(shown: View, me: Viewer) -> list[Any]:
    """What does accuracy cost?"""
    rows = named(shown.at_budget, shown, me)
    words = setting(shown, me)
    caption = me.text("compare.cost.caption", setting=words[:1].upper() + words[1:])
    kind = "money"
    if any(is_trifle(c, u) for c, u in zip(rows.cost_stand_alone, rows.currency, strict=True)):
        kind, caption = "duration", f"{caption}{me.text('compare.cost.trifle')}"
    rows = rows.assign(cost=rows.cost_stand_alone if kind == "money" else rows.device_seconds)
    priced = rows.loc[rows.cost > 0]
    fig = cost_front(priced, me, kind) if len(priced) else None
    title, data = me.text("compare.cost"), data_of(rows, "cost", me)
    return chart("compare-cost", title, caption, fig, data, me, _cost_finding(priced, kind, me))


def _cost_finding(rows: pd.DataFrame, kind: str, me: Viewer) -> str:
    """The figure in one sentence: the cheapest and the best arm with their costs."""
    if rows.empty:
        return ""
    ends = [rows.sort_values("cost").iloc[0], rows.sort_values("value").iloc[-1]]
    facts = {
        name: me.text(
            "compare.finding.arm",
            arm=row["name"],
            value=me.number(row["value"], "accuracy"),
            cost=me.number(row["cost"], kind, str(row["currency"])),
        )
        for name, row in zip(("cheapest", "best"), ends, strict=True)
    }
    return me.text("compare.finding.cost", **facts)


def differences_card(shown: View, me: Viewer) -> list[Any]:
    """Which differences are real?"""
    rows = shown.at_budget
    order = [a for a, p in zip(rows.arm, rows.pilot, strict=True) if p == shown.cards[0].id]
    names = [arm_name_of(a, me) for a in order]
    pairs = shown.differences
    pairs = pairs.loc[pairs.arm_a.isin(order) & pairs.arm_b.isin(order)]
    pairs = pairs.assign(
        name_a=[arm_name_of(a, me) for a in pairs.arm_a],
        name_b=[arm_name_of(b, me) for b in pairs.arm_b],
    )
    fig = difference_heatmap(pairs, names, me) if len(pairs) else None
    data = _difference_data(pairs, me)
    caption = me.text("compare.differences.caption", setting=setting(shown, me))
    if len(shown.cards) > 1:
        caption = f"{shown.cards[0].name} · {caption}"
    finding = me.text(
        "compare.finding.differences", clear=int((pairs.p_holm < 0.05).sum()), count=len(pairs)
    )
    title = me.text("compare.differences")
    return chart("compare-differences", title, caption, fig, data, me, finding)


def _difference_data(pairs: pd.DataFrame, me: Viewer) -> Data:
    columns = ["name_a", "name_b", "difference", "low", "high", "p", "p_holm"]
    heads = {c: me.text(f"column.{c}") for c in columns}
    frame = pairs[columns].assign(clear=[stars(p, me) for p in pairs.p_holm])
    return Data(
        frame.rename(columns={**heads, "clear": me.text("column.clear")}), "digpt_differences.csv"
    )


def data_of(rows: pd.DataFrame, name: str, me: Viewer) -> Data:
    """Rows as they are shown and given: columns and values named for people."""
    frame = rows[list(_COLUMNS)].assign(
        protocol=[me.text(f"protocol.{p}") for p in rows.protocol],
        metric=[me.text(f"metric.{m}") for m in rows.metric],
        label_budget=[budget_name(b, me) for b in rows.label_budget],
    )
    heads = {c: me.text(f"column.{c}") for c in _COLUMNS}
    return Data(frame.rename(columns=heads), f"digpt_{name}.csv")
