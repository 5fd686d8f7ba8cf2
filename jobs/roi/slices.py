"""Who loses: what each part of the test items costs per item, at production prevalence.

Legend: n test items that count, P classes of defects; the good class comes last.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from jobs.roi.evidence import ArmEvidence, Setting, decisions, items_of, split_scores, true_classes
from jobs.roi.figures import SliceCost
from jobs.roi.matrix import CostMatrix
from jobs.roi.rates import Cut, after_review, shares_at

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
    if setting.matrix is None:
        seen = _by_threshold(setting, evidence, cuts)
    else:
        seen = _by_matrix(setting.matrix, evidence)
    found = [
        _slice(seen, attribute, str(value), column[seen.rows] == value)
        for attribute, column in _columns(evidence.slices).items()
        for value in np.unique(column[seen.rows])
    ]
    kept = [x for x in found if x.items >= FEWEST]
    return tuple(sorted(kept, key=lambda x: (x.cost_per_item is None, -(x.cost_per_item or 0.0))))


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


def _slice(seen: ItemOutcomes, attribute: str, value: str, inside: np.ndarray) -> SliceCost:
    good = len(seen.prevalence) - 1
    positives = seen.kind < good
    miss = _rate(seen, inside, range(good))
    alarm = _rate(seen, inside, [good])
    cost, difference, interval = None, None, None
    if miss is not None and alarm is not None:
        kinds = [k for k in range(good + 1) if np.any(inside & (seen.kind == k))]
        weights = _weights(seen.prevalence, kinds)
        cost = sum(w * seen.cost[inside & (seen.kind == k)].mean() for k, w in weights.items())
        difference, error = _difference(seen, inside, weights)
        interval = (difference - WIDE * error, difference + WIDE * error)
    return SliceCost(
        attribute=attribute,
        value=value,
        items=int(inside.sum()),
        positives=int((inside & positives).sum()),
        miss_rate=miss,
        false_alarm_rate=alarm,
        cost_per_item=None if cost is None else float(cost),
        difference=difference,
        difference_interval=interval,
    )


def _weights(prevalence: np.ndarray, kinds: Sequence[int]) -> dict[int, float]:
    """Production weight of each kind; defects that a part lacks are spread over those it has."""
    good = len(prevalence) - 1
    defects = [k for k in kinds if k < good]
    scale = prevalence[:good].sum() / prevalence[defects].sum()
    return {k: float(prevalence[k] * (1.0 if k == good else scale)) for k in kinds}


def _rate(seen: ItemOutcomes, inside: np.ndarray, kinds: Sequence[int]) -> float | None:
    present = [k for k in kinds if np.any(inside & (seen.kind == k))]
    if not present:
        return None
    means = [seen.wrong[inside & (seen.kind == k)].mean() for k in present]
    return float(np.average(means, weights=seen.prevalence[present]))


def _difference(
    seen: ItemOutcomes, inside: np.ndarray, weights: Mapping[int, float]
) -> tuple[float, float]:
    """Cost of a part less that of all items of the same kinds, and its standard error.

    The part is in both, so only (1 - its share) of its distance to the rest counts.
    """
    total, variance = 0.0, 0.0
    for kind, weight in weights.items():
        of_kind = seen.kind == kind
        part, rest = seen.cost[of_kind & inside], seen.cost[of_kind & ~inside]
        if len(rest) == 0:
            continue
        outside = len(rest) / (len(part) + len(rest))
        total += weight * outside * (part.mean() - rest.mean())
        spread = seen.cost[of_kind].var() * (1 / len(part) + 1 / len(rest))
        variance += (weight * outside) ** 2 * spread
    return float(total), float(np.sqrt(variance))


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
