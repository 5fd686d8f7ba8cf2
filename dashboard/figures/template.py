"""The house template: what every figure shares, in both themes, and how an arm looks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import east_asian_width

import pandas as pd
import plotly.graph_objects as go

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
    widest = max(
        (sum(13 if east_asian_width(c) in "WF" else 7 for c in n) for n in names), default=0
    )
    return min(max(widest + 12, 120), 240)


def records(frame: pd.DataFrame) -> list[Any]:
    """The rows, each with the columns as attributes and `Index`."""
    return list(frame.itertuples())


def spread_labels(wanted: Sequence[float], apart: float) -> list[float]:
    """Positions near the wanted ones, each at least `apart` from the next."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed: list[tuple[list[int], float]] = []  # blocks: members bottom up, centre
    for i in order:
        block, centre = [i], wanted[i]
        while (
            placed
            and centre - _half(block, apart) < placed[-1][1] + _half(placed[-1][0], apart) + apart
        ):
            below, _ = placed.pop()
            block = below + block
            centre = sum(wanted[j] for j in block) / len(block)
        placed.append((block, centre))
    found = [0.0] * len(wanted)
    for block, centre in placed:
        for at, i in enumerate(block):
            found[i] = centre + (at - (len(block) - 1) / 2) * apart
    return found


def _half(block: list[int], apart: float) -> float:
    return (len(block) - 1) * apart / 2
