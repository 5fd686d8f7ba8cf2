"""The draft as YAML: shown above the form, edited, and taken back into it."""

from typing import Any

import gradio as gr

from dashboard.html import NOTHING, h, note
from dashboard.pages.new.draft import from_spec, to_spec
from dashboard.pages.new.form import Form, draft_of
from dashboard.pages.new.view import head
from dashboard.pages.shell import QUIET, page_html
from dashboard.text import Viewer
from digpt.errors import UserError
from jobs.spec import load_spec, to_yaml


class Sheet:
    """The panel with the YAML, hidden at first."""

    def __init__(self, me: Viewer) -> None:
        with gr.Column(visible=False, elem_classes="d-card") as self.panel:
            page_html(
                h(
                    "<h2>{t}</h2><p class='d-note'>{w}</p>",
                    t=me.text("new.yaml"),
                    w=me.text("new.yaml.why"),
                )
            )
            self.yaml = gr.Code(language="yaml", show_label=False, lines=14, elem_id="new-yaml")
            self.error = page_html(elem_id="new-yaml-error")
            with gr.Row(elem_classes="d-buttons"):
                self.close = gr.Button(me.text("new.yaml.close"), size="sm")
                self.use = gr.Button(me.text("new.yaml.use"), size="sm", elem_id="new-yaml-use")

    def connect(self, opener: gr.Button, form: Form, steps: gr.Walkthrough, top: gr.HTML) -> None:
        """Wire the events; YAML that is taken leads to the step of the arms."""

        def take_yaml(words: str) -> list[Any]:
            try:
                draft = from_spec(load_spec(words or ""))
                page = form.shown(draft)
            except UserError as error:
                box = note(form.me.error(error), "no", "new-yaml-problem")
                return [*form.unchanged(), gr.skip(), box, gr.skip(), gr.skip()]
            title = head("arms", draft, form.me)
            return [*page, gr.update(visible=False), NOTHING, gr.Walkthrough(selected=2), title]

        opener.click(_show_yaml, form.inputs, [self.panel, self.yaml], **QUIET)
        self.close.click(lambda: gr.update(visible=False), None, self.panel, **QUIET)
        self.use.click(
            take_yaml, self.yaml, [*form.outputs, self.panel, self.error, steps, top], **QUIET
        )


def _show_yaml(kept: object, *values: Any) -> list[Any]:
    """The draft as YAML, or an empty sheet while it is not complete."""
    try:
        words = to_yaml(to_spec(draft_of(kept, values)))
    except UserError:
        words = ""
    return [gr.update(visible=True), words]
