"""What the shown arm comes to: its four figures, its money year by year, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboard.decisions import value_text
from dashboard.figures import cash_flow, value_distribution
from dashboard.html import NOTHING, Data, Html, h, join, metric, metrics
from dashboard.names import arm_name_of
from dashboard.pages.roi.view import View
from dashboard.pages.shell import chart
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.roi.evaluate import ArmResult
    from jobs.roi.headline import Headline
    from jobs.roi.schema import Case


def key_figures(f: Headline | None, case: Case | None, me: Viewer) -> Html:
    """NPV, P, ROI, payback, IRR and EVPI, each with what it rests on and in plain words."""
    if f is None or case is None:
        return NOTHING
    currency = f.currency
    spread = f.npv_spread
    years = me.text("roi.over", years=case.horizon_years)
    rate = case.model_dump(mode="json")["discount_rate"]
    interval = f"5–95%{me.text('colon')}{me.interval(spread.q05, spread.q95, 'money', currency)}"
    parts = [
        metric(
            me.text("roi.npv"),
            me.number(f.npv, "money", currency),
            h(
                '{likely}{comma}<span class="d-iv">{interval}</span>',
                likely=me.text("roi.at-likely"),
                comma=me.text("list.separator"),
                interval=interval,
            ),
            tip=me.text("roi.npv.plain"),
        ),
        metric(
            me.text("roi.p"),
            me.number(f.p_positive, "share"),
            me.text("roi.p.note", draws=me.number(f.draws, "count")),
            tip=me.text("roi.p.plain"),
        ),
        metric(
            me.text("roi.roi"),
            me.number(f.to_come.roi, "share"),
            f"{years}{me.text('list.separator')}{me.text('roi.at-likely')}",
            tip=me.text("roi.roi.plain"),
        ),
        metric(
            me.text("roi.payback"),
            me.text("roi.never")
            if f.to_come.payback_years is None
            else me.number(f.to_come.payback_years, "years"),
            me.text("roi.at-likely"),
            tip=me.text("roi.payback.plain"),
        ),
        metric(
            me.text("roi.irr"),
            me.number(f.to_come.irr.rate, "share")
            if f.to_come.irr.rate is not None
            else me.text("roi.irr.none"),
            me.text("roi.irr.note", rate=value_text("discount_rate", rate, currency, me)),
            tip=me.text("roi.irr.plain"),
        ),
        metric(
            me.text("roi.evpi"),
            me.number(f.evpi, "money", currency),
            me.text("roi.evpi.note"),
            tip=me.text("roi.evpi.plain"),
        ),
    ]
    return metrics(parts, "roi-figures")


def flow_card(shown: View, me: Viewer) -> list[Any]:
    """When does the money come?"""
    arm, result = shown.shown_arm, shown.result
    rows = flow_rows(arm)
    title = me.text("roi.flow")
    if arm is None or result is None:
        return chart("roi-flow", title, "", None, Data(rows, "digpt_cash_flow.csv"), me)
    caption = me.text("roi.flow.caption", arm=arm_name_of(arm.arm, me))
    total = me.number(float(rows.flow.sum()), "money", result.currency)
    finding = me.text("roi.finding.flow", years=len(rows) - 1, value=total)
    heads = {c: me.text(f"column.{c}") for c in rows.columns}
    data = Data(rows.rename(columns=heads), "digpt_cash_flow.csv")
    fig = cash_flow(rows, result.currency, me)
    return chart("roi-flow", title, caption, fig, data, me, finding)


def flow_rows(arm: ArmResult | None) -> pd.DataFrame:
    """Year by year at likely values: year, flow, cumulative."""
    flows = list(arm.figures.to_come.flows) if arm and arm.figures else []
    return pd.DataFrame(
        {"year": range(len(flows)), "flow": flows, "cumulative": np.cumsum(flows).tolist()}
    )


def sure_card(shown: View, me: Viewer) -> list[Any]:
    """How sure is it?"""
    from jobs.roi.export import npv_histogram  # noqa: PLC0415 - scipy, a second of start-up time

    arm, result = shown.shown_arm, shown.result
    title = me.text("roi.sure")
    if arm is None or result is None or arm.figures is None:
        return chart("roi-sure", title, "", None, Data(pd.DataFrame(), "digpt_npv.csv"), me)
    edges, counts = npv_histogram(arm.figures.npv_draws)
    rows = pd.DataFrame(
        {"from": edges[:-1], "to": edges[1:], "share": np.array(counts) / sum(counts)}
    )
    fig = value_distribution(
        rows, arm.figures.npv_spread.q50, 1 - arm.figures.p_positive, result.currency, me
    )
    heads = {
        "from": me.text("column.from"),
        "to": me.text("column.to"),
        "share": me.text("column.share"),
    }
    caption = me.text("roi.sure.caption", draws=me.number(result.draws, "count"))
    spread = arm.figures.npv_spread
    finding = me.text(
        "roi.finding.sure",
        median=me.number(spread.q50, "money", result.currency),
        range=me.interval(spread.q05, spread.q95, "money", result.currency),
        share=me.number(1 - arm.figures.p_positive, "share"),
    )
    data = Data(rows.rename(columns=heads), "digpt_npv.csv")
    return chart("roi-sure", title, caption, fig, data, me, finding)


def measured_html(f: Headline | None, me: Viewer) -> Html:
    """The pilot's own rates as read-only fields of the form: 5%, measured, 95%."""
    title = h('<h3 class="d-group">{t}</h3>', t=me.text("roi.group.model"))
    if f is None:
        return join([title, h('<p class="d-note">{w}</p>', w=me.text("roi.group.model.none"))])
    rows = (
        ("miss_rate", f.miss_rate, f.miss_rate_interval),
        ("false_alarm_rate", f.false_alarm_rate, f.false_alarm_rate_interval),
    )
    return join([title, *(_measured_row(name, value, ends, me) for name, value, ends in rows)])


def _measured_row(name: str, value: float, ends: tuple[float, float], me: Viewer) -> Html:
    boxes = join(
        h("<output>{v}</output>", v=me.number(x, "accuracy")) for x in (ends[0], value, ends[1])
    )
    return h(
        '<div class="d-field" id="roi-model-{id}"><span class="d-field-name">{label} '
        '<span class="d-tag d-info">{tag}</span></span><div class="d-boxes">{boxes}</div></div>',
        id=name.replace("_", "-"),
        label=me.text(f"input.model.{name}"),
        tag=me.text("roi.from-pilot"),
        boxes=boxes,
    )


def foot(shown: View, me: Viewer) -> Html:
    """What the figures rest on, and the view with what is already spent."""
    arm, result = shown.shown_arm, shown.result
    if arm is None or result is None or arm.figures is None:
        return NOTHING
    words = me.text("roi.foot", whole=me.number(arm.figures.whole.npv, "money", result.currency))
    return h('<p class="d-foot">{w}</p>', w=words)
