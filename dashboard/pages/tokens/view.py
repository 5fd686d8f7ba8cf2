"""What is shown of token quality: the datasets, and what is known of the tokenizers asked for."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.advice import advice_text
from dashboard.html import Action, Html, page_head, rich
from dashboard.pages.shell import link
from dashboard.text import Viewer
from digpt.errors import UserError
from digpt.tokenizers.names import parse
from jobs.families import MOST_CODES, OWN, codes_for
from jobs.governance import Facts
from jobs.views import LicenceAccepted, TokenizerView

if TYPE_CHECKING:
    from digpt.tokenizers.code_curve import CodeCurve
    from jobs.deep import DeepView
    from jobs.service import PilotService
    from jobs.views import DatasetView, EstimateView

CODES = (16, 64, 256, 1024)  # numbers of codes that a curve is measured at
FIRST = ("filters", "pixels", "random")  # quick ones that need nothing


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    datasets: tuple["DatasetView", ...]
    chosen: str
    names: tuple[str, ...]
    found: Sequence[Mapping[str, Any]]  # as `check_tokens` gives them
    deep: "DeepView | None"
    licences: Mapping[str, Facts]  # of the named tokenizers and of the base of the curve
    curve: "CodeCurve | None"  # over numbers of codes
    accepted: tuple[LicenceAccepted, ...]  # for checks of the dataset
    families: Sequence[TokenizerView]  # what can be named


def view(
    service: "PilotService", dataset: str = "", names: Sequence[str] = (), base: str = FIRST[0]
) -> View:
    """What is known already; nothing is measured or priced here."""
    datasets, chosen = choices(service, dataset)
    data = next(d for d in datasets if d.name == chosen)
    wanted = tuple(names) or offered(data)
    found, deep = service.known_tokens(chosen, wanted), _deep(service, chosen)
    curve = _curve(service, chosen, base)
    licences = _licences(service, [*wanted, *([base] if base else [])])
    accepted = service.licences_accepted(chosen)
    families = service.tokenizers(chosen)
    return View(datasets, chosen, wanted, found, deep, licences, curve, accepted, families)


def choices(service: "PilotService", dataset: str = "") -> tuple[tuple["DatasetView", ...], str]:
    """The datasets that tokens can be checked on; the named one, or the newest that was added."""
    datasets = tuple(d for d in service.datasets() if d.task == "classification")
    added = [d for d in datasets if not d.builtin]
    chosen = ([d for d in datasets if d.name == dataset] or added[-1:] or list(datasets))[0]
    return datasets, chosen.name


def offered(data: "DatasetView") -> tuple[str, ...]:
    """The tokenizers to begin with: as many codes as the images allow, none where they are few."""
    codes = codes_for(data)
    return (*FIRST, *([OWN.format(k=codes)] if codes else []))


def is_offered(names: Sequence[str]) -> bool:
    """Whether these are what some dataset is offered, so not a person's own choice."""
    return tuple(names) in {FIRST, *((*FIRST, OWN.format(k=k)) for k in MOST_CODES)}


def _licences(service: "PilotService", names: Sequence[str]) -> dict[str, Facts]:
    found = {}
    for name in names:
        with suppress(UserError):  # a wrong name: said where it is used
            found[parse(name).canonical] = service.licence_facts(name)
    return found


def _curve(service: "PilotService", dataset: str, base: str) -> "CodeCurve | None":
    try:
        return service.known_curve(dataset, base, CODES)
    except UserError:  # a name that is explained when it is measured
        return None


def _deep(service: "PilotService", dataset: str) -> "DeepView | None":
    try:
        return service.known_deep(dataset)
    except UserError:  # its results were taken away since
        return None


def price(service: "PilotService", dataset: str, names: Sequence[str]) -> "EstimateView":
    """Of a deep check; a UserError says why these tokenizers cannot have one here."""
    wanted = tuple(names) or offered(service.dataset(dataset))
    return service.estimate(service.deep_spec(dataset, wanted))


def head(shown: View, me: Viewer) -> Html:
    """Title and answer: which tokenizer the measures advise."""
    said = (
        advice_text(shown.found, me)
        if shown.found
        else me.text("tokens.lead.none", name=shown.chosen)
    )
    crumb = f"{me.text('nav.tokens')} · {shown.chosen}"
    actions = [
        Action(me.text("nav.data"), link("data", dataset=shown.chosen), "tokens-to-data"),
        Action(me.text("nav.new"), link("new", dataset=shown.chosen), "tokens-to-new"),
    ]
    return page_head(crumb, me.text("tokens.title"), rich(said), actions)
