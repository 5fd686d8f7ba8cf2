"""What is shown of a business case: the pilot, the case in use, and its result or error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dashboard.pages.pilots import chosen_pilots
from digpt.errors import UserError
from jobs.views import DatasetView, PilotCard

if TYPE_CHECKING:
    from jobs.roi.case import Case
    from jobs.roi.changes import Change
    from jobs.roi.evaluate import ArmResult, CaseResult
    from jobs.roi.headline import Headline
    from jobs.service import PilotService


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    card: PilotCard | None
    case: Case | None
    is_example: bool  # nobody has saved a case yet
    result: CaseResult | None
    classes: tuple[str, ...]
    looks: Mapping[str, int]
    error: UserError | None = None
    changes: tuple[Change, ...] | None = None  # of the case since launch; None: nothing was fixed
    scenarios: Mapping[str, Case] = field(default_factory=dict)
    data: DatasetView | None = None  # None: removed since

    @property
    def shown_arm(self) -> ArmResult | None:
        """The arm that the figures are of: the chosen one, else the foremost."""
        return shown_arm(self.result) if self.result else None

    @property
    def headline(self) -> Headline | None:
        """The first figures, of the same arm."""
        from jobs.roi.headline import headline_of  # noqa: PLC0415 - scipy, a second of start-up

        arm = self.shown_arm
        return headline_of(self.result, arm.arm) if self.result and arm else None


def shown_arm(result: CaseResult) -> ArmResult | None:
    """The arm that a result's figures are of."""
    from jobs.roi.headline import foremost  # noqa: PLC0415 - scipy, a second of start-up

    return foremost(result)


def view(service: PilotService, ident: str = "", case: Case | None = None) -> View:
    """The pilot's case as given, saved or by example, and its result."""
    cards = chosen_pilots(service, [ident] if ident else [])
    if not cards:
        return View(None, None, True, None, (), {})
    card = cards[0]
    saved = service.saved_case(card.id)
    used = case or saved or service.default_case(card.id)
    looks = {a.name: a.look for a in service.pilot(card.id).arms}
    data = next((d for d in service.datasets() if d.name == card.dataset), None)
    first = View(
        card=card,
        case=used,
        is_example=saved is None and case is None,
        result=None,
        classes=data.classes if data else (),
        data=data,
        looks=looks,
        scenarios=service.scenarios(card.id),
    )
    return with_case(service, first, used)


def with_case(service: PilotService, shown: View, case: Case) -> View:
    """The same pilot with another case: only what hangs on the case is worked out."""
    assert shown.card is not None
    now = replace(shown, case=case, is_example=shown.is_example and case == shown.case)
    try:
        result = service.roi(shown.card.id, case)
    except UserError as error:
        return replace(now, result=None, error=error, changes=None)
    changed = service.case_changes(shown.card.id, case)
    return replace(now, result=result, error=None, changes=changed)
