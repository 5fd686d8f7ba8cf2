"""The page's components: a dataset is chosen, looked at, and compared with its older versions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, h, note
from dashboard.pages.background import Errand
from dashboard.pages.data.card import card
from dashboard.pages.data.health import health_list
from dashboard.pages.data.versions import difference_box, version_table
from dashboard.pages.data.view import View, head, view
from dashboard.pages.data_in import TASKS, ImportPanel
from dashboard.pages.shell import PRIVATE, QUIET, opening, page_html, viewer
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.service import PilotService

NAME, PATH = "data", "data"
_KEEP_ADDRESS = "(name) => history.replaceState(null, '', '?dataset=' + encodeURIComponent(name))"


def build(service: "PilotService", language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    _Page(service, Viewer(language)).connect(demo)


class _Page:
    """The components of the page and the handlers between them."""

    def __init__(self, service: "PilotService", me: Viewer) -> None:
        self.service, self.me = service, me
        self.errand = Errand("data", "data.looking", me, again=False)
        self.top = opening("data", me.text("data.title"), me)
        with gr.Row(elem_classes="d-controls"):
            self.dataset = gr.Dropdown([], label=me.text("data.dataset"), elem_id="data-dataset")
        self.imports = ImportPanel(service, me)
        with gr.Column(elem_classes="d-card"):
            page_html(
                h(
                    '<div class="d-card-head"><h2>{t}</h2></div>'
                    '<p class="d-note d-caption">{c}</p>',
                    t=me.text("data.health"),
                    c=me.text("data.health.caption"),
                )
            )
            with gr.Row(elem_classes="d-buttons d-start"):
                self.look = gr.Button(
                    me.text("data.look"), variant="primary", size="sm", elem_id="data-look"
                )
                self.stop = gr.Button(
                    me.text("data.stop"), size="sm", visible=False, elem_id="data-stop"
                )
            self.progress = page_html(elem_id="data-progress")
            self.health = page_html()
        with gr.Column(elem_classes="d-card"):
            self.card = page_html()
        with gr.Column(elem_classes="d-card"):
            page_html(h("<h2>{t}</h2>", t=me.text("data.versions")))
            self.versions = page_html()
            with gr.Row(visible=False, elem_classes="d-buttons d-start") as self.pair:
                self.first = gr.Dropdown([], label=me.text("data.from"), elem_id="data-from")
                self.second = gr.Dropdown([], label=me.text("data.to"), elem_id="data-to")
                self.compare = gr.Button(me.text("data.diff"), size="sm", elem_id="data-compare")
            self.difference = page_html()

    @property
    def outputs(self) -> list[Any]:
        """What a choice of dataset draws again."""
        return [self.top, self.dataset, self.look, self.health, self.card, self.versions,
                self.pair, self.first, self.second, self.difference, self.progress]  # fmt: skip

    def connect(self, demo: gr.Blocks) -> None:
        """Wire all events."""
        demo.load(self.load, self.dataset, [*self.outputs, self.imports.box], **QUIET)
        self.imports.connect([self.dataset], self.outputs, self.take_data, self.unchanged, TASKS)
        chosen = self.dataset.input(self.draw, self.dataset, self.outputs, **QUIET)
        chosen.then(None, self.dataset, None, js=_KEEP_ADDRESS, **PRIVATE)
        ended = self.look.click(
            self.examine, self.dataset, [self.progress, self.look, self.stop], **QUIET
        )
        ended.then(self.draw_health, self.dataset, [self.top, self.health, self.card], **QUIET)
        self.stop.click(self.errand.stop, None, None, queue=False, **QUIET)
        self.compare.click(
            self.differ, [self.dataset, self.first, self.second], self.difference,
            **{**PRIVATE, "show_progress": "minimal"},
        )  # fmt: skip

    def load(self, chosen: str | None, request: gr.Request) -> list[Any]:
        wants_data = gr.update(open=True) if "add" in request.query_params else gr.skip()
        return [*self.draw(chosen or request.query_params.get("dataset", ""), request), wants_data]

    def draw(self, name: str, request: gr.Request) -> list[Any]:
        """The whole page for one dataset."""
        return self._drawn(name, viewer(request, self.me.language))

    def take_data(self, name: str, chosen: str) -> list[Any]:
        """The page for what was imported."""
        return self._drawn(name, self.me)

    def unchanged(self) -> list[Any]:
        return [gr.skip() for _ in self.outputs]

    def _drawn(self, name: str, me: Viewer) -> list[Any]:
        shown = view(self.service, name or "")
        numbers = [v.version for v in shown.versions]
        older = numbers[1] if len(numbers) > 1 else None
        return [
            head(shown, me),
            gr.update(choices=[d.name for d in shown.datasets], value=shown.chosen.name),
            gr.update(visible=shown.health is None),
            health_list(shown, me),
            card(shown, me),
            version_table(shown, me, datetime.now(UTC)),
            gr.update(visible=len(numbers) > 1),
            gr.update(choices=numbers, value=older),
            gr.update(choices=numbers, value=numbers[0] if numbers else None),
            NOTHING,
            NOTHING,
        ]

    def draw_health(self, name: str, request: gr.Request) -> list[Any]:
        """What looking has changed: the answer, the findings and the card's files."""
        me = viewer(request, self.me.language)
        shown: View = view(self.service, name)
        return [head(shown, me), health_list(shown, me), card(shown, me)]

    def examine(self, name: str, request: gr.Request) -> Iterator[list[Any]]:
        """Look for problems, saying how far it is; stops when asked."""
        yield from self.errand.run(
            lambda reporter: self.service.health(name, reporter=reporter), request
        )

    def differ(self, name: str, first: int | None, second: int | None) -> str:
        """What changed between two versions."""
        if first is None or second is None:
            return NOTHING
        try:
            found = self.service.dataset_difference(name, int(first), int(second))
        except UserError as error:
            return note(self.me.error(error), "no", "data-error")
        return difference_box(found, int(first), int(second), self.me)
