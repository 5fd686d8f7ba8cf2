"""What moves the result: a tornado of inputs, and the cost per item at other thresholds."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.money import money_axis
from dashboard.figures.template import add_line, add_text, colours, figure, look
from dashboard.text import Viewer

ROW, ROOM = 30, 64  # pixels of one bar, and of the axis under all of them
HEIGHT = 280


def tornado(rows: pd.DataFrame, likely: float, currency: str, me: Viewer) -> go.Figure:
    """NPV with one input at its low and at its high, the others likely; the longest bar on top.

    rows: name, npv_low, npv_high, sentence; `likely` is the NPV that all bars start from.
    """
    shown = rows.iloc[::-1]  # the first row is drawn on top
    fig = figure(me.dark, height=max(150, ROW * len(shown) + ROOM))
    looks = look(3, me.dark).colour, look(1, me.dark).colour  # orange for low, blue for high
    for end, colour in zip(("npv_low", "npv_high"), looks, strict=True):
        fig.add_bar(
            y=shown["name"],
            x=shown[end] - likely,
            base=likely,
            orientation="h",
            marker={"color": colour, "opacity": 0.9},
            hovertemplate="%{text}<extra></extra>",
            text=shown["sentence"],
            textposition="none",
        )
    c = colours(me.dark)
    ends = [*shown.npv_low, *shown.npv_high, likely]
    low, high = min(ends), max(ends)
    if low > 0 and low < 0.6 * (high - low):
        low = 0.0
    if low <= 0 <= high:
        add_line(fig, "x", 0, {"color": c["no"], "width": 1.4, "dash": "dash"})
    add_line(fig, "x", likely, {"color": c["text"], "width": 1.2})
    room = 0.04 * ((high - low) or 1.0)
    fig.update_layout(
        barmode="overlay",
        bargap=0.38,
        yaxis={"showgrid": False, "tickfont": {"color": c["text"], "size": 12}},
        xaxis={
            "showgrid": True,
            "gridcolor": c["grid"],
            "showline": False,
            "title": {"text": me.text("roi.axis.npv")},
            "range": [low - room, high + room],
        },
    )
    money_axis(fig, "x", low, high, currency, me)
    return fig


def threshold_costs(
    rows: pd.DataFrame,
    chosen: float,
    sentences: Sequence[str],
    currency: str,
    me: Viewer,
) -> go.Figure:
    """Cost of 1,000 items at every threshold on validation and on test, with the chosen point.

    rows: position (0 to 1, thresholds by rank), validation, test; `chosen` is a position.
    """
    fig = figure(me.dark, height=HEIGHT, right=24)
    c = colours(me.dark)
    for name, style in (("validation", look(0, me.dark)), ("test", look(1, me.dark))):
        fig.add_scatter(
            x=rows.position,
            y=rows[name],
            mode="lines",
            line={"color": style.colour, "width": style.width, "dash": style.dash},
            hovertemplate="%{text}<extra></extra>",
            text=list(sentences),
        )
    at = rows.iloc[(rows.position - chosen).abs().argmin()]
    add_line(fig, "x", chosen, {"color": c["text"], "width": 1.2, "dash": "dot"})
    fig.add_scatter(
        x=[chosen],
        y=[at.test],
        mode="markers",
        marker={
            "color": look(1, me.dark).colour,
            "size": 11,
            "line": {"color": c["surface"], "width": 2},
        },
        hoverinfo="skip",
    )
    top = float(max(rows.validation.max(), rows.test.max()))
    right = chosen > 0.6
    add_text(fig, chosen, 1.06 * top, me.text("roi.threshold.chosen"), c["text"],
             xanchor="right" if right else "left", xshift=-6 if right else 6)  # fmt: skip
    fig.update_xaxes(
        title_text=me.text("roi.axis.threshold"),
        tickvals=[0, 1],
        ticktext=[me.text("roi.threshold.all"), me.text("roi.threshold.none")],
        range=[-0.03, 1.03],
    )
    money_axis(fig, "y", 0.0, 1.12 * top, currency, me)
    return fig
