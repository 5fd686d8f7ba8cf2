"""What if the threshold were another: the cost per item at every one, with the chosen point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboard.figures import threshold_costs
from dashboard.html import Data
from dashboard.names import arm_name_of
from dashboard.pages.roi.view import View
from dashboard.pages.shell import chart
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.roi.figures import ThresholdCurve

POINTS = 60  # of the curve that are drawn
PER = 1000  # items that a cost is shown for: of one item it is a fraction of a cent


def threshold_card(shown: View, me: Viewer) -> list[Any]:
    """What if the threshold were another?"""
    arm, result = shown.shown_arm, shown.result
    title = me.text("roi.threshold")
    curves = arm.figures.threshold_curves if arm and arm.figures else ()
    if arm is None or result is None or not curves:
        data = Data(pd.DataFrame(), "digpt_threshold.csv")
        return chart("roi-threshold", title, me.text("roi.threshold.empty"), None, data, me)
    curve = curves[0]
    rows = curve_rows(curve)
    at = rows.loc[rows.threshold == curve.chosen].iloc[0]
    sentences = [_sentence(row, result.currency, me) for row in rows.itertuples(index=False)]
    fig = threshold_costs(rows, float(at.position), sentences, result.currency, me)
    caption = me.text("roi.threshold.caption", arm=arm_name_of(arm.arm, me), count=len(curves))
    finding = me.text(
        "roi.finding.threshold",
        miss=me.number(float(at.miss), "accuracy"),
        alarm=me.number(float(at.alarm), "accuracy"),
        cost=me.number(float(at.test), "money", result.currency),
    )
    names = ("threshold", "validation", "test", "miss", "alarm", "review")
    shown_rows = pd.DataFrame({me.text(f"roi.threshold.{c}"): rows[c] for c in names})
    data = Data(shown_rows, "digpt_threshold.csv")
    return chart("roi-threshold", title, caption, fig, data, me, finding)


def curve_rows(curve: ThresholdCurve) -> pd.DataFrame:
    """Rows for thresholds by rank, the chosen one among them, "flag all" first; costs of
    PER items."""
    rows = pd.DataFrame(
        {
            "position": np.linspace(0, 1, len(curve.thresholds)),
            "threshold": curve.thresholds,
            "validation": PER * np.array(curve.validation_cost),
            "test": PER * np.array(curve.test_cost),
            "miss": curve.miss_rate,
            "alarm": curve.false_alarm_rate,
            "review": curve.review_share,
        }
    )
    some = np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).round().astype(int)
    chosen = np.flatnonzero(rows.threshold == curve.chosen)
    return rows.iloc[np.unique(np.append(some, chosen))]


def _sentence(row: Any, currency: str, me: Viewer) -> str:
    return me.text(
        "roi.hover.threshold",
        validation=me.number(row.validation, "money", currency),
        test=me.number(row.test, "money", currency),
        miss=me.number(row.miss, "accuracy"),
        alarm=me.number(row.alarm, "accuracy"),
    )
