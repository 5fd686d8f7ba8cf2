"""The house template: what every figure shares, in both themes, and how an arm looks."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.optimize import isotonic_regression

from dashboard.text import columns_of

FONT = (
    'Inter, "Noto Sans JP", "Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic UI", '
    "system-ui, sans-serif"
)
# Plotly does not read CSS variables, so these repeat house.css; a test compares them.
_LIGHT = {
    "text": "#1B2430", "muted": "#566274", "surface": "#FFFFFF", "border": "#DEE3EA",
    "grid": "#E6EAF0", "axis": "#C9D1DC", "accent": "#3451C6", "go": "#0F7B4F", "no": "#B3261E",
    "minus": "#F3B58A", "plus": "#A9B8F2",
    "looks": ("#5B6778", "#3451C6", "#0B7A75", "#B8500A", "#A8327A"),
}  # fmt: skip
_DARK = {
    "text": "#E8ECF2", "muted": "#A3AFBF", "surface": "#171D26", "border": "#2C3644",
    "grid": "#2A3340", "axis": "#445062", "accent": "#93A7FF", "go": "#4CC38A", "no": "#FF8A80",
    "minus": "#8A4A1B", "plus": "#3A4FA6",
    "looks": ("#A3AFBF", "#93A7FF", "#3CC7BD", "#F59E5B", "#EA8CC3"),
}  # fmt: skip
_MARKERS = ("diamond", "circle", "square", "triangle-up", "x")
_DASHES = ("dash", "solid", "solid", "dot", "dashdot")


@dataclass(frozen=True, slots=True)
class Look:
    """Colour, marker and dash of an arm: always together."""

    colour: str
    marker: str
    dash: str
    width: float = 2.2


def colours(dark: bool) -> Mapping[str, str]:
    """The theme's colours by name."""
    return {k: v for k, v in (_DARK if dark else _LIGHT).items() if isinstance(v, str)}


def look(order: int, dark: bool) -> Look:
    """How the arm of this order is drawn; beyond the fifth: a thin muted line."""
    looks = (_DARK if dark else _LIGHT)["looks"]
    if not 0 <= order < len(looks):
        return Look(colours(dark)["muted"], "line-ew-open", "solid", 1.0)
    return Look(looks[order], _MARKERS[order], _DASHES[order])


def faint(colour: str, alpha: float = 0.14) -> str:
    """The colour, seen through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def figure(dark: bool, *, height: int = 300, right: int = 16) -> go.Figure:
    """An empty figure in the house style."""
    c = colours(dark)
    axis = {
        "zeroline": False,
        "ticks": "",
        "tickfont": {"color": c["muted"], "size": 12},
        "title": {"font": {"color": c["muted"], "size": 12}, "standoff": 8},
        "fixedrange": True,
        "automargin": True,
    }
    layout = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": c["text"]},
        "margin": {"l": 48, "t": 8, "b": 44, "r": right},
        "height": height,
        "autosize": True,
        "showlegend": False,
        "bargap": 0.35,
        "dragmode": False,
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": c["surface"],
            "bordercolor": c["border"],
            "font": {"family": FONT, "color": c["text"], "size": 12},
            "align": "left",
        },
        "xaxis": {**axis, "showgrid": False, "showline": True, "linecolor": c["axis"]},
        "yaxis": {**axis, "showgrid": True, "gridcolor": c["grid"], "gridwidth": 1},
        "template": "none",
    }
    return go.Figure(layout=layout)


def add_text(
    fig: go.Figure, x: object, y: object, words: str, colour: str, **where: object
) -> None:
    """A direct label, weight 600, in the colour of what it names."""
    fig.add_annotation(
        **({"x": x, "y": y, "text": f"<b>{words}</b>", "showarrow": False, "xanchor": "left",
            "font": {"color": colour, "size": 12, "family": FONT}} | where)
    )  # fmt: skip


def add_line(fig: go.Figure, axis: str, at: float, line: Mapping[str, object]) -> None:
    """A straight line across the plot at x or y; Plotly's own `add_vline` takes 5 ms for one."""
    other = "y" if axis == "x" else "x"
    ends = {f"{axis}0": at, f"{axis}1": at, f"{other}0": 0, f"{other}1": 1}
    where = {f"{axis}ref": axis, f"{other}ref": "paper"}
    fig.add_shape(type="line", **where, **ends, line=line)


def label_room(names: Iterable[str]) -> int:
    """Pixels to the right of a plot for names at the ends of its lines."""
    lines = [line for n in names for line in fold(n).split("<br>")]
    return min(max(7 * max(map(columns_of, lines), default=0) + 12, 120), 240)


def label_heights(names: Iterable[str], per_pixel: float) -> list[float]:
    """How much of the vertical axis each folded name takes, with room around it."""
    return [per_pixel * (5 + 15 * len(fold(n).split("<br>"))) for n in names]


def add_end_labels(
    fig: go.Figure, lines: Sequence[tuple[str, pd.DataFrame]], per_pixel: float, dark: bool
) -> None:
    """The name of each line (columns value and look, in its order) to the right of its end, names
    pushed apart.

    per_pixel: how much of the vertical axis a pixel is.
    """
    ends = [float(part["value"].iloc[-1]) for _, part in lines]
    places = spread_labels(ends, label_heights((name for name, _ in lines), per_pixel))
    for (name, part), y in zip(lines, places, strict=True):
        colour = look(int(part["look"].iloc[0]), dark).colour
        add_text(fig, 1.02, y, fold(name), colour, xref="paper", align="left")


def fold(name: str, most: int = 28) -> str:
    """An arm's name in lines of about `most` Latin letters where it can be broken: after the
    method, then after a mark of the tokenizer's name ("timm:vit_small.augreg_in1k")."""
    if columns_of(name) <= most:
        return name
    method, dot, rest = name.rpartition(" · ")
    lines = [method, ""] if dot else [""]
    for piece in re.split(r"(?<=[ :@/._(-])", rest):
        if lines[-1] and columns_of(lines[-1] + piece.rstrip()) > most:
            lines.append("")
        lines[-1] += piece
    return "<br>".join(line.strip() for line in lines)


def records(frame: pd.DataFrame) -> list[Any]:
    """The rows, each with the columns as attributes and `Index`."""
    return list(frame.itertuples())


def spread_labels(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Centres near the wanted ones (least squares), in their order, so that no two overlap."""
    order = np.argsort(wanted, kind="stable")
    high, at = np.asarray(heights)[order], np.asarray(wanted)[order]
    least = np.concatenate([[0.0], np.cumsum((high[1:] + high[:-1]) / 2)])[: len(at)]
    found = np.empty(len(at))
    found[order] = isotonic_regression(at - least).x + least
    return found.tolist()
