"""The workbook's formulas, recalculated by LibreOffice, equal the service to the cent."""

import io
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeService, case, evidence
from openpyxl import load_workbook

from dashboard.names import arm_name_of
from dashboard.report.facts import Facts, gather
from dashboard.report.workbook import workbook
from dashboard.text import Viewer
from digpt.errors import UserError
from jobs.roi.breakeven import break_even
from jobs.roi.case import Case
from jobs.roi.cashflow import npv
from jobs.roi.evaluate import CaseResult, evaluate_case

SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")
EN = Viewer("en")
NO_OFFICE = "LibreOffice is not installed: sudo apt-get install -y libreoffice-calc"
needs_office = pytest.mark.skipif(SOFFICE is None, reason=NO_OFFICE)
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "ramp and tax": {
        "ramp": [0.3, 0.7], "tax": 0.31, "horizon_years": 6, "depreciation_years": 4},
    "volumes by year": {"items_per_year": [900_000, 1_200_000, 1_500_000.5], "ramp": [0.5]},
    "review band": {
        "review": {"cost_per_item": 0.37, "miss_rate": 0.1, "false_alarm_rate": 0.02,
                   "capacity_per_year": 40_000}},
    "a loss": {"one_off": 5_000_000, "cost_true_alarm": 0.2},
    "yen, long": {
        "currency": "JPY", "cost_miss": 9_000, "cost_false_alarm": 60, "one_off": 7_800_000,
        "run_per_year": 2_700_000, "horizon_years": 12, "discount_rate": 0.035,
        "today": {"miss_rate": 0.06, "false_alarm_rate": 0.02, "process_per_item": 6.3}},
    "nothing at the start": {"one_off": 0, "labels": None, "discount_rate": 0.0},
    "falling volumes": {"items_per_year": [3_000_000, 900_000, 10], "run_per_year": 60_000},
    "depreciation beyond the horizon": {"tax": 0.4, "depreciation_years": 9},
}  # fmt: skip


class Service(FakeService):
    def roi(self, id: str, case: Case) -> CaseResult:
        return evaluate_case(self.in_own_currency(case), evidence(), draws=200)


@cache
def facts_for(name: str) -> Facts:
    return gather(Service(), "p1", case(**CASES[name]))  # type: ignore[arg-type]


def recalculated(books: dict[str, bytes], folder: Path) -> dict[str, Any]:
    """The books with LibreOffice's values in place of the formulas; one start for all."""
    assert SOFFICE
    for name, content in books.items():
        (folder / f"{name}.xlsx").write_bytes(content)
    command = [SOFFICE, "--headless", f"-env:UserInstallation=file://{folder}/profile",
               "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(folder / "out"),
               *(str(folder / f"{name}.xlsx") for name in books)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return {n: load_workbook(folder / "out" / f"{n}.xlsx", data_only=True) for n in books}


def named(book: Any, name: str) -> Any:
    """The value of a named cell, or the values of a named column."""
    sheet, at = next(iter(book.defined_names[name].destinations))
    found = book[sheet][at.replace("$", "")]
    return [row[0].value for row in found] if isinstance(found, tuple) else found.value


def set_named(content: bytes, **values: Any) -> bytes:
    """The workbook with other inputs in named cells."""
    book = load_workbook(io.BytesIO(content))
    for name, value in values.items():
        sheet, at = next(iter(book.defined_names[name].destinations))
        book[sheet][at.replace("$", "")].value = value
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def close(live: Any, wanted: float | None, what: str) -> None:
    """To the cent for money; text where there is no figure."""
    if wanted is None:
        assert isinstance(live, str), what
    else:
        assert live == pytest.approx(wanted, abs=0.005 if abs(wanted) > 1 else 1e-7), what


def check_view(book: Any, view: Any, what: str) -> None:
    close(named(book, "result_npv"), view.npv, f"{what}: NPV")
    close(named(book, "result_roi"), view.roi, f"{what}: ROI")
    close(named(book, "result_payback"), view.payback_years, f"{what}: payback")
    close(named(book, "result_discounted_payback"), view.discounted_payback_years, what)
    if view.irr.reason in ("unique", "no_sign_change", "no_root"):
        close(named(book, "result_irr"), view.irr.rate, f"{what}: IRR")
    flows = named(book, "flow_cash")[: len(view.flows)]
    assert flows == pytest.approx(list(view.flows), abs=0.005), what


@pytest.mark.slow
@needs_office
def test_recalculated_it_equals_the_service_to_the_cent(tmp_path: Path) -> None:
    books = {name: workbook(facts_for(name), "en") for name in CASES}
    for name, book in recalculated(books, tmp_path).items():
        facts = facts_for(name)
        assert facts.result is not None
        assert facts.shown_arm is not None
        assert facts.shown_arm.figures is not None
        check_view(book, facts.shown_arm.figures.to_come, name)
        sheet = book["Arms"]
        heads = {c.value: c.column for row in sheet.iter_rows() for c in row if c.value}
        live = {
            row[0].value: row[heads["NPV by formula"] - 1].value
            for row in sheet.iter_rows(min_row=5)
            if row[0].value
        }
        for arm in facts.result.arms.values():
            assert arm.figures is not None
            close(live[arm_name_of(arm.arm, EN)], arm.figures.npv, f"{name}: {arm.arm}")


@pytest.mark.slow
@needs_office
def test_another_arm_view_and_input_are_followed(tmp_path: Path) -> None:
    facts = facts_for("ramp and tax")
    made = workbook(facts, "en")
    result = facts.result
    assert result is not None
    shown = facts.shown_arm
    assert shown is not None
    other = next(a for a in result.arms.values() if a.arm != shown.arm)
    books = recalculated(
        {
            "arm": set_named(made, arm=arm_name_of(other.arm, EN)),
            "whole": set_named(made, count_spent=1),
            "dearer": set_named(made, cost_miss=75.5, horizon=8),
        },
        tmp_path,
    )
    assert other.figures is not None
    assert shown.figures is not None
    check_view(books["arm"], other.figures.to_come, "another arm")
    check_view(books["whole"], shown.figures.whole, "whole project")
    e = replace(shown.figures.economics, cost_miss=75.5, horizon_years=8)
    close(named(books["dearer"], "result_npv"), float(npv(e)), "dearer misses, longer horizon")


@pytest.mark.slow
@needs_office
def test_break_evens_equal_those_of_the_model(tmp_path: Path) -> None:
    names = ("plain", "ramp and tax", "a loss")
    books = recalculated({n: workbook(facts_for(n), "en") for n in names}, tmp_path)
    for name, book in books.items():
        arm = facts_for(name).shown_arm
        assert arm is not None
        assert arm.figures is not None
        e = arm.figures.economics
        for field in ("cost_miss", "cost_false_alarm", "today_miss_rate", "run_per_year",
                      "today_false_alarm_rate"):  # fmt: skip
            close(named(book, f"break_even_{field}"), break_even(e, field).value, f"{name} {field}")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_sheet_is_there_and_every_formula_refers_to_names_that_exist(language: str) -> None:
    book = load_workbook(io.BytesIO(workbook(facts_for("review band"), language)))
    assert len(book.worksheets) == 5
    known = {*book.defined_names}
    used = {
        word
        for sheet in book.worksheets
        for row in sheet.iter_rows()
        for cell in row
        if isinstance(cell.value, str) and cell.value.startswith("=")
        for word in re.findall(r"\b[a-z]\w*\b(?!\()", re.sub(r'"[^"]*"', "", cell.value))
    }
    assert used <= known, used - known
    assert len(used) > 30


def test_inputs_are_blue_and_nothing_is_none(facts_of: Any) -> None:
    book = load_workbook(io.BytesIO(workbook(facts_for("plain"), "en")))
    sheet, at = next(iter(book.defined_names["cost_miss"].destinations))
    cell = book[sheet][at.replace("$", "")]
    assert cell.value == 60
    assert cell.font.color.rgb.endswith("0000FF")
    words = [c.value for s in book.worksheets for row in s.iter_rows() for c in row]
    assert not [w for w in words if isinstance(w, str) and ("None" in w or "nan" in w)]


def test_without_figures_there_is_no_workbook_but_a_sentence() -> None:
    with pytest.raises(UserError, match="business case"):
        workbook(gather(Service(), "p1"), "en")  # type: ignore[arg-type]
