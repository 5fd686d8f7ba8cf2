"""The table of stages: arms by columns, each cell standing for all its stages."""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.html import NOTHING, Html, arm_chip, bar, h, join, note, rich
from dashboard.licences import accepted_notes
from dashboard.names import stage_name
from dashboard.numbers import is_trifle
from dashboard.pages.runs.view import View
from dashboard.text import Viewer, stored_error
from jobs.views import ArmView, PilotView, StageView

COLUMNS = {
    "tokens": ("prepare", "fit", "tokenize"),
    "pretrain": ("init", "pretrain"),
    "transfer": ("features", "probe", "knn", "finetune"),
    "evaluate": ("evaluate",),
}
_SYMBOLS = {
    "done": "✓",
    "reused": "↺",
    "running": "●",
    "failed": "✕",
    "waiting": "",
    "cancelled": "–",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """All stages of one arm in one column, taken together."""

    state: str  # none waiting running done reused failed cancelled
    share: float
    done: int
    total: int
    device_seconds: float
    money: float
    eta_seconds: float | None


def cell(stages: Sequence[StageView]) -> Cell:
    """One cell of the table from the stages it stands for."""
    states = [s.state for s in stages]
    if not stages:
        return Cell("none", 0.0, 0, 0, 0.0, 0.0, None)
    etas = [s.eta_seconds.likely for s in stages if s.eta_seconds]
    ended = sum(s in ("done", "reused") for s in states)
    share = sum(_share(s) for s in stages) / len(stages)
    return Cell(
        _state(states),
        share,
        ended,
        len(stages),
        sum(s.device_seconds for s in stages if s.state != "reused"),
        sum(s.money for s in stages if s.state != "reused"),
        max(etas) if etas else None,
    )


def _share(stage: StageView) -> float:
    if stage.state in ("done", "reused"):
        return 1.0
    return min(1.0, stage.done / stage.total) if stage.total else 0.0


def _state(states: list[str]) -> str:
    for worst in ("failed", "running", "cancelled"):
        if worst in states:
            return worst
    if all(s == "reused" for s in states):
        return "reused"
    if all(s in ("done", "reused") for s in states):
        return "done"
    return "running" if any(s == "done" for s in states) else "waiting"


def stage_table(shown: View, me: Viewer) -> Html:
    """Arms by columns of stages."""
    pilot = shown.pilot
    if pilot is None:
        return NOTHING
    heads = [
        NOTHING,
        *(h("<span class='d-note'>{t}</span>", t=me.text(f"runs.column.{c}")) for c in COLUMNS),
    ]
    lines = [_line(arm, pilot, me) for arm in pilot.arms]
    cells = join(h('<div role="columnheader">{c}</div>', c=c) for c in heads)
    rows = h('<div role="row" class="d-stage-row">{c}</div>', c=cells)
    return h(
        '<div class="d-card"><div class="d-card-head"><h2>{title}</h2></div>'
        '<div class="d-scroll"><div class="d-stages" role="table" aria-label="{title}" '
        'id="runs-stages">'
        "{rows}{lines}</div></div>{accepted}{errors}</div>",
        title=me.text("runs.table"),
        rows=rows,
        lines=join(lines),
        accepted=accepted_notes(shown.accepted, me),
        errors=_errors(pilot, me),
    )


def _line(arm: ArmView, pilot: PilotView, me: Viewer) -> Html:
    own = [s for s in pilot.stages if arm.name in s.arms]
    cells = [
        _cell_html(cell([s for s in own if s.kind in kinds]), pilot.card.currency, me)
        for kinds in COLUMNS.values()
    ]
    labels = (
        h("<div class='d-note'>{t}</div>", t=me.text("arm.sees-labels"))
        if arm.sees_labels
        else NOTHING
    )
    chip = arm_chip(arm.name, arm.look, me, baseline=arm.is_cheap_baseline)
    return h(
        '<div role="row" class="d-stage-row"><div role="rowheader">{chip}{labels}</div>'
        "{cells}</div>",
        chip=chip,
        labels=labels,
        cells=join(cells),
    )


def _cell_html(at: Cell, currency: str, me: Viewer) -> Html:
    if at.state == "none":
        return h('<div role="cell" class="d-note">{w}</div>', w=me.text("runs.not-needed"))
    meter = bar(at.share, me.text("progress.label")) if at.state == "running" else NOTHING
    return h(
        '<div role="cell" class="d-stage d-stage-{state}"><b>{word}<span>{symbol}</span></b>{bar}'
        "<span>{note}</span></div>",
        state=at.state,
        word=me.text(f"stage.{at.state}"),
        symbol=_SYMBOLS[at.state],
        bar=meter,
        note=_cell_note(at, currency, me),
    )


def _cell_note(at: Cell, currency: str, me: Viewer) -> str:
    if at.state == "running":
        share = me.number(at.share, "share")
        if at.eta_seconds is not None:
            return (
                f"{share} · {me.text('progress.left', time=me.number(at.eta_seconds, 'duration'))}"
            )
        return me.text("runs.cell.running", share=share, done=at.done, total=at.total)
    if at.state == "reused":
        return me.text("runs.cell.reused")
    if at.state == "waiting":
        return me.text("runs.cell.waiting", count=at.total)
    time = me.number(at.device_seconds, "duration")
    if at.money == 0 or is_trifle(at.money, currency):
        return time
    return f"{time} · {me.number(at.money, 'money', currency)}"


def _errors(pilot: PilotView, me: Viewer) -> Html:
    failed = [s for s in pilot.stages if s.state == "failed" and s.error]
    found = [(stage_name(s.kind, s.label, me), s.error or {}) for s in failed]
    if pilot.error:
        found.insert(0, (pilot.card.name, pilot.error))
    return join(
        note(rich(f"**{where}**: {stored_error(error, me)}"), "no", "runs-error")
        for where, error in found[:5]
    )
