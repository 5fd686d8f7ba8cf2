"""Sheet of the arms: what was measured of each, and its NPV by formula."""

from __future__ import annotations

from dataclasses import dataclass

from openpyxl import Workbook

from dashboard.report.workbook.sheet import COUNT, PER_ITEM, RATE, SHARE, Sheet, money_form
from dashboard.text import Viewer
from jobs.roi.evaluate import ArmResult


@dataclass(frozen=True, slots=True)
class Row:
    """One arm with figures; `other` is its one-off cost beside the case's own and the labels."""

    name: str
    setting: str
    arm: ArmResult
    other: float
    spent: float  # by the pilot, already


# key of the head, name of the column's range ("" where no formula needs it)
COLUMNS = (
    ("report.column.arm", "rates_arm"),
    ("roi.column.setting", ""),
    ("sheet.labels", "rates_labels"),
    ("roi.column.miss", "rates_miss"),
    ("sheet.low", ""),
    ("sheet.high", ""),
    ("roi.column.false-alarm", "rates_false_alarm"),
    ("sheet.low", ""),
    ("sheet.high", ""),
    ("sheet.review", "rates_review"),
    ("case.inference_per_item", "rates_inference"),
    ("sheet.other", "rates_other"),
    ("sheet.pilot", "rates_spent"),
    ("sheet.decisions", "rates_decisions"),
    ("sheet.cost-model", ""),
    ("sheet.one-off-all", ""),
    ("sheet.npv-live", ""),
    ("sheet.npv-product", ""),
    ("sheet.difference", ""),
    ("roi.column.p", ""),
    ("sheet.mean", ""),
    ("sheet.low", ""),
    ("sheet.high", ""),
)
LAST_FIXED = 14  # columns up to here are measured; then come formulas


def decisions_formula(miss: str, alarm: str, review: str) -> str:
    """k: cost of the decisions per item, by the cells or names of the rates."""
    return (
        f"prevalence*{miss}*cost_miss+prevalence*(1-{miss})*cost_true_alarm"
        f"+(1-prevalence)*{alarm}*cost_false_alarm+{review}*cost_review"
    )


def add_rates(book: Workbook, rows: list[Row], currency: str, me: Viewer) -> None:
    sheet = Sheet(book, me.text("sheet.rates"), (34, 26, *[13] * (len(COLUMNS) - 2)))
    sheet.title(me.text("sheet.rates.title"), me.text("sheet.rates.note"))
    sheet.heads([me.text(key) for key, _ in COLUMNS])
    last = sheet.row + len(rows) - 1
    for i, (_, name) in enumerate(COLUMNS, 1):
        if name:
            sheet.name(name, i, last)
    sheet.page.freeze_panes = sheet.page.cell(sheet.row, 2)
    for row in rows:
        _measured(sheet, row, currency)
        _formulas(sheet, row, currency)
        sheet.row += 1


def _measured(sheet: Sheet, row: Row, currency: str) -> None:
    f = row.arm.figures
    assert f is not None
    e, money = f.economics, money_form(currency)
    matrix = getattr(e, "decision_cost", None)
    k = "=" + decisions_formula(*(f"{c}{sheet.row}" for c in "DGJ"))
    values: list[tuple[object, str]] = [
        (row.name, "General"),
        (row.setting, "General"),
        (row.arm.labels_used, COUNT),
        (f.miss_rate, RATE),
        (f.miss_rate_interval[0], RATE),
        (f.miss_rate_interval[1], RATE),
        (f.false_alarm_rate, RATE),
        (f.false_alarm_rate_interval[0], RATE),
        (f.false_alarm_rate_interval[1], RATE),
        (f.review_share, RATE),
        (float(e.inference_per_item), PER_ITEM),
        (row.other, money),
        (row.spent, money),
        (k if matrix is None else float(matrix), PER_ITEM),
    ]
    for i, (value, form) in enumerate(values, 1):
        is_formula = isinstance(value, str) and value.startswith("=")
        sheet.put(i, value, form, "plain" if is_formula or i == 1 else "fixed")


def _formulas(sheet: Sheet, row: Row, currency: str) -> None:
    """The arm's NPV in closed form: it is linear in cost per item, one-off and running cost."""
    f, r, money = row.arm.figures, sheet.row, money_form(currency)
    assert f is not None
    start = LAST_FIXED + 1
    sheet.put(start, f"=N{r}+K{r}", PER_ITEM)
    sheet.put(start + 1, f"=one_off+C{r}*price_per_label+L{r}+count_spent*M{r}", money)
    npv = (
        f"=-P{r}*(1-tax*discounted_depreciation)"
        f"+(1-tax)*((cost_today-O{r})*discounted_items-run_per_year*discounted_years)"
    )
    sheet.put(start + 2, npv, money)
    product = f"=IF(count_spent=1,{f.whole.npv!r},{f.to_come.npv!r})"
    sheet.put(start + 3, product, money, "fixed")
    sheet.put(start + 4, f"=Q{r}-R{r}", money)
    fixed = (f.p_positive, f.npv_spread.mean, f.npv_spread.q05, f.npv_spread.q95)
    for i, value in enumerate(fixed, start + 5):
        sheet.put(i, float(value), SHARE if i == start + 5 else money, "fixed")
