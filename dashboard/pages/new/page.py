"""The page: four steps over one draft, which the browser keeps."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, h, note
from dashboard.pages.data_in import ImportPanel
from dashboard.pages.new.arms import ArmsStep
from dashboard.pages.new.draft import Draft, for_dataset, from_json, to_spec, with_choice
from dashboard.pages.new.form import Form, draft_of
from dashboard.pages.new.plan import before_launch, plan, plan_lead
from dashboard.pages.new.sheet import Sheet
from dashboard.pages.new.view import begin, head
from dashboard.pages.shell import PRIVATE, QUIET, busy, page_html
from dashboard.text import Viewer
from digpt.errors import UserError
from digpt.tokenizers.names import parse

if TYPE_CHECKING:
    from jobs.service import PilotService

NAME, PATH = "new", "new"
STEPS = ("data", "tokenizers", "arms", "plan")
ASKED = ("clone", "more_seeds", "labels", "dataset")  # of the address
_TO_ITS_RUN = "(id) => { if (id) setTimeout(() => location.assign('/runs?pilot=' + id)); }"


def build(service: "PilotService", language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    _Page(service, Viewer(language)).connect(demo)


class _Page:
    """The components of the page and the handlers between them."""

    def __init__(self, service: "PilotService", me: Viewer) -> None:
        self.service, self.me = service, me
        kept = gr.BrowserState(None, storage_key="digpt_draft", secret="digpt")
        with gr.Row(elem_classes="d-top"):
            self.top = page_html(head("data", Draft(), me), "new-head")
            with gr.Row(elem_classes="d-buttons"):
                self.open_yaml = gr.Button(me.text("new.yaml.open"), elem_id="new-yaml-open")
                self.fresh = gr.Button(me.text("new.fresh"), elem_id="new-fresh")
        self.sheet = Sheet(me)
        with gr.Walkthrough(selected=0, elem_id="new-steps") as self.steps:
            with gr.Step(me.text("new.step.data"), id=0):
                self._data_step()
            with gr.Step(me.text("new.step.tokenizers"), id=1):
                self._tokenizer_step()
            with gr.Step(me.text("new.step.arms"), id=2):
                self.arms = ArmsStep(me)
                self.back_tokenizers, self.to_plan = self._back_next("plan")
            with gr.Step(me.text("new.step.plan"), id=3):
                self._plan_step()
        fields = [self.dataset, self.tokenizers, *self.arms.fields]
        lists = [self.cards, self.detail, self.tokenizer_list, self.arms.preset_about]
        self.form = Form(service, me, kept, fields, lists)

    def _data_step(self) -> None:
        self.dataset = gr.Radio([], label=self.me.text("new.dataset"), elem_id="new-dataset")
        self.cards = page_html(elem_id="new-dataset-cards")
        self.detail = page_html(elem_id="new-dataset-detail")
        self.imports = ImportPanel(self.service, self.me)
        with gr.Row(elem_classes="d-buttons"):
            self.to_tokenizers = self._next("tokenizers")

    def _tokenizer_step(self) -> None:
        me = self.me
        self.tokenizers = gr.CheckboxGroup(
            [], label=me.text("new.tokenizers"), elem_id="new-tokenizers"
        )
        with gr.Row(elem_classes="d-other"):
            self.other = gr.Textbox(
                label=me.text("new.tokenizers.other"),
                placeholder="codebook:512(filters)",
                elem_id="new-other",
            )
            self.add_other = gr.Button(
                me.text("new.tokenizers.add"), size="sm", elem_id="new-other-add"
            )
        self.other_error = page_html(elem_id="new-other-error")
        self.tokenizer_list = page_html(elem_id="new-tokenizer-list")
        self.back_data, self.to_arms = self._back_next("arms")

    def _plan_step(self) -> None:
        me = self.me
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                self.plan = page_html(elem_id="new-plan-table")
            with gr.Column(scale=3, min_width=300, elem_classes="d-card"):
                self.before = page_html(elem_id="new-before")
                self.consent = gr.CheckboxGroup(
                    [],
                    label=me.text("governance.consent"),
                    info=me.text("governance.consent.info"),
                    visible=False,
                    elem_id="new-consent",
                )
                self.launch = gr.Button(
                    me.text("new.launch"), variant="primary", elem_id="new-launch"
                )
                page_html(h('<p class="d-note d-center">{w}</p>', w=me.text("new.launch.note")))
                self.launch_error = page_html(elem_id="new-launch-error")
        self.launched = gr.Textbox(visible="hidden", elem_id="new-launched", label="id")
        with gr.Row(elem_classes="d-buttons"):
            self.back_arms = gr.Button(me.text("new.back"), elem_id="new-back-arms")

    def _next(self, step: str) -> gr.Button:
        words = self.me.text("new.next", step=self.me.text(f"new.step.{step}"))
        return gr.Button(words, variant="primary", elem_id=f"new-to-{step}")

    def _back_next(self, step: str) -> tuple[gr.Button, gr.Button]:
        with gr.Row(elem_classes="d-buttons"):
            back = gr.Button(self.me.text("new.back"), elem_id=f"new-back-from-{step}")
            return back, self._next(step)

    def connect(self, demo: gr.Blocks) -> None:
        """Wire all events."""
        form, arms = self.form, self.arms
        loaded = demo.load(
            self.load, [form.kept], [*form.outputs, self.top, self.imports.box], **QUIET
        )
        loaded.then(self.open_plan, form.kept, self._planned, **QUIET)
        for part in (self.dataset, self.tokenizers, arms.methods):
            part.input(self.choose, form.inputs, form.outputs, **QUIET)
        arms.preset.input(self.choose_preset, form.inputs, form.outputs, **QUIET)
        for part in (arms.arms, arms.seeds, arms.label_budgets, arms.finetune_budgets, arms.name,
                     arms.cost, arms.hours):  # fmt: skip
            part.input(
                lambda kept, *v: draft_of(kept, v).to_json(), form.inputs, form.kept, **QUIET
            )
        self.fresh.click(lambda: form.shown(Draft()), None, form.outputs, **QUIET)
        self._connect_steps()
        self.sheet.connect(self.open_yaml, form, self.steps, self.top)
        self.imports.connect(form.inputs, form.outputs, self.take_data, form.unchanged)
        self.add_other.click(
            self.add_tokenizer,
            [self.other, *form.inputs],
            [*form.outputs, self.other, self.other_error],
            **QUIET,
        )

    def _connect_steps(self) -> None:
        for button, step in ((self.to_tokenizers, 1), (self.to_arms, 2), (self.back_data, 0),
                             (self.back_tokenizers, 1), (self.back_arms, 2)):  # fmt: skip
            button.click(self._go(step), self.form.kept, [self.steps, self.top], **QUIET)
        self.to_plan.click(
            self.make_plan,
            self.form.inputs,
            self._planned,
            **busy(self.to_plan),
        )
        launched = self.launch.click(
            self.start,
            [self.consent, *self.form.inputs],
            [self.launched, self.launch_error, self.form.kept],
            **busy(self.launch),
        )
        launched.then(None, self.launched, None, js=_TO_ITS_RUN, **PRIVATE)

    @property
    def _planned(self) -> list[Any]:
        return [self.steps, self.top, self.plan, self.before, self.arms.error, self.consent]

    def load(self, kept: object, request: gr.Request) -> list[Any]:
        asked = request.query_params
        try:
            more = [asked.get(name, "") for name in ASKED]
            draft, lead = begin(self.service, kept, *more), ""
        except UserError as error:
            draft, lead = from_json(kept), self.me.error(error)
        page = self.form.shown(draft)
        wants_data = gr.update(open=True) if "add" in request.query_params else gr.skip()
        return [*page, head("data", from_json(page[0]), self.me, lead), wants_data]

    def open_plan(self, kept: object, request: gr.Request) -> list[Any]:
        """A next experiment that was proposed is complete: it opens at its plan, to be launched."""
        if not {"more_seeds", "labels"} & set(request.query_params):
            return [gr.skip()] * len(self._planned)
        draft = from_json(kept)
        try:
            return self._plan_of(draft)
        except UserError as error:
            lead = head("data", draft, self.me, self.me.error(error))
            return [gr.skip(), lead, *[gr.skip()] * (len(self._planned) - 2)]

    def choose(self, kept: object, *values: Any) -> list[Any]:
        """After a dataset, tokenizer or method was chosen."""
        now, before = draft_of(kept, values), from_json(kept)
        base = replace(now, tokenizers=before.tokenizers, methods=before.methods)
        draft = with_choice(base, tokenizers=now.tokenizers, methods=now.methods)
        if now.dataset != before.dataset:
            draft = for_dataset(draft, self.service.tokenizers(now.dataset))
        if before.name == f"{before.dataset}-1":
            draft = replace(draft, name="")
        return self.form.shown(draft)

    def take_data(self, name: str, kept: object, *values: Any) -> list[Any]:
        """After an import: its dataset is the draft's."""
        draft = replace(draft_of(kept, values), dataset=name, name="")
        return self.form.shown(for_dataset(draft, self.service.tokenizers(name)))

    def choose_preset(self, kept: object, *values: Any) -> list[Any]:
        """A preset brings its own seeds and budgets."""
        draft = draft_of(kept, values)
        return self.form.shown(replace(draft, seeds=None, label_budgets=(), finetune_budgets=()))

    def add_tokenizer(self, name: str, kept: object, *values: Any) -> list[Any]:
        """A tokenizer by its name, checked in place."""
        draft = draft_of(kept, values)
        try:
            more = parse(name).canonical
        except UserError as error:
            return [*self.form.unchanged(), gr.skip(), note(self.me.error(error), "no")]
        chosen = dict.fromkeys([*draft.tokenizers, more])
        now = with_choice(draft, tokenizers=tuple(chosen), methods=draft.methods)
        return [*self.form.shown(now), "", NOTHING]

    def _go(self, step: int) -> Callable[[object], list[Any]]:
        def go(kept: object) -> list[Any]:
            title = head(STEPS[step], from_json(kept), self.me)
            return [gr.Walkthrough(selected=step), title]

        return go

    def make_plan(self, kept: object, *values: Any) -> list[Any]:
        """Estimate the draft and go on to the plan; a mistake is shown where it was made."""
        try:
            return self._plan_of(draft_of(kept, values))
        except UserError as error:
            return [*[gr.skip()] * 4, note(self.me.error(error), "no", "new-error"), gr.skip()]

    def _plan_of(self, draft: Draft) -> list[Any]:
        spec, me = to_spec(draft), self.me
        found = self.service.estimate(spec)
        title = head("plan", draft, me, plan_lead(found, draft.images, me))
        shown = [plan(found, me), before_launch(found, me)]
        forbidden = self.service.forbidden(spec)
        consent = gr.update(choices=forbidden, value=[], visible=bool(forbidden))
        return [gr.Walkthrough(selected=3), title, *shown, NOTHING, consent]

    def start(self, accepted: list[str], kept: object, *values: Any) -> list[Any]:
        """Launch the pilot; its id sends the browser to its run."""
        try:
            spec = to_spec(draft_of(kept, values))
            names = (*spec.licence_accepted, *(accepted or ()))
            ident = self.service.submit(spec.model_copy(update={"licence_accepted": names}))
        except UserError as error:
            return ["", note(self.me.error(error), "no", "new-error"), gr.skip()]
        return [ident, NOTHING, None]
