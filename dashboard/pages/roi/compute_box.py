"""The compute side as components: what was spent, a larger pretraining, the cost of an item."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import NOTHING, h, note
from dashboard.pages.roi.compute import IMAGES, item_of, larger_html, per_item_html, spent_html
from dashboard.pages.roi.form import case_of, read
from dashboard.pages.roi.kept import Kept
from dashboard.pages.shell import QUIET, busy, page_html, viewer
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.computing import ComputeView
    from jobs.roi.case import Case
    from jobs.service import PilotService

STUDENTS = ("pilot", "standard", "paper")


class ComputeBox:
    """What the pilot took, what more would take, and what one decision costs."""

    def __init__(self, service: PilotService, language: str) -> None:
        self._service, self._language = service, language
        me = Viewer(language)
        page_html(
            h(
                '<h2>{t}</h2><p class="d-note">{w}</p>',
                t=me.text("compute.title"),
                w=me.text("compute.caption"),
            )
        )
        self._spent = page_html(elem_id="roi-spent")
        page_html(h("<h3>{t}</h3>", t=me.text("compute.larger.title")))
        with gr.Row(elem_classes="d-inline"):
            self._wishes(me)
        self._larger = page_html(elem_id="roi-larger-card")
        page_html(h("<h3>{t}</h3>", t=me.text("compute.item.title")))
        self._item = page_html(elem_id="roi-item-card")
        with gr.Row(elem_classes="d-inline"):
            self._measure = gr.Button(
                me.text("compute.measure"), size="sm", elem_id="roi-measure", min_width=60
            )
            self.use = gr.Button(
                me.text("compute.use"), size="sm", elem_id="roi-use-item", min_width=60,
                visible=False,
            )  # fmt: skip

    def _wishes(self, me: Viewer) -> None:
        self._images = gr.Dropdown(
            [(me.text("compute.images.times", n=n), n) for n in IMAGES], value="10",
            label=me.text("compute.images"), elem_id="roi-larger-images", min_width=120,
        )  # fmt: skip
        self._epochs = gr.Number(
            label=me.text("compute.epochs"), elem_id="roi-larger-epochs", min_width=90, precision=2
        )
        self._student = gr.Dropdown(
            [(me.text(f"compute.student.{s}"), s) for s in STUDENTS], value=STUDENTS[0],
            label=me.text("compute.student"), elem_id="roi-larger-student", min_width=150,
        )  # fmt: skip
        self._device = gr.Dropdown(
            [], label=me.text("compute.device"), elem_id="roi-larger-device", min_width=120
        )

    @property
    def parts(self) -> list[Any]:
        return [self._spent, self._larger, self._epochs, self._device, self._item, self.use]

    def connect(self, kept: gr.State) -> None:
        wish = [self._images, self._epochs, self._student, self._device]
        for part in wish:
            part.input(self._scale, [kept, *wish], [kept, self._larger], **QUIET)
        self._measure.click(
            self._measure_item, [kept, *wish], [kept, self._item, self.use], **busy(self._measure)
        )

    def first(self, kept: Kept, me: Viewer) -> tuple[Kept, list[Any]]:
        """The state and updates of `parts` when a pilot is opened."""
        try:
            found, gone = self._found(kept), ""
        except UserError as error:  # e.g. a device without a price
            found, gone = None, me.error(error)
        return replace(kept, compute=found), self._shown(found, kept, gone, me)

    def measured(self, kept: Kept, values: str) -> Case | None:
        """The case with the measured cost of an item in it; None where there is none."""
        item = item_of(kept.compute, kept.shown) if kept.compute and kept.shown else None
        if item is None:
            return None
        try:
            case = case_of(read(values), kept.base)
        except UserError:  # shown at its field already
            return None
        cost = float(f"{item.here.money.likely:.3g}")
        return case.model_copy(update={"inference_per_item": cost})

    def _scale(
        self, kept: Kept, images: str, epochs: float | None, student: str, device: str | None,
        request: gr.Request,
    ) -> list[Any]:  # fmt: skip
        """A larger pretraining as it is wished for."""
        me = viewer(request, self._language)
        try:
            found = self._found(kept, images, epochs, student, device)
        except UserError as error:
            return [kept, note(me.error(error), "no")]
        return [replace(kept, compute=found), larger_html(found, me) if found else NOTHING]

    def _measure_item(
        self, kept: Kept, images: str, epochs: float | None, student: str, device: str | None,
        request: gr.Request,
    ) -> list[Any]:  # fmt: skip
        """Measure what one decision takes on this machine."""
        me = viewer(request, self._language)
        try:
            found = self._found(kept, images, epochs, student, device, measure=True)
        except UserError as error:
            return [kept, note(me.error(error), "no"), gr.skip()]
        if found is None or kept.shown is None:
            return [kept, gr.skip(), gr.skip()]
        is_usable = item_of(found, kept.shown) is not None
        rows = per_item_html(found, kept.shown, me)
        return [replace(kept, compute=found), rows, gr.update(visible=is_usable)]

    def _found(
        self, kept: Kept, images: str = "10", epochs: float | None = None, student: str = "pilot",
        device: str | None = None, *, measure: bool = False,
    ) -> ComputeView | None:  # fmt: skip
        from jobs.computing import Wish  # noqa: PLC0415 - scipy, a second of start-up time

        if kept.shown is None or kept.pilot is None:
            return None
        arm = kept.shown.headline
        wish = Wish(images_factor=float(images or 1), epochs=epochs, student=student, device=device)
        return self._service.compute(
            kept.pilot,
            wish,
            arm=arm.arm if arm else None,
            measure=measure,
            currency=kept.shown.case.currency if kept.shown.case else None,
        )

    def _shown(self, found: ComputeView | None, kept: Kept, gone: str, me: Viewer) -> list[Any]:
        if found is None or kept.shown is None:
            box = note(gone or me.text("compute.none"), "no" if gone else "mute")
            return [box, NOTHING, gr.skip(), gr.skip(), NOTHING, gr.update(visible=False)]
        larger = found.larger
        devices = [larger.measured_device] if larger else []
        devices += [d for d in self._service.compute_devices() if d not in devices]
        return [
            spent_html(found, me),
            larger_html(found, me),
            gr.update(value=round(larger.epochs, 2) if larger else None),
            gr.update(choices=devices, value=devices[0]),
            per_item_html(found, kept.shown, me),
            gr.update(visible=item_of(found, kept.shown) is not None),
        ]
