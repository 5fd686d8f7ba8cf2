"""Where a case comes from, as components: a template, another currency, or YAML."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import gradio as gr

from dashboard.html import NOTHING, Html, h, note
from dashboard.pages.roi.form import case_of, read
from dashboard.pages.roi.kept import Kept
from dashboard.pages.shell import QUIET, page_html, viewer
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.roi.case import Case
    from jobs.service import PilotService

TEMPLATES = ("surface", "failure", "cells", "shelf")  # a test holds them against jobs.roi.templates


class StartBox:
    """A template to start from, with where its numbers come from, and the case's currency."""

    def __init__(self, service: PilotService, language: str) -> None:
        self._service, self._language = service, language
        me = Viewer(language)
        with gr.Row(elem_classes="d-inline d-start"):
            self.template = gr.Dropdown(
                [(me.text(f"template.{n}"), n) for n in TEMPLATES], value=None,
                label=me.text("template.start"), elem_id="roi-template", min_width=150,
            )  # fmt: skip
            self.currency = gr.Dropdown(
                [], label=me.text("case.currency"), elem_id="roi-currency", min_width=80
            )
        self._note = page_html()

    def connect(self) -> None:
        self.template.input(self._about, self.template, self._note, **QUIET)

    def shown(self, case: Case) -> dict[str, object]:
        """The update of `currency` for a case."""
        return gr.update(choices=self._service.currencies(), value=case.currency)

    def from_template(self, kept: Kept, name: str) -> Case | None:
        """A template in the case's currency, with the dataset's good classes."""
        if kept.shown is None or kept.shown.case is None or kept.pilot is None or not name:
            return None
        return self._service.case_template(kept.pilot, name, kept.shown.case.currency)

    def in_currency(self, kept: Kept, values: str, currency: str) -> Case:
        """The case with its amounts in another currency."""
        return self._service.in_currency(case_of(read(values), kept.base), currency)

    def _about(self, name: str | None, request: gr.Request) -> Html:
        me = viewer(request, self._language)
        return (
            note(me.text(f"template.{name}.note"), "more", "roi-template-note") if name else NOTHING
        )


class YamlBox:
    """The whole case as YAML: everything that the form has no field for can be said here."""

    def __init__(self, language: str) -> None:
        self._language = language
        me = Viewer(language)
        with gr.Accordion(me.text("case.yaml"), open=False, elem_id="roi-yaml") as self._box:
            page_html(h('<p class="d-note">{w}</p>', w=me.text("case.yaml.why")))
            self.text = gr.Code(
                "", language="yaml", label=me.text("case.yaml"), elem_id="roi-yaml-text", lines=8,
                max_lines=24, show_label=False, container=False, interactive=True,
            )  # fmt: skip
            with gr.Row(elem_classes="d-buttons"):
                self.apply = gr.Button(
                    me.text("case.yaml.apply"), size="sm", elem_id="roi-yaml-apply", min_width=60
                )
            self._file = page_html(elem_id="roi-yaml-file")

    def connect(self, kept: gr.State, values: gr.Textbox) -> None:
        self._box.expand(self._write, [kept, values], [self.text, self._file], **QUIET)

    def read(self, text: str) -> Case:
        """The case that was written."""
        from jobs.roi.case import case_from_yaml  # noqa: PLC0415 - scipy, a second of start-up time

        return case_from_yaml(text or "")

    def _write(self, kept: Kept, values: str, request: gr.Request) -> tuple[object, Html]:
        """The case as it stands in the form, and a link that saves it as a file."""
        from jobs.roi.case import case_to_yaml  # noqa: PLC0415 - scipy, a second of start-up time

        me = viewer(request, self._language)
        try:
            text = case_to_yaml(case_of(read(values), kept.base))
        except UserError as error:
            return gr.skip(), note(me.error(error), "no")
        code = base64.b64encode(text.encode()).decode()
        link = h(
            '<p class="d-note"><a id="roi-yaml-save" download="case.yaml" '
            'href="data:text/yaml;base64,{code}">{w}</a></p>',
            code=code,
            w=me.text("case.yaml.save"),
        )
        return text, link
