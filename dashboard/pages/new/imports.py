"""Own data: a file or folder is looked at first, then imported and chosen for the draft."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import Html, h, join, note, table, tag
from dashboard.pages.new.form import Form, draft_of
from dashboard.pages.shell import PRIVATE, QUIET, page_html
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.service import PilotService


def problems(found: Any, me: Viewer, *, stored: bool) -> Html:
    """What an import found, as a table of problems."""
    total = sum(sum(c.values()) if isinstance(c, dict) else int(c) for c in found.counts.values())
    errors = sum(p.severity == "error" for p in found.problems)
    key = "new.import.stored" if stored else "new.import.errors" if errors else "new.import.ready"
    tone = "go" if stored else "no" if errors else "info"
    words = me.text(
        key,
        images=me.number(total, "count"),
        format=found.format,
        count=errors,
        name=found.dataset or "",
    )
    box = note(words, tone, "new-import-result")
    if not found.problems:
        return box
    heads = [me.text(f"new.problem.{c}") for c in ("severity", "file", "what", "fix")]
    box_name = f'"{me.text("new.add.skip")}"'  # what the command line calls --skip-bad
    rows = [
        [_severity(p.severity, me), p.file, p.what, p.fix.replace("--skip-bad", box_name)]
        for p in found.problems[:200]
    ]
    return join([box, h('<div id="new-problems">{t}</div>', t=table(heads, rows))])


def _severity(severity: str, me: Viewer) -> Html:
    tone, symbol = {"error": ("no", "✕"), "warning": ("more", "!")}.get(severity, ("info", "i"))
    return tag(f"{symbol} {me.text(f'severity.{severity}')}", tone)


class _ToBar:
    """A reporter that moves Gradio's progress bar."""

    def __init__(self, progress: gr.Progress, words: str) -> None:
        self._progress, self._words = progress, words

    def progress(self, done: int, total: int) -> None:
        self._progress((done, total), desc=self._words)

    def metric(self, step: int, **values: float) -> None: ...

    def log(self, message: str, level: str = "info") -> None: ...

    def check(self) -> None: ...


class ImportPanel:
    """The components for own data, closed at first, and their handlers."""

    def __init__(self, service: "PilotService", me: Viewer) -> None:
        self.service, self.me = service, me
        self.box = gr.Accordion(
            me.text("new.add"), open=False, elem_id="new-add", elem_classes="d-card"
        )
        with self.box:
            page_html(h('<p class="d-note">{w}</p>', w=me.text("new.add.why")))
            with gr.Row():
                self._source(me)
            with gr.Row(elem_classes="d-buttons"):
                self.check = gr.Button(me.text("new.add.check"), size="sm", elem_id="new-check")
                self.add = gr.Button(
                    me.text("new.add.import"), size="sm", elem_id="new-import", interactive=False
                )
            self.found = page_html(elem_id="new-found")

    def _source(self, me: Viewer) -> None:
        self.zip = gr.File(
            label=me.text("new.add.zip"),
            file_types=[".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz"],
            type="filepath",
            elem_id="new-zip",
            height=140,
        )
        with gr.Column():
            roots = self.service.settings.roots
            key = "new.add.below" if roots else "new.add.no_roots"
            self.path = gr.Textbox(
                label=me.text("new.add.path"),
                info=me.text(key, roots=", ".join(map(str, roots))),
                interactive=bool(roots),
                elem_id="new-path",
            )
            self.name = gr.Textbox(label=me.text("new.add.name"), elem_id="new-set-name")
            self.skip_bad = gr.Checkbox(label=me.text("new.add.skip"), elem_id="new-skip-bad")

    def connect(self, form: Form) -> None:
        """Wire the events; what is imported becomes the form's dataset."""
        me = self.me

        def take_data(
            file: str | None,
            path: str,
            name: str,
            skip: bool,
            kept: object,
            progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way
            *values: Any,
        ) -> list[Any]:
            try:
                found = self._import(file, path, name, skip, progress, dry_run=False)
            except UserError as error:
                return [*form.unchanged(), _refusal(error, me), gr.skip()]
            page = form.unchanged()
            if found.dataset:
                draft = replace(draft_of(kept, values), dataset=found.dataset, name="")
                page = form.shown(draft)
            box = problems(found, me, stored=bool(found.dataset))
            return [*page, box, gr.update(interactive=False)]

        source = [self.zip, self.path, self.name, self.skip_bad]
        waiting = {**PRIVATE, "show_progress_on": self.found}
        self.zip.upload(lambda f: name_for(f or ""), self.zip, self.name, **PRIVATE)
        self.path.blur(
            lambda path, name: name or name_for(path or ""),
            [self.path, self.name],
            self.name,
            **QUIET,
        )
        self.check.click(self.dry_run, source, [self.found, self.add], **waiting)
        self.add.click(
            take_data, [*source, *form.inputs], [*form.outputs, self.found, self.add], **waiting
        )

    def dry_run(
        self,
        file: str | None,
        path: str,
        name: str,
        skip: bool,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way
    ) -> list[Any]:
        """Look at the data without storing anything."""
        try:
            found = self._import(file, path, name, skip, progress, dry_run=True)
        except UserError as error:
            return [_refusal(error, self.me), gr.update(interactive=False)]
        errors = any(p.severity == "error" for p in found.problems)
        return [problems(found, self.me, stored=False), gr.update(interactive=skip or not errors)]

    def _import(
        self,
        file: str | None,
        path: str,
        name: str,
        skip: bool,
        progress: gr.Progress,
        *,
        dry_run: bool,
    ) -> Any:
        source = file or (path or "").strip()
        if not source:
            words = self.me.text("new.add.nothing")
            raise UserError(words, code="no-source", field="source")
        options: dict[str, Any] = {
            "name": (name or "").strip() or name_for(source),
            "dry_run": dry_run,
            "skip_bad": skip,
            "reporter": _ToBar(progress, self.me.text("new.add.reading")),
        }
        if file:
            return self.service.import_dataset(Path(file), **options)
        return self.service.import_from_server(source, **options)


def _refusal(error: UserError, me: Viewer) -> Html:
    return note(me.error(error), "no", "new-import-error")


def name_for(source: str) -> str:
    """A dataset name from a path: lower case, digits and dashes."""
    stem = re.sub(r"\.(zip|tgz|tar(\.(gz|bz2|xz))?)$", "", Path(source.strip().rstrip("/")).name)
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:60]
