"""Scenarios as components: save the case under a name, add the ends, load one, remove one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, Html, note
from dashboard.pages.roi.form import case_of, read
from dashboard.pages.roi.kept import Kept
from dashboard.pages.roi.scenarios import extremes, scenarios, scenarios_card
from dashboard.pages.shell import QUIET, busy, page_html, viewer
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.roi.case import Case
    from jobs.service import PilotService


class ScenarioBox:
    """The comparison, and below it what makes, loads and removes scenarios."""

    def __init__(self, service: PilotService, language: str) -> None:
        self._service, self._language = service, language
        me = Viewer(language)
        self.table = page_html(elem_id="roi-scenarios-card")
        with gr.Row(elem_classes="d-inline"):
            self._name = gr.Textbox(
                label=me.text("roi.scenario.new"), elem_id="roi-scenario-name", min_width=120
            )
            self._save = _button("save", me)
            self._ends = _button("ends", me)
        with gr.Row(elem_classes="d-inline", visible=False) as self._tools:
            self.chosen = gr.Dropdown(
                [], label=me.text("roi.scenario.chosen"), elem_id="roi-scenario-chosen",
                min_width=120,
            )  # fmt: skip
            self.load = _button("load", me)
            self._remove = _button("remove", me)
        self._note = page_html()

    @property
    def parts(self) -> list[Any]:
        """What follows a change of the list, beside the table."""
        return [self._tools, self.chosen, self._name, self._note]

    def connect(self, kept: gr.State, values: gr.Textbox) -> None:
        """`values` is the form's text."""
        given, changed = [kept, values], [kept, self.table, *self.parts]
        self._save.click(self._save_as, [*given, self._name], changed, **busy(self._save))
        self._ends.click(self._save_ends, given, changed, **busy(self._ends))
        self._remove.click(self._forget, [kept, self.chosen], changed, **QUIET)

    def loaded(self, kept: Kept, box: Html = NOTHING) -> list[Any]:
        """Updates of `parts` for the scenarios there are."""
        names = [s.name for s in kept.scenarios]
        chosen = gr.update(choices=names, value=names[-1] if names else None)
        return [gr.update(visible=bool(names)), chosen, "" if box == NOTHING else gr.skip(), box]

    def found(self, kept: Kept, name: str) -> Case | None:
        """The case of a scenario on the list."""
        return next((s.case for s in kept.scenarios if s.name == name), None)

    def _save_as(self, kept: Kept, values: str, name: str, request: gr.Request) -> list[Any]:
        """Keep the case as it stands under a name."""
        me = viewer(request, self._language)

        def save(pilot: str) -> None:
            if not (name or "").strip():
                raise UserError(me.text("roi.scenario.nameless"), code="no-name", field="name")
            self._service.save_case(pilot, case_of(read(values), kept.base), name.strip())

        return self._after(kept, save, me)

    def _save_ends(self, kept: Kept, values: str, request: gr.Request) -> list[Any]:
        """Keep two scenarios: every range at its best end, and at its worst."""
        me = viewer(request, self._language)

        def save(pilot: str) -> None:
            case = case_of(read(values), kept.base)
            found = extremes(case, self._service.roi(pilot, case))
            if not found:
                raise UserError(me.text("roi.scenario.no-ranges"), code="no-ranges")
            for name, extreme in found.items():
                self._service.save_case(pilot, extreme, me.text(f"roi.scenario.{name}"))

        return self._after(kept, save, me)

    def _forget(self, kept: Kept, name: str, request: gr.Request) -> list[Any]:
        me = viewer(request, self._language)
        return self._after(kept, lambda pilot: self._service.remove_scenario(pilot, name), me)

    def _after(self, kept: Kept, change: Callable[[str], None], me: Viewer) -> list[Any]:
        shown = kept.shown
        if shown is None or kept.pilot is None:
            return [kept, gr.skip(), *[gr.skip()] * len(self.parts)]
        try:
            change(kept.pilot)
        except UserError as error:
            box = note(me.error(error), "no", "roi-scenario-problem")
            return [kept, gr.skip(), *self.loaded(kept, box)]
        kept = replace(kept, scenarios=scenarios(self._service, kept.pilot))
        return [kept, scenarios_card(shown, kept.scenarios, me), *self.loaded(kept)]


def _button(name: str, me: Viewer) -> gr.Button:
    return gr.Button(
        me.text(f"roi.scenario.{name}"), size="sm", elem_id=f"roi-scenario-{name}", min_width=60
    )
