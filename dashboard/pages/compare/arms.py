"""All arms at the chosen label budget as a table."""

from typing import Any

from dashboard.figures.template import records
from dashboard.html import (
    NOTHING,
    Html,
    arm_chip,
    card_head,
    h,
    interval_bar,
    join,
    look_class,
    table,
)
from dashboard.names import arm_name_of
from dashboard.pages.compare.charts import data_of
from dashboard.pages.compare.view import View, labels, named
from dashboard.text import Viewer


def arms_card(shown: View, me: Viewer) -> Html:
    """All arms at the chosen budget: metric, gain with its interval bar, time and cost."""
    rows = named(shown.at_budget, shown, me)
    title = me.text("compare.arms", labels=labels(shown.choice.budget, me))
    caption = me.text("compare.arms.caption", baseline=_baselines(shown, me))
    data = data_of(rows, "arms", me)
    reach = max(0.01, shown.gains[["low", "high"]].abs().max().max()) if len(shown.gains) else 0.01
    gains = {(g.pilot, g.arm): g for g in records(shown.gains)}
    metric = me.text(f"metric.{shown.choice.metric}")
    heads = [me.text("column.name"), metric, me.text("compare.gain"), "", me.text("column.device"),
             me.text("column.cost")]  # fmt: skip
    lines = [_arm_line(row, gains.get((row.pilot, row.arm)), reach, me) for row in records(rows)]
    numeric, note = (1, 2, 4, 5), NOTHING
    if rows.images_seen[rows.images_seen > 0].nunique() > 1:  # arms that were to spend the same
        heads.append(me.text("column.images_seen"))
        for line, seen in zip(lines, rows.images_seen, strict=True):
            line.append(me.number(int(seen), "count") if seen else "–")
        numeric = (*numeric, 6)
        note = h('<p class="d-note">{n}</p>', n=me.text("column.images_seen.note"))
    return join(
        [
            card_head(title, caption, me, data, "compare-arms"),
            h('<div id="compare-arms-rows">{t}</div>', t=table(heads, lines, numeric=numeric)),
            note,
            data.table("compare-arms"),
        ]
    )


def _arm_line(row: Any, gain: Any, reach: float, me: Viewer) -> list[object]:
    baseline = row.method == "frozen"
    chip = arm_chip(row.arm, int(row.look), me, baseline=baseline)
    value = h(
        '<b>{v}</b> <span class="d-iv">{r}</span>',
        v=me.number(row.value, "accuracy"),
        r=me.interval(row.low, row.high, "accuracy"),
    )
    if gain is None:
        words, ci = h('<span class="d-iv">{w}</span>', w=me.text("compare.is-baseline")), NOTHING
    else:
        words = h(
            '<b>{v}</b> <span class="d-iv">{r}</span>',
            v=me.number(gain.difference, "points-bare"),
            r=me.interval(gain.low, gain.high, "points"),
        )
        ci = interval_bar(gain.difference, gain.low, gain.high, reach, look_class(int(row.look)))
    cost = me.number(row.cost_stand_alone, "money", row.currency)
    return [chip, value, words, ci, me.number(row.device_seconds, "duration"), cost]


def _baselines(shown: View, me: Viewer) -> str:
    names = (
        dict.fromkeys(arm_name_of(str(b), me) for b in shown.gains.baseline)
        if len(shown.gains)
        else {}
    )
    return me.text("list.separator").join(names) or "–"
