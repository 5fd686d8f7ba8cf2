"""Accuracy against label budget, against cost, and which differences are real."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.template import (
    add_end_labels,
    add_text,
    colours,
    faint,
    figure,
    fold,
    label_heights,
    label_room,
    look,
    records,
    spread_labels,
)
from dashboard.text import Viewer

HEIGHT = 320
MOST_FOLDED = 5  # columns of the heatmap that are wide enough for an upright name
COLUMN, SLANTED, ROW = 56, 26, 20  # letters of all its columns, a slanted head, a row's head
_PLOT_PIXELS = HEIGHT - 52  # between the margins


def budget_order(budget: str) -> float:
    """Sorts label budgets: "all" comes last."""
    return math.inf if budget == "all" else float(budget)


def budget_places(budgets: Sequence[str]) -> dict[str, float]:
    """Where each budget stands on a log axis (log10 of labels); "all" one step after the last."""
    numbers = sorted(float(b) for b in budgets if b != "all")
    places = {f"{n:g}": math.log10(n) for n in numbers}
    if "all" in budgets:
        last = math.log10(numbers[-1]) if numbers else 0.0
        places["all"] = last + 0.35
    return places


def budget_curves(rows: pd.DataFrame, me: Viewer) -> go.Figure:
    """Each arm's metric by label budget, with its interval as a band and its name at the end.

    rows: arm, name, look, label_budget, value, low, high; one row per arm and budget.
    """
    fig = figure(me.dark, height=HEIGHT, right=label_room(map(str, rows.name.unique())))
    places = budget_places(list(dict.fromkeys(rows.label_budget)))
    groups = [
        (str(name), part.assign(x=part.label_budget.map(places)).sort_values("x"))
        for name, part in rows.groupby("name", sort=False)
    ]
    for _, part in groups:
        _add_band(fig, part, me)
    for name, part in groups:
        _add_line(fig, str(name), part, me)
    low, high = _span(rows.low.min(), rows.high.max())
    add_end_labels(fig, groups, (high - low) / _PLOT_PIXELS, me.dark)
    fig.update_xaxes(
        tickvals=list(places.values()),
        ticktext=[me.text("budget.all") if b == "all" else b for b in places],
        title_text=me.text("compare.axis.budget"),
        range=[min(places.values()) - 0.06, max(places.values()) + 0.06],
    )
    _percent_axis(fig, rows.low.min(), rows.high.max())
    return fig


def _add_band(fig: go.Figure, part: pd.DataFrame, me: Viewer) -> None:
    if len(part) < 2:
        return
    fig.add_scatter(
        x=[*part.x, *part.x[::-1]],
        y=[*part.high, *part.low[::-1]],
        mode="lines",
        fill="toself",
        fillcolor=faint(look(int(part["look"].iloc[0]), me.dark).colour),
        line={"width": 0},
        hoverinfo="skip",
    )


def _add_line(fig: go.Figure, name: str, part: pd.DataFrame, me: Viewer) -> None:
    style = look(int(part["look"].iloc[0]), me.dark)
    alone = len(part) == 1
    fig.add_scatter(
        x=part.x,
        y=part.value,
        name=name,
        mode="markers" if alone else "lines+markers",
        line={"color": style.colour, "width": style.width, "dash": style.dash},
        marker={"color": style.colour, "symbol": style.marker, "size": 7},
        error_y=_error_bar(part, style.colour) if alone else None,
        hovertemplate="%{text}<extra></extra>",
        text=[_budget_sentence(name, row, me) for row in records(part)],
    )


def _error_bar(part: pd.DataFrame, colour: str) -> dict[str, object]:
    return {
        "type": "data",
        "symmetric": False,
        "array": part.high - part.value,
        "arrayminus": part.value - part.low,
        "color": colour,
        "thickness": 1.5,
        "width": 4,
    }


def _budget_sentence(name: str, row: Any, me: Viewer) -> str:
    budget, value = row.label_budget, row.value
    low, high = row.low, row.high
    words = me.text(
        "compare.hover.budget" if budget != "all" else "compare.hover.all",
        budget=budget,
        value=me.number(value, "accuracy"),
        range=me.interval(low, high, "accuracy"),
    )
    return f"<b>{name}</b><br>{words}"


def _span(low: float, high: float) -> tuple[float, float]:
    room = max(0.04, 0.06 * (high - low))
    return max(0.0, low - room), min(1.02, high + room)


def _percent_axis(fig: go.Figure, low: float, high: float) -> None:
    first, last = _span(low, high)
    step = next(s for s in (0.02, 0.05, 0.1, 0.2) if (last - first) / s <= 6 or s == 0.2)
    ticks = np.arange(math.ceil(first / step), math.floor(min(last, 1.0) / step) + 1) * step
    fig.update_yaxes(
        range=[first, last], tickvals=ticks, ticktext=[f"{100 * t:.0f}%" for t in ticks]
    )


def cost_front(rows: pd.DataFrame, me: Viewer, kind: str = "money") -> go.Figure:
    """Each arm's metric against its stand-alone cost (log), and the step of the best for the money.

    rows: name, look, value, low, high, cost, currency; one row per arm, cost above 0.
    `kind`: what `cost` is, money or duration (device time, where money is a trifle).
    """
    fig = figure(me.dark, height=HEIGHT, right=24)
    c = colours(me.dark)
    ordered = rows.sort_values("cost")
    best = ordered[ordered.value >= ordered.value.cummax()]
    fig.add_scatter(
        x=best.cost, y=best.value, mode="lines", hoverinfo="skip",
        line={"shape": "hv", "color": c["muted"], "width": 1},
    )  # fmt: skip
    for row in records(ordered):
        style = look(int(row.look), me.dark)
        fig.add_scatter(
            x=[row.cost],
            y=[row.value],
            name=str(row.name),
            mode="markers",
            marker={"color": style.colour, "symbol": style.marker, "size": 11},
            error_y=_error_bar(ordered.loc[[row.Index]], style.colour),
            hovertemplate="%{text}<extra></extra>",
            text=[_cost_sentence(row, kind, me)],
        )
    _label_points(fig, ordered, me)
    _cost_axis(fig, ordered, kind, me)
    _percent_axis(fig, rows.low.min(), rows.high.max())
    fig.update_xaxes(
        title_text=me.text("compare.axis.cost" if kind == "money" else "compare.axis.time")
    )
    return fig


def _cost_sentence(row: Any, kind: str, me: Viewer) -> str:
    words = me.text(
        "compare.hover.cost",
        value=me.number(row.value, "accuracy"),
        range=me.interval(row.low, row.high, "accuracy"),
        cost=me.number(row.cost, kind, row.currency),
    )
    return f"<b>{row.name}</b><br>{words}"


def _label_points(fig: go.Figure, ordered: pd.DataFrame, me: Viewer) -> None:
    """Names beside their points, on the side that has room, pushed apart where they are near."""
    span = _span(ordered.low.min(), ordered.high.max())
    heights = label_heights(ordered["name"], (span[1] - span[0]) / _PLOT_PIXELS)
    places = spread_labels(list(ordered.value), heights)
    logs = np.log10(ordered.cost)
    middle = (logs.min() + logs.max()) / 2
    for row, at, y in zip(records(ordered), logs, places, strict=True):
        colour = look(int(row.look), me.dark).colour
        to_left = at > middle
        side = "right" if to_left else "left"
        add_text(fig, at, y, fold(str(row.name)), colour, xanchor=side, align=side,
                 xshift=-10 if to_left else 10, yshift=11)  # fmt: skip


# round times that people say, in seconds
_TIMES = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18_000, 36_000, 86_400,
          172_800, 432_000, 864_000)  # fmt: skip


def _cost_axis(fig: go.Figure, ordered: pd.DataFrame, kind: str, me: Viewer) -> None:
    low, high = math.log10(ordered.cost.min()), math.log10(ordered.cost.max())
    room = max(0.15, 0.12 * (high - low))
    steps = (
        [m * 10.0**e for e in range(math.floor(low - room), math.ceil(high + room) + 1)
         for m in (1, 2, 5)]
        if kind == "money"
        else _TIMES
    )  # fmt: skip
    ticks = [t for t in steps if low - room <= math.log10(t) <= high + room]
    ticks = ticks[:: math.ceil(len(ticks) / 6)] if ticks else [ordered.cost.median()]
    currency = str(ordered.currency.iloc[0])
    fig.update_xaxes(
        type="log",
        range=[low - room, high + room],
        tickvals=ticks,
        ticktext=[me.number(t, kind, currency) for t in ticks],
    )


def difference_heatmap(pairs: pd.DataFrame, names: Sequence[str], me: Viewer) -> go.Figure:
    """Row minus column in points, coloured about zero, with how sure each difference is.

    pairs: name_a, name_b, difference, p_holm; names in the order of rows and columns.
    """
    c = colours(me.dark)
    is_narrow = len(names) > MOST_FOLDED
    heads = [fold(n, SLANTED if is_narrow else COLUMN // len(names)) for n in names]
    deepest = max((len(head.split("<br>")) for head in heads), default=1)
    top = SLANTED * 6 if is_narrow else 14 + 15 * deepest
    fig = figure(me.dark, height=top + 46 + 52 * len(names), right=8)
    values, words = _cells(pairs, names, me)
    reach = max(0.01, np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.01
    fig.add_heatmap(
        z=values,
        x=list(range(len(names))),
        y=list(range(len(names))),
        text=words,
        texttemplate="%{text}",
        colorscale=[[0, c["minus"]], [0.5, c["surface"]], [1, c["plus"]]],
        zmin=-reach,
        zmax=reach,
        showscale=False,
        xgap=3,
        ygap=3,
        hovertemplate="%{customdata}<extra></extra>",
        customdata=_hovers(pairs, names, me),
        hoverongaps=False,
    )
    ticks = {"tickvals": list(range(len(names))), "showgrid": False}
    fig.update_xaxes(
        side="top",
        showline=False,
        ticktext=heads,
        tickangle=-60 if is_narrow else 0,
        **ticks,
    )
    rows = [fold(n, ROW) for n in names]
    fig.update_yaxes(autorange="reversed", ticktext=rows, **ticks)
    fig.update_layout(margin={"t": top, "b": 8, "l": 90})
    for i in range(len(names)):
        add_text(fig, i, i, "–", c["muted"], xanchor="center")
    return fig


def stars(p: float, me: Viewer) -> str:
    """How sure a difference is after Holm's correction."""
    if p < 0.001:
        return "***"
    return "**" if p < 0.01 else "*" if p < 0.05 else me.text("compare.not-clear")


def _cells(
    pairs: pd.DataFrame, names: Sequence[str], me: Viewer
) -> tuple[np.ndarray, list[list[str]]]:
    values = np.full((len(names), len(names)), np.nan)
    words = [["" for _ in names] for _ in names]
    for a, b, d, p in _both_ways(pairs, names):
        values[a, b] = d
        words[a][b] = f"{me.number(d, 'points-bare')}<br>{stars(p, me)}"
    return values, words


def _hovers(pairs: pd.DataFrame, names: Sequence[str], me: Viewer) -> list[list[str]]:
    words = [["" for _ in names] for _ in names]
    for a, b, d, p in _both_ways(pairs, names):
        words[a][b] = me.text(
            "compare.hover.difference",
            a=names[a],
            b=names[b],
            difference=me.number(d, "points"),
            p=f"{p:.2g}",
        )
    return words


def _both_ways(pairs: pd.DataFrame, names: Sequence[str]) -> list[tuple[int, int, float, float]]:
    at = {name: i for i, name in enumerate(names)}
    found = []
    for row in records(pairs):
        a, b = at[str(row.name_a)], at[str(row.name_b)]
        found += [(a, b, row.difference, row.p_holm), (b, a, -row.difference, row.p_holm)]
    return found
