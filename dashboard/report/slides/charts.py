"""Native charts, so that whoever shows the slides can edit them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pptx.chart.data import CategoryChartData
from pptx.enum.chart import (
    XL_CHART_TYPE,
    XL_LEGEND_POSITION,
    XL_MARKER_STYLE,
    XL_TICK_LABEL_POSITION,
)
from pptx.enum.dml import MSO_LINE
from pptx.oxml.ns import qn
from pptx.util import Pt

from dashboard.figures.template import look
from dashboard.report.slides.pieces import Area, Ink, rgb, runs, set_font
from dashboard.report.story import AccuracyChart, Chart, FlowChart, Line, ValueChart
from dashboard.text import Viewer

_MARKERS = {
    "diamond": XL_MARKER_STYLE.DIAMOND,
    "circle": XL_MARKER_STYLE.CIRCLE,
    "square": XL_MARKER_STYLE.SQUARE,
    "triangle-up": XL_MARKER_STYLE.TRIANGLE,
    "x": XL_MARKER_STYLE.X,
}
_DASHES = {"dash": MSO_LINE.DASH, "dot": MSO_LINE.ROUND_DOT, "dashdot": MSO_LINE.DASH_DOT}
SMALL = 10


def draw(slide: Any, chart: Chart, area: Area, me: Viewer) -> None:
    """The chart on the slide, with its finding as description for screen readers."""
    made = {AccuracyChart: _accuracy, FlowChart: _flow, ValueChart: _value}[type(chart)]
    shape = made(slide, chart, area, me)  # pyright: ignore[reportArgumentType] - by its own type
    shape._element.nvGraphicFramePr.cNvPr.set("descr", chart.finding)


def _accuracy(slide: Any, chart: AccuracyChart, area: Area, me: Viewer) -> Any:
    data = CategoryChartData(number_format="0.0%")
    data.categories = list(chart.budgets)
    for line in chart.lines:
        data.add_series(line.name, list(line.values))
    shape = slide.shapes.add_chart(XL_CHART_TYPE.LINE_MARKERS, *area.box, data)
    _frame(shape.chart, "0%", me)
    _legend(shape.chart, me)
    low = min(v for line in chart.lines for v in line.values if v is not None)
    shape.chart.value_axis.minimum_scale = max(0.0, int(10 * low) / 10)
    for series, line in zip(shape.chart.plots[0].series, chart.lines, strict=True):
        _dress(series, line)
    _axis_title(shape.chart.category_axis, chart.axis, me)
    return shape


def _dress(series: Any, line: Line) -> None:
    style = look(line.look, dark=False)
    series.smooth = False
    series.format.line.color.rgb = rgb(style.colour)
    series.format.line.width = Pt(style.width)
    if style.dash in _DASHES:
        series.format.line.dash_style = _DASHES[style.dash]
    series.marker.style = _MARKERS.get(style.marker, XL_MARKER_STYLE.NONE)
    series.marker.size = 8
    series.marker.format.fill.solid()
    series.marker.format.fill.fore_color.rgb = rgb(style.colour)
    series.marker.format.line.color.rgb = rgb(style.colour)


def _flow(slide: Any, chart: FlowChart, area: Area, me: Viewer) -> Any:
    form, unit = money_format(chart.currency, (*chart.flows, *chart.cumulative), me.language)
    data = CategoryChartData(number_format="#,##0")
    data.categories = list(chart.years)
    data.add_series(me.text("column.flow"), [x / unit for x in chart.flows])
    data.add_series(me.text("column.cumulative"), [x / unit for x in chart.cumulative])
    shape = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *area.box, data)
    made = shape.chart
    _frame(made, form, me)
    _legend(made, me)
    made.plots[0].gap_width, made.plots[0].overlap = 60, -8
    flows, total = made.plots[0].series
    for series, colour in ((flows, "go"), (total, "accent")):
        series.invert_if_negative = False
        _fill(series, colour)
    for i, f in enumerate(chart.flows):
        if f < 0:
            _fill(flows.points[i], "no")
    made.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    return shape


def _value(slide: Any, chart: ValueChart, area: Area, me: Viewer) -> Any:
    middles = [(a + b) / 2 for a, b in pairwise(chart.edges)]
    total = sum(chart.counts)
    data = CategoryChartData(number_format="0.0%")
    data.categories = [me.number(m, "money", chart.currency) for m in middles]
    data.add_series(me.text("column.share"), [n / total for n in chart.counts])
    shape = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *area.box, data)
    made = shape.chart
    _frame(made, "0%", me)
    made.plots[0].gap_width = 8
    series = made.plots[0].series[0]
    series.invert_if_negative = False
    _fill(series, "accent")
    for i, m in enumerate(middles):
        if m < 0:
            _fill(series.points[i], "no")
    _every(made.category_axis, max(1, len(middles) // 4))
    _axis_title(made.category_axis, chart.axis, me)
    return shape


def money_format(currency: str, values: Sequence[float], language: str) -> tuple[str, float]:
    """A number format with its unit and the currency, and what the values are to be divided by.

    Formats divide by thousands only, so that Japanese amounts stand in the data as 万 or 億.
    """
    largest = max(map(abs, values))
    if language == "ja":
        unit, by = ("億", 1e8) if largest >= 2e9 else ("万", 1e4) if largest >= 2e4 else ("", 1.0)
        return f'#,##0"{unit}{"円" if currency == "JPY" else currency}"', by
    unit, comma = ("M", ",,") if largest >= 2e6 else ("k", ",") if largest >= 2e3 else ("", "")
    return f'#,##0{comma}"{unit} {currency}"', 1.0


def _frame(made: Any, number_format: str, me: Viewer) -> None:
    """What all charts share: quiet grid, small muted axes, no title."""
    made.has_title, made.has_legend = False, False
    set_font(made.font, Ink(SMALL, "muted"), me.language, bold=False)
    axis = made.value_axis
    axis.major_gridlines.format.line.color.rgb = rgb("grid")
    axis.format.line.fill.background()
    axis.tick_labels.number_format = number_format
    axis.tick_labels.number_format_is_linked = False
    made.category_axis.format.line.color.rgb = rgb("axis")


def _legend(made: Any, me: Viewer) -> None:
    made.has_legend = True
    made.legend.position, made.legend.include_in_layout = XL_LEGEND_POSITION.BOTTOM, False
    set_font(made.legend.font, Ink(SMALL), me.language, bold=False)


def _axis_title(axis: Any, words: str, me: Viewer) -> None:
    axis.has_title = True
    runs(axis.axis_title.text_frame.paragraphs[0], words, Ink(SMALL, "muted"), me.language)


def _fill(part: Any, colour: str) -> None:
    part.format.fill.solid()
    part.format.fill.fore_color.rgb = rgb(colour)


def _every(axis: Any, step: int) -> None:
    """Write one category in so many only; python-pptx has no name for it."""
    element = axis._element
    for tag in ("c:tickLblSkip", "c:tickMarkSkip"):
        skip = element.makeelement(qn(tag), {"val": str(step)})
        element.find(qn("c:noMultiLvlLbl")).addprevious(skip)
