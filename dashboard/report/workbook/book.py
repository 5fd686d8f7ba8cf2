"""The workbook as a whole."""

from __future__ import annotations

import io

from openpyxl import Workbook

from dashboard.names import arm_name_of, budget_name
from dashboard.report.facts import Facts
from dashboard.report.words.phrases import likely, protocol_name
from dashboard.report.workbook.flow import add_flow
from dashboard.report.workbook.inputs import Base, add_inputs
from dashboard.report.workbook.notes import add_notes
from dashboard.report.workbook.rates import Row, add_rates
from dashboard.report.workbook.results import add_results
from dashboard.text import Viewer
from digpt.errors import UserError


def workbook(facts: Facts, language: str) -> bytes:
    """The case at its likely values, every arm, and the cash flow of a chosen one, all live."""
    me = Viewer(language)
    base, rows = _base(facts, me), _rows(facts, me)
    book = Workbook()
    book.remove(book.worksheets[0])
    is_matrix = getattr(base.economics, "decision_cost", None) is not None
    add_inputs(book, base, me)
    add_rates(book, rows, base.currency, me)
    add_flow(book, base.years, base.currency, is_matrix, me)
    add_results(book, rows, base.currency, me)
    add_notes(book, facts, me)
    book.calculation.fullCalcOnLoad = True
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _base(facts: Facts, me: Viewer) -> Base:
    arm, case, result = facts.shown_arm, facts.case, facts.result
    if arm is None or arm.figures is None or case is None or result is None:
        raise facts.problem or UserError(
            "The workbook needs a business case with an arm that has figures. "
            "Give one with --case, or save one on the ROI page.",
            code="no-case",
            field="case",
        )
    return Base(
        currency=result.currency,
        economics=arm.figures.economics,
        one_off=likely(case.one_off) or 0.0,
        price_per_label=likely(case.labels.price_per_label) or 0.0,
        arms=tuple(r.name for r in _rows(facts, me)),
        chosen=arm_name_of(arm.arm, me),
    )


def _rows(facts: Facts, me: Viewer) -> list[Row]:
    """Arms with figures, best first."""
    case, result = facts.case, facts.result
    assert case is not None
    assert result is not None
    price, one_off = likely(case.labels.price_per_label) or 0.0, likely(case.one_off) or 0.0
    rows = []
    for arm in result.arms.values():
        if arm.figures is None:
            continue
        f = arm.figures
        setting = f"{protocol_name(arm.protocol, me)} · {budget_name(arm.label_budget or '–', me)}"
        rows.append(
            Row(
                name=arm_name_of(arm.arm, me),
                setting=setting,
                arm=arm,
                other=float(f.economics.one_off) - one_off - arm.labels_used * price,
                spent=f.to_come.flows[0] - f.whole.flows[0],
            )
        )
    return sorted(rows, key=lambda r: -r.arm.figures.npv if r.arm.figures else 0.0)
