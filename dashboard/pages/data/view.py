"""What is shown of the datasets: the list, the chosen one, its health and its versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.findings import finding_text, health_text
from dashboard.html import Action, Html, page_head, rich
from dashboard.pages.data_in.panel import PILOT_TASK
from dashboard.pages.shell import link
from dashboard.text import Viewer
from jobs.views import DatasetVersion, DatasetView

if TYPE_CHECKING:
    from digpt.data.health import Health
    from jobs.service import PilotService

PICTURES = 24
SHOWN_FILES = 12  # pictures of a finding


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    datasets: tuple[DatasetView, ...]
    chosen: DatasetView
    card: Mapping[str, Any]
    thumbnails: list[tuple[str, bytes]]
    health: "Health | None"
    pictures: Mapping[str, bytes]  # of files that a finding names
    versions: tuple[DatasetVersion, ...]


def view(service: "PilotService", name: str = "") -> View:
    """The chosen dataset, or the newest that was added, or the first there is."""
    datasets = tuple(service.datasets())
    added = [d for d in datasets if not d.builtin]
    named = [d for d in datasets if d.name == name]
    chosen = (named or added[-1:] or list(datasets))[0]
    health = service.known_health(chosen.name)
    return View(
        datasets=datasets,
        chosen=chosen,
        card=service.dataset_card(chosen.name),
        thumbnails=service.thumbnails(chosen.name, PICTURES),
        health=health,
        pictures=service.pictures(chosen.name, _named(health)),
        versions=tuple(service.dataset_versions(chosen.name)),
    )


def _named(health: "Health | None") -> list[str]:
    """The first files of each finding, each once."""
    if health is None:
        return []
    return list(dict.fromkeys(n for f in health.findings for n in f.files[:SHOWN_FILES]))


def head(shown: View, me: Viewer) -> Html:
    """Title and answer: whether the chosen data can be trusted."""
    name = shown.chosen.name
    crumb = f"{me.text('nav.data')} · {name}"
    actions = [Action(me.text("tokens.check"), link("tokens", dataset=name), "data-to-tokens")]
    if shown.chosen.task == PILOT_TASK:
        actions += [Action(me.text("nav.new"), link("new", dataset=name), "data-to-new")]
    return page_head(crumb, me.text("data.title"), rich(sentence(shown, me)), actions)


def sentence(shown: View, me: Viewer) -> str:
    """The gravest finding first, or that nobody has looked yet."""
    name = shown.chosen.name
    if shown.health is None:
        return me.text("data.lead.unknown", name=name)
    worst = shown.health.worst()
    if worst in (None, "note"):
        return me.text("data.lead.sound", name=name)
    gravest = next(f for f in shown.health.findings if f.severity == worst)
    key = f"data.lead.{worst}"
    found = finding_text(gravest, me)
    return me.text(key, name=name, found=found, summary=health_text(shown.health, me))
