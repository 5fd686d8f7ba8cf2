"""The panel for own data and its handlers; what it stores is handed to the page around it."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from dashboard.html import NOTHING, Html, h, note
from dashboard.names import name_for
from dashboard.pages.background import Background, progress_box
from dashboard.pages.data_in.problems import problems
from dashboard.pages.data_in.upload import upload_box
from dashboard.pages.shell import QUIET, page_html
from dashboard.text import Viewer
from digpt.errors import Cancelled, UserError

if TYPE_CHECKING:
    from jobs.service import PilotService

TASKS = ("classification", "detection", "segmentation")
PILOT_TASK = TASKS[0]  # boxes and masks are kept and looked at; no pilot learns them yet
_UPLOADED = "new-upload"
_AS_THEY_ARE = [gr.skip()] * 3


class Asked(NamedTuple):
    """What a person has entered in the panel."""

    key: str  # of an upload
    path: str | None
    name: str
    skip_bad: bool
    task: str
    origin: str
    licence: str


class ImportPanel:
    """The components for own data, closed at first, and their handlers."""

    def __init__(self, service: "PilotService", me: Viewer) -> None:
        self.service, self.me = service, me
        self._at_work: dict[str, Background[Any]] = {}  # of each browser session that reads now
        self.box = gr.Accordion(
            me.text("new.add"), open=False, elem_id="new-add", elem_classes="d-card"
        )
        with self.box:
            page_html(h('<p class="d-note">{w}</p>', w=me.text("new.add.why")))
            with gr.Row():
                self._source(me)
            with gr.Row(elem_id="new-about"):
                self._about(me)
            with gr.Row(elem_classes="d-buttons"):
                self.stop = gr.Button(
                    me.text("new.add.stop"), size="sm", elem_id="new-stop", visible=False
                )
                self.check = gr.Button(me.text("new.add.check"), size="sm", elem_id="new-check")
                self.add = gr.Button(
                    me.text("new.add.import"), size="sm", elem_id="new-import", interactive=False
                )
            self.found = page_html(elem_id="new-found")

    def _source(self, me: Viewer) -> None:
        with gr.Column():
            self.zip = page_html(upload_box("new-zip", _UPLOADED, me), "new-zip")
            self.key = gr.Textbox(visible="hidden", elem_id=_UPLOADED, label="key")
        with gr.Column():
            roots = self.service.settings.roots
            words = "new.add.below" if roots else "new.add.no_roots"
            self.path = gr.Dropdown(
                label=me.text("new.add.path"),
                info=me.text(words, roots=", ".join(map(str, roots))),
                choices=[],  # looked up when a person gets there
                allow_custom_value=True,
                interactive=bool(roots),
                elem_id="new-path",
            )
            self.name = gr.Textbox(label=me.text("new.add.name"), elem_id="new-set-name")
            self.skip_bad = gr.Checkbox(label=me.text("new.add.skip"), elem_id="new-skip-bad")

    def _about(self, me: Viewer) -> None:
        """What is to be learnt from the images, and what only a person knows of them."""
        self.task = gr.Radio(
            [(me.text(f"data.task.{task}"), task) for task in TASKS],
            value=PILOT_TASK,
            label=me.text("new.add.task"),
            info=me.text("new.add.task.why"),
            elem_id="new-task",
        )
        with gr.Column():
            self.origin = gr.Textbox(label=me.text("new.add.origin"), elem_id="new-origin")
            self.licence = gr.Textbox(label=me.text("new.add.licence"), elem_id="new-licence")

    def connect(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        stored: Callable[..., list[Any]],
        unchanged: Callable[[], list[Any]],
        tasks: Sequence[str] = (PILOT_TASK,),
    ) -> None:
        """Wire the events; `stored(name, *inputs)` updates the page's outputs after an import for
        one of the `tasks`."""

        def take_data(
            key: str,
            path: str | None,
            name: str,
            skip: bool,
            task: str,
            origin: str,
            licence: str,
            request: gr.Request,
            *values: Any,
        ) -> Iterator[list[Any]]:
            asked = Asked(key, path, name, skip, task, origin, licence)
            found, box = None, NOTHING
            for found, box in self._read(asked, request, dry_run=False):  # noqa: B007 - the last
                yield [*unchanged(), box, gr.update(interactive=False), *_AS_THEY_ARE]
            made = found.dataset if found else None
            page = stored(made, *values) if made and task in tasks else unchanged()
            used = [upload_box("new-zip", _UPLOADED, self.me), "", None] if made else _AS_THEY_ARE
            yield [*page, box, gr.update(interactive=False), *used]

        source = [self.key, self.path, self.name, self.skip_bad,
                  self.task, self.origin, self.licence]  # fmt: skip
        # Gradio's `input` does not hear what a script has entered
        self.key.change(self.named, [self.key, self.name], self.name, **QUIET)
        self.path.focus(self.offered, self.path, self.path, **QUIET)
        self.path.input(self.chosen, [self.path, self.name], [self.path, self.name], **QUIET)
        self.stop.click(self.cancel, None, None, **QUIET)
        busy = [self.stop, self.check]
        for button, work, ins, outs in (
            (self.check, self.dry_run, source, [self.found, self.add]),
            (self.add, take_data, [*source, *inputs],
             [*outputs, self.found, self.add, self.zip, self.key, self.path]),
        ):  # fmt: skip
            began = button.click(lambda: _working(True), None, busy, **QUIET)
            began.then(work, ins, outs, **QUIET).then(lambda: _working(False), None, busy, **QUIET)

    def named(self, key: str, name: str) -> Any:
        """A name for what was uploaded, unless there is one."""
        return name_for(self.service.upload(key).name) if key and not name else gr.skip()

    def offered(self, path: str | None) -> Any:
        """What there is below the folder that stands there."""
        return gr.update(choices=self.service.server_folders(path or ""))

    def chosen(self, path: str | None, name: str) -> list[Any]:
        """The folders below the one that was chosen, to go deeper, and a name."""
        return [self.offered(path), name or name_for(path or "")]

    def cancel(self, request: gr.Request) -> None:
        """Stop what this browser session reads; nothing of it is kept."""
        if at_work := self._at_work.get(str(request.session_hash)):
            at_work.stop()

    def dry_run(
        self,
        key: str,
        path: str | None,
        name: str,
        skip: bool,
        task: str,
        origin: str,
        licence: str,
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        """Look at the data without storing anything."""
        asked = Asked(key, path, name, skip, task, origin, licence)
        for found, box in self._read(asked, request, dry_run=True):
            wrong = found is None or any(p.severity == "error" for p in found.problems)
            yield [box, gr.update(interactive=found is not None and (skip or not wrong))]

    def _read(
        self, asked: Asked, request: gr.Request, *, dry_run: bool
    ) -> Iterator[tuple[Any, Html]]:
        """How far an import is, and last what it found with the same in words; None meanwhile, and
        where it was refused or stopped."""
        me, session = self.me, str(request.session_hash)
        begun = Background(lambda told: self._import(asked, dry_run=dry_run, reporter=told))
        self._at_work[session] = begun
        try:
            for at in begun:
                later = "new.add.cutting" if dry_run else "new.add.storing"
                words = me.text(later if begun.part else "new.add.reading")
                yield None, progress_box(at, words, me, begun.seconds)
            found = begun.result()
            yield found, problems(found, me, stored=bool(found.dataset))
        except UserError as error:
            yield None, note(me.error(error), "no", "new-import-error")
        except Cancelled:
            yield None, note(me.text("new.add.stopped"), "info", "new-import-stopped")
        finally:
            self._at_work.pop(session, None)

    def _import(self, asked: Asked, **how: Any) -> Any:
        name, path = (asked.name or "").strip(), (asked.path or "").strip()
        options = how | {
            "skip_bad": asked.skip_bad,
            "task": asked.task,
            "origin": (asked.origin or "").strip(),
            "licence": (asked.licence or "").strip(),
        }
        if asked.key:
            usual = name_for(self.service.upload(asked.key).name)
            return self.service.import_upload(asked.key, name=name or usual, **options)
        if not path:
            words = self.me.text("new.add.nothing")
            raise UserError(words, code="no-source", field="source")
        return self.service.import_from_server(path, name=name or name_for(path), **options)


def _working(yes: bool) -> list[Any]:
    """Whether the buttons to stop and to check are there."""
    return [gr.update(visible=yes), gr.update(interactive=not yes)]
