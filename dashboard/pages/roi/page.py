"""The page's components and the handlers between them: load, calculate, save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, Html, h, note, page_head
from dashboard.pages.pilots import chosen_pilots, no_pilot
from dashboard.pages.roi.arms import arms_card
from dashboard.pages.roi.form import FIELDS, GROUPS, Field, case_of, shown_values
from dashboard.pages.roi.money import flow_card, foot, key_figures, sure_card
from dashboard.pages.roi.verdict import head, verdict_card
from dashboard.pages.roi.view import View, view
from dashboard.pages.shell import QUIET, asked_pilot, busy, chart_card, page_html, viewer
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
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
        self.top = page_html(elem_id="roi-head")
        self.nothing = page_html(elem_id="roi-nothing")
        with gr.Row(visible=False, elem_classes="d-roi") as self.body:
            with gr.Column(scale=3, min_width=290, elem_classes="d-card d-form"):
                self._form(me)
            with gr.Column(scale=8, min_width=320):
                self.verdict = page_html(elem_id="roi-verdict-card")
                self.figures = page_html()
                with gr.Row(equal_height=True) as self.charts:
                    self.flow, self.sure = chart_card("roi-flow"), chart_card("roi-sure")
                with gr.Column(elem_classes="d-card") as self.arms_box:
                    self.arms = page_html(elem_id="roi-arms-card")
                self.bottom = page_html()
        self.kept = gr.State({})  # the case as it came: what the form does not show stays in it

    def _form(self, me: Viewer) -> None:
        page_html(
            h(
                "<h2>{t}</h2><p class='d-note'>{w}</p>",
                t=me.text("roi.case"),
                w=me.text("roi.case.why"),
            )
        )
        self.note = page_html()
        self.fields: list[gr.Number] = []
        for name, group in GROUPS.items():
            if name == "more":
                with gr.Accordion(me.text("roi.group.more"), open=False):
                    self._group(group, me)
                continue
            page_html(h('<h3 class="d-group">{t}</h3>', t=me.text(f"roi.group.{name}")))
            if name == "production":
                self.good = gr.CheckboxGroup(
                    [],
                    label=me.text("case.good_classes"),
                    info=me.text("case.good_classes.info"),
                    elem_id="roi-good-classes",
                )
            self._group(group, me)
        self.problem = page_html(elem_id="roi-problem")
        with gr.Row(elem_classes="d-buttons"):
            self.save = gr.Button(me.text("roi.save"), size="sm", elem_id="roi-save")
            self.update = gr.Button(
                me.text("roi.update"), variant="primary", size="sm", elem_id="roi-update"
            )

    def _group(self, group: Sequence[Field], me: Viewer) -> None:
        for field in group:
            self.fields.append(
                gr.Number(
                    label=_label(field, "", me),
                    info=me.text(f"{field.key}.info"),
                    elem_id=field.elem_id,
                )
            )

    @property
    def result_parts(self) -> list[Any]:
        return [self.top, self.verdict, self.figures, *self.flow.parts, *self.sure.parts, self.arms,
                self.bottom, self.note, self.charts, self.arms_box]  # fmt: skip

    def connect(self, demo: gr.Blocks) -> None:
        """Wire all events."""
        everything = [self.kept, self.body, self.nothing, *self.fields, self.good,
                      *self.result_parts]  # fmt: skip
        demo.load(self.load, None, everything, **QUIET)
        given = [self.kept, self.good, *self.fields]
        results = [self.problem, *self.fields, *self.result_parts]
        for field in self.fields:
            field.submit(self.calculate, given, results, **QUIET)
        self.update.click(self.calculate, given, results, **busy(self.update))
        self.save.click(self.keep, given, results, **QUIET)

    def load(self, request: gr.Request) -> list[Any]:
        me = viewer(request, self.language)
        try:
            shown = view(self.service, asked_pilot(request))
        except UserError as error:
            title = page_head(me.text("nav.roi"), me.text("roi.title"), NOTHING)
            return self._only(title, note(me.error(error), "no", "roi-error"))
        if shown.card is None or shown.case is None:
            return self._only(head(shown, me), no_pilot("roi", me))
        values = [
            gr.update(value=v, label=_label(f, shown.case.currency, me))
            for f, v in zip(FIELDS, shown_values(shown.case), strict=True)
        ]
        good = gr.update(choices=list(shown.classes), value=list(shown.case.good_classes))
        case = shown.case.model_dump(mode="json")
        return [case, gr.update(visible=True), NOTHING, *values, good, *self._results(shown, me)]

    def _only(self, title: Html, box: Html) -> list[Any]:
        """What `load` gives where there is no case: a title and a box, everything else hidden."""
        form = [gr.skip()] * (len(self.fields) + 1)
        rest = [gr.skip()] * (len(self.result_parts) - 1)
        return [{}, gr.update(visible=False), box, *form, title, *rest]

    def calculate(
        self, request: gr.Request, kept: Mapping[str, Any], good: list[str], *values: Any
    ) -> list[Any]:
        """The result of the case as it stands in the form."""
        return self._calculate(kept, good, values, request, save=False)

    def keep(
        self, request: gr.Request, kept: Mapping[str, Any], good: list[str], *values: Any
    ) -> list[Any]:
        """Save the case with the pilot, and show its result."""
        return self._calculate(kept, good, values, request, save=True)

    def _calculate(
        self,
        kept: Mapping[str, Any],
        good: list[str],
        values: Sequence[Any],
        request: gr.Request,
        *,
        save: bool,
    ) -> list[Any]:
        me = viewer(request, self.language)
        ident = asked_pilot(request)
        try:
            case = case_of(values, good, kept)
            if save:
                ident = chosen_pilots(self.service, [ident] if ident else [])[0].id
                self.service.save_case(ident, case)
            shown = view(self.service, ident, case)
        except UserError as error:
            wrong = [_field_update(f.name, error, me) for f in FIELDS]
            box = note(me.error(error), "no", "roi-problem-text")
            return [box, *wrong, *[gr.skip()] * len(self.result_parts)]
        box = note(me.text("roi.saved"), "go", "roi-saved") if save else NOTHING
        clean = [_field_update(f.name, None, me) for f in FIELDS]
        return [box, *clean, *self._results(shown, me)]

    def _results(self, shown: View, me: Viewer) -> list[Any]:
        return [
            head(shown, me),
            verdict_card(shown, me),
            key_figures(shown, me),
            *flow_card(shown, me),
            *sure_card(shown, me),
            arms_card(shown, me),
            foot(shown, me),
            note(me.text("roi.example"), "more", "roi-example") if shown.is_example else NOTHING,
            *[gr.update(visible=shown.shown_arm is not None)] * 2,
        ]


def _field_update(name: str, error: UserError | None, me: Viewer) -> Any:
    """A field marked where the error is about it; its hint gives way to what is wrong."""
    if error is not None and error.field == name:
        return gr.update(info=me.error(error), elem_classes=["d-wrong"])
    return gr.update(info=me.text(f"case.{name}.info"), elem_classes=[])


def _label(field: Field, currency: str, me: Viewer) -> str:
    unit = {"money": currency, "rate": "%", "years": me.text("unit.years"), "count": ""}[field.kind]
    return me.text(field.key) + (f" ({unit})" if unit else "")
