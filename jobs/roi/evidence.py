"""What an arm was measured to do, and which of its measurements a case is judged on (ROI.md §1.0).

Legend: S seeds, n test items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from digpt.errors import UserError
from jobs.roi.decision import Reason
from jobs.roi.inputs import Inputs, Terms, inputs_of
from jobs.roi.matrix import CostMatrix
from jobs.roi.rates import (
    Cut,
    ItemCosts,
    Reviewer,
    Scored,
    choose_band,
    choose_threshold,
    scored,
)
from jobs.roi.same import Same
from jobs.roi.schema import Case


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
    lost: bool = False  # it finished, but its predictions are no longer on the disk
    seeds: tuple[object, ...] | None = None  # equal lists are resampled together
    item: str = "image"  # what was predicted: image | object
    val_lead_time: np.ndarray | None = None  # (n_val,) from the image to the failure
    test_lead_time: np.ndarray | None = None  # (n,)
    slices: Mapping[str, np.ndarray] = field(default_factory=dict)  # attribute -> (n,) test items
    labels_by_class: Mapping[str, int] = field(default_factory=dict)  # of `labels_used`
    classes: tuple[str, ...] = ()  # columns of the probabilities; needed for a cost matrix
    val_probabilities: Sequence[np.ndarray] = ()  # S arrays (n_val, K)
    test_probabilities: Sequence[np.ndarray] = ()  # S arrays (n, K)
    prior: tuple[float, ...] = ()  # class mix that the probabilities were learned on
    ladder: tuple["ArmEvidence", ...] = ()  # the same arm and protocol at other label budgets


def choose_evidence(case: Case, candidates: Sequence[ArmEvidence]) -> list[ArmEvidence]:
    """One evidence per arm: the case's protocol and label budget, or the defaults.

    Default budget: the largest one that all arms (that did not fail) share; default protocol: per
    arm the one of least validation cost. Where an arm lacks what the case asks for, its evidence
    comes back without scores, so that it gets no verdict, with the reason.
    """
    setting = setting_of(inputs_of(case))
    names = list(dict.fromkeys(c.arm for c in candidates))
    usable = [c for c in candidates if unusable(c) is None and _fits(c.protocol, case.protocol)]
    budget = case.label_budget if case.label_budget is not None else _common_budget(usable)
    chosen = []
    for name in names:
        own = [c for c in candidates if c.arm == name]
        fit = [c for c in usable if c.arm == name and c.label_budget in (budget, None)]
        if not fit:
            chosen.append(_absent(case, own))
            continue
        best = min(fit, key=lambda c: validation_cost(setting, c))
        others = [
            c
            for c in candidates
            if c.arm == name and c.protocol == best.protocol and c is not best and not unusable(c)
        ]
        chosen.append(replace(best, ladder=tuple(others)))
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
    if all(c.failed or c.lost for c in own):
        return own[0]
    return replace(
        next(c for c in own if not c.failed),
        protocol=case.protocol or "",
        label_budget=case.label_budget,
        val_scores=(),
        test_scores=(),
    )


def validation_cost(setting: "Setting", evidence: ArmEvidence) -> float:
    """Mean over seeds of the least validation cost per item."""
    if setting.matrix is not None:
        matrix, seeds = setting.matrix, range(len(evidence.val_probabilities))
        true = true_classes(matrix, evidence, "val")
        return float(
            np.mean([matrix.cost(true, decisions(matrix, evidence, "val", s)) for s in seeds])
        )
    splits = [split_scores(evidence, "val", s, setting) for s in range(len(evidence.val_scores))]
    return float(np.mean([choose_cut(split, setting).cost for split in splits]))


def unusable(evidence: ArmEvidence) -> Reason | None:
    """Why an arm has no figures, if so."""
    if evidence.failed:
        return Reason("arm-failed", {"arm": evidence.arm})
    if evidence.lost:
        return Reason("results-lost", {"arm": evidence.arm})
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What decisions are chosen by: the case at likely values."""

    item: str  # what volume and costs are counted in
    costs: ItemCosts
    reviewer: Reviewer | None
    classes: dict[str, float]  # prevalence of each defect class; "" where taken together
    minimum_lead_time: float  # 0: every alarm is in time
    matrix: CostMatrix | None  # costs by class, in place of thresholds


def setting_of(inputs: Inputs) -> Setting:
    """The case at likely values, as decisions need it."""
    case, terms = inputs.case, inputs.terms(inputs.likely())
    costs = ItemCosts(
        prevalence=float(terms.prevalence),
        miss=float(terms.cost_miss),
        false_alarm=float(terms.cost_false_alarm),
        true_alarm=float(terms.cost_true_alarm),
        review=float(terms.cost_review),
    )
    reviewer = case.review and Reviewer(
        miss_rate=float(terms.reviewer_miss_rate),
        false_alarm_rate=float(terms.reviewer_false_alarm_rate),
        capacity=None if terms.capacity is None else float(terms.capacity / terms.volume),
        overflow=case.review.overflow,
    )
    return Setting(
        item=case.item,
        costs=costs,
        reviewer=reviewer,
        classes={name: float(p) for name, p in terms.class_prevalence.items()},
        minimum_lead_time=case.failure.minimum_lead_time if case.failure else 0.0,
        matrix=_matrix(terms),
    )


def _matrix(terms: Terms) -> CostMatrix | None:
    if terms.costs is None:
        return None
    classes = tuple(terms.costs)
    defects = {name: float(p) for name, p in terms.class_prevalence.items()}
    good = next(n for n, name in enumerate(classes) if name not in defects)
    rest = 1 - sum(defects.values())
    return CostMatrix(
        classes=classes,
        costs=np.array([[float(terms.costs[i][j]) for j in classes] for i in classes]),
        prevalence=np.array([defects.get(name, rest) for name in classes]),
        good=good,
    )


def check_evidence(setting: Setting, evidence: ArmEvidence) -> None:
    """Refuse predictions that do not say what the case asks of them."""
    if evidence.item != setting.item:
        raise UserError(
            f"The case counts {setting.item}s, but the pilot's arms were tried on "
            f"{evidence.item}s, so there are no results to count. Set `item: {evidence.item}`.",
            code="case-item",
            field="item",
            value=setting.item,
        )
    _check_classes(setting, evidence)
    if setting.matrix is not None:
        _check_matrix(setting.matrix, evidence)
    has_lead_times = evidence.val_lead_time is not None and evidence.test_lead_time is not None
    if setting.minimum_lead_time > 0 and not has_lead_times:
        raise UserError(
            "The case asks for alarms of a minimum lead time, but the data has no column that says "
            "how long before the failure an image was taken. Import the data with such a column "
            "and name it in failure.lead_time_column, or set the minimum to 0.",
            code="no-lead-times",
            field="failure.minimum_lead_time",
        )
    for split, scores in (("validation", evidence.val_scores), ("test", evidence.test_scores)):
        if not all(np.all(np.isfinite(s)) for s in scores):
            raise UserError(
                f"The {split} scores of arm {evidence.arm!r} hold values that are not numbers. "
                "Run its evaluation again.",
                code="bad-scores",
                field="arms",
                arm=evidence.arm,
            )


def _check_classes(setting: Setting, evidence: ArmEvidence) -> None:
    if "" in setting.classes:
        return
    if evidence.val_class is None or evidence.test_class is None:
        raise UserError(
            f"The prevalence is given by class, but the predictions of arm {evidence.arm!r} do not "
            "say the items' classes. Give one prevalence for all defects.",
            code="no-item-classes",
            field="prevalence",
            arm=evidence.arm,
        )
    for name in setting.classes:
        for split, of_item in (("validation", evidence.val_class), ("test", evidence.test_class)):
            if not np.any(of_item == name):
                raise UserError(
                    f"The case gives class {name!r} a prevalence, but the {split} split has no "
                    "item of it, so its miss rate is unknown. Add such items or set it to 0.",
                    code="no-positive-items",
                    field=f"prevalence.{name}",
                    name=name,
                )


def _check_matrix(matrix: CostMatrix, evidence: ArmEvidence) -> None:
    if set(evidence.classes) != set(matrix.classes):
        raise UserError(
            f"The cost matrix is for {', '.join(matrix.classes)}, but arm {evidence.arm!r} was "
            f"trained on {', '.join(evidence.classes) or 'no named classes'}. Give costs for "
            "exactly the classes of the data.",
            code="case-class",
            field="costs",
            value=", ".join(matrix.classes),
        )


def true_classes(matrix: CostMatrix, evidence: ArmEvidence, split: str) -> np.ndarray:
    """Position (n,) in the cost matrix of each item's true class."""
    of_item = evidence.val_class if split == "val" else evidence.test_class
    assert of_item is not None, "check_evidence has seen to it"
    place = {name: n for n, name in enumerate(matrix.classes)}
    return np.array([place[name] for name in of_item.tolist()])


def decisions(matrix: CostMatrix, evidence: ArmEvidence, split: str, seed: int) -> np.ndarray:
    """Position (n,) in the cost matrix of the class that one seed's model decides for."""
    columns = [evidence.classes.index(name) for name in matrix.classes]
    of_split = evidence.val_probabilities if split == "val" else evidence.test_probabilities
    return matrix.decisions(
        np.asarray(of_split[seed])[:, columns], np.asarray(evidence.prior)[columns]
    )


@dataclass(frozen=True, slots=True)
class Items:
    """The items of one split that count, with what is known of each."""

    rows: np.ndarray  # (m,) of the split
    kind: np.ndarray  # (m,) position of the defect class; the good class comes last
    is_late: np.ndarray  # (m,) a defect whose alarm would come too late


def items_of(setting: Setting, evidence: ArmEvidence, split: str) -> Items:
    """Items of the defect classes that occur, and the good ones."""
    is_val = split == "val"
    positive = np.asarray(evidence.val_positive if is_val else evidence.test_positive)
    of_item = evidence.val_class if is_val else evidence.test_class
    lead = evidence.val_lead_time if is_val else evidence.test_lead_time
    kind = np.where(positive, -1, len(setting.classes))
    for k, name in enumerate(setting.classes):
        kind[positive if name == "" else positive & (of_item == name)] = k
    late = np.zeros(len(positive), dtype=bool)
    if lead is not None and setting.minimum_lead_time > 0:
        late = positive & ~(np.asarray(lead, dtype=float) >= setting.minimum_lead_time)
    rows = np.flatnonzero(kind >= 0)
    return Items(rows, kind[rows], late[rows])


@dataclass(frozen=True)
class _Asked:
    """What the scores by class of one seed hang on; compared without looking into the arrays."""

    parts: tuple[Same[object], ...]
    split: str
    seed: int
    shares: tuple[tuple[str, float], ...]
    minimum_lead_time: float
    evidence: ArmEvidence = field(compare=False)
    setting: Setting = field(compare=False)


def split_scores(evidence: ArmEvidence, split: str, seed: int, setting: Setting) -> Scored:
    """One seed's scores by class."""
    e, total = evidence, sum(setting.classes.values())
    if split == "val":
        parts = (e.val_scores, e.val_positive, e.val_class, e.val_lead_time)
    else:
        parts = (e.test_scores, e.test_positive, e.test_class, e.test_lead_time)
    shares = tuple((name, p / total) for name, p in setting.classes.items())
    asked = tuple(Same(part) for part in parts)
    return _by_class(_Asked(asked, split, seed, shares, setting.minimum_lead_time, e, setting))


@lru_cache(maxsize=1000)  # ten arms, three protocols, five budgets and three seeds of a split
def _by_class(asked: _Asked) -> Scored:
    evidence, setting = asked.evidence, asked.setting
    items = items_of(setting, evidence, asked.split)
    of_split = evidence.val_scores if asked.split == "val" else evidence.test_scores
    scores = np.asarray(of_split[asked.seed])[items.rows]
    by_class = [items.kind == k for k in range(len(setting.classes))]
    return scored(
        [scores[of & ~items.is_late] for of in by_class],
        scores[items.kind == len(by_class)],
        tuple(setting.classes.values()),
        [int((of & items.is_late).sum()) for of in by_class],
    )


def choose_cut(validation: Scored, setting: Setting) -> Cut:
    """The threshold or the pair of least validation cost."""
    if setting.reviewer is None:
        return choose_threshold(validation, setting.costs)
    return choose_band(validation, setting.costs, setting.reviewer)
