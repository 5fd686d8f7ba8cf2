"""The page's components and the handlers between them: load, calculate, save, decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, Html, h, note, page_head
from dashboard.pages.pilots import no_pilot
from dashboard.pages.roi.arms import arms_card
from dashboard.pages.roi.compute import IMAGES, item_of, larger_html, per_item_html, spent_html
from dashboard.pages.roi.decided import decisions_html
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
from dashboard.pages.roi.money import flow_card, foot, key_figures, measured_html, sure_card
from dashboard.pages.roi.report import ReportMaker
from dashboard.pages.roi.scenarios import Scenario, extremes, scenarios, scenarios_card
from dashboard.pages.roi.slices import slices_card
from dashboard.pages.roi.threshold import threshold_card
from dashboard.pages.roi.verdict import head, verdict_card
from dashboard.pages.roi.view import View, view, with_case
from dashboard.pages.shell import QUIET, asked_pilot, busy, chart_card, page_html, viewer
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.computing import ComputeView
    from jobs.roi.case import Case
    from jobs.service import PilotService

NAME, PATH = "roi", "roi"


def build(service: PilotService, language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    _Page(service, language).connect(demo)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a viewer's session holds between events, on the server."""

    shown: View | None = None
    base: Mapping[str, Any] = field(default_factory=dict)  # the case as it came: what the form does
    # not show stays in it
    text: str = ""  # of the form, as it was last worked out
    scenarios: tuple[Scenario, ...] = ()
    seeds: float | None = None  # what more seeds would cost
    compute: ComputeView | None = None


class _Page:
    """The components of the page and the handlers between them."""

    def __init__(self, service: PilotService, language: str) -> None:
        self.service, self.language = service, language
        me = Viewer(language)
        self.top = page_html(elem_id="roi-head")
        self.nothing = page_html(elem_id="roi-nothing")
        with gr.Row(visible=False, elem_classes="d-roi") as self.body:
            with gr.Column(scale=3, min_width=290, elem_classes="d-card d-form"):
                self._form(me)
            with gr.Column(scale=8, min_width=320, elem_classes="d-results"):
                self._results_column(me)
        self.kept = gr.State(Kept())

    def _form(self, me: Viewer) -> None:
        page_html(
            h(
                '<h2>{t}</h2><p class="d-note">{w}</p><div class="d-ends"><span>{low}</span>'
                "<span>{likely}</span><span>{high}</span></div>",
                t=me.text("roi.case"),
                w=me.text("roi.case.why"),
                low=me.text("roi.low"),
                likely=me.text("roi.likely"),
                high=me.text("roi.high"),
            )
        )
        self.note = page_html()
        self.fields = page_html(elem_id="roi-fields")
        self.measured = page_html(elem_id="roi-measured")
        self.rest = page_html(elem_id="roi-fields-rest")
        self.problem = page_html(elem_id="roi-problem")
        self.values = gr.Textbox(visible="hidden", elem_id="roi-values", label="case")
        with gr.Row(elem_classes="d-buttons"):
            self.save = gr.Button(me.text("roi.save"), size="sm", elem_id="roi-save")

    def _results_column(self, me: Viewer) -> None:
        self.verdict = page_html(elem_id="roi-verdict-card")
        self.figures = page_html()
        with gr.Column(elem_classes="d-card", elem_id="roi-report-card"):
            self.report = ReportMaker(self.service, self.language)
        with gr.Row(equal_height=True) as self.charts:
            self.flow, self.sure = chart_card("roi-flow"), chart_card("roi-sure")
        with gr.Row(equal_height=True) as self.more_charts:
            self.tornado = chart_card("roi-tornado")
            with gr.Column(elem_classes="d-card", min_width=320):
                self._scenarios(me)
        with gr.Column(elem_classes="d-card") as self.next_box:
            self.next = page_html(elem_id="roi-next-card")
        with gr.Column(elem_classes="d-card") as self.arms_box:
            self.arms = page_html(elem_id="roi-arms-card")
        with gr.Row(equal_height=True) as self.what_if:
            self.threshold = chart_card("roi-threshold")
            with gr.Column(elem_classes="d-card", min_width=320) as self.slices_box:
                self.slices = page_html(elem_id="roi-slices-card")
        with gr.Column(elem_classes="d-card", elem_id="roi-compute"):
            self._compute(me)
        with gr.Column(elem_classes="d-card", elem_id="roi-decide"):
            self._decide(me)
        self.bottom = page_html()

    def _scenarios(self, me: Viewer) -> None:
        self.scenarios = page_html(elem_id="roi-scenarios-card")
        with gr.Row(elem_classes="d-inline"):
            self.scenario_name = gr.Textbox(
                label=me.text("roi.scenario.new"), elem_id="roi-scenario-name", min_width=120
            )
            self.scenario_save = gr.Button(
                me.text("roi.scenario.save"), size="sm", elem_id="roi-scenario-save", min_width=60
            )
            self.scenario_ends = gr.Button(
                me.text("roi.scenario.ends"), size="sm", elem_id="roi-scenario-ends", min_width=60
            )
        with gr.Row(elem_classes="d-inline", visible=False) as self.scenario_tools:
            self.scenario_chosen = gr.Dropdown(
                [], label=me.text("roi.scenario.chosen"), elem_id="roi-scenario-chosen",
                min_width=120,
            )  # fmt: skip
            self.scenario_load = gr.Button(
                me.text("roi.scenario.load"), size="sm", elem_id="roi-scenario-load", min_width=60
            )
            self.scenario_remove = gr.Button(
                me.text("roi.scenario.remove"), size="sm", elem_id="roi-scenario-remove",
                min_width=60,
            )  # fmt: skip
        self.scenario_note = page_html()

    def _compute(self, me: Viewer) -> None:
        page_html(
            h(
                '<h2>{t}</h2><p class="d-note">{w}</p>',
                t=me.text("compute.title"),
                w=me.text("compute.caption"),
            )
        )
        self.spent = page_html(elem_id="roi-spent")
        page_html(h("<h3>{t}</h3>", t=me.text("compute.larger.title")))
        with gr.Row(elem_classes="d-inline"):
            self.images = gr.Dropdown(
                [(me.text("compute.images.times", n=n), n) for n in IMAGES], value="10",
                label=me.text("compute.images"), elem_id="roi-larger-images", min_width=120,
            )  # fmt: skip
            self.epochs = gr.Number(
                label=me.text("compute.epochs"), elem_id="roi-larger-epochs", min_width=90,
                minimum=0.01, precision=2,
            )  # fmt: skip
            self.student = gr.Dropdown(
                [(me.text(f"compute.student.{s}"), s) for s in ("pilot", "standard", "paper")],
                value="pilot", label=me.text("compute.student"), elem_id="roi-larger-student",
                min_width=150,
            )  # fmt: skip
            self.device = gr.Dropdown(
                [], label=me.text("compute.device"), elem_id="roi-larger-device", min_width=120
            )
        self.larger = page_html(elem_id="roi-larger-card")
        page_html(h("<h3>{t}</h3>", t=me.text("compute.item.title")))
        self.item = page_html(elem_id="roi-item-card")
        with gr.Row(elem_classes="d-inline"):
            self.measure = gr.Button(
                me.text("compute.measure"), size="sm", elem_id="roi-measure", min_width=60
            )
            self.use_item = gr.Button(
                me.text("compute.use"), size="sm", elem_id="roi-use-item", min_width=60,
                visible=False,
            )  # fmt: skip

    def _decide(self, me: Viewer) -> None:
        self.decisions = page_html(elem_id="roi-decisions-card")
        with gr.Row(elem_classes="d-inline"):
            self.who = gr.Textbox(
                label=me.text("decision.who"), elem_id="roi-who", min_width=120, max_length=100
            )
            self.choice = gr.Dropdown(
                [(me.text("decision.follow"), "")]
                + [(me.text(f"verdict.{v}"), v) for v in ("GO", "NO-GO", "COLLECT MORE")],
                value="", label=me.text("decision.choice"), elem_id="roi-choice", min_width=150,
            )  # fmt: skip
        self.why = gr.Textbox(
            label=me.text("decision.note"), lines=2, elem_id="roi-why", max_length=4000
        )
        with gr.Row(elem_classes="d-inline"):
            self.decide = gr.Button(
                me.text("decision.record"), size="sm", elem_id="roi-record", min_width=60
            )
        self.decide_note = page_html()
        with gr.Accordion(me.text("actual.title"), open=False, visible=False) as self.actual_box:
            page_html(h('<p class="d-note">{w}</p>', w=me.text("actual.caption")))
            with gr.Row(elem_classes="d-inline"):
                self.actual = [
                    gr.Dropdown([], label=me.text("actual.decision"), elem_id="roi-actual-decision",
                                min_width=90),
                    gr.Number(1, label=me.text("actual.year"), precision=0, minimum=1, maximum=50,
                              elem_id="roi-actual-year", min_width=70),
                    *(
                        gr.Number(label=me.text(f"actual.{n}"), min_width=100,
                                  elem_id=f"roi-actual-{n.replace('_', '-')}")
                        for n in ("saving", "miss_rate", "false_alarm_rate", "items")
                    ),
                ]  # fmt: skip
                self.enter = gr.Button(
                    me.text("actual.enter"), size="sm", elem_id="roi-actual-enter", min_width=60
                )

    @property
    def result_parts(self) -> list[Any]:
        """What follows an input at once: the answer and the first screen of figures."""
        return [self.top, self.verdict, self.figures, *self.flow.parts, *self.sure.parts,
                *self.tornado.parts, self.note, self.measured, self.charts,
                self.more_charts]  # fmt: skip

    @property
    def lower_parts(self) -> list[Any]:
        """What follows in a second step, further down the page."""
        return [self.scenarios, self.next, self.arms, *self.threshold.parts, self.slices,
                self.slices_box, self.bottom, self.next_box, self.arms_box,
                self.what_if]  # fmt: skip

    @property
    def form_parts(self) -> list[Any]:
        return [self.fields, self.rest, self.values]

    @property
    def scenario_parts(self) -> list[Any]:
        return [self.scenario_tools, self.scenario_chosen, self.scenario_name, self.scenario_note]

    @property
    def compute_parts(self) -> list[Any]:
        return [self.spent, self.larger, self.epochs, self.device, self.item, self.use_item]

    @property
    def decision_parts(self) -> list[Any]:
        return [self.decisions, self.decide_note, self.why, self.actual_box, self.actual[0]]

    def connect(self, demo: gr.Blocks) -> None:
        """Wire all events."""
        self._connect_case(demo)
        self.report.connect(self.kept, lambda kept: kept.shown)
        wish = [self.images, self.epochs, self.student, self.device]
        for part in wish:
            part.input(self.scale, [self.kept, *wish], [self.kept, self.larger], **QUIET)
        self.measure.click(
            self.measure_item,
            [self.kept, *wish],
            [self.kept, self.item, self.use_item],
            **busy(self.measure),
        )
        self.decide.click(
            self.record,
            [self.kept, self.values, self.who, self.choice, self.why],
            [self.problem, *self.decision_parts],
            **busy(self.decide),
        )
        self.enter.click(
            self.enter_actual, [self.kept, self.who, *self.actual], self.decision_parts, **QUIET
        )

    def _connect_case(self, demo: gr.Blocks) -> None:
        results = [self.kept, self.problem, *self.result_parts]
        everything = [self.body, self.nothing, *self.form_parts, *results]
        loaded = demo.load(self.load, None, everything, **QUIET)
        extra = [self.kept, *self.scenario_parts, *self.compute_parts, *self.decision_parts]
        lower = loaded.then(self.lower, self.kept, self.lower_parts, **QUIET)
        lower.then(self.load_more, self.kept, [*extra, self.scenarios, self.next], **QUIET)
        given = [self.kept, self.values]
        changed = [self.kept, self.scenarios, *self.scenario_parts]
        self.scenario_save.click(
            self.save_scenario, [*given, self.scenario_name], changed, **busy(self.scenario_save)
        )
        self.scenario_ends.click(self.save_ends, given, changed, **busy(self.scenario_ends))
        self.scenario_remove.click(
            self.remove_scenario, [self.kept, self.scenario_chosen], changed, **QUIET
        )
        whole = [*self.form_parts, *results]
        chosen = [self.kept, self.scenario_chosen]
        for answered in (
            self.values.change(  # Gradio's `input` does not hear what a script has entered
                self.calculate, given, results, **QUIET, trigger_mode="always_last"
            ),
            self.save.click(self.keep, given, results, **QUIET),
            self.scenario_load.click(self.load_scenario, chosen, whole, **busy(self.scenario_load)),
            self.use_item.click(self.use_measured, given, whole, **busy(self.use_item)),
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
        if kept.shown is None or kept.shown.card is None:
            parts = [*self.scenario_parts, *self.compute_parts, *self.decision_parts]
            return [kept, *[gr.skip()] * (len(parts) + 2)]
        pilot = kept.shown.card.id
        compute, gone = None, ""
        try:
            compute = self._compute_for(kept, "10", None, "pilot", None)
        except UserError as error:  # e.g. a device without a price
            gone = me.error(error)
        kept = replace(
            kept,
            scenarios=scenarios(self.service, pilot),
            seeds=_price_of_seeds(self.service, kept.shown),
            compute=compute,
        )
        return [
            kept,
            *self._scenario_tools(kept, NOTHING),
            *self._compute_of(kept, gone, me),
            *self._decided(kept, NOTHING, me),
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
            h('<div class="d-case">{c}{g}</div>', c=first[0], g=first[1]),
            h('<div class="d-case">{g}</div>', g=group_html(rest, shown.case, me)),
            to_text(shown_values(shown.case)),
        ]

    # -- the case --------------------------------------------------------------------------

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
        if kept.shown is None or kept.shown.card is None:
            return [kept, NOTHING, *[gr.skip()] * len(self.result_parts)]
        try:
            case = case_of(read(values), kept.base)
            if save:
                self.service.save_case(kept.shown.card.id, case)
            shown = with_case(self.service, kept.shown, case)
            kept = replace(kept, shown=shown, text=values)
        except UserError as error:
            kept = replace(kept, text=values)
            return [kept, problem(error, me), *[gr.skip()] * len(self.result_parts)]
        box = note(me.text("roi.saved"), "go", "roi-saved") if save else NOTHING
        return self._answer(kept, box, me)

    def _answer(self, kept: Kept, box: Html, me: Viewer) -> list[Any]:
        """The answer to a case, and the first screen of its figures."""
        shown = kept.shown
        assert shown is not None
        has_figures = gr.update(visible=shown.shown_arm is not None)
        return [
            kept,
            box,
            head(shown, me),
            verdict_card(shown, me),
            key_figures(shown, me),
            *flow_card(shown, me),
            *sure_card(shown, me),
            *tornado_card(shown, me),
            note(me.text("roi.example"), "more", "roi-example") if shown.is_example else NOTHING,
            measured_html(shown, me),
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
            foot(shown, me),
            *[gr.update(visible=shown.shown_arm is not None)] * 3,
        ]

    def _hanging(self, kept: Kept, me: Viewer) -> list[Any]:
        """What hangs on the case and on what `load_more` brought."""
        assert kept.shown is not None
        return [
            scenarios_card(kept.shown, kept.scenarios, me),
            following_card(kept.shown, kept.seeds, me),
        ]

    # -- scenarios -------------------------------------------------------------------------

    def save_scenario(self, kept: Kept, values: str, name: str, request: gr.Request) -> list[Any]:
        """Keep the case as it stands under a name."""
        me = viewer(request, self.language)

        def save(pilot: str) -> None:
            if not (name or "").strip():
                raise UserError(me.text("roi.scenario.nameless"), code="no-name", field="name")
            self.service.save_case(pilot, case_of(read(values), kept.base), name.strip())

        return self._scenarios_after(kept, save, me)

    def save_ends(self, kept: Kept, values: str, request: gr.Request) -> list[Any]:
        """Keep two scenarios: every range at its best end, and at its worst."""
        me = viewer(request, self.language)

        def save(pilot: str) -> None:
            case = case_of(read(values), kept.base)
            found = extremes(case, self.service.roi(pilot, case))
            if not found:
                raise UserError(me.text("roi.scenario.no-ranges"), code="no-ranges")
            for name, extreme in found.items():
                self.service.save_case(pilot, extreme, me.text(f"roi.scenario.{name}"))

        return self._scenarios_after(kept, save, me)

    def remove_scenario(self, kept: Kept, name: str, request: gr.Request) -> list[Any]:
        me = viewer(request, self.language)
        return self._scenarios_after(
            kept, lambda pilot: self.service.remove_scenario(pilot, name), me
        )

    def _scenarios_after(self, kept: Kept, change: Callable[[str], None], me: Viewer) -> list[Any]:
        shown = kept.shown
        assert shown is not None
        assert shown.card is not None
        try:
            change(shown.card.id)
        except UserError as error:
            box = note(me.error(error), "no", "roi-scenario-problem")
            return [kept, gr.skip(), *self._scenario_tools(kept, box)]
        kept = replace(kept, scenarios=scenarios(self.service, shown.card.id))
        table = scenarios_card(shown, kept.scenarios, me)
        return [kept, table, *self._scenario_tools(kept, NOTHING)]

    def _scenario_tools(self, kept: Kept, box: Html) -> list[Any]:
        names = [s.name for s in kept.scenarios]
        chosen = gr.update(choices=names, value=names[-1] if names else None)
        return [gr.update(visible=bool(names)), chosen, "" if box == NOTHING else gr.skip(), box]

    def load_scenario(self, kept: Kept, name: str, request: gr.Request) -> list[Any]:
        """Put a scenario's values into the form."""
        found = next((s.case for s in kept.scenarios if s.name == name), None)
        return self._with_case(kept, found, request)

    def use_measured(self, kept: Kept, values: str, request: gr.Request) -> list[Any]:
        """Put the measured cost of an item into the case."""
        found = None
        if kept.compute and kept.shown:
            item = item_of(kept.compute, kept.shown)
            try:
                case = case_of(read(values), kept.base)
            except UserError:  # shown at its field already
                case = None
            if item is not None and case is not None:
                cost = float(f"{item.here.money.likely:.3g}")
                found = case.model_copy(update={"inference_per_item": cost})
        return self._with_case(kept, found, request)

    def _with_case(self, kept: Kept, case: Case | None, request: gr.Request) -> list[Any]:
        me = viewer(request, self.language)
        if case is None or kept.shown is None:
            skipped = len(self.form_parts) + len(self.result_parts) + 1
            return [*[gr.skip()] * len(self.form_parts), kept,
                    *[gr.skip()] * (skipped - len(self.form_parts))]  # fmt: skip
        shown = with_case(self.service, kept.shown, case)
        form = self._form_of(shown, me)
        kept = replace(kept, shown=shown, base=case.model_dump(mode="json"), text=form[-1])
        return [*form, *self._answer(kept, NOTHING, me)]

    # -- the compute side ------------------------------------------------------------------

    def scale(
        self,
        kept: Kept,
        images: str,
        epochs: float | None,
        student: str,
        device: str | None,
        request: gr.Request,
    ) -> list[Any]:
        """A larger pretraining as it is wished for."""
        me = viewer(request, self.language)
        try:
            found = self._compute_for(kept, images, epochs, student, device)
        except UserError as error:
            return [kept, note(me.error(error), "no")]
        return [replace(kept, compute=found), larger_html(found, me) if found else NOTHING]

    def measure_item(
        self,
        kept: Kept,
        images: str,
        epochs: float | None,
        student: str,
        device: str | None,
        request: gr.Request,
    ) -> list[Any]:
        """Measure what one decision takes on this machine."""
        me = viewer(request, self.language)
        try:
            found = self._compute_for(kept, images, epochs, student, device, measure=True)
        except UserError as error:
            return [kept, note(me.error(error), "no"), gr.skip()]
        if found is None or kept.shown is None:
            return [kept, gr.skip(), gr.skip()]
        usable = item_of(found, kept.shown) is not None
        return [
            replace(kept, compute=found),
            per_item_html(found, kept.shown, me),
            gr.update(visible=usable),
        ]

    def _compute_for(
        self,
        kept: Kept,
        images: str,
        epochs: float | None,
        student: str,
        device: str | None,
        *,
        measure: bool = False,
    ) -> ComputeView | None:
        if kept.shown is None or kept.shown.card is None:
            return None
        arm = kept.shown.shown_arm
        return self.service.compute(
            kept.shown.card.id,
            _wish(images, epochs, student, device),
            arm=arm.arm if arm else None,
            measure=measure,
            currency=kept.shown.case.currency if kept.shown.case else None,
        )

    def _compute_of(self, kept: Kept, gone: str, me: Viewer) -> list[Any]:
        found, shown = kept.compute, kept.shown
        if found is None or shown is None:
            return [
                note(gone or me.text("compute.none"), "no" if gone else "mute"),
                NOTHING,
                gr.skip(),
                gr.skip(),
                NOTHING,
                gr.update(visible=False),
            ]
        larger = found.larger
        devices = [larger.measured_device] if larger else []
        devices += [d for d in self.service.compute_devices() if d not in devices]
        return [
            spent_html(found, me),
            larger_html(found, me),
            gr.update(value=round(larger.epochs, 2) if larger else None),
            gr.update(choices=devices, value=devices[0]),
            per_item_html(found, shown, me),
            gr.update(visible=item_of(found, shown) is not None),
        ]

    # -- decisions -------------------------------------------------------------------------

    def record(
        self, kept: Kept, values: str, who: str, choice: str, why: str, request: gr.Request
    ) -> list[Any]:
        """Write the decision down, for good."""
        me = viewer(request, self.language)
        assert kept.shown is not None
        assert kept.shown.card is not None
        try:
            case = case_of(read(values), kept.base)
            made = self.service.decide(
                kept.shown.card.id, case, why or "", who or "", choice or None
            )
        except UserError as error:
            box = note(me.error(error), "no", "roi-decide-problem")
            return [problem(error, me), gr.skip(), box, *[gr.skip()] * 3]
        words = me.text("decision.recorded", id=made.id, choice=me.text(f"verdict.{made.choice}"))
        return [NOTHING, *self._decided(kept, note(words, "go", "roi-recorded"), me)]

    def enter_actual(
        self,
        kept: Kept,
        who: str,
        decision: int | None,
        year: float | None,
        saving: float | None,
        miss_rate: float | None,
        false_alarm_rate: float | None,
        items: float | None,
        request: gr.Request,
    ) -> list[Any]:
        """Write down what came of a decision; rates stand in percent on the page."""
        me = viewer(request, self.language)
        values = {
            "year": int(year or 1),
            "saving": saving,
            "miss_rate": None if miss_rate is None else miss_rate / 100,
            "false_alarm_rate": None if false_alarm_rate is None else false_alarm_rate / 100,
            "items": items,
        }
        try:
            if not (who or "").strip():
                raise UserError(me.text("actual.who"), code="no-name", field="who")
            self.service.enter_actual(int(decision or 0), values, who)
        except UserError as error:
            box = note(me.error(error), "no", "roi-decide-problem")
            return [gr.skip(), box, *[gr.skip()] * 3]
        return self._decided(kept, NOTHING, me)

    def _decided(self, kept: Kept, box: Html, me: Viewer) -> list[Any]:
        assert kept.shown is not None
        assert kept.shown.card is not None
        found = self.service.decisions(kept.shown.card.id)
        ids = [(f"#{d.id} · {d.who}", d.id) for d in found]
        numbers = gr.update(choices=ids, value=ids[0][1] if ids else None)
        cleared = "" if box != NOTHING else gr.skip()
        return [decisions_html(found, me), box, cleared, gr.update(visible=bool(ids)), numbers]


def problem(error: UserError, me: Viewer) -> Html:
    """What is wrong with the case; the page's script marks the field that it names."""
    return h(
        '<div class="d-box d-no" id="roi-problem-text" role="alert" data-wrong="{field}">'
        "{words}</div>",
        field=error.field or "",
        words=me.error(error),
    )


def _wish(
    images: str = "10",
    epochs: float | None = None,
    student: str = "pilot",
    device: str | None = None,
) -> Any:
    from jobs.computing import Wish  # noqa: PLC0415 - scipy, a second of start-up time

    return Wish(
        images_factor=float(images or 1), epochs=epochs or None, student=student, device=device
    )


def _price_of_seeds(service: PilotService, shown: View) -> float | None:
    """What more seeds would cost; None where the pilot cannot be planned again, e.g. because its
    dataset was removed."""
    assert shown.card is not None
    assert shown.case is not None
    try:
        return service.price_of_seeds(shown.card.id, MORE_SEEDS, shown.case.currency)
    except UserError:
        return None
