"""Decisions as components: record one for good, and enter what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, Html, h, note
from dashboard.pages.roi.decided import decisions_html
from dashboard.pages.roi.form import case_of, read
from dashboard.pages.roi.kept import Kept, problem
from dashboard.pages.shell import QUIET, busy, page_html, viewer
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.service import PilotService

ACTUAL = ("saving", "miss_rate", "false_alarm_rate", "items")


class DecisionBox:
    """The list of decisions, the form for a new one, and the form for actual figures."""

    def __init__(self, service: PilotService, language: str) -> None:
        self._service, self._language = service, language
        me = Viewer(language)
        self._list = page_html(elem_id="roi-decisions-card")
        with gr.Row(elem_classes="d-inline"):
            self._who = gr.Textbox(
                label=me.text("decision.who"), elem_id="roi-who", min_width=120, max_length=100
            )
            self._choice = gr.Dropdown(
                [(me.text("decision.follow"), "")]
                + [(me.text(f"verdict.{v}"), v) for v in ("GO", "NO-GO", "COLLECT MORE")],
                value="", label=me.text("decision.choice"), elem_id="roi-choice", min_width=150,
            )  # fmt: skip
        self._why = gr.Textbox(
            label=me.text("decision.note"), lines=2, elem_id="roi-why", max_length=4000
        )
        with gr.Row(elem_classes="d-inline"):
            self._record = gr.Button(
                me.text("decision.record"), size="sm", elem_id="roi-record", min_width=60
            )
        self._note = page_html()
        with gr.Accordion(me.text("actual.title"), open=False, visible=False) as self._actual_box:
            page_html(h('<p class="d-note">{w}</p>', w=me.text("actual.caption")))
            with gr.Row(elem_classes="d-inline"):
                self._actual_fields(me)

    def _actual_fields(self, me: Viewer) -> None:
        self._decision = gr.Dropdown(
            [], label=me.text("actual.decision"), elem_id="roi-actual-decision", min_width=90
        )
        self._year = gr.Number(
            1, label=me.text("actual.year"), precision=0, minimum=1, maximum=50,
            elem_id="roi-actual-year", min_width=70,
        )  # fmt: skip
        self._actual = [
            gr.Number(
                label=me.text(f"actual.{n}"), min_width=100,
                elem_id=f"roi-actual-{n.replace('_', '-')}",
            )
            for n in ACTUAL
        ]  # fmt: skip
        self._enter = gr.Button(
            me.text("actual.enter"), size="sm", elem_id="roi-actual-enter", min_width=60
        )

    @property
    def parts(self) -> list[Any]:
        return [self._list, self._note, self._why, self._actual_box, self._decision]

    def connect(self, kept: gr.State, values: gr.Textbox, problem_box: gr.HTML) -> None:
        """`values` is the form's text, `problem_box` where a wrong field of it is told."""
        self._record.click(
            self._write_down,
            [kept, values, self._who, self._choice, self._why],
            [problem_box, *self.parts],
            **busy(self._record),
        )
        given = [kept, self._who, self._decision, self._year, *self._actual]
        self._enter.click(self._write_actual, given, self.parts, **QUIET)

    def loaded(self, kept: Kept, me: Viewer, box: Html = NOTHING) -> list[Any]:
        """Updates of `parts` for the decisions there are."""
        assert kept.pilot is not None
        found = self._service.decisions(kept.pilot)
        ids = [(f"#{d.id} · {d.who}", d.id) for d in found]
        numbers = gr.update(choices=ids, value=ids[0][1] if ids else None)
        cleared = "" if box != NOTHING else gr.skip()
        return [decisions_html(found, me), box, cleared, gr.update(visible=bool(ids)), numbers]

    def _write_down(
        self, kept: Kept, values: str, who: str, choice: str, why: str, request: gr.Request
    ) -> list[Any]:
        """Write the decision down, for good."""
        me = viewer(request, self._language)
        if kept.pilot is None:
            return [gr.skip()] * (len(self.parts) + 1)
        try:
            case = case_of(read(values), kept.base)
            made = self._service.decide(kept.pilot, case, why or "", who or "", choice or None)
        except UserError as error:
            box = note(me.error(error), "no", "roi-decide-problem")
            return [problem(error, me, kept.currency), gr.skip(), box, *[gr.skip()] * 3]
        words = me.text("decision.recorded", id=made.id, choice=me.text(f"verdict.{made.choice}"))
        return [NOTHING, *self.loaded(kept, me, note(words, "go", "roi-recorded"))]

    def _write_actual(
        self, kept: Kept, who: str, decision: int | None, year: float | None,
        saving: float | None, miss_rate: float | None, false_alarm_rate: float | None,
        items: float | None, request: gr.Request,
    ) -> list[Any]:  # fmt: skip
        """Write down what came of a decision; rates stand in percent on the page."""
        me = viewer(request, self._language)
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
            self._service.enter_actual(int(decision or 0), values, who)
        except UserError as error:
            box = note(me.error(error), "no", "roi-decide-problem")
            return [gr.skip(), box, *[gr.skip()] * 3]
        return self.loaded(kept, me)
