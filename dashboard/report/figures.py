"""The report's figures as small SVG drawings: they print, scale and need no script.

Colours stand in the drawing itself, because a PDF renderer does not read CSS variables there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from dashboard.figures.money import nice_step
from dashboard.figures.template import Look, colours, look
from dashboard.html import Html, h, join
from dashboard.report.story import AccuracyChart, Chart, FlowChart, Line, ValueChart
from dashboard.text import Viewer

WIDTH, HEIGHT = 336, 198
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 40  # room for the axes' words
SMALL = 10.5  # font size, px
FONT = "Inter, 'Noto Sans JP', 'Noto Sans CJK JP', sans-serif"
_DASHES = {"dash": "6 4", "dot": "2 3", "dashdot": "7 3 2 3", "solid": ""}
Scale = Callable[[float], float]


def draw(chart: Chart, me: Viewer) -> Html:
    """The chart as an SVG element with its finding as description."""
    if isinstance(chart, AccuracyChart):
        return accuracy(chart, me)
    return flow(chart, me) if isinstance(chart, FlowChart) else value(chart, me)


def accuracy(chart: AccuracyChart, me: Viewer) -> Html:
    """Each arm's accuracy by label budget: band, line, markers as in the table beside it."""
    ends = [x for line in chart.lines for x in (*line.lows, *line.highs) if x is not None]
    low, high = _room(min(ends), max(ends), 0.04)
    ticks = _ticks(low, high, 4)
    x = _scale(min(chart.places), max(chart.places), LEFT + 12, WIDTH - RIGHT - 12)
    y = _scale(low, high, HEIGHT - BOTTOM, TOP)
    lines = list(reversed(chart.lines))  # the best is drawn last, on top
    parts = [
        *(_level(y(t), f"{100 * t:.0f}%") for t in ticks),
        *(_text(x(p), HEIGHT - BOTTOM + 15, name, anchor="middle")
          for p, name in zip(chart.places, chart.budgets, strict=True)),
        _text((LEFT + WIDTH) / 2, HEIGHT - 7, chart.axis, anchor="middle"),
        _axis(),
        *(_band(line, chart.places, x, y) for line in lines),
        *(_curve(line, chart.places, x, y) for line in lines),
    ]  # fmt: skip
    return _svg(chart.finding, parts)


def flow(chart: FlowChart, me: Viewer) -> Html:
    """Bars: each year's flow; line: cumulative."""
    c = colours(dark=False)
    ends = [0.0, *chart.flows, *chart.cumulative]
    low, high = _room(min(ends), max(ends), 0.14)
    n = len(chart.flows)
    step = (WIDTH - MONEY_LEFT - RIGHT) / n
    x = [MONEY_LEFT + (i + 0.5) * step for i in range(n)]
    y = _scale(low, high, HEIGHT - 26, TOP)
    width = min(0.46 * step, 40)
    bars = [
        _rect(at - width / 2, min(y(f), y(0)), width, abs(y(f) - y(0)), c["no" if f < 0 else "go"])
        for at, f in zip(x, chart.flows, strict=True)
    ]
    points = [(at, y(total)) for at, total in zip(x, chart.cumulative, strict=True)]
    every = math.ceil(n / 7)
    names = [
        _text(at, HEIGHT - 8, name, anchor="middle")
        for i, (at, name) in enumerate(zip(x, chart.years, strict=True))
        if i % every == 0
    ]
    parts = [
        *(_level(y(t), _amount(t, chart.currency, me), MONEY_LEFT)
          for t in _ticks(low, high, 5)),
        *bars,
        _path(points, c["accent"], Look("", "", "solid")),
        *(_dot(px, py, 3.2, c["accent"]) for px, py in points),
        _line(MONEY_LEFT, y(0), WIDTH - RIGHT, y(0), c["muted"], 1),
        *names,
        _label_of_line(points, me.text("roi.cumulative"), c["accent"]),
    ]  # fmt: skip
    return _svg(chart.finding, parts)


MONEY_LEFT = 62  # amounts are wider than percentages


def _label_of_line(points: Sequence[tuple[float, float]], words: str, colour: str) -> Html:
    """The line's name above its last point, or below it where the line comes down."""
    (_, before), (x, y) = points[-2], points[-1]
    at = y - 9 if y > TOP + 16 and before >= y else y + 17
    return _text(min(x + 10, WIDTH - RIGHT), at, words, colour, anchor="end", bold=True)


def value(chart: ValueChart, me: Viewer) -> Html:
    """Histogram of the NPV; what loses money in its own colour, zero and median marked."""
    c = colours(dark=False)
    low, high, top = chart.edges[0], chart.edges[-1], max(chart.counts)
    x = _scale(low, high, 12, WIDTH - 12)
    y = _scale(0, 1.30 * top, HEIGHT - BOTTOM, TOP)
    bars = [
        _rect(x(a) + 0.3, y(n), max(x(b) - x(a) - 0.6, 0.4), y(0) - y(n),
              c["no" if a + b < 0 else "accent"])
        for (a, b), n in zip(pairwise(chart.edges), chart.counts, strict=True) if n
    ]  # fmt: skip
    ticks = [t for t in _ticks(low, high, 5) if 24 < x(t) < WIDTH - 24]
    parts = [
        *bars,
        _line(12, y(0), WIDTH - 12, y(0), c["axis"], 1),
        *(_text(x(t), HEIGHT - BOTTOM + 15, _amount(t, chart.currency, me), anchor="middle")
          for t in ticks),
        _text(WIDTH / 2, HEIGHT - 7, chart.axis, anchor="middle"),
    ]  # fmt: skip
    if low < 0 < high:
        words = me.text("roi.loses", share=me.number(chart.losing, "share"))
        parts += [
            _line(x(0), y(1.16 * top), x(0), y(0), c["text"], 1.1),
            _beside(x(0), y(1.20 * top), words, c["no"]),
        ]
    words = me.text("roi.median", value=me.number(chart.median, "money", chart.currency))
    parts += [
        _line(x(chart.median), y(1.05 * top), x(chart.median), y(0), c["text"], 1.1, "2 3"),
        _beside(x(chart.median), y(1.08 * top), words, c["text"]),
    ]
    return _svg(chart.finding, parts)


def _beside(x: float, y: float, words: str, colour: str) -> Html:
    """A label that begins or ends at x, on the side with more room."""
    to_right = x < WIDTH / 2
    at = x - 4 if not to_right else x + 4
    return _text(at, y, words, colour, anchor="start" if to_right else "end", bold=True)


def _amount(value: float, currency: str, me: Viewer) -> str:
    return "0" if value == 0 else me.number(value, "money", currency)


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    width = high - low

    def at(value: float) -> float:
        share = (value - low) / width if width else 0.5
        return start + share * (end - start)

    return at


def _room(low: float, high: float, share: float) -> tuple[float, float]:
    width = (high - low) or abs(high) or 1.0
    return low - share * width, high + share * width


def _ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round values inside [low, high], about as many as wanted."""
    step = nice_step((high - low) / wanted)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [i * step for i in range(first, last + 1)]


def _svg(finding: str, parts: Iterable[Html]) -> Html:
    return h(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {t}" width="{w}" height="{t}" '
        'role="img" aria-label="{finding}" font-family="{font}" font-size="{size}">{parts}</svg>',
        w=WIDTH,
        t=HEIGHT,
        finding=finding,
        font=FONT,
        size=SMALL,
        parts=join(parts),
    )


def _text(
    x: float, y: float, words: str, colour: str = "", *, anchor: str = "start", bold: bool = False
) -> Html:
    return h(
        '<text x="{x}" y="{y}" fill="{c}" text-anchor="{a}" font-weight="{w}">{words}</text>',
        x=_px(x),
        y=_px(y),
        c=colour or colours(dark=False)["muted"],
        a=anchor,
        w="600" if bold else "400",
        words=words,
    )


def _level(y: float, words: str, left: float = LEFT) -> Html:
    """A horizontal grid line with what it stands for."""
    grid = _line(left, y, WIDTH - RIGHT, y, colours(dark=False)["grid"], 1)
    return join([grid, _text(left - 6, y + 3.5, words, anchor="end")])


def _axis() -> Html:
    bottom = HEIGHT - BOTTOM
    return _line(LEFT, bottom, WIDTH - RIGHT, bottom, colours(dark=False)["axis"], 1)


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dash: str = ""
) -> Html:
    return h(
        '<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{c}" stroke-width="{w}"{dash}/>',
        x1=_px(x1),
        y1=_px(y1),
        x2=_px(x2),
        y2=_px(y2),
        c=colour,
        w=width,
        dash=h(' stroke-dasharray="{d}"', d=dash) if dash else Html(""),
    )


def _rect(x: float, y: float, width: float, height: float, colour: str) -> Html:
    return h(
        '<rect x="{x}" y="{y}" width="{w}" height="{t}" fill="{c}" fill-opacity="0.85"/>',
        x=_px(x),
        y=_px(y),
        w=_px(width),
        t=_px(height),
        c=colour,
    )


def _dot(x: float, y: float, radius: float, colour: str) -> Html:
    return h('<circle cx="{x}" cy="{y}" r="{r}" fill="{c}"/>', x=_px(x), y=_px(y), r=radius,
             c=colour)  # fmt: skip


def _path(points: Sequence[tuple[float, float]], colour: str, style: Look) -> Html:
    if len(points) < 2:
        return Html("")
    dash = _DASHES[style.dash]
    return h(
        '<path d="{d}" fill="none" stroke="{c}" stroke-width="{w}"{dash}/>',
        d=_outline(points),
        c=colour,
        w=style.width,
        dash=h(' stroke-dasharray="{d}"', d=dash) if dash else Html(""),
    )


def _outline(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_px(x)},{_px(y)}" for x, y in points)


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _known(
    line: Line, places: Sequence[float], x: Scale, y: Scale
) -> list[tuple[float, float, float, float]]:
    """(x, value, low, high) on the paper, of the budgets that the arm was tried at."""
    return [
        (x(p), y(v), y(low), y(high))
        for p, v, low, high in zip(places, line.values, line.lows, line.highs, strict=True)
        if v is not None and low is not None and high is not None
    ]


def _band(line: Line, places: Sequence[float], x: Scale, y: Scale) -> Html:
    """The interval: an area, or a bar where there is one budget only."""
    known, colour = _known(line, places, x, y), look(line.look, dark=False).colour
    if len(known) == 1:
        at, _, low, high = known[0]
        return _line(at, low, at, high, colour, 1.5)
    edge = [(at, high) for at, _, _, high in known]
    edge += [(at, low) for at, _, low, _ in reversed(known)]
    return h('<path d="{d}Z" fill="{c}" fill-opacity="0.13"/>', d=_outline(edge), c=colour)


def _curve(line: Line, places: Sequence[float], x: Scale, y: Scale) -> Html:
    style = look(line.look, dark=False)
    points = [(at, v) for at, v, _, _ in _known(line, places, x, y)]
    marks = [_marker(px, py, line.look, style.colour) for px, py in points]
    return join([_path(points, style.colour, style), *marks])


def _marker(x: float, y: float, order: int, colour: str) -> Html:
    """The arm's marker, as in tables: colour and shape go together."""
    shapes = {
        0: "M{x},{a}L{b},{y}L{x},{c}L{d},{y}Z",
        2: "M{d},{a}H{b}V{c}H{d}Z",
        3: "M{x},{a}L{b},{c}H{d}Z",
    }
    if order == 1:
        return _dot(x, y, 3.4, colour)
    if order == 4:
        d = f"M{_px(x - 3)},{_px(y - 3)}l6,6m0,-6l-6,6"
        return h('<path d="{d}" stroke="{c}" stroke-width="2.4"/>', d=d, c=colour)
    if order not in shapes:
        return Html("")
    r = 4.2 if order == 0 else 3.3
    d = shapes[order].format(x=_px(x), y=_px(y), a=_px(y - r), b=_px(x + r), c=_px(y + r),
                             d=_px(x - r))  # fmt: skip
    return h('<path d="{d}" fill="{c}"/>', d=d, c=colour)
