"""Step 3: the components for methods, arms, preset, budgets and limits."""

from typing import Any

import gradio as gr

from dashboard.html import Html, h
from dashboard.names import budget_name
from dashboard.pages.new.draft import BUDGETS, METHODS, Draft
from dashboard.pages.shell import page_html
from dashboard.text import Viewer
from digpt.recipe import PRESETS


def preset_remark(draft: Draft, me: Viewer) -> Html:
    """What the preset means, in one sentence with its figures."""
    preset = PRESETS[draft.preset]
    words = me.text(
        f"preset.{draft.preset}.about",
        images=me.number(preset.pretrain.images_seen, "compact"),
        size=preset.pretrain.student.image_size,
        seeds=preset.seeds,
    )
    return h('<p class="d-note" id="new-preset-about">{w}</p>', w=words)


class ArmsStep:
    """The components of the step."""

    def __init__(self, me: Viewer) -> None:
        with gr.Column(elem_classes="d-card"):
            self._choice(me)
        with gr.Column(elem_classes="d-card"):
            self._recipe(me)
            with gr.Row():
                self._seeds_and_name(me)
            with gr.Row():
                self._limits(me)
        self.error = page_html(elem_id="new-arms-error")

    def _choice(self, me: Viewer) -> None:
        self.methods = gr.CheckboxGroup(
            [(me.text(f"method.{m}"), m) for m in METHODS],
            label=me.text("new.methods"),
            info=me.text("new.methods.info"),
            elem_id="new-methods",
        )
        self.arms = gr.CheckboxGroup(
            [], label=me.text("new.arms"), info=me.text("new.arms.info"), elem_id="new-arms"
        )

    def _recipe(self, me: Viewer) -> None:
        budgets = [(budget_name(b, me), b) for b in BUDGETS]
        self.preset = gr.Radio(
            [(me.text(f"preset.{p}"), p) for p in PRESETS],
            value="quick",
            label=me.text("new.preset"),
            elem_id="new-preset",
        )
        self.preset_about = page_html()
        self.label_budgets = gr.CheckboxGroup(
            budgets,
            label=me.text("new.budgets"),
            info=me.text("new.budgets.info"),
            elem_id="new-budgets",
        )
        self.finetune_budgets = gr.CheckboxGroup(
            budgets,
            label=me.text("new.finetune"),
            info=me.text("new.finetune.info"),
            elem_id="new-finetune",
        )

    def _seeds_and_name(self, me: Viewer) -> None:
        self.seeds = gr.Number(
            label=me.text("new.seeds"),
            info=me.text("new.seeds.info"),
            precision=0,
            minimum=1,
            maximum=20,
            elem_id="new-seeds",
        )
        self.name = gr.Textbox(
            label=me.text("new.name"),
            info=me.text("new.name.info"),
            max_length=100,
            elem_id="new-name",
        )

    def _limits(self, me: Viewer) -> None:
        self.cost = gr.Textbox(
            label=me.text("new.cost"),
            info=me.text("new.cost.info"),
            placeholder="20 USD",
            elem_id="new-cost",
        )
        self.hours = gr.Number(
            label=me.text("new.hours"),
            info=me.text("new.hours.info"),
            minimum=0,
            elem_id="new-hours",
        )

    @property
    def fields(self) -> list[Any]:
        """What a person fills in, in the order of `form.draft_of`."""
        return [self.methods, self.arms, self.preset, self.seeds, self.label_budgets,
                self.finetune_budgets, self.name, self.cost, self.hours]  # fmt: skip
