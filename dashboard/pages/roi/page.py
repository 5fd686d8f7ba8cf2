"""The page's components and the handlers between them: load, calculate, save, start anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, Html, h, join, note, page_head
from dashboard.pages.pilots import no_pilot
from dashboard.pages.roi.arms import arms_card
from dashboard.pages.roi.compute_box import ComputeBox
from dashboard.pages.roi.decision_box import DecisionBox
from dashboard.pages.roi.following import MORE_SEEDS, following_card
from dashboard.pages.roi.form import (
    BEFORE_MEASURED,
    GROUPS,
    case_of,
    classes_html,
    group_html,
    read,
    shown_values,
    to_text,
)
from dashboard.pages.roi.inputs import tornado_card
from dashboard.pages.roi.kept import Kept, problem
from dashboard.pages.roi.money import flow_card, foot, key_figures, measured_html, sure_card
from dashboard.pages.roi.report import ReportMaker
from dashboard.pages.roi.scenario_box import ScenarioBox
from dashboard.pages.roi.scenarios import scenarios, scenarios_card
from dashboard.pages.roi.slices import slices_card
from dashboard.pages.roi.start_box import StartBox, YamlBox
from dashboard.pages.roi.threshold import threshold_card
from dashboard.pages.roi.verdict import head, verdict_card
from dashboard.pages.roi.view import View, view, with_case
from dashboard.pages.shell import QUIET, asked_pilot, busy, chart_card, opening, page_html, viewer
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.roi.case import Case
    from jobs.service import PilotService

NAME, PATH = "roi", "roi"


def build(service: PilotService, language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    _Page(service, language).connect(demo)


class _Page:
    """The components of the page and the handlers between them."""

    def __init__(self, service: PilotService, language: str) -> None:
        self.service, self.language = service, language
        me = Viewer(language)
        self.top = opening("roi", me.text("nav.roi"), me, "roi-head")
        self.nothing = page_html(elem_id="roi-nothing")
        with gr.Row(visible=False, elem_classes="d-roi") as self.body:
            with gr.Column(scale=3, min_width=290, elem_classes="d-card d-form"):
                self._form(me)
            with gr.Column(scale=8, min_width=320, elem_classes="d-results"):
                self._results_column()
        self.kept = gr.State(Kept())

    def _form(self, me: Viewer) -> None:
        page_html(
            h(
                '<h2>{t}</h2><p class="d-note">{w}</p>',
                t=me.text("roi.case"),
                w=me.text("roi.case.why"),
            )
        )
        self.start = StartBox(self.service, self.language)
        self.note = page_html()
        ends = [me.text(f"roi.{end}") for end in ("low", "likely", "high")]
        page_html(
            h(
                '<div class="d-ends"><span>{low}</span><span>{likely}</span>'
                "<span>{high}</span></div>",
                low=ends[0],
                likely=ends[1],
                high=ends[2],
            )
        )
        self.fields = page_html(elem_id="roi-fields")
        self.measured = page_html(elem_id="roi-measured")
        self.rest = page_html(elem_id="roi-fields-rest")
        self.yaml = YamlBox(self.language)
        self.problem = page_html(elem_id="roi-problem")
        self.values = gr.Textbox(visible="hidden", elem_id="roi-values", label="case")
        with gr.Row(elem_classes="d-buttons"):
            self.save = gr.Button(me.text("roi.save"), size="sm", elem_id="roi-save")

    def _results_column(self) -> None:
        words = Viewer(self.language).text("roi.updating")
        page_html(h('<p id="roi-updating" role="status" data-words="{w}"></p>', w=words))
        self.verdict = page_html(elem_id="roi-verdict-card")
        self.figures = page_html()
        with gr.Column(elem_classes="d-card", elem_id="roi-report-card"):
            self.report = ReportMaker(self.service, self.language)
        with gr.Row(equal_height=True) as self.charts:
            self.flow, self.sure = chart_card("roi-flow"), chart_card("roi-sure")
        with gr.Row(equal_height=True) as self.more_charts:
            self.tornado = chart_card("roi-tornado")
            with gr.Column(elem_classes="d-card", min_width=320):
                self.scenarios = ScenarioBox(self.service, self.language)
        with gr.Column(elem_classes="d-card") as self.next_box:
            self.next = page_html(elem_id="roi-next-card")
        with gr.Column(elem_classes="d-card") as self.arms_box:
            self.arms = page_html(elem_id="roi-arms-card")
        with gr.Row(equal_height=True) as self.what_if:
            self.threshold = chart_card("roi-threshold")
            with gr.Column(elem_classes="d-card", min_width=320) as self.slices_box:
                self.slices = page_html(elem_id="roi-slices-card")
        with gr.Column(elem_classes="d-card", elem_id="roi-compute"):
            self.compute = ComputeBox(self.service, self.language)
        with gr.Column(elem_classes="d-card", elem_id="roi-decide"):
            self.decision = DecisionBox(self.service, self.language)
        self.bottom = page_html()

    @property
    def result_parts(self) -> list[Any]:
        """What follows an input at once: the answer and the first screen of figures."""
        return [self.top, self.verdict, self.figures, *self.flow.parts, *self.sure.parts,
                *self.tornado.parts, self.note, self.measured, self.charts,
                self.more_charts]  # fmt: skip

    @property
    def lower_parts(self) -> list[Any]:
        """What follows in a second step, further down the page."""
        return [self.scenarios.table, self.next, self.arms, *self.threshold.parts, self.slices,
                self.slices_box, self.bottom, self.next_box, self.arms_box,
                self.what_if]  # fmt: skip

    @property
    def form_parts(self) -> list[Any]:
        return [self.fields, self.rest, self.start.currency, self.values]

    def connect(self, demo: gr.Blocks) -> None:
        """Wire all events."""
        self._connect_load(demo)
        self._connect_case()
        self.report.connect(self.kept, lambda kept: kept.shown)
        self.start.connect()
        self.yaml.connect(self.kept, self.values)
        self.scenarios.connect(self.kept, self.values)
        self.compute.connect(self.kept)
        self.decision.connect(self.kept, self.values, self.problem)

    @property
    def _results(self) -> list[Any]:
        return [self.kept, self.problem, *self.result_parts]

    def _connect_load(self, demo: gr.Blocks) -> None:
        everything = [self.body, self.nothing, *self.form_parts, *self._results]
        extra = [*self.scenarios.parts, *self.compute.parts, *self.decision.parts]
        loaded = demo.load(self.load, None, everything, **QUIET)
        lower = loaded.then(self.lower, self.kept, self.lower_parts, **QUIET)
        more = [self.kept, *extra, self.scenarios.table, self.next]
        lower.then(self.load_more, self.kept, more, **QUIET)

    def _connect_case(self) -> None:
        given, results = [self.kept, self.values], self._results
        whole = [*self.form_parts, *results]
        start, box = self.start, self.scenarios
        for answered in (
            self.values.change(  # Gradio's `input` does not hear what a script has entered
                self.calculate, given, results, **QUIET, trigger_mode="always_last"
            ),
            self.save.click(self.keep, given, results, **QUIET),
            box.load.click(self.load_scenario, [self.kept, box.chosen], whole, **busy(box.load)),
            self.compute.use.click(self.use_measured, given, whole, **busy(self.compute.use)),
            start.template.input(self.use_template, [self.kept, start.template], whole, **QUIET),
            start.currency.input(self.use_currency, [*given, start.currency], whole, **QUIET),
            self.yaml.apply.click(
                self.use_yaml, [self.kept, self.yaml.text], whole, **busy(self.yaml.apply)
            ),
        ):
            answered.then(self.lower, self.kept, self.lower_parts, **QUIET)

    # -- loading ---------------------------------------------------------------------------

    def load(self, request: gr.Request) -> list[Any]:
        me = viewer(request, self.language)
        try:
            shown = view(self.service, asked_pilot(request))
        except UserError as error:
            title = page_head(me.text("nav.roi"), me.text("roi.title"), NOTHING)
            return self._only(title, note(me.error(error), "no", "roi-error"))
        if shown.card is None or shown.case is None:
            return self._only(head(shown, me), no_pilot("roi", me))
        form = self._form_of(shown, me)
        kept = Kept(shown, shown.case.model_dump(mode="json"), text=form[-1])
        return [gr.update(visible=True), NOTHING, *form, *self._answer(kept, NOTHING, me)]

    def load_more(self, kept: Kept, request: gr.Request) -> list[Any]:
        """What takes its time and hangs on no input: scenarios, compute side, decisions."""
        me = viewer(request, self.language)
        shown = kept.shown
        if shown is None or kept.pilot is None:
            parts = [*self.scenarios.parts, *self.compute.parts, *self.decision.parts]
            return [kept, *[gr.skip()] * (len(parts) + 2)]
        pilot = kept.pilot
        kept, computed = self.compute.first(kept, me)
        kept = replace(
            kept,
            scenarios=scenarios(self.service, pilot),
            seeds=_price_of_seeds(self.service, shown),
        )
        return [
            kept,
            *self.scenarios.loaded(kept),
            *computed,
            *self.decision.loaded(kept, me),
            *self._hanging(kept, me),
        ]

    def _only(self, title: Html, box: Html) -> list[Any]:
        """What `load` gives where there is no case: a title and a box, everything else hidden."""
        rest = [gr.skip()] * (len(self.result_parts) - 1)
        form = [gr.skip()] * len(self.form_parts)
        return [gr.update(visible=False), box, *form, Kept(), NOTHING, title, *rest]

    def _form_of(self, shown: View, me: Viewer) -> list[Any]:
        assert shown.case is not None
        rest = [name for name in GROUPS if name not in BEFORE_MEASURED]
        first = [classes_html(shown.classes, shown.case, me),
                 group_html(BEFORE_MEASURED, shown.case, me)]  # fmt: skip
        return [
            h(
                '<div class="d-case" data-case="{case}" data-pilot="{pilot}">{c}{g}</div>',
                case=to_text(shown.case.model_dump(mode="json")),
                pilot=shown.card.id if shown.card else "",
                c=first[0],
                g=first[1],
            ),
            h('<div class="d-case">{g}</div>', g=group_html(rest, shown.case, me)),
            self.start.shown(shown.case),
            to_text(shown_values(shown.case)),
        ]

    # -- the case as it is entered ---------------------------------------------------------

    def calculate(self, kept: Kept, values: str, request: gr.Request) -> list[Any]:
        """The result of the case as it stands in the form; nothing where the server set it."""
        if values == kept.text:
            return [gr.skip()] * (len(self.result_parts) + 2)
        return self._calculate(kept, values, request, save=False)

    def keep(self, kept: Kept, values: str, request: gr.Request) -> list[Any]:
        """Save the case with the pilot, and show its result."""
        return self._calculate(kept, values, request, save=True)

    def _calculate(self, kept: Kept, values: str, request: gr.Request, *, save: bool) -> list[Any]:
        me = viewer(request, self.language)
        if kept.shown is None or kept.pilot is None:
            return [kept, NOTHING, *[gr.skip()] * len(self.result_parts)]
        try:
            case = case_of(read(values), kept.base)
            if save:
                self.service.save_case(kept.pilot, case)
            shown = with_case(self.service, kept.shown, case)
            kept = replace(kept, shown=shown, text=values)
        except UserError as error:
            kept = replace(kept, text=values)
            return [kept, problem(error, me, kept.currency), *[gr.skip()] * len(self.result_parts)]
        box = note(me.text("roi.saved"), "go", "roi-saved") if save else NOTHING
        return self._answer(kept, box, me)

    def _answer(self, kept: Kept, box: Html, me: Viewer) -> list[Any]:
        """The answer to a case, and the first screen of its figures."""
        shown = kept.shown
        assert shown is not None
        if shown.error is not None:  # e.g. a currency without a rate: said at its field as well
            box = problem(shown.error, me, kept.currency)
        has_figures = gr.update(visible=shown.shown_arm is not None)
        return [
            kept,
            box,
            head(shown, me),
            verdict_card(shown, me),
            key_figures(shown.headline, shown.case, me),
            *flow_card(shown, me),
            *sure_card(shown, me),
            *tornado_card(shown, me),
            note(me.text("roi.example"), "more", "roi-example") if shown.is_example else NOTHING,
            measured_html(shown.headline, me),
            *[has_figures] * 2,
        ]

    def lower(self, kept: Kept, request: gr.Request) -> list[Any]:
        """The cards further down, for the case that was worked out last."""
        me = viewer(request, self.language)
        shown = kept.shown
        if shown is None or shown.case is None:
            return [gr.skip()] * len(self.lower_parts)
        lost = slices_card(shown, me)
        return [
            *self._hanging(kept, me),
            arms_card(shown, me),
            *threshold_card(shown, me),
            lost,
            gr.update(visible=bool(lost)),
            join([foot(shown, me), _answered()]),
            *[gr.update(visible=shown.shown_arm is not None)] * 3,
        ]

    def _hanging(self, kept: Kept, me: Viewer) -> list[Any]:
        """What hangs on the case and on what `load_more` brought."""
        assert kept.shown is not None
        return [
            scenarios_card(kept.shown, kept.scenarios, me),
            following_card(kept.shown, kept.seeds, me),
        ]

    # -- the case as it comes from elsewhere -----------------------------------------------

    def load_scenario(self, kept: Kept, name: str, request: gr.Request) -> list[Any]:
        return self._with(kept, lambda: self.scenarios.found(kept, name), request)

    def use_measured(self, kept: Kept, values: str, request: gr.Request) -> list[Any]:
        return self._with(kept, lambda: self.compute.measured(kept, values), request)

    def use_template(self, kept: Kept, name: str, request: gr.Request) -> list[Any]:
        return self._with(kept, lambda: self.start.from_template(kept, name), request)

    def use_currency(
        self, kept: Kept, values: str, currency: str, request: gr.Request
    ) -> list[Any]:
        return self._with(kept, lambda: self.start.in_currency(kept, values, currency), request)

    def use_yaml(self, kept: Kept, text: str, request: gr.Request) -> list[Any]:
        return self._with(kept, lambda: self.yaml.read(text), request)

    def _with(self, kept: Kept, find: Callable[[], Case | None], request: gr.Request) -> list[Any]:
        """Put the case that is found into the form, and show its result."""
        me = viewer(request, self.language)
        unchanged = [gr.skip()] * len(self.form_parts)
        rest = [gr.skip()] * len(self.result_parts)
        try:
            case = find()
        except UserError as error:
            return [*unchanged, kept, problem(error, me, kept.currency), *rest]
        if case is None or kept.shown is None:
            return [*unchanged, kept, gr.skip(), *rest]
        shown = with_case(self.service, kept.shown, case)
        form = self._form_of(shown, me)
        kept = replace(kept, shown=shown, base=case.model_dump(mode="json"), text=form[-1])
        return [*form, *self._answer(kept, NOTHING, me)]


def _answered() -> Html:
    """A mark that is never the same twice: by it the page's script sees that all has followed."""
    return h('<span hidden data-answered="{n}"></span>', n=time.monotonic_ns())


def _price_of_seeds(service: PilotService, shown: View) -> float | None:
    """What more seeds would cost; None where the pilot cannot be planned again, e.g. because its
    dataset was removed."""
    assert shown.card is not None
    assert shown.case is not None
    try:
        return service.price_of_seeds(shown.card.id, MORE_SEEDS, shown.case.currency)
    except UserError:
        return None
