"""Scenarios: saved cases side by side with this one, and the ends of all ranges at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.decisions import field_name, value_text
from dashboard.html import NOTHING, Data, Html, card_head, h, join, table, verdict_tag
from dashboard.pages.roi.inputs import turning_points
from dashboard.pages.roi.view import View, shown_arm
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from jobs.roi.case import Case
    from jobs.roi.evaluate import CaseResult
    from jobs.service import PilotService


@dataclass(frozen=True, slots=True)
class Scenario:
    """A saved case and what it comes to; without figures where it cannot be decided."""

    name: str
    case: Case
    verdict: str | None
    npv: float | None
    low: float | None  # 5% and 95%
    high: float | None
    p: float | None


def scenarios(service: PilotService, pilot: str) -> tuple[Scenario, ...]:
    """All scenarios of a pilot, each worked out once."""
    return tuple(_worked_out(service, pilot, n, c) for n, c in service.scenarios(pilot).items())


def _worked_out(service: PilotService, pilot: str, name: str, case: Case) -> Scenario:
    try:
        return of_result(name, case, service.roi(pilot, case))
    except UserError:  # e.g. a class that the dataset no longer has
        return Scenario(name, case, None, None, None, None, None)


def of_result(name: str, case: Case, result: CaseResult) -> Scenario:
    """One row of the comparison."""
    arm = shown_arm(result)
    if arm is None or arm.figures is None:
        return Scenario(name, case, result.verdict, None, None, None, None)
    f = arm.figures
    spread = f.npv_spread
    return Scenario(name, case, result.verdict, f.npv, spread.q05, spread.q95, f.p_positive)


def scenarios_card(shown: View, saved: tuple[Scenario, ...], me: Viewer) -> Html:
    """This case and the saved ones: money, how sure, verdict, and what is different."""
    if shown.case is None or shown.result is None:
        return NOTHING
    this = of_result(me.text("roi.scenario.this"), shown.case, shown.result)
    names = ("name", "p", "npv", "verdict")
    heads = [me.text(f"roi.scenario.{n}") for n in names]
    rows = [_line(s, shown.case, me) for s in (this, *saved)]
    caption = me.text("roi.scenario.caption" if saved else "roi.scenario.none")
    data = Data(_frame((this, *saved), me), "digpt_scenarios.csv")
    return join(
        [
            card_head(me.text("roi.scenarios"), caption, me, data, "roi-scenarios"),
            h('<div id="roi-scenario-rows">{t}</div>', t=table(heads, rows, numeric=(1, 2))),
            data.table("roi-scenarios"),
            turning_points(shown, me),
        ]
    )


def _line(s: Scenario, now: Case, me: Viewer) -> list[object]:
    currency = s.case.currency
    money: object = "–"
    if s.npv is not None and s.low is not None and s.high is not None:
        money = h(
            '<b>{v}</b><br><span class="d-iv">{r}</span>',
            v=me.number(s.npv, "money", currency),
            r=me.interval(s.low, s.high, "money", currency),
        )
    verdict = verdict_tag(s.verdict, me) if s.verdict else me.text("roi.no-verdict")
    return [_name(s, now, me), me.number(s.p, "share"), money, verdict]


def _name(s: Scenario, now: Case, me: Viewer) -> Html:
    different = differences(now, s.case, me)
    if not different:
        return h('<span class="d-name">{n}</span>', n=s.name)
    lines = join(h("<li>{x}</li>", x=x) for x in different)
    return h(
        '<details class="d-name"><summary>{n}</summary><ul class="d-diff">{lines}</ul></details>',
        n=s.name,
        lines=lines,
    )


def differences(now: Case, other: Case, me: Viewer) -> list[str]:
    """What another case has otherwise, field by field."""
    from jobs.roi.changes import changes  # noqa: PLC0415 - scipy, a second of start-up time

    return [
        me.text(
            "roi.scenario.difference",
            field=field_name(c.field, me),
            now=value_text(c.field, c.before, now.currency, me),
            other=value_text(c.field, c.after, other.currency, me),
        )
        for c in changes(now, other)
    ]


def _frame(rows: tuple[Scenario, ...], me: Viewer) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - start-up time

    return pd.DataFrame(
        {
            me.text("roi.scenario.name"): [s.name for s in rows],
            me.text("roi.scenario.p"): [s.p for s in rows],
            me.text("roi.scenario.npv"): [s.npv for s in rows],
            "5%": [s.low for s in rows],
            "95%": [s.high for s in rows],
            me.text("roi.scenario.verdict"): [s.verdict or "" for s in rows],
        }
    )


def extremes(case: Case, result: CaseResult) -> dict[str, Case]:
    """The case with every range at the end that is best, and at the one that is worst, for the NPV
    of the shown arm; nothing where no input is a range."""
    from jobs.roi.case import parse_case  # noqa: PLC0415 - scipy, a second of start-up time

    arm = shown_arm(result)
    if arm is None or arm.figures is None:
        return {}
    plain = case.model_dump(mode="json", exclude_none=True)
    best, worst = dict(plain), dict(plain)
    moved = False
    for swing in arm.figures.tornado:
        value = _at(plain, swing.name)
        if not isinstance(value, Mapping) or "likely" not in value:
            continue
        moved = True
        ends = ("high", "low") if swing.npv_high >= swing.npv_low else ("low", "high")
        best = _with(best, swing.name, _point(value, ends[0]))
        worst = _with(worst, swing.name, _point(value, ends[1]))
    return {"best": parse_case(best), "worst": parse_case(worst)} if moved else {}


def _point(value: Mapping[str, Any], end: str) -> Any:
    currency = value.get("currency")
    return f"{value[end]} {currency}" if currency else value[end]


def _at(values: Mapping[str, Any], name: str) -> Any:
    part: Any = values
    for key in name.split("."):
        part = part.get(key) if isinstance(part, Mapping) else None
    return part


def _with(values: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    first, _, rest = name.partition(".")
    return values | {first: _with(dict(values[first]), rest, value) if rest else value}
