"""What is shown of a draft: it and what it can be chosen from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dashboard.html import Html, page_head, rich
from dashboard.licences import Facts
from dashboard.pages.new.draft import (
    Draft,
    for_dataset,
    from_json,
    from_spec,
    suggested,
    with_choice,
)
from dashboard.text import Viewer
from jobs.spec import with_more_labels, with_more_seeds
from jobs.views import DatasetView, TokenizerView

if TYPE_CHECKING:
    from jobs.service import PilotService

PICTURES = 12


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    draft: Draft
    datasets: tuple[DatasetView, ...]
    thumbnails: dict[str, list[tuple[str, bytes]]]
    tokenizers: tuple[TokenizerView, ...]
    others: Mapping[str, Facts]  # chosen by name, with what is known of their licences

    @property
    def dataset(self) -> DatasetView | None:
        return next((d for d in self.datasets if d.name == self.draft.dataset), None)


def view(service: "PilotService", draft: Draft) -> View:
    """The draft with what it can be chosen from; what is not chosen yet gets a usual value."""
    datasets = tuple(d for d in service.datasets() if d.task == "classification")
    names = [d.name for d in datasets]
    if draft.dataset not in names:
        draft = replace(draft, dataset=names[0] if names else "")
    known = tuple(service.tokenizers(draft.dataset)) if draft.dataset else ()
    if not draft.tokenizers:
        draft = with_choice(draft, tokenizers=suggested(known), methods=draft.methods)
    if not draft.name:
        draft = replace(draft, name=f"{draft.dataset}-1" if draft.dataset else "")
    pictures = {n: service.thumbnails(n, PICTURES if n == draft.dataset else 4) for n in names}
    listed = {t.name for t in known}
    others = {n: service.licence_facts(n) for n in draft.tokenizers if n not in listed}
    return View(draft, datasets, pictures, known, others)


def begin(
    service: "PilotService",
    kept: object,
    clone: str = "",
    more_seeds: str = "",
    labels: str = "",
    dataset: str = "",
) -> Draft:
    """The draft to start from: a clone (with more seeds or labels), or what was entered before, if
    anything, for a dataset that another page sent along. `labels`: "newest", or how many images a
    built-in set shall have."""
    if not clone:
        draft = from_json(kept)
        if not dataset or dataset == draft.dataset:
            return draft
        offered = service.tokenizers(dataset)  # or a sentence that names the datasets there are
        return for_dataset(replace(draft, dataset=dataset, name=""), offered)
    spec = service.clone(clone)
    if more_seeds.isdigit():
        spec = with_more_seeds(spec, int(more_seeds))
    if labels:
        spec = with_more_labels(spec, int(labels) if labels.isdigit() else None)
    return from_spec(spec)


def head(step: str, draft: Draft, me: Viewer, lead: str = "") -> Html:
    """Where in the four steps, and that step's answer."""
    crumb = me.text("nav.new") + (f" · {draft.dataset}" if draft.dataset else "")
    return page_head(crumb, me.text(f"new.{step}.title"), rich(lead or me.text(f"new.{step}.lead")))
