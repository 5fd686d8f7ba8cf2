"""Everything a report says, as figures in one record: gathered once, in no language yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import digpt
from dashboard.figures.accuracy import budget_order
from digpt.errors import UserError
from jobs.roi.headline import foremost
from jobs.spec import PRETRAINING
from jobs.views import ArmView, LicenceAccepted, PilotCard, Provenance

if TYPE_CHECKING:
    import pandas as pd

    from jobs.roi.case import Case
    from jobs.roi.changes import Change
    from jobs.roi.evaluate import ArmResult, CaseResult
    from jobs.service import PilotService

METRIC = "balanced_accuracy"
CHEAP_PROTOCOL = "probe"  # the cheap baseline is the frozen recogniser with a linear probe


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One arm's accuracy under one protocol and label budget."""

    arm: str
    look: int
    method: str
    protocol: str
    label_budget: str
    value: float
    low: float  # 95% interval
    high: float
    n_seeds: int
    covers: tuple[str, ...]  # what the interval covers: labels, items, pretraining
    cost: float  # stand-alone, in the pilot's currency
    device_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """An arm against a baseline under the same protocol and label budget, paired."""

    arm: str
    baseline: str
    protocol: str
    label_budget: str
    value: float
    low: float  # 95% interval
    high: float

    @property
    def direction(self) -> str:
        """up, down, or unclear where the interval holds 0."""
        if self.low > 0:
            return "up"
        return "down" if self.high < 0 else "unclear"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a pilot and its business case."""

    card: PilotCard
    arms: tuple[ArmView, ...]
    provenance: Provenance
    accepted: tuple[LicenceAccepted, ...]  # licences that forbid commercial use
    scores: tuple[Score, ...]
    cheap_gains: tuple[Gain, ...]  # every arm against the cheap baseline, at one label budget
    fair_gain: Gain | None  # the best pretrained arm, like with like
    case: Case | None  # every amount in its own currency
    is_example: bool
    result: CaseResult | None
    problem: UserError | None  # why the case has no result
    changes: tuple[Change, ...] | None  # since the launch; None: no case was fixed before it
    made_at: datetime
    version: str = digpt.__version__

    @property
    def shown_arm(self) -> ArmResult | None:
        """The arm that the money is shown of: the chosen one, else the foremost."""
        return foremost(self.result) if self.result else None

    @property
    def cheap_gain(self) -> Gain | None:
        """The cheap comparison of the pretrained arm that validation images picked."""
        pretrained = {a.name for a in self.arms if a.method in PRETRAINING}
        own = [g for g in self.cheap_gains if g.arm in pretrained]
        wanted = [self.fair_gain.arm if self.fair_gain else "", self.card.best_arm or ""]
        picked = [g for arm in wanted for g in own if g.arm == arm]
        return next(iter([*picked, *own]), None)

    @property
    def cheap_baseline(self) -> str | None:
        return self.cheap_gains[0].baseline if self.cheap_gains else None

    def look(self, arm: str) -> int:
        return next((a.look for a in self.arms if a.name == arm), -1)


def gather(
    service: PilotService,
    pilot: str,
    case: Case | None = None,
    *,
    is_example: bool = False,
    now: datetime | None = None,
) -> Facts:
    """The facts of a pilot with the given case, else the one saved with it, else none."""
    view = service.pilot(pilot)
    scores = _scores(service.compare([pilot]))
    if not scores:
        raise UserError(
            f"Pilot {pilot} is {view.card.status} and no arm of it has results yet, so there is "
            "nothing to report. Wait for it, or retry it on its run page.",
            code="no-results",
            field="pilot",
            status=view.card.status,
        )
    given = case if case is not None else service.saved_case(pilot)
    used, result, problem = _decide(service, pilot, given) if given else (None, None, None)
    return Facts(
        card=view.card,
        arms=view.arms,
        provenance=service.provenance(pilot, given if problem is None else None),
        accepted=service.licences_accepted(pilot),
        scores=scores,
        cheap_gains=_cheap_gains(service, pilot, view.arms, scores),
        fair_gain=_fair_gain(view.card),
        case=used,
        is_example=is_example,
        result=result,
        problem=problem,
        changes=service.case_changes(pilot, given) if given else None,
        made_at=now or datetime.now(UTC),
    )


def _decide(
    service: PilotService, pilot: str, case: Case
) -> tuple[Case, CaseResult | None, UserError | None]:
    """The case in its own currency and its result; or why there is none, which the report says."""
    try:
        return service.in_own_currency(case), service.roi(pilot, case), None
    except UserError as error:
        return case, None, error


def _scores(frame: pd.DataFrame) -> tuple[Score, ...]:
    return tuple(
        Score(
            arm=row["arm"],
            look=int(row["look"]),
            method=row["method"],
            protocol=row["protocol"],
            label_budget=str(row["label_budget"]),
            value=float(row["value"]),
            low=float(row["low"]),
            high=float(row["high"]),
            n_seeds=int(row["n_seeds"]),
            covers=tuple(c for c in str(row["covers"]).split(", ") if c),
            cost=float(row["cost_stand_alone"]),
            device_seconds=float(row["device_seconds"]),
        )
        for row in frame.to_dict("records")
        if row["metric"] == METRIC
    )


def _cheap_gains(
    service: PilotService, pilot: str, arms: Sequence[ArmView], scores: Sequence[Score]
) -> tuple[Gain, ...]:
    """At the largest label budget that the cheap baseline and another arm were probed with."""
    cheap = {a.name for a in arms if a.is_cheap_baseline}
    probed = [s for s in scores if s.protocol == CHEAP_PROTOCOL]
    budgets = {s.label_budget for s in probed if s.arm in cheap}
    budgets &= {s.label_budget for s in probed if s.arm not in cheap}
    if not budgets:
        return ()
    budget = max(budgets, key=budget_order)
    frame = service.gains(pilot, protocol=CHEAP_PROTOCOL, label_budget=budget, metric=METRIC)
    found = [
        Gain(
            arm=row["arm"],
            baseline=row["baseline"],
            protocol=CHEAP_PROTOCOL,
            label_budget=budget,
            value=float(row["difference"]),
            low=float(row["low"]),
            high=float(row["high"]),
        )
        for row in frame.to_dict("records")
        if row["baseline"] in cheap
    ]
    first = found[0].baseline if found else ""  # several recognisers: one of them is the measure
    return tuple(g for g in found if g.baseline == first)


def _fair_gain(card: PilotCard) -> Gain | None:
    g = card.gain
    if g is None:
        return None
    return Gain(
        arm=g.arm,
        baseline=g.baseline,
        protocol=g.protocol,
        label_budget=g.label_budget,
        value=g.value,
        low=g.low,
        high=g.high,
    )
