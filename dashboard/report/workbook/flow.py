"""Sheet of the cash flow: cost per item, then year by year for the chosen arm."""

from __future__ import annotations

from openpyxl import Workbook
from openpyxl.chart import BarChart, LineChart, Reference
from openpyxl.formatting.rule import FormulaRule
from openpyxl.styles import Font

from dashboard.figures.template import colours
from dashboard.report.workbook.rates import decisions_formula
from dashboard.report.workbook.sheet import COUNT, PER_ITEM, RATE, SHARE, Sheet, money_form
from dashboard.text import Viewer

_COLUMNS = (
    ("column.year", "flow_year"),
    ("sheet.counted", ""),
    ("case.items_per_year", "flow_items"),
    ("case.ramp", "flow_ramp"),
    ("sheet.gross", "flow_gross"),
    ("case.run_per_year", ""),
    ("sheet.saving", ""),
    ("sheet.depreciation", ""),
    ("sheet.tax", ""),
    ("column.flow", "flow_cash"),
    ("column.cumulative", "flow_cumulative"),
    ("sheet.factor", "flow_factor"),
    ("sheet.discounted", "flow_discounted"),
    ("sheet.discounted-cumulative", "flow_discounted_cumulative"),
)


def add_flow(book: Workbook, years: int, currency: str, is_matrix: bool, me: Viewer) -> None:
    sheet = Sheet(book, me.text("sheet.flow"), (44, 16, *[15] * 12))
    sheet.title(me.text("sheet.flow.title"), me.text("sheet.flow.note"))
    _per_item(sheet, currency, is_matrix, me)
    sheet.row += 1
    _yearly(sheet, years, currency, me)


def _per_item(sheet: Sheet, currency: str, is_matrix: bool, me: Viewer) -> None:
    """The chosen arm's rates and costs, each a named cell."""
    money = money_form(currency)
    today = decisions_formula("today_miss_rate", "today_false_alarm_rate", "0")
    k = decisions_formula("miss_rate", "false_alarm_rate", "review_share")
    for name, key, formula, form in (
        ("", "sheet.arm", "=arm", "General"),
        ("miss_rate", "roi.column.miss", _of_arm("rates_miss"), RATE),
        ("false_alarm_rate", "roi.column.false-alarm", _of_arm("rates_false_alarm"), RATE),
        ("review_share", "sheet.review", _of_arm("rates_review"), RATE),
        ("inference", "case.inference_per_item", _of_arm("rates_inference"), PER_ITEM),
        ("cost_today", "sheet.cost-today", f"={today}+today_process", PER_ITEM),
        ("decisions", "sheet.decisions", _of_arm("rates_decisions") if is_matrix else f"={k}",
         PER_ITEM),
        ("cost_model", "sheet.cost-model", "=decisions+inference", PER_ITEM),
        ("saving_per_item", "sheet.saving-per-item", "=cost_today-cost_model", PER_ITEM),
        ("one_off_all", "sheet.one-off-all",
         f"=one_off+{_of_arm('rates_labels')[1:]}*price_per_label+{_of_arm('rates_other')[1:]}"
         f"+count_spent*{_of_arm('rates_spent')[1:]}", money),
        ("discounted_items", "sheet.discounted-items",
         "=SUMPRODUCT(flow_items,flow_ramp,flow_factor)", COUNT),
        ("discounted_years", "sheet.discounted-years",
         "=SUMPRODUCT((flow_year>0)*flow_factor)", PER_ITEM),
        ("discounted_depreciation", "sheet.discounted-depreciation",
         "=SUMPRODUCT((flow_year>0)*(flow_year<=depreciation)*flow_factor)/depreciation",
         PER_ITEM),
    ):  # fmt: skip
        sheet.put(1, me.text(key))
        sheet.put(2, formula, form)
        if name:
            sheet.name(name, 2)
        sheet.row += 1


def _of_arm(column: str) -> str:
    return f"=INDEX({column},MATCH(arm,rates_arm,0))"


def _yearly(sheet: Sheet, years: int, currency: str, me: Viewer) -> None:
    sheet.heads([me.text(key) for key, _ in _COLUMNS])
    first, last, money = sheet.row, sheet.row + years, money_form(currency)
    for i, (_, name) in enumerate(_COLUMNS, 1):
        if name:
            sheet.name(name, i, last)
    forms = ("0", "0", COUNT, SHARE, *[money] * 7, "0.000000", money, money)
    for year in range(years + 1):
        for i, (formula, form) in enumerate(zip(_cells(sheet.row, year), forms, strict=True), 1):
            sheet.put(i, formula, form)
        sheet.row += 1
    grey = Font(color=colours(dark=False)["axis"].lstrip("#"))
    beyond = FormulaRule(formula=[f"$A{first}>horizon"], font=grey)
    sheet.page.conditional_formatting.add(f"A{first}:N{last}", beyond)
    _chart(sheet, first, last, me)


def _cells(r: int, year: int) -> tuple[object, ...]:
    """A year's formulas (ROI.md §2.1 to 2.3); what lies beyond the horizon is 0."""
    if year == 0:
        return (0, 1, 0, 0, 0, 0, 0, 0, 0, "=-one_off_all", f"=J{r}", 1, f"=J{r}", f"=M{r}")
    return (
        year,
        f"=IF(A{r}<=horizon,1,0)",
        f"=B{r}*INDEX(items_by_year,A{r})",
        f"=INDEX(ramp_by_year,A{r})",
        f"=C{r}*D{r}*saving_per_item",
        f"=B{r}*run_per_year",
        f"=E{r}-F{r}",
        f"=B{r}*IF(A{r}<=depreciation,one_off_all/depreciation,0)",
        f"=tax*(G{r}-H{r})",
        f"=G{r}-I{r}",
        f"=K{r - 1}+J{r}",
        f"=B{r}/(1+discount_rate)^A{r}",
        f"=J{r}*L{r}",
        f"=N{r - 1}+M{r}",
    )


def _chart(sheet: Sheet, first: int, last: int, me: Viewer) -> None:
    """Bars for the years' flows and a line for their sum, drawn from the cells."""
    bars, line, page = BarChart(), LineChart(), sheet.page
    for chart, column, colour in ((bars, 10, "go"), (line, 11, "accent")):
        chart.add_data(Reference(page, min_col=column, min_row=first - 1, max_row=last),
                       titles_from_data=True)  # fmt: skip
        chart.set_categories(Reference(page, min_col=1, min_row=first, max_row=last))
        ink = colours(dark=False)[colour].lstrip("#")
        properties = chart.series[0].graphicalProperties
        properties.solidFill = ink
        properties.line.solidFill = ink
    line.series[0].smooth = False
    bars.title, bars.height, bars.width = me.text("roi.flow"), 8, 22
    bars.x_axis.delete = bars.y_axis.delete = False
    bars.x_axis.tickLblPos = "low"
    bars.legend.position = "b"
    bars += line
    page.add_chart(bars, f"A{last + 3}")
