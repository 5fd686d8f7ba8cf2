"""Sheet of inputs: every number of the case, each a named cell that may be changed."""

from __future__ import annotations

from dataclasses import dataclass

from openpyxl import Workbook
from openpyxl.worksheet.datavalidation import DataValidation

from dashboard.report.workbook.sheet import COUNT, PER_ITEM, RATE, SHARE, Sheet, money_form
from dashboard.text import Viewer
from jobs.roi.cashflow import Economics

LEAST_YEARS = 10  # rows for years, so that a longer horizon can be tried


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """What all arms share: the case at its likely values."""

    currency: str
    economics: Economics  # of any arm: its own rates are not used here
    one_off: float  # without labels and what an arm adds
    price_per_label: float
    arms: tuple[str, ...]  # names as people read them
    chosen: str

    @property
    def years(self) -> int:
        """Years that have a row."""
        return max(LEAST_YEARS, self.economics.horizon_years)


def add_inputs(book: Workbook, base: Base, me: Viewer) -> None:
    sheet = Sheet(book, me.text("sheet.inputs"), (46, 18, 16, 60))
    sheet.title(
        me.text("sheet.inputs.title"), me.text("sheet.inputs.legend", currency=base.currency)
    )
    _choices(sheet, base, me)
    sheet.row += 1
    sheet.heads([me.text("report.column.what"), me.text("report.column.value")])
    e, money = base.economics, money_form(base.currency)
    for name, key, value, form in (
        ("prevalence", "case.prevalence", e.prevalence, RATE),
        ("cost_miss", "case.cost_miss", e.cost_miss, money),
        ("cost_false_alarm", "case.cost_false_alarm", e.cost_false_alarm, money),
        ("cost_true_alarm", "case.cost_true_alarm", e.cost_true_alarm, money),
        ("cost_review", "case.review.cost_per_item", e.cost_review, money),
        ("today_miss_rate", "case.today.miss_rate", e.today_miss_rate, RATE),
        ("today_false_alarm_rate", "case.today.false_alarm_rate", e.today_false_alarm_rate, RATE),
        ("today_process", "case.today.process_per_item", e.today_process_per_item, PER_ITEM),
        ("one_off", "case.one_off", base.one_off, money),
        ("price_per_label", "case.labels.price_per_label", base.price_per_label, money),
        ("run_per_year", "case.run_per_year", e.run_per_year, money),
        ("horizon", "case.horizon_years", e.horizon_years, "0"),
        ("discount_rate", "case.discount_rate", e.discount_rate, RATE),
        ("tax", "case.tax", e.tax, RATE),
    ):
        sheet.put(1, me.text(key))
        sheet.put(2, _number(value), form, "input")
        sheet.name(name, 2)
        if name == "horizon":
            _whole(sheet, 1, base.years)
        sheet.row += 1
    sheet.put(1, me.text("case.depreciation_years"))
    sheet.put(2, e.depreciation_years or "=horizon", "0", "input")
    sheet.name("depreciation", 2)
    sheet.row += 2
    _by_year(sheet, base, me)


def _choices(sheet: Sheet, base: Base, me: Viewer) -> None:
    """Which arm, and whether what the pilot has already cost is counted."""
    sheet.put(1, me.text("sheet.arm"))
    sheet.put(2, base.chosen, kind="input")
    sheet.name("arm", 2)
    choice = DataValidation(type="list", formula1="=rates_arm", allow_blank=False)
    sheet.page.add_data_validation(choice)
    choice.add(sheet.page.cell(sheet.row, 2))
    sheet.row += 1
    sheet.put(1, me.text("sheet.spent"))
    sheet.put(2, 0, "0", "input")
    sheet.name("count_spent", 2)
    _whole(sheet, 0, 1)
    sheet.row += 1


def _by_year(sheet: Sheet, base: Base, me: Viewer) -> None:
    e, n = base.economics, base.years
    sheet.heads([me.text("column.year"), me.text("case.items_per_year"), me.text("case.ramp")])
    last = sheet.row + n - 1
    sheet.name("items_by_year", 2, last)
    sheet.name("ramp_by_year", 3, last)
    for y in range(n):
        share = _number(e.volume_by_year[y]) if y < len(e.volume_by_year) else 1.0
        sheet.put(1, y + 1)
        sheet.put(2, _number(e.items_per_year) * share, COUNT, "input")
        sheet.put(3, _number(e.ramp[y]) if y < len(e.ramp) else 1.0, SHARE, "input")
        sheet.row += 1


def _whole(sheet: Sheet, low: int, high: int) -> None:
    rule = DataValidation(type="whole", operator="between", formula1=str(low), formula2=str(high))
    sheet.page.add_data_validation(rule)
    rule.add(sheet.page.cell(sheet.row, 2))


def _number(value: object) -> float:
    return float(str(value))
