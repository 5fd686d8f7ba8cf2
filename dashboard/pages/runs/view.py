"""What is shown of a run: the pilot, its loss curves, its log, and the machine while it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.pages.pilots import LIVE
from jobs.views import Cluster, Curve, LicenceAccepted, LogLine, PilotCard, PilotView, StageView

if TYPE_CHECKING:
    from jobs.service import PilotService

LOG_LINES = 200


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    pilot: PilotView | None  # None: there is no pilot yet
    others: tuple[PilotCard, ...]
    curves: tuple[Curve, ...] = ()
    logs: tuple[LogLine, ...] = ()
    cluster: Cluster | None = None
    accepted: tuple[LicenceAccepted, ...] = ()


def view(service: "PilotService", ident: str = "", level: str = "") -> View:
    """The pilot asked for, else the newest one."""
    others = tuple(service.pilots(size=50).items)
    ident = ident or (others[0].id if others else "")
    if not ident:
        return View(None, ())
    pilot = service.pilot(ident)
    cluster = service.cluster() if pilot.card.status in LIVE else None
    levels = ("warning", "error") if level else (None,)
    logs = [line for one in levels for line in service.logs(ident, level=one, limit=LOG_LINES)]
    if not level:
        logs += stage_lines(pilot.stages)
    curves, accepted = tuple(service.curves(ident)), service.licences_accepted(ident)
    return View(pilot, others, curves, tuple(logs), cluster, accepted)


def stage_lines(stages: Sequence[StageView]) -> list[LogLine]:
    """When each stage of this pilot began and ended; the text is a code that `log_lines` writes."""
    lines = []
    for stage in stages:
        name = f"{stage.kind} {stage.arms[0] if len(stage.arms) == 1 else stage.label}".strip()
        if stage.state == "reused":
            continue
        if stage.started_at:
            lines.append(LogLine(at=stage.started_at, level="stage", stage=name, text="started"))
        if stage.ended_at and stage.state in ("done", "failed", "cancelled"):
            at = stage.ended_at
            lines.append(LogLine(at=at, level="stage", stage=name, text=stage.state))
    return lines
