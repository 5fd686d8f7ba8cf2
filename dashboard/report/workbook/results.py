"""Sheet of results: the chosen arm's figures by formula, beside what the product computed."""

from __future__ import annotations

from openpyxl import Workbook

from dashboard.report.workbook.rates import Row
from dashboard.report.workbook.sheet import PER_ITEM, RATE, YEARS, Sheet, money_form
from dashboard.text import Viewer
from jobs.roi.arm import View

FIGURES = ("npv", "roi", "irr", "payback", "discounted-payback")
_SIGNS = "SUMPRODUCT((flow_year<=horizon)*({sign}))"


def add_results(book: Workbook, rows: list[Row], currency: str, me: Viewer) -> None:
    sheet = Sheet(book, me.text("sheet.results"), (50, 20, 20, 20, 20, 20))
    sheet.title(me.text("sheet.results.title"), me.text("sheet.results.note"))
    heads = ("report.column.what", "sheet.live", "sheet.product", "sheet.difference")
    sheet.heads([me.text(key) for key in heads])
    money = money_form(currency)
    forms = {"npv": money, "roi": RATE, "irr": RATE, "payback": YEARS, "discounted-payback": YEARS}
    formulas = _formulas(me)
    for figure in FIGURES:
        sheet.put(1, me.text(f"sheet.figure.{figure}"))
        sheet.put(2, formulas[figure], forms[figure])
        sheet.name(f"result_{figure.replace('-', '_')}", 2)
        sheet.put(3, _product(figure), forms[figure], "fixed")
        r = sheet.row
        both = f"AND(ISNUMBER(B{r}),ISNUMBER(C{r}))"
        sheet.put(4, f'=IF({both},B{r}-C{r},IF(B{r}=C{r},0,"≠"))', forms[figure])
        sheet.row += 1
    for key, formula, form in (
        ("sheet.cost-today", "=cost_today", PER_ITEM),
        ("sheet.cost-model", "=cost_model", PER_ITEM),
        ("sheet.full-year", "=MAX(items_by_year)*saving_per_item-run_per_year", money),
    ):
        sheet.put(1, me.text(key))
        sheet.put(2, formula, form)
        sheet.row += 1
    sheet.row += 1
    _break_evens(sheet, currency, me)
    sheet.row += 1
    _as_computed(sheet, rows, money, me)


def _formulas(me: Viewer) -> dict[str, str]:
    """NPV, ROI, IRR and paybacks (ROI.md §2.2 and 2.5 to 2.7) of the cash flow sheet."""
    paid = "(one_off_all+horizon*run_per_year)"
    none = me.text("sheet.none")
    plus, minus = (_SIGNS.format(sign=f"flow_cash{s}0") for s in "><")
    # one change of sign, from minus to plus: all minuses come before the first plus
    last_minus = "SUMPRODUCT(MAX((flow_cash<0)*(flow_year+1)))"
    first_plus = "SUMPRODUCT(MAX((flow_cash>0)*(1000-flow_year)))"
    once = f"AND({plus}>0,{minus}>0,{last_minus}+{first_plus}<=1000)"
    guesses = [f"IRR(flow_cash,{g})" for g in (0.1, 1, 5, -0.3, -0.8)]
    irr = "".join(f"IFERROR({g}," for g in guesses) + f'"{none}"' + ")" * len(guesses)
    return {
        "npv": "=SUM(flow_discounted)",
        "roi": f'=IF({paid}=0,"{none}",(SUM(flow_gross)-{paid})/{paid})',
        "irr": f'=IF({once},{irr},"{none}")',
        "payback": _payback("flow_cash", "flow_cumulative", me),
        "discounted-payback": _payback("flow_discounted", "flow_discounted_cumulative", me),
    }


def _payback(flow: str, total: str, me: Viewer) -> str:
    """The moment from which the money stays paid back, even flow inside a year."""
    zero = f"1E-9*MAX(MAX({flow}),-MIN({flow}))"
    negative = f"(flow_year<=horizon)*({total}<-{zero})"
    count = f"SUMPRODUCT({negative})"
    last = f"SUMPRODUCT(MAX({negative}*flow_year))"
    at_end = f"INDEX({total},horizon+1)<-{zero}"
    within = f"MIN(1,-INDEX({total},{last}+1)/INDEX({flow},{last}+2))"
    never = me.text("roi.never")
    return f'=IF({at_end},"{never}",IF({count}=0,0,{last}+{within}))'


def _product(figure: str) -> str:
    """What the product computed for the chosen arm and view, from the table below."""
    column = f"product_{figure.replace('-', '_')}"
    pick = f"INDEX({column}_whole,MATCH(arm,product_arm,0))"
    return f"=IF(count_spent=1,{pick},{pick.replace('_whole', '_to_come')})"


# input -> how NPV rises with it; each is linear with all others and the rates fixed
_SLOPES = {
    "one_off": ("case.one_off", "-(1-tax*discounted_depreciation)", ""),
    "run_per_year": ("case.run_per_year", "-(1-tax)*discounted_years", ""),
    "cost_miss": (
        "case.cost_miss",
        "(1-tax)*discounted_items*prevalence*(today_miss_rate-miss_rate)",
        "",
    ),
    "cost_false_alarm": (
        "case.cost_false_alarm",
        "(1-tax)*discounted_items*(1-prevalence)*(today_false_alarm_rate-false_alarm_rate)",
        "",
    ),
    "today_process": ("case.today.process_per_item", "(1-tax)*discounted_items", ""),
    "today_miss_rate": (
        "case.today.miss_rate",
        "(1-tax)*discounted_items*prevalence*(cost_miss-cost_true_alarm)",
        "1",
    ),
    "today_false_alarm_rate": (
        "case.today.false_alarm_rate",
        "(1-tax)*discounted_items*(1-prevalence)*cost_false_alarm",
        "1",
    ),
    "inference": ("case.inference_per_item", "-(1-tax)*discounted_items", ""),
}


def _break_evens(sheet: Sheet, currency: str, me: Viewer) -> None:
    """The value of one input at which NPV is 0, all else as entered (ROI.md §2.8)."""
    sheet.heads([me.text("sheet.break-even"), me.text("sheet.at-zero"), me.text("sheet.entered"),
                 me.text("sheet.pays-when")])  # fmt: skip
    none, above, below = (me.text(f"sheet.{k}") for k in ("none", "above", "below"))
    for name, (key, slope, most) in _SLOPES.items():
        form = RATE if most else PER_ITEM if "process" in name or name == "inference" else None
        r = sheet.row
        root = f"{name}-result_npv/({slope})"
        upper = f",{root}>{most}" if most else ""
        sheet.put(1, me.text(key))
        sheet.put(2, f'=IFERROR(IF(OR({root}<0{upper}),"{none}",{root}),"{none}")',
                  form or money_form(currency))  # fmt: skip
        sheet.name(f"break_even_{name}", 2)
        sheet.put(3, f"={name}", form or money_form(currency))
        sheet.put(4, f'=IF(ISNUMBER(B{r}),IF({slope}>0,"{above}","{below}"),"{none}")')
        sheet.row += 1


def _as_computed(sheet: Sheet, rows: list[Row], money: str, me: Viewer) -> None:
    """Every arm's figures as the product computed them at export, in both views."""
    sheet.heads([me.text("sheet.as-computed"), *(me.text(f"sheet.figure.{f}") for f in FIGURES)])
    forms = (money, RATE, RATE, YEARS, YEARS)
    for view in ("to_come", "whole"):
        sheet.put(1, me.text(f"sheet.view.{view}"), kind="note")
        sheet.row += 1
        last = sheet.row + len(rows) - 1
        if view == "to_come":
            sheet.name("product_arm", 1, last)
        for i, figure in enumerate(FIGURES, 2):
            sheet.name(f"product_{figure.replace('-', '_')}_{view}", i, last)
        for row in rows:
            assert row.arm.figures is not None
            sheet.put(1, row.name)
            values = _values(getattr(row.arm.figures, view), me)
            for i, (value, form) in enumerate(zip(values, forms, strict=True), 2):
                sheet.put(i, value, form, "fixed")
            sheet.row += 1


def _values(view: View, me: Viewer) -> tuple[float | str, ...]:
    none, never = me.text("sheet.none"), me.text("roi.never")
    return (
        view.npv,
        none if view.roi is None else view.roi,
        none if view.irr.rate is None else view.irr.rate,
        never if view.payback_years is None else view.payback_years,
        never if view.discounted_payback_years is None else view.discounted_payback_years,
    )
