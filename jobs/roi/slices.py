"""Who loses: what each part of the test items costs per item, at production prevalence.

Legend: n test items that count, P classes of defects; the good class comes last.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from jobs.roi.evidence import ArmEvidence, Setting, decisions, items_of, split_scores, true_classes
from jobs.roi.figures import SliceCost
from jobs.roi.matrix import CostMatrix
from jobs.roi.rates import Cut, after_review, shares_at
from jobs.roi.same import Same

FEWEST = 5  # items; smaller parts are left out
DATE = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}")
MOST = 20  # parts of one attribute; a column with more tells items apart, not kinds of them
WIDE = 1.6449  # standard errors on either side of a 5-95% interval


@dataclass(frozen=True, slots=True)
class ItemOutcomes:
    """What happens to each item on average over the seeds."""

    rows: np.ndarray  # (n,) of the test split
    kind: np.ndarray  # (n,) position of the defect class; P for the good one
    prevalence: np.ndarray  # (P + 1,) of each kind in production
    wrong: np.ndarray  # (n,) chance of a miss or a false alarm
    cost: np.ndarray  # (n,) expected cost of the decision, review included


def slice_costs(
    setting: Setting, evidence: ArmEvidence, cuts: Sequence[Cut]
) -> tuple[SliceCost, ...]:
    """Every part of every attribute with enough items, the costliest first."""
    if not evidence.slices:
        return ()
    seen = item_outcomes(setting, evidence, cuts)
    found = [
        part
        for attribute, (names, codes) in _coded(Same(evidence.slices)).items()
        for part in _parts(seen, attribute, names, codes[seen.rows])
    ]
    return tuple(sorted(found, key=lambda x: (x.cost_per_item is None, -(x.cost_per_item or 0.0))))


def item_outcomes(setting: Setting, evidence: ArmEvidence, cuts: Sequence[Cut]) -> ItemOutcomes:
    """What an arm's decisions do to each test item."""
    if setting.matrix is None:
        return _by_threshold(setting, evidence, cuts)
    return _by_matrix(setting.matrix, evidence)


@lru_cache(maxsize=64)  # arms
def _coded(slices: Same[Mapping[str, np.ndarray]]) -> dict[str, tuple[list[str], np.ndarray]]:
    """Names of an attribute's parts, and which of them each test item is in."""
    found = {}
    for attribute, column in _columns(slices.held).items():
        names, codes = np.unique(column, return_inverse=True)
        found[attribute] = (names.tolist(), codes)
    return found


def _columns(slices: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Attributes with few enough values to be kinds of items; numbers in four equal parts."""
    columns = {}
    for name, column in slices.items():
        values = np.asarray(column)
        if values.dtype.kind in "iuf" and len(np.unique(values)) > MOST:
            values = _quarters(values.astype(float))
        if 2 <= len(np.unique(values)) <= MOST and not _are_dates(values):
            columns[name] = values.astype(str)
    return columns


def _are_dates(values: np.ndarray) -> bool:
    """Whether a column says when, which is no kind of item: a failure's date gives it away."""
    written = [v for v in np.unique(values.astype(str)) if v]
    return all(DATE.match(v) for v in written)


def _quarters(values: np.ndarray) -> np.ndarray:
    """The quarter each number falls into, named by its ends."""
    edges = np.nanquantile(values, [0, 0.25, 0.5, 0.75, 1])
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, 3)
    names = np.array([f"{a:.4g}–{b:.4g}" for a, b in pairwise(edges)])
    return np.where(np.isnan(values), "", names[place])


def _parts(
    seen: ItemOutcomes, attribute: str, names: Sequence[str], codes: np.ndarray
) -> list[SliceCost]:
    """The parts (J) of one attribute that have enough items; codes (n,) says the part of each.

    Defects that a part lacks are spread over those it has, by their production weight.
    """
    whole = _sums(seen, np.zeros_like(codes), 1)
    part = _sums(seen, codes, len(names))
    good = len(seen.prevalence) - 1
    is_there = part.count > 0  # (J, P + 1)
    present = np.where(is_there, seen.prevalence, 0.0)
    defects = present[:, :good].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        wrong = np.where(is_there, part.wrong / part.count, 0.0)
        miss = (present[:, :good] * wrong[:, :good]).sum(axis=1) / defects
        weights = present.copy()
        weights[:, :good] *= (seen.prevalence[:good].sum() / defects)[:, None]
        cost = (weights * np.where(is_there, part.cost / part.count, 0.0)).sum(axis=1)
        difference, error = _differences(part, whole, weights)
    return [
        SliceCost(
            attribute=attribute,
            value=name,
            items=int(part.count[j].sum()),
            positives=int(part.count[j, :good].sum()),
            miss_rate=float(miss[j]) if is_there[j, :good].any() else None,
            false_alarm_rate=float(wrong[j, good]) if is_there[j, good] else None,
            cost_per_item=float(cost[j]) if is_whole else None,
            difference=float(difference[j]) if is_whole else None,
            difference_interval=(
                float(difference[j] - WIDE * error[j]),
                float(difference[j] + WIDE * error[j]),
            )
            if is_whole
            else None,
        )
        for j, name in enumerate(names)
        if part.count[j].sum() >= FEWEST
        for is_whole in [bool(is_there[j, :good].any() and is_there[j, good])]
    ]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Of each part and kind of item, (J, P + 1): how many, and what they sum to."""

    count: np.ndarray
    wrong: np.ndarray
    cost: np.ndarray
    square: np.ndarray  # of the cost


def _sums(seen: ItemOutcomes, codes: np.ndarray, parts: int) -> _Sums:
    kinds = len(seen.prevalence)
    cells = codes * kinds + seen.kind

    def summed(x: np.ndarray | None) -> np.ndarray:
        return np.bincount(cells, x, parts * kinds).reshape(parts, kinds)

    return _Sums(summed(None), summed(seen.wrong), summed(seen.cost), summed(seen.cost**2))


def _differences(part: _Sums, whole: _Sums, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cost (J,) of a part less that of all items of the same kinds, and its standard error.

    The part is in both, so only (1 - its share) of its distance to the rest counts.
    """
    rest = whole.count - part.count
    counts = (part.count > 0) & (rest > 0)
    distance = part.cost / part.count - (whole.cost - part.cost) / rest
    mean = whole.cost / whole.count
    variance = np.maximum(whole.square / whole.count - mean**2, 0.0)
    spread = variance * (1 / part.count + 1 / rest)
    scaled = weights * rest / whole.count
    difference = np.where(counts, scaled * distance, 0.0).sum(axis=1)
    return difference, np.sqrt(np.where(counts, scaled**2 * spread, 0.0).sum(axis=1))


def _by_threshold(setting: Setting, evidence: ArmEvidence, cuts: Sequence[Cut]) -> ItemOutcomes:
    items, costs, reviewer = items_of(setting, evidence, "test"), setting.costs, setting.reviewer
    good = items.kind == len(setting.classes)
    wrong, cost = np.zeros(len(items.rows)), np.zeros(len(items.rows))
    for seed, cut in enumerate(cuts):
        scores = np.asarray(evidence.test_scores[seed])[items.rows]
        passed = (scores < cut.low) | items.is_late
        rejected = (scores >= cut.high) & ~items.is_late
        band = ~passed & ~rejected
        amiss, reviewed = np.where(good, rejected, passed).astype(float), 0.0
        if reviewer is not None:
            split = split_scores(evidence, "test", seed, setting)
            kept = float(after_review(shares_at(split, cut), costs.prevalence, reviewer).kept)
            over_pass = 1.0 if reviewer.overflow == "pass" else 0.0
            rates = np.where(good, reviewer.false_alarm_rate, reviewer.miss_rate)
            amiss += band * (kept * rates + (1 - kept) * np.where(good, 1 - over_pass, over_pass))
            reviewed = band * kept
        of_positive = amiss * costs.miss + (1 - amiss) * costs.true_alarm
        price = np.where(good, amiss * costs.false_alarm, of_positive) + reviewed * costs.review
        wrong, cost = wrong + amiss / len(cuts), cost + price / len(cuts)
    prevalence = np.array([*setting.classes.values(), 1 - costs.prevalence])
    return ItemOutcomes(items.rows, items.kind, prevalence, wrong, cost)


def _by_matrix(matrix: CostMatrix, evidence: ArmEvidence) -> ItemOutcomes:
    true = true_classes(matrix, evidence, "test")
    seeds = range(len(evidence.test_probabilities))
    decided = np.stack([decisions(matrix, evidence, "test", s) for s in seeds])  # (S, n)
    defects = [k for k in range(len(matrix.classes)) if k != matrix.good]
    place = np.array([*np.argsort([*defects, matrix.good])])
    wrong = (decided == matrix.good) != (true == matrix.good)
    return ItemOutcomes(
        rows=np.arange(len(true)),
        kind=place[true],
        prevalence=matrix.prevalence[[*defects, matrix.good]],
        wrong=wrong.mean(axis=0),
        cost=matrix.costs[true, decided].mean(axis=0),
    )
