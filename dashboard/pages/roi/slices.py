"""Who loses: what each part of the test images costs per item, the costliest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dashboard.html import NOTHING, Data, Html, card_head, h, join, table
from dashboard.names import arm_name_of
from dashboard.pages.roi.threshold import PER
from dashboard.pages.roi.view import View
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.roi.figures import SliceCost

SHOWN = 8


def slices_card(shown: View, me: Viewer) -> Html:
    """The parts of the data that fare worse than the whole, in money."""
    arm, result = shown.shown_arm, shown.result
    slices = arm.figures.slices if arm and arm.figures else ()
    if arm is None or result is None or not slices:
        return NOTHING
    names = ("part", "difference", "miss", "alarm")
    heads = [me.text(f"roi.slices.{n}", per=PER) for n in names]
    rows = [_line(s, result.currency, me) for s in slices[:SHOWN]]
    caption = me.text("roi.slices.caption", arm=arm_name_of(arm.arm, me), per=PER)
    data = Data(_frame(slices, me), "digpt_slices.csv")
    return join(
        [
            card_head(me.text("roi.slices"), caption, me, data, "roi-slices"),
            h('<div id="roi-slices-rows">{t}</div>', t=table(heads, rows, numeric=(1, 2, 3))),
            data.table("roi-slices"),
        ]
    )


def _line(part: SliceCost, currency: str, me: Viewer) -> list[object]:
    more = part.difference
    difference: object = "–"
    if more is not None:
        low, high = part.difference_interval or (more, more)
        clear = "d-no-ink" if low > 0 else "d-go-ink" if high < 0 else ""
        difference = h(
            '<b class="{c}">{v}</b><br><span class="d-iv">{r}</span>',
            c=clear,
            v=me.number(PER * more, "money", currency),
            r=me.interval(PER * low, PER * high, "money", currency),
        )
    name = h(
        '{p}<br><span class="d-iv">{n}</span>',
        p=f"{part.attribute}{me.text('colon')}{part.value}",
        n=me.text("roi.slices.of", count=part.items, n=me.number(part.items, "count")),
    )
    return [
        name,
        difference,
        me.number(part.miss_rate, "accuracy"),
        me.number(part.false_alarm_rate, "accuracy"),
    ]


def _frame(slices: tuple[SliceCost, ...], me: Viewer) -> pd.DataFrame:
    rows = [
        {
            me.text("roi.slices.attribute"): s.attribute,
            me.text("roi.slices.value"): s.value,
            me.text("roi.slices.items"): s.items,
            me.text("roi.slices.miss"): s.miss_rate,
            me.text("roi.slices.alarm"): s.false_alarm_rate,
            me.text("roi.slices.cost", per=1): s.cost_per_item,
            me.text("roi.slices.difference", per=1): s.difference,
        }
        for s in slices
    ]
    return pd.DataFrame(rows)
