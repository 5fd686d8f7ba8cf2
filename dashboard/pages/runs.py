"""Runs: one pilot live, from its first stage to its last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import gradio as gr
import pandas as pd

from dashboard.figures import loss_curves
from dashboard.figures.template import records
from dashboard.html import (
    NOTHING,
    Action,
    Data,
    Html,
    arm_chip,
    arm_name_of,
    bar,
    card_head,
    empty,
    h,
    join,
    metric,
    note,
    page_head,
    rich,
    state_tag,
)
from dashboard.numbers import is_trifle, when
from dashboard.pages.overview import LIVE, left
from dashboard.pages.shell import asked_pilots, chart, chart_card, link, page_html, viewer
from dashboard.text import Viewer, has_text
from digpt.errors import UserError
from jobs.views import ArmView, Cluster, Curve, LogLine, PilotCard, PilotView, StageView

if TYPE_CHECKING:
    from jobs.service import PilotService

NAME, PATH = "runs", "runs"
COLUMNS = {
    "tokens": ("prepare", "fit", "tokenize"),
    "pretrain": ("pretrain",),
    "transfer": ("probe", "knn", "finetune"),
    "evaluate": ("evaluate",),
}
RETRYABLE = ("failed", "partial", "cancelled")
LOG_LINES = 200


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    pilot: PilotView | None  # None: there is no pilot yet
    others: tuple[PilotCard, ...]
    curves: tuple[Curve, ...] = ()
    logs: tuple[LogLine, ...] = ()
    cluster: Cluster | None = None


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


def view(service: "PilotService", ident: str = "", level: str = "") -> View:
    """The pilot asked for, else the newest one."""
    others = tuple(service.pilots(size=50).items)
    ident = ident or (others[0].id if others else "")
    if not ident:
        return View(None, ())
    pilot = service.pilot(ident)
    cluster = service.cluster() if pilot.card.status in LIVE else None
    levels = ("warning", "error") if level else (None,)
    logs = [line for one in levels for line in service.logs(ident, level=one, limit=LOG_LINES)]
    if not level:
        logs += stage_lines(pilot.stages)
    return View(pilot, others, tuple(service.curves(ident)), tuple(logs), cluster)


def stage_lines(stages: Sequence[StageView]) -> list[LogLine]:
    """When each stage of this pilot began and ended; the text is a code that `log_lines` writes."""
    lines = []
    for stage in stages:
        name = f"{stage.kind} {stage.arms[0] if len(stage.arms) == 1 else stage.label}".strip()
        if stage.state == "reused":
            continue
        if stage.started_at:
            lines.append(LogLine(at=stage.started_at, level="stage", stage=name, text="started"))
        if stage.ended_at and stage.state in ("done", "failed", "cancelled"):
            at = stage.ended_at
            lines.append(LogLine(at=at, level="stage", stage=name, text=stage.state))
    return lines


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


def head(shown: View, me: Viewer) -> Html:
    """Title, where it is, and the other pilots."""
    if shown.pilot is None:
        lead = rich(me.text("runs.lead.empty"))
        return page_head(me.text("nav.runs"), me.text("runs.title.empty"), lead)
    card = shown.pilot.card
    actions = (
        Action(me.text("runs.clone"), f"/new?clone={card.id}", "runs-clone"),
        Action(
            me.text("nav.compare"),
            link("compare", card.id),
            "runs-compare",
            primary=card.status not in LIVE,
        ),
    )
    top = page_head(
        f"{me.text('nav.runs')} · {card.dataset}",
        card.name,
        rich(sentence(shown.pilot, me)),
        actions,
        state_tag(card.status, me),
    )
    return join([top, _others(shown, me)])


def sentence(pilot: PilotView, me: Viewer) -> str:
    """The answer: how far, how long still, and whether anything is wrong."""
    card = pilot.card
    if card.status == "running":
        started = me.text(
            "runs.lead.running",
            share=me.number(card.progress.share, "share"),
            left=left(card.progress.eta_seconds, me),
        )
        failed = card.progress.stages_failed
        health = (
            me.text("runs.lead.failed-stages", count=failed)
            if failed
            else me.text("runs.lead.healthy")
        )
        return f"{started} {health}"
    return me.text(f"runs.lead.{card.status}", time=me.number(pilot.elapsed_seconds, "duration"))


def _others(shown: View, me: Viewer) -> Html:
    assert shown.pilot is not None
    links = join(
        h(
            '<li><a href="{href}">{name}</a> {state} <span class="d-note">{time}</span></li>',
            href=link("runs", c.id),
            name=c.name,
            state=state_tag(c.status, me),
            time=when(c.created_at, me.language, datetime.now(UTC)),
        )
        for c in shown.others
        if c.id != shown.pilot.card.id
    )
    if not links:
        return NOTHING
    return h(
        '<details class="d-others" id="runs-others"><summary>{title}</summary>'
        "<ul>{links}</ul></details>",
        title=me.text("runs.others"),
        links=links,
    )


def figures(shown: View, me: Viewer) -> Html:
    """The five figures and the bar."""
    pilot = shown.pilot
    if pilot is None:
        return NOTHING
    card = pilot.card
    at = card.progress
    parts = [
        metric(
            me.text("runs.stages"),
            me.text("overview.of", part=at.stages_done, whole=at.stages_total),
            me.text("runs.stages.note", reused=at.stages_reused, failed=at.stages_failed),
        ),
        metric(
            me.text("runs.elapsed"),
            me.number(pilot.elapsed_seconds, "duration"),
            _planned(pilot, me),
        ),
        metric(
            me.text("runs.spent"),
            me.number(pilot.money, "money", card.currency),
            _limit(pilot, me),
        ),
        metric(
            me.text("runs.device"),
            me.number(pilot.device_seconds, "duration"),
            _devices(shown, me),
        ),
        metric(
            me.text("runs.restarts"),
            me.number(pilot.restarts, "count"),
            me.text("runs.restarts.note", energy=me.number(pilot.energy_kwh, "energy"))
            if pilot.energy_kwh
            else me.text("runs.restarts.no-energy"),
        ),
    ]
    return h(
        '<div class="d-card" id="runs-figures"><div class="d-inline-metrics">{parts}</div>'
        '<div class="d-tall">{bar}</div></div>',
        parts=join(parts),
        bar=bar(at.share, me.text("progress.label")),
    )


def _planned(pilot: PilotView, me: Viewer) -> str:
    if pilot.estimate is None:
        return me.text("runs.not-planned")
    wall = pilot.estimate.wall_seconds
    low, high = wall.low or wall.likely, wall.high or wall.likely
    return me.text(
        "runs.planned",
        time=me.number(wall.likely, "duration"),
        range=me.interval(low, high, "duration"),
    )


def _limit(pilot: PilotView, me: Viewer) -> str:
    card = pilot.card
    alone = me.number(pilot.money_stand_alone, "money", card.currency)
    same = alone == me.number(pilot.money, "money", card.currency)
    if same and card.limit is None:
        return me.text("overview.spent.no-limit")
    if card.limit is None:
        return me.text("runs.spent.alone", alone=alone)
    limit = me.number(card.limit, "money", card.currency)
    return me.text("runs.spent.limit", limit=limit, alone=alone)


def _devices(shown: View, me: Viewer) -> str:
    if shown.cluster is None:
        return me.text("runs.device.ended")
    c = shown.cluster
    return me.text("runs.device.note", busy=c.busy, slots=c.slots, queue=c.queue)


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
        "{rows}{lines}</div></div>{errors}</div>",
        title=me.text("runs.table"),
        rows=rows,
        lines=join(lines),
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


_SYMBOLS = {
    "done": "✓",
    "reused": "↺",
    "running": "●",
    "failed": "✕",
    "waiting": "",
    "cancelled": "–",
}


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
    found = [(f"{me.text(f'kind.{s.kind}')} {s.label}", s.error or {}) for s in failed]
    if pilot.error:
        found.insert(0, (pilot.card.name, pilot.error))
    return join(
        note(rich(f"**{where}**: {error.get('message', '')}"), "no", "runs-error")
        for where, error in found[:5]
    )


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


def log_lines(shown: View, me: Viewer) -> Html:
    """The newest lines, newest first."""
    if not shown.logs:
        return note(me.text("runs.log.none"))
    newest = sorted(shown.logs, key=lambda line: line.at, reverse=True)
    lines = join(
        h(
            '<div class="d-log-{level}">{at} <span>{stage}</span> {text}</div>',
            level=line.level,
            at=f"{line.at.astimezone():%H:%M:%S}",
            stage=_stage_name(line.stage, me),
            text=me.text(f"runs.log.{line.text}") if line.level == "stage" else line.text,
        )
        for line in newest[:LOG_LINES]
    )
    return h('<div class="d-log" tabindex="0" id="runs-log-lines">{lines}</div>', lines=lines)


def _stage_name(stage: str, me: Viewer) -> str:
    """ "pretrain filters" in the reader's words."""
    kind, _, label = stage.partition(" ")
    if not has_text(f"kind.{kind}"):
        return stage
    if " × " in label or has_text(f"method.{label}"):
        label = arm_name_of(label, me)
    return f"{me.text(f'kind.{kind}')} {label}".strip()


def spoken(shown: View, me: Viewer) -> Html:
    """What a screen reader says; changes with every tenth, not with every step."""
    if shown.pilot is None or shown.pilot.card.status not in LIVE:
        return NOTHING
    tenth = int(10 * shown.pilot.card.progress.share) / 10
    words = me.text("runs.spoken", share=me.number(tenth, "share"))
    return h('<div class="d-hidden" aria-live="polite">{w}</div>', w=words)


def nothing(shown: View, me: Viewer) -> Html:
    if shown.pilot is not None:
        return NOTHING
    return empty(
        me.text("runs.empty"),
        me.text("runs.empty.why"),
        me.text("overview.new"),
        link("new"),
        "runs-empty",
    )


def build(service: "PilotService", language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    me = Viewer(language)
    with gr.Row(elem_classes="d-top"):
        top = page_html(elem_id="runs-head")
        with gr.Row(elem_classes="d-buttons"):
            cancel = gr.Button(
                me.text("runs.cancel"), variant="stop", elem_id="runs-cancel", visible=False
            )
            retry = gr.Button(me.text("runs.retry"), elem_id="runs-retry", visible=False)
            archive = gr.Button(me.text("runs.archive"), elem_id="runs-archive", visible=False)
    with gr.Row(elem_classes="d-buttons", visible=False) as confirm:
        page_html(h("<p>{w}</p>", w=me.text("runs.cancel.sure")))
        yes = gr.Button(
            me.text("runs.cancel.yes"), variant="stop", size="sm", elem_id="runs-cancel-yes"
        )
        no = gr.Button(me.text("runs.cancel.no"), size="sm", elem_id="runs-cancel-no")
    message = page_html(elem_id="runs-message")
    numbers = page_html(elem_id="runs-numbers")
    stages = page_html(elem_id="runs-table")
    empty_box = page_html()
    with gr.Row(equal_height=True, visible=False) as below:
        loss = chart_card("runs-loss")
        with gr.Column(elem_classes="d-card", min_width=320):
            page_html(card_head(me.text("runs.log"), me.text("runs.log.caption"), me))
            level = gr.Radio(
                [(me.text("runs.log.all"), ""), (me.text("runs.log.warnings"), "warning")],
                value="",
                show_label=False,
                label=me.text("runs.log"),
                container=False,
                elem_id="runs-log-level",
                elem_classes="d-segmented",
            )
            log = page_html(elem_id="runs-log")
    live = page_html(elem_id="runs-live")
    drawn = gr.State({})
    timer = gr.Timer(2)
    sections = [top, numbers, stages, empty_box, log, live]
    outputs = [drawn, *sections, cancel, retry, archive, below, *loss.parts]

    def draw(chosen: str, before: dict[str, str], request: gr.Request) -> list[Any]:
        who = viewer(request, language)
        ident = next(iter(asked_pilots(request)), "")
        try:
            shown = view(service, ident, chosen)
        except UserError as error:
            return [
                before,
                note(who.error(error), "no", "runs-unknown"),
                *[gr.skip()] * (len(outputs) - 2),
            ]
        return _drawn(shown, before, who)

    def act(action: str) -> Any:
        def run(request: gr.Request) -> list[Any]:
            who = viewer(request, language)
            shown = view(service, next(iter(asked_pilots(request)), ""))
            assert shown.pilot is not None
            try:
                getattr(service, action)(shown.pilot.card.id)
            except UserError as error:
                return [note(who.error(error), "no", "runs-error"), gr.update(visible=False)]
            return [note(who.text(f"runs.{action}.said"), "info"), gr.update(visible=False)]

        return run

    light: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    for event in (demo.load, timer.tick, level.input):
        event(draw, [level, drawn], outputs, **light)
    cancel.click(lambda: gr.update(visible=True), None, confirm, **light)
    no.click(lambda: gr.update(visible=False), None, confirm, **light)
    yes.click(act("cancel"), None, [message, confirm], **light)
    retry.click(act("retry"), None, [message, confirm], **light)
    archive.click(act("archive"), None, [message, confirm], **light)


def _drawn(shown: View, before: dict[str, str], me: Viewer) -> list[Any]:
    """Every section that has changed since `before`, gr.skip() for the others."""
    made = {
        "head": head(shown, me),
        "figures": figures(shown, me),
        "stages": stage_table(shown, me),
        "empty": nothing(shown, me),
        "log": log_lines(shown, me),
        "spoken": spoken(shown, me),
    }
    changed = [gr.skip() if before.get(k) == _key(v) else v for k, v in made.items()]
    now = {k: _key(v) for k, v in made.items()} | {"curves": _key((shown.curves, me.dark))}
    status = shown.pilot.card.status if shown.pilot else ""
    buttons = [
        gr.update(visible=status in LIVE),
        gr.update(visible=status in RETRYABLE),
        gr.update(visible=bool(status) and status not in LIVE),
        gr.update(visible=shown.pilot is not None),
    ]
    same = before.get("status") == status
    now["status"] = status
    curves_same = before.get("curves") == now["curves"]
    return [
        now,
        *changed,
        *([gr.skip()] * len(buttons) if same else buttons),
        *([gr.skip()] * 3 if curves_same else loss_card(shown, me)),
    ]


def _key(value: object) -> str:
    """A short stand-in for what was drawn, kept in the session."""
    return f"{hash(str(value)):x}"
