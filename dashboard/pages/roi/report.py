"""Make report: the pilot with the case as it stands on the page, as a file to take away."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, Html, h, note
from dashboard.pages.roi.view import View
from dashboard.pages.shell import busy, page_html, viewer
from dashboard.text import LANGUAGES, Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.service import PilotService

FORMATS = (".pdf", ".pptx", ".xlsx", ".html", ".md")
_TYPES = {
    ".pdf": "application/pdf",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".html": "text/html;charset=utf-8",
    ".md": "text/markdown;charset=utf-8",
}
_SAVE = "() => { setTimeout(() => document.querySelector('#roi-report-file')?.click(), 300); }"


class ReportMaker:
    """Format, language and button in a row, and below it the file once it is made."""

    def __init__(self, service: PilotService, language: str) -> None:
        self._service, self._language = service, language
        me = Viewer(language)
        with gr.Row(elem_classes="d-inline", elem_id="roi-report"):
            self._format = gr.Dropdown(
                [(me.text(f"report.format{f}"), f) for f in FORMATS], value=FORMATS[0],
                label=me.text("report.format"), elem_id="roi-report-format", min_width=150,
            )  # fmt: skip
            self._of_report = gr.Dropdown(
                [(me.text(f"report.language.{code}"), code) for code in LANGUAGES],
                value=language, label=me.text("report.language"), elem_id="roi-report-language",
                min_width=110,
            )  # fmt: skip
            self._button = gr.Button(
                me.text("report.make"), variant="primary", size="sm", elem_id="roi-report-make",
                min_width=110,
            )  # fmt: skip
        self._made = page_html(elem_id="roi-report-made")

    def connect(self, given: gr.State, shown: Callable[[Any], View | None]) -> None:
        """`shown` gives what the page shows from the state `given`."""

        def make(request: gr.Request, state: Any, suffix: str, code: str) -> Html:
            me = viewer(request, self._language)
            return made(self._service, shown(state), suffix, code, me)

        inputs = [given, self._format, self._of_report]
        # the file is saved at once; its link stays for who wants it again
        self._button.click(make, inputs, self._made, **busy(self._button)).then(
            None, None, None, js=_SAVE, api_visibility="private"
        )


def made(service: PilotService, shown: View | None, suffix: str, language: str, me: Viewer) -> Html:
    """The report as a link that holds the file itself, or what keeps it from being made."""
    from dashboard.report import WRITERS, gather  # noqa: PLC0415 - only who asks waits for it

    if shown is None or shown.card is None:
        return NOTHING
    try:
        facts = gather(service, shown.card.id, shown.case, is_example=shown.is_example)
        content = WRITERS[suffix](facts, language)
    except UserError as error:
        return note(me.error(error), "no", "roi-report-problem")
    file = file_name(shown.card.name, shown.card.id, language, suffix)
    code = base64.b64encode(content).decode()
    return h(
        '<p class="d-note"><a id="roi-report-file" download="{file}" '
        'href="data:{kind};base64,{code}">{words}</a></p>',
        file=file,
        kind=_TYPES[suffix],
        code=code,
        words=me.text("report.made", file=file, size=me.number(len(content), "bytes")),
    )


def file_name(pilot: str, ident: str, language: str, suffix: str) -> str:
    """A name that every system takes: the pilot's letters and digits, else its id."""
    kept = re.sub(r"[^\w]+", "-", pilot).strip("-")[:60] or ident
    return f"{kept}-report-{language}{suffix}"
