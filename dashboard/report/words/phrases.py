"""Turns of phrase that several parts of a report share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboard.names import arm_name_of
from dashboard.reasons import reason_text
from dashboard.report.facts import Facts
from dashboard.report.story import Cell, Table
from dashboard.text import Viewer, has_text

if TYPE_CHECKING:
    from jobs.roi.evaluate import ArmResult


def join(parts: list[str], me: Viewer) -> str:
    """Sentences one after another: with a space between them in English, none in Japanese."""
    return me.text("overview.lead.space").join(part for part in parts if part)


def listed(parts: list[str], me: Viewer) -> str:
    return me.text("list.separator").join(parts)


def labels(budget: str, me: Viewer) -> str:
    """A label budget in a sentence: "20 labels per class", "all labels"."""
    if budget == "all":
        return me.text("compare.labels.all")
    return me.text("compare.labels", n=budget)


def protocol_name(protocol: str, me: Viewer) -> str:
    """A protocol in a sentence."""
    key = f"protocol.in.{protocol}"
    return me.text(key) if has_text(key) else protocol


def size(points: float, me: Viewer) -> str:
    """How large a difference is, without its sign: the sentence says which way it goes."""
    return me.number(abs(points), "points").lstrip("+")


def why_not(arm: ArmResult, currency: str, me: Viewer) -> str:
    """Why an arm has no figures."""
    return join([reason_text(r, currency, me).replace("**", "") for r in arm.reasons], me)


def no_result(facts: Facts, me: Viewer) -> str:
    """Why there is no money to show: no case, or a case that cannot be worked out."""
    if facts.problem is not None:
        return me.error(facts.problem)
    if facts.case is None or facts.result is None:
        return me.text("report.why.no-case")
    reasons = list(facts.result.reasons)
    if not reasons or reasons[0].code == "no-arms":
        return join([why_not(a, facts.result.currency, me) for a in facts.result.arms.values()], me)
    return join([reason_text(r, facts.result.currency, me) for r in reasons], me)


def name(arm: str | None, me: Viewer) -> str:
    """An arm as people call it; no arm is doing nothing."""
    return arm_name_of(arm, me) if arm else me.text("roi.nothing")


def likely(value: object) -> float | None:
    """The likely value of an input, be it a number or a range; None where it was not given."""
    if value is None:
        return None
    return float(str(getattr(value, "likely", value)))


def two_to_a_row(pairs: Sequence[tuple[str, str]], me: Viewer) -> Table:
    """Names with their values, two to a row, so that they take half the paper."""
    half = (len(pairs) + 1) // 2
    padded = [*pairs, ("", "")]
    rows = [(*padded[i], *padded[half + i]) for i in range(half)]
    heads = (me.text("report.column.what"), me.text("report.column.value"))
    return Table(
        (*heads, *heads),
        tuple(tuple(Cell(words) for words in row) for row in rows),
        widths=(0.24, 0.26, 0.24, 0.26),
    )
