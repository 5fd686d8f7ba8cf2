"""What an arm was measured to do, and which of its measurements a case is judged on (ROI.md §1.0).

Legend: S seeds, n test items.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from digpt.errors import UserError
from jobs.roi.case import Case, amount
from jobs.roi.decision import Reason
from jobs.roi.rates import (
    Cut,
    ItemCosts,
    Reviewer,
    Scored,
    choose_band,
    choose_threshold,
    scored,
)


@dataclass(frozen=True, kw_only=True)
class ArmEvidence:
    """What one arm was measured to do, under one protocol and label budget.

    Scores are larger for positives (defects); one array per seed, all on the same items.
    """

    arm: str
    method: str
    tokenizer: str | None
    protocol: str
    label_budget: int | str | None  # per class, "all", or None where no labels are used
    labels_used: int
    val_scores: Sequence[np.ndarray] = ()  # S arrays (n_val,)
    val_positive: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))  # (n_val,)
    test_scores: Sequence[np.ndarray] = ()  # S arrays (n,)
    test_positive: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))  # (n,)
    groups: np.ndarray | None = None  # (n,) of the test items
    test_class: np.ndarray | None = None  # (n,) str
    val_class: np.ndarray | None = None  # (n_val,) str; needed for a prevalence by class
    pilot_cost_money: float = 0.0  # already spent (sunk), in the case's currency
    failed: bool = False
    seeds: tuple[object, ...] | None = None  # equal lists are resampled together


def choose_evidence(case: Case, candidates: Sequence[ArmEvidence]) -> list[ArmEvidence]:
    """One evidence per arm: the case's protocol and label budget, or the defaults.

    Default budget: the largest one that all arms (that did not fail) share; default protocol: per
    arm the one of least validation cost. Where an arm lacks what the case asks for, its evidence
    comes back without scores, so that it gets no verdict, with the reason.
    """
    names = list(dict.fromkeys(c.arm for c in candidates))
    usable = [c for c in candidates if unusable(c) is None and _fits(c.protocol, case.protocol)]
    budget = case.label_budget if case.label_budget is not None else _common_budget(usable)
    chosen = []
    for name in names:
        own = [c for c in candidates if c.arm == name]
        fit = [c for c in usable if c.arm == name and c.label_budget in (budget, None)]
        chosen.append(
            min(fit, key=lambda c: validation_cost(case, c)) if fit else _absent(case, own)
        )
    return chosen


def _fits(protocol: str, wanted: str | None) -> bool:
    return wanted is None or protocol == wanted


def _common_budget(usable: Sequence[ArmEvidence]) -> int | str | None:
    """The largest label budget that every arm was tried at."""
    by_arm: dict[str, set[int | str]] = {}
    for c in usable:
        if c.label_budget is not None:
            by_arm.setdefault(c.arm, set()).add(c.label_budget)
    common = set.intersection(*by_arm.values()) if by_arm else set()
    return max(common, key=lambda b: float("inf") if b == "all" else float(b)) if common else None


def _absent(case: Case, own: Sequence[ArmEvidence]) -> ArmEvidence:
    """An arm's evidence without scores: failed, or not tried as the case asks."""
    if all(c.failed for c in own):
        return own[0]
    return replace(
        next(c for c in own if not c.failed),
        protocol=case.protocol or "",
        label_budget=case.label_budget,
        val_scores=(),
        test_scores=(),
    )


def validation_cost(case: Case, evidence: ArmEvidence) -> float:
    """Mean over seeds of the least validation cost per item."""
    costs, reviewer = item_costs(case), reviewer_of(case)
    classes, shares = defect_classes(case, evidence)
    splits = [
        split_scores(evidence, "val", s, classes, shares) for s in range(len(evidence.val_scores))
    ]
    return float(np.mean([choose_cut(split, costs, reviewer).cost for split in splits]))


def unusable(evidence: ArmEvidence) -> Reason | None:
    """Why an arm has no figures, if so."""
    if evidence.failed:
        return Reason("arm-failed", {"arm": evidence.arm})
    if not len(evidence.test_scores) or not len(evidence.val_scores):
        facts: dict[str, float | str] = {
            "arm": evidence.arm,
            "protocol": evidence.protocol,
            "label_budget": str(evidence.label_budget or ""),
        }
        return Reason("no-evidence", facts)
    for positive in (evidence.val_positive, evidence.test_positive):
        if not np.any(positive):
            return Reason("no-positive-items", {"arm": evidence.arm})
        if np.all(positive):
            return Reason("no-negative-items", {"arm": evidence.arm})
    return None


def item_costs(case: Case) -> ItemCosts:
    """The case's costs per item."""
    return ItemCosts(
        prevalence=case.total_prevalence,
        miss=amount(case.cost_miss),
        false_alarm=amount(case.cost_false_alarm),
        true_alarm=amount(case.cost_true_alarm),
        review=amount(case.review.cost_per_item) if case.review else 0.0,
    )


def reviewer_of(case: Case) -> Reviewer | None:
    """The case's reviewer with the capacity as a share of the largest yearly volume."""
    review = case.review
    if review is None:
        return None
    capacity = review.capacity_per_year
    return Reviewer(
        miss_rate=review.miss_rate,
        false_alarm_rate=review.false_alarm_rate,
        capacity=None if capacity is None else capacity / case.volume,
        overflow=review.overflow,
    )


def defect_classes(
    case: Case, evidence: ArmEvidence
) -> tuple[tuple[str, ...] | None, tuple[float, ...] | None]:
    """Defect classes with a prevalence of their own, and their shares; None: taken together."""
    if not isinstance(case.prevalence, dict):
        return None, None
    if evidence.val_class is None or evidence.test_class is None:
        raise UserError(
            f"The prevalence is given by class, but the predictions of arm {evidence.arm!r} do not "
            "say the items' classes. Give one prevalence for all defects.",
            code="no-item-classes",
            field="prevalence",
            arm=evidence.arm,
        )
    occurring = {name: p for name, p in case.prevalence.items() if p > 0}
    for name in occurring:
        for split, of_item in (("validation", evidence.val_class), ("test", evidence.test_class)):
            if not np.any(of_item == name):
                raise UserError(
                    f"The case gives class {name!r} a prevalence, but the {split} split has no "
                    "item of it, so its miss rate is unknown. Add such items or set it to 0.",
                    code="no-positive-items",
                    field=f"prevalence.{name}",
                    name=name,
                )
    return tuple(occurring), tuple(occurring.values())


def split_scores(
    evidence: ArmEvidence,
    split: str,
    seed: int,
    classes: tuple[str, ...] | None,
    shares: tuple[float, ...] | None,
) -> Scored:
    is_val = split == "val"
    scores = np.asarray((evidence.val_scores if is_val else evidence.test_scores)[seed])
    positive = evidence.val_positive if is_val else evidence.test_positive
    of_item = evidence.val_class if is_val else evidence.test_class
    if not np.all(np.isfinite(scores)):
        raise UserError(
            f"The {split} scores of arm {evidence.arm!r} hold values that are not numbers. "
            "Run its evaluation again.",
            code="bad-scores",
            field="arms",
            arm=evidence.arm,
        )
    if classes is None or of_item is None:
        return scored([scores[positive]], scores[~positive])
    return scored([scores[of_item == name] for name in classes], scores[~positive], shares)


def choose_cut(validation: Scored, costs: ItemCosts, reviewer: Reviewer | None) -> Cut:
    if reviewer is None:
        return choose_threshold(validation, costs)
    return choose_band(validation, costs, reviewer)
