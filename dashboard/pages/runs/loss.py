"""The figure of the losses, each arm's relative to where it began."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from dashboard.figures import loss_curves
from dashboard.figures.template import records
from dashboard.html import Data
from dashboard.names import arm_name_of
from dashboard.pages.runs.view import View
from dashboard.pages.shell import chart
from dashboard.text import Viewer
from jobs.views import Curve


def loss_card(shown: View, me: Viewer) -> list[Any]:
    """How the losses fall."""
    rows = loss_rows(shown.curves, me)
    seeds = len({c.seed for c in shown.curves})
    caption = me.text("runs.loss.caption", count=seeds) if len(rows) else me.text("runs.loss.none")
    heads = {n: me.text(f"column.{n}") for n in ("name", "step", "value")}
    frame = pd.DataFrame({words: rows[name] for name, words in heads.items()})
    data = Data(frame, "digpt_loss.csv")
    return chart(
        "runs-loss",
        me.text("runs.loss"),
        caption,
        loss_curves(rows, me) if len(rows) else None,
        data,
        me,
        _loss_finding(rows, me),
    )


def _loss_finding(rows: pd.DataFrame, me: Viewer) -> str:
    if rows.empty:
        return ""
    last = rows.sort_values("step").groupby("name", sort=False).tail(1)
    ends = [
        me.text("runs.loss.finding", name=r.name, share=me.number(r.value, "share"))
        for r in records(last)
    ]
    return me.text("list.separator").join(ends)


def loss_rows(curves: Sequence[Curve], me: Viewer) -> pd.DataFrame:
    """Each arm's loss relative to its own start, mean over seeds: name, look, step, value."""
    parts = []
    for curve in curves:
        if not curve.values or not curve.values[0]:
            continue
        state = me.text("runs.live") if curve.state == "running" else ""
        values = [v / curve.values[0] for v in curve.values]
        name = arm_name_of(curve.arm, me)
        parts.append(
            pd.DataFrame(
                {
                    "name": name,
                    "live": state,
                    "look": curve.look,
                    "step": curve.steps,
                    "value": values,
                }
            )
        )
    if not parts:
        return pd.DataFrame(columns=["name", "look", "step", "value"])
    rows = pd.concat(parts, ignore_index=True)
    live = {arm_name_of(c.arm, me) for c in curves if c.state == "running"}
    suffix = me.text("runs.live")
    rows["name"] = [f"{n}{suffix}" if n in live else n for n in rows["name"]]
    means = rows.groupby(["name", "look", "step"], sort=False, as_index=False).agg(
        {"value": "mean"}
    )
    return pd.DataFrame(means)
