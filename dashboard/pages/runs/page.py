"""The page's components and what draws them again; sections that have not changed are left."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, card_head, h, note
from dashboard.pages.pilots import LIVE, no_pilot
from dashboard.pages.runs.head import figures, head, spoken
from dashboard.pages.runs.log import log_lines
from dashboard.pages.runs.loss import loss_card
from dashboard.pages.runs.stages import stage_table
from dashboard.pages.runs.view import View, view
from dashboard.pages.shell import QUIET, asked_pilot, chart_card, opening, page_html, viewer
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.service import PilotService

NAME, PATH = "runs", "runs"
RETRYABLE = ("failed", "partial", "cancelled")


def build(service: "PilotService", language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    me = Viewer(language)
    with gr.Row(elem_classes="d-top"):
        top = opening("runs", me.text("nav.runs"), me, "runs-head")
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
        try:
            shown = view(service, asked_pilot(request), chosen)
        except UserError as error:
            return [
                before,
                note(who.error(error), "no", "runs-unknown"),
                *[gr.skip()] * (len(outputs) - 2),
            ]
        return drawn_again(shown, before, who)

    def act(action: str) -> Any:
        def run(request: gr.Request) -> list[Any]:
            who = viewer(request, language)
            shown = view(service, asked_pilot(request))
            assert shown.pilot is not None
            try:
                getattr(service, action)(shown.pilot.card.id)
            except UserError as error:
                return [note(who.error(error), "no", "runs-error"), gr.update(visible=False)]
            return [note(who.text(f"runs.{action}.said"), "info"), gr.update(visible=False)]

        return run

    light = {**QUIET, "queue": False}
    for event in (demo.load, timer.tick, level.input):
        event(draw, [level, drawn], outputs, **light)
    cancel.click(lambda: gr.update(visible=True), None, confirm, **light)
    no.click(lambda: gr.update(visible=False), None, confirm, **light)
    for button, action in ((yes, "cancel"), (retry, "retry"), (archive, "archive")):
        button.click(act(action), None, [message, confirm], **light)


def drawn_again(shown: View, before: dict[str, str], me: Viewer) -> list[Any]:
    """Every section that has changed since `before`, gr.skip() for the others."""
    made = {
        "head": head(shown, me),
        "figures": figures(shown, me),
        "stages": stage_table(shown, me),
        "empty": NOTHING if shown.pilot else no_pilot("runs", me),
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
