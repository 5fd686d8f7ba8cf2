"""Pretraining losses while they fall."""

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.template import add_end_labels, figure, label_room, look
from dashboard.text import Viewer

HEIGHT = 300


def loss_curves(rows: pd.DataFrame, me: Viewer) -> go.Figure:
    """Each arm's loss relative to its own start, mean over seeds.

    rows: name, look, step, value (relative), one row per arm and step.
    """
    fig = figure(me.dark, height=HEIGHT, right=label_room(map(str, rows.name.unique())))
    groups = [(str(n), p.sort_values("step")) for n, p in rows.groupby("name", sort=False)]
    for name, part in groups:
        style = look(int(part["look"].iloc[0]), me.dark)
        fig.add_scatter(
            x=part.step,
            y=part.value,
            name=name,
            mode="lines",
            line={"color": style.colour, "width": 1.8, "dash": style.dash},
            hovertemplate=f"<b>{name}</b><br>%{{x:,}}: %{{y:.3f}}<extra></extra>",
        )
        fig.add_scatter(
            x=part.step.iloc[-1:], y=part.value.iloc[-1:], mode="markers", hoverinfo="skip",
            marker={"color": style.colour, "symbol": style.marker, "size": 8},
        )  # fmt: skip
    low, high = rows.value.min(), rows.value.max()
    room = max(0.02, 0.06 * (high - low))
    add_end_labels(fig, groups, (high - low + 2 * room) / (HEIGHT - 52), me.dark)
    fig.update_yaxes(
        range=[low - room, high + room], title_text=me.text("runs.axis.loss"), nticks=6
    )
    fig.update_xaxes(title_text=me.text("runs.axis.step"), rangemode="tozero", nticks=7)
    return fig
