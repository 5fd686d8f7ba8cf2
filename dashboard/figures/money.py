"""Cash flow over the years, and how sure the net present value is."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.template import add_line, add_text, colours, figure
from dashboard.text import Viewer

HEIGHT = 300


LABEL_ROOM = 0.08  # of the axis, below a label at the foot of a line


def cash_flow(rows: pd.DataFrame, currency: str, me: Viewer) -> go.Figure:
    """Bars: each year's flow; line: cumulative, both at likely values.

    rows: year (0 first), flow, cumulative in `currency`.
    """
    fig = figure(me.dark, height=HEIGHT, right=24)
    c = colours(me.dark)
    names = [me.text("roi.start") if y == 0 else me.text("roi.year", year=y) for y in rows.year]
    fig.add_bar(
        x=names,
        y=rows.flow,
        width=0.42,
        marker={"color": [c["no"] if f < 0 else c["go"] for f in rows.flow], "opacity": 0.85},
        hovertemplate="%{text}<extra></extra>",
        text=_sentences("roi.hover.flow", names, rows.flow, currency, me),
        textposition="none",
    )
    fig.add_scatter(
        x=names,
        y=rows.cumulative,
        mode="lines+markers",
        line={"color": c["accent"], "width": 2.2},
        marker={"size": 7},
        hovertemplate="%{text}<extra></extra>",
        text=_sentences("roi.hover.cumulative", names, rows.cumulative, currency, me),
    )
    words, last = me.text("roi.cumulative"), rows.cumulative.iloc[-1]
    falls = len(rows) > 1 and last < rows.cumulative.iloc[-2]
    off = -14 if falls else 14  # on the side of the line that it does not come from
    add_text(fig, names[-1], last, words, c["accent"], xanchor="right", yshift=off, xshift=-6)
    add_line(fig, "y", 0, {"color": c["muted"], "width": 1})
    both = [0.0, *rows.flow, *rows.cumulative]
    room = LABEL_ROOM * (max(both) - min(both)) if falls else 0.0
    money_axis(fig, "y", min(both) - room, max(both), currency, me)
    return fig


def _sentences(
    key: str, names: list[str], values: pd.Series, currency: str, me: Viewer
) -> list[str]:
    return [
        f"<b>{n}</b><br>{me.text(key, value=me.number(v, 'money', currency))}"
        for n, v in zip(names, values, strict=True)
    ]


def value_distribution(
    rows: pd.DataFrame, median: float, losing: float, currency: str, me: Viewer
) -> go.Figure:
    """Histogram of net present value over the draws; the part that loses money stands apart.

    rows: from, to, share, one row per bin; `losing` is the share of draws that lose money.
    """
    fig = figure(me.dark, height=HEIGHT)
    c = colours(me.dark)
    low, high, top = min(rows["from"]), max(rows["to"]), max(rows["share"])
    middles = (rows["from"] + rows["to"]) / 2
    fig.add_bar(
        x=middles,
        y=rows["share"],
        width=0.92 * (rows["to"] - rows["from"]),
        marker={"color": [c["no"] if m < 0 else c["accent"] for m in middles], "opacity": 0.85},
        hovertemplate="%{text}<extra></extra>",
        text=[
            me.text(
                "roi.hover.draws",
                range=me.interval(a, b, "money", currency),
                share=me.number(share, "share"),
            )
            for a, b, share in rows[["from", "to", "share"]].itertuples(index=False)
        ],
        textposition="none",
    )
    if low < 0 < high:
        add_line(fig, "x", 0, {"color": c["text"], "width": 1.2})
        words = me.text("roi.loses", share=me.number(losing, "share"))
        near_left = -low < 0.25 * (high - low)
        add_text(fig, 0, 1.18 * top, words, c["no"], xshift=6 if near_left else -6,
                 xanchor="left" if near_left else "right")  # fmt: skip
    add_line(fig, "x", median, {"color": c["text"], "width": 1.2, "dash": "dot"})
    words = me.text("roi.median", value=me.number(median, "money", currency))
    to_left = median > (low + high) / 2
    add_text(fig, median, 1.07 * top, words, c["text"], xanchor="right" if to_left else "left",
             xshift=-6 if to_left else 6)  # fmt: skip
    fig.update_yaxes(visible=False, range=[0, 1.26 * top])
    fig.update_xaxes(title_text=me.text("roi.axis.npv"))
    money_axis(fig, "x", low, high, currency, me)
    return fig


def money_axis(
    fig: go.Figure, axis: str, low: float, high: float, currency: str, me: Viewer
) -> None:
    """Ticks with their amounts written out: Plotly's own prefix would give "$−50k"."""
    step = nice_step((high - low) / 5)
    ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    words = ["0" if t == 0 else me.number(float(t), "money", currency) for t in ticks]
    if axis == "x":
        fig.update_xaxes(tickvals=ticks, ticktext=words)
    else:
        room = 0.06 * (high - low)
        fig.update_yaxes(tickvals=ticks, ticktext=words, range=[low - room, high + room])


def nice_step(wanted: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    if wanted <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= wanted * 0.999))
