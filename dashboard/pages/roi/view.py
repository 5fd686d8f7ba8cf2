"""What is shown of a business case: the pilot, the case in use, and its result or error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.pages.pilots import chosen_pilots
from digpt.errors import UserError
from jobs.views import PilotCard

if TYPE_CHECKING:
    from jobs.roi.case import Case
    from jobs.roi.evaluate import ArmResult, CaseResult
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

    @property
    def shown_arm(self) -> ArmResult | None:
        """The arm that the figures are of: the chosen one, else the one of highest mean."""
        if self.result is None:
            return None
        found = [a for a in self.result.arms.values() if a.figures is not None]
        chosen = [a for a in found if a.arm == self.result.chosen_arm]
        ranked = sorted(found, key=lambda a: -a.figures.npv_spread.mean)  # type: ignore[union-attr]
        return next(iter([*chosen, *ranked]), None)


def view(service: PilotService, ident: str = "", case: Case | None = None) -> View:
    """The pilot's case as given, saved or by example, and its result."""
    cards = chosen_pilots(service, [ident] if ident else [])
    if not cards:
        return View(None, None, True, None, (), {})
    card = cards[0]
    saved = service.saved_case(card.id)
    used = case or saved or service.default_case(card.id)
    looks = {a.name: a.look for a in service.pilot(card.id).arms}
    known = {d.name: d.classes for d in service.datasets()}
    classes = tuple(known.get(card.dataset, ()))
    is_example = saved is None and case is None
    try:
        result = service.roi(card.id, used)
    except UserError as error:
        return View(card, used, is_example, None, classes, looks, error)
    return View(card, used, is_example, result, classes, looks)
