"""The form of all steps: a draft becomes updates of its components, their values become a draft."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.names import arm_name_of
from dashboard.pages.new.arms import preset_remark
from dashboard.pages.new.data import dataset_cards, dataset_detail
from dashboard.pages.new.draft import Draft, candidates, from_json
from dashboard.pages.new.tokenizers import tokenizer_cards
from dashboard.pages.new.view import View, view
from dashboard.text import Viewer
from digpt.recipe import PRESETS

if TYPE_CHECKING:
    from jobs.service import PilotService


class Form:
    """All components that show the draft, in the order of their updates.

    `kept` remembers it in the browser, `fields` are those of `draft_of`, `lists` are the cards of
    the datasets, the chosen dataset, the cards of the tokenizers and the remark on the preset.
    """

    def __init__(
        self,
        service: "PilotService",
        me: Viewer,
        kept: gr.BrowserState,
        fields: Sequence[Any],
        lists: Sequence[gr.HTML],
    ) -> None:
        self.service, self.me, self.kept = service, me, kept
        self.inputs = [kept, *fields]
        self.outputs = [*self.inputs, *lists]

    def shown(self, draft: Draft) -> list[Any]:
        """Updates of all outputs for a draft."""
        found, me = view(self.service, draft), self.me
        lists = [
            dataset_cards(found, me),
            dataset_detail(found, me),
            tokenizer_cards(found, me),
            preset_remark(found.draft, me),
        ]
        return [found.draft.to_json(), *_fields(found, me), *lists]

    def unchanged(self) -> list[Any]:
        """Updates that leave all outputs as they are."""
        return [gr.skip()] * len(self.outputs)


def draft_of(kept: object, values: Sequence[Any]) -> Draft:
    """The draft with what stands in the form's fields."""
    dataset, tokenizers, methods, arms, preset, seeds, labels, finetune, name, cost, hours = values
    return replace(
        from_json(kept),
        dataset=dataset or "",
        tokenizers=tuple(tokenizers or ()),
        methods=tuple(methods or ()),
        arms=tuple(arms or ()),
        preset=preset,
        seeds=int(seeds) if seeds else None,
        label_budgets=tuple(labels or ()),
        finetune_budgets=tuple(finetune or ()),
        name=name or "",
        cost=cost or "",
        hours=hours or None,
    )


def _fields(shown: View, me: Viewer) -> list[Any]:
    """Updates of the form's components for a view, in the order of `draft_of`."""
    d = shown.draft
    preset = PRESETS[d.preset]
    ready = [t.name for t in shown.tokenizers if t.ready]
    offered = list(dict.fromkeys([*ready, *d.tokenizers]))
    arms = list(dict.fromkeys([*candidates(d.methods, d.tokenizers), *d.arms]))
    return [
        gr.update(choices=[x.name for x in shown.datasets], value=d.dataset),
        gr.update(choices=offered, value=list(d.tokenizers)),
        gr.update(value=list(d.methods)),
        gr.update(choices=[(_arm_choice(a, me), a) for a in arms], value=list(d.arms)),
        gr.update(value=d.preset),
        gr.update(value=d.seeds or preset.seeds),
        gr.update(value=list(d.label_budgets or map(str, preset.transfer.label_budgets))),
        gr.update(value=list(d.finetune_budgets or map(str, preset.transfer.finetune_budgets))),
        gr.update(value=d.name),
        gr.update(value=d.cost),
        gr.update(value=d.hours),
    ]


def _arm_choice(arm: str, me: Viewer) -> str:
    return arm_name_of(arm, me) + (me.text("arm.baseline") if arm.startswith("frozen") else "")
