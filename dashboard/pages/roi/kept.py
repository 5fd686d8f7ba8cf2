"""What a viewer's session holds between events, and how a problem with a case is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dashboard.html import Html, h
from dashboard.mistakes import case_error
from dashboard.pages.roi.scenarios import Scenario
from dashboard.pages.roi.view import View
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.computing import ComputeView


@dataclass(frozen=True, slots=True)
class Kept:
    """What a viewer's session holds between events, on the server."""

    shown: View | None = None
    base: Mapping[str, Any] = field(default_factory=dict)  # the case as it came: what the form does
    # not show stays in it
    text: str = ""  # of the form, as it was last worked out
    scenarios: tuple[Scenario, ...] = ()
    seeds: float | None = None  # what more seeds would cost
    compute: ComputeView | None = None

    @property
    def currency(self) -> str:
        """The currency of the case as it came."""
        return str(self.base.get("currency", ""))

    @property
    def pilot(self) -> str | None:
        """The id of the pilot that is shown."""
        return self.shown.card.id if self.shown and self.shown.card else None


def problem(error: UserError, me: Viewer, currency: str = "") -> Html:
    """What is wrong with the case; the page's script marks the field that it names."""
    return h(
        '<div class="d-box d-no" id="roi-problem-text" role="alert" data-wrong="{field}">'
        "{words}</div>",
        field=error.field or "",
        words=case_error(error, currency, me),
    )
