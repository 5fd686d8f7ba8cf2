"""The page's components and what draws them again: a choice, the timer, the first load."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, Html, empty, note, page_head
from dashboard.names import budget_name
from dashboard.pages.compare.arms import arms_card
from dashboard.pages.compare.charts import cost_card, curves_card, differences_card
from dashboard.pages.compare.maps import maps_card
from dashboard.pages.compare.view import Choice, View, view
from dashboard.pages.compare.words import foot, head, progress
from dashboard.pages.pilots import chosen_pilots, no_pilot, progress_words
from dashboard.pages.shell import (
    PRIVATE,
    QUIET,
    asked_pilots,
    chart_card,
    link,
    opening,
    page_html,
    viewer,
)
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.service import PilotService

NAME, PATH = "compare", "compare"
_KEEP_ADDRESS = """(pilots) => {
  const query = new URLSearchParams(pilots.map((p) => ["pilot", p])).toString();
  history.replaceState(null, "", query ? "?" + query : location.pathname);
}"""


def build(service: "PilotService", language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    me = Viewer(language)
    top = opening("compare", me.text("compare.title"), me, "compare-head")
    with gr.Column(visible=False) as results:
        controls = _controls(me)
        filling = page_html(elem_id="compare-filling")
        with gr.Row(equal_height=True):
            curves, cost = chart_card("compare-curves"), chart_card("compare-cost")
        with gr.Column(elem_classes="d-card"):
            arms = page_html(elem_id="compare-table")
        with gr.Row(equal_height=True):
            differences = chart_card("compare-differences")
            with gr.Column(elem_classes="d-card", min_width=320):
                maps = page_html()
        bottom = page_html()
    nothing = page_html(elem_id="compare-nothing")
    drawn = gr.State("")
    timer = gr.Timer(4)
    outputs = [drawn, top, results, nothing, *controls, filling, *curves.parts, *cost.parts, arms,
               *differences.parts, maps, bottom]  # fmt: skip

    def draw(
        pilots: list[str] | None,
        protocol: str,
        metric: str,
        budget: str,
        before: str,
        request: gr.Request,
    ) -> list[Any]:
        who = viewer(request, language)
        wanted = tuple(pilots or asked_pilots(request))
        choice = Choice(wanted, protocol or "", metric or "", budget or "")
        try:
            state = [
                (c.id, c.status, c.progress, c.gain) for c in chosen_pilots(service, list(wanted))
            ]
            now = repr((choice, state, who.dark))
            if now == before:
                return [gr.skip()] * len(outputs)
            return [now, *_drawn(view(service, choice), who, len(outputs) - 1)]
        except UserError as error:
            return [repr(error), *_failed(error, who, len(outputs) - 1)]

    inputs = [*controls, drawn]
    light = {**QUIET, "queue": False}
    demo.load(draw, inputs, outputs, **light)
    timer.tick(draw, inputs, outputs, **light)
    for control in controls:
        control.input(draw, inputs, outputs, **light)
    controls[0].input(None, controls[0], None, js=_KEEP_ADDRESS, **PRIVATE)


def _controls(me: Viewer) -> list[Any]:
    with gr.Row(elem_classes="d-controls"):
        pilots = gr.Dropdown(
            [],
            multiselect=True,
            label=me.text("compare.pilots"),
            elem_id="compare-pilots",
            min_width=280,
        )
        radios = [
            gr.Radio(
                [],
                label=me.text(f"compare.{name}"),
                elem_id=f"compare-{name}",
                elem_classes="d-segmented",
            )
            for name in ("protocol", "metric", "budget")
        ]
    return [pilots, *radios]


def _drawn(shown: View, me: Viewer, count: int) -> list[Any]:
    if shown.rows.empty:
        return without_results(shown, me, count)
    c = shown.choice
    return [
        head(shown, me),
        gr.update(visible=True),
        NOTHING,
        gr.update(choices=[(p.name, p.id) for p in shown.known], value=list(c.pilots)),
        gr.update(
            choices=[(me.text(f"protocol.{p}"), p) for p in shown.protocols], value=c.protocol
        ),
        gr.update(choices=[(me.text(f"metric.{m}"), m) for m in shown.metrics], value=c.metric),
        gr.update(choices=[(budget_name(b, me), b) for b in shown.budgets], value=c.budget),
        progress(shown, me),
        *curves_card(shown, me),
        *cost_card(shown, me),
        arms_card(shown, me),
        *differences_card(shown, me),
        maps_card(shown, me),
        foot(shown, me),
    ]


def without_results(shown: View, me: Viewer, count: int) -> list[Any]:
    """What stands in place of the figures while there are none."""
    if not shown.cards:
        return _only(head(shown, me), no_pilot("compare", me), count)
    card = shown.cards[0]
    wait = empty(
        me.text("compare.wait"),
        f"{me.text('compare.wait.why')} {progress_words(card, me)}",
        me.text("compare.runs"),
        link("runs", card.id),
        "compare-empty",
    )
    return _only(head(shown, me), wait, count)


def _failed(error: UserError, me: Viewer, count: int) -> list[Any]:
    title = page_head(me.text("compare.crumb"), me.text("compare.title"), NOTHING)
    return _only(title, note(me.error(error), "no", "compare-error"), count)


def _only(title: Html, box: Html, count: int) -> list[Any]:
    """`count` updates that show a title and a box, and hide everything else."""
    return [title, gr.update(visible=False), box, *[gr.skip()] * (count - 3)]
