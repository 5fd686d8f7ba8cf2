"""What moves the result: the tornado, and where the answer would turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from dashboard.decisions import value_text
from dashboard.figures import tornado
from dashboard.html import NOTHING, Data, Html, h, rich
from dashboard.names import arm_name_of, input_name
from dashboard.pages.roi.view import View
from dashboard.pages.shell import chart
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.roi.evaluate import ArmResult

SHOWN_BARS = 8


def tornado_card(shown: View, me: Viewer) -> list[Any]:
    """What moves the result most?"""
    arm, result = shown.shown_arm, shown.result
    title = me.text("roi.tornado")
    rows = tornado_rows(arm, result.currency, me) if arm and result else pd.DataFrame()
    data = Data(_for_people(rows, me), "digpt_tornado.csv")
    if arm is None or result is None or arm.figures is None or rows.empty:
        return chart("roi-tornado", title, me.text("roi.tornado.empty"), None, data, me)
    caption = me.text("roi.tornado.caption", arm=arm_name_of(arm.arm, me))
    fig = tornado(rows.head(SHOWN_BARS), arm.figures.npv, result.currency, me)
    finding = me.text("roi.finding.tornado", input=rows.name.iloc[0], sentence=rows.plain.iloc[0])
    return chart("roi-tornado", title, caption, fig, data, me, finding)


def tornado_rows(arm: ArmResult, currency: str, me: Viewer) -> pd.DataFrame:
    """One row for each uncertain input, the longest bar first."""
    if arm.figures is None:
        return pd.DataFrame()
    rows = []
    for swing in arm.figures.tornado:
        name = input_name(swing.name, me)
        plain = me.text(
            "roi.hover.tornado",
            low=value_text(swing.name, swing.low, currency, me),
            high=value_text(swing.name, swing.high, currency, me),
            npv_low=me.number(swing.npv_low, "money", currency),
            npv_high=me.number(swing.npv_high, "money", currency),
        )
        rows.append(
            {
                "name": name,
                "low": swing.low,
                "high": swing.high,
                "npv_low": swing.npv_low,
                "npv_high": swing.npv_high,
                "plain": plain,
                "sentence": f"<b>{name}</b><br>{plain}",
            }
        )
    return pd.DataFrame(rows)


def _for_people(rows: pd.DataFrame, me: Viewer) -> pd.DataFrame:
    if rows.empty:
        return rows
    columns = ("name", "low", "high", "npv_low", "npv_high")
    return pd.DataFrame({me.text(f"roi.input.{c}"): rows[c] for c in columns})


def turning_points(shown: View, me: Viewer) -> Html:
    """Where the answer would turn: the break-even nearest to its likely value, in a sentence."""
    arm, result = shown.shown_arm, shown.result
    if arm is None or result is None or arm.figures is None:
        return NOTHING
    named = {s.name for s in arm.figures.tornado} or set(arm.figures.break_evens)
    likely = likely_values(shown)
    near = [
        (abs(point.value / likely[name] - 1), name, point.value, point.positive_side)
        for name, point in arm.figures.break_evens.items()
        if point.value is not None and point.positive_side and name in named and likely.get(name)
    ]
    if not near:
        return h('<div class="d-turn">{w}</div>', w=rich(me.text("roi.turn.none")))
    _, name, value, pays = min(near)
    fails = "below" if pays == "above" else "above"
    key = f"roi.turn.{fails}" if arm.figures.npv > 0 else f"roi.turn-round.{pays}"
    words = me.text(
        key,
        input=input_name(name, me),
        value=value_text(name, value, result.currency, me),
        likely=value_text(name, likely[name], result.currency, me),
    )
    return h('<div class="d-turn" id="roi-turn">{w}</div>', w=rich(words))


def likely_values(shown: View) -> dict[str, float]:
    """Likely value of every input that is one number or a range, and the pilot's own rates."""
    assert shown.case is not None
    arm = shown.shown_arm
    found: dict[str, float] = {}
    for name, value in _flat(shown.case.model_dump(mode="json")):
        if isinstance(value, dict) and "likely" in value:
            found[name] = value["likely"]
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = value
    if arm is not None and arm.figures is not None:
        found["model.miss_rate"] = arm.figures.miss_rate
        found["model.false_alarm_rate"] = arm.figures.false_alarm_rate
    return found


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, value in values.items():
        if isinstance(value, dict) and "likely" not in value:
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found
