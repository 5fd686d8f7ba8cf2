"""What is shown of token quality: the datasets, and what is known of the tokenizers asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.advice import advice_text
from dashboard.html import Html, page_head, rich
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from digpt.tokenizers.code_curve import CodeCurve
    from jobs.deep import DeepView
    from jobs.service import PilotService
    from jobs.views import DatasetView, EstimateView

CODES = (16, 64, 256, 1024)  # numbers of codes that a curve is measured at
FIRST = ("filters", "pixels", "random", "codebook:128(filters)")  # quick ones that need nothing


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    datasets: tuple["DatasetView", ...]
    chosen: str
    names: tuple[str, ...]
    found: Sequence[Mapping[str, Any]]  # as `check_tokens` gives them
    deep: "DeepView | None"
    price: "EstimateView | None"  # of a deep check; None where these tokenizers cannot have one
    curve: "CodeCurve | None"  # over numbers of codes


def view(
    service: "PilotService", dataset: str = "", names: Sequence[str] = (), base: str = FIRST[0]
) -> View:
    """What is known already; nothing is measured here."""
    datasets = tuple(d for d in service.datasets() if d.task == "classification")
    added = [d for d in datasets if not d.builtin]
    chosen = ([d for d in datasets if d.name == dataset] or added[-1:] or list(datasets))[0].name
    wanted = tuple(names) or FIRST
    found, deep = service.known_tokens(chosen, wanted), _deep(service, chosen)
    price = _price(service, chosen, wanted)
    return View(datasets, chosen, wanted, found, deep, price, _curve(service, chosen, base))


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


def _price(service: "PilotService", dataset: str, names: Sequence[str]) -> "EstimateView | None":
    try:
        return service.estimate(service.deep_spec(dataset, names))
    except UserError:  # weights that are not here, a split without labels: said when it is started
        return None


def named(text: str) -> list[str]:
    """Names from a field, commas between them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def head(shown: View, me: Viewer) -> Html:
    """Title and answer: which tokenizer the measures advise."""
    said = (
        advice_text(shown.found, me)
        if shown.found
        else me.text("tokens.lead.none", name=shown.chosen)
    )
    crumb = f"{me.text('nav.tokens')} · {shown.chosen}"
    return page_head(crumb, me.text("tokens.title"), rich(said))
