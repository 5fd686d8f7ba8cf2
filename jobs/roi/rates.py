"""Thresholds and the rates they give (ROI.md §1).

An item is flagged when its score s >= t. Positives (defects) may come in several classes with their
own share in production; `Scored` holds them apart so that a rare class in the data set keeps its
true weight.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from digpt.errors import UserError

Number = float | np.ndarray

ROUNDING = 1e-12  # what weighing classes may leave of a rate that is 0
TIED = 1e-9  # costs this close, relative to the largest possible cost, are equal


@dataclass(frozen=True)
class Scored:
    """Sorted scores of one split: one array per defect class, with their `shares` (sum 1).

    `late` counts the defects of each class whose alarm would come too late: missed at any cut.
    """

    positives: tuple[np.ndarray, ...]
    shares: tuple[float, ...]
    negatives: np.ndarray
    late: tuple[int, ...] = ()  # empty: none

    @cached_property
    def at_candidates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All thresholds worth trying (T,) with their miss and false-alarm rates; no cost in it."""
        thresholds = candidates(self)
        return thresholds, miss_rates(self, thresholds), false_alarm_rates(self, thresholds)


def scored(
    positives: Sequence[np.ndarray],
    negatives: np.ndarray,
    shares: Sequence[float] | None = None,
    late: Sequence[int] = (),
) -> Scored:
    """Sorted scores with the classes' shares of all defects; an empty class is an error, not 0."""
    late = tuple(late) or (0,) * len(positives)
    if not positives or any(len(p) + n == 0 for p, n in zip(positives, late, strict=True)):
        raise UserError(
            "There is no item of a defect class, so its miss rate does not exist. "
            "Add such items to the split or take the class out of the case.",
            code="no-positive-items",
            field="positive_classes",
        )
    if len(negatives) == 0:
        raise UserError(
            "There is no good item, so the false-alarm rate does not exist. "
            "Add good items to the split.",
            code="no-negative-items",
            field="good_classes",
        )
    counts = [len(p) + n for p, n in zip(positives, late, strict=True)]
    given = np.asarray(shares if shares is not None else counts, dtype=float)
    return Scored(
        tuple(np.sort(np.asarray(p, dtype=float)) for p in positives),
        tuple(float(x) for x in given / given.sum()),
        np.sort(np.asarray(negatives, dtype=float)),
        late,
    )


def candidates(split: Scored) -> np.ndarray:
    """All thresholds worth trying, ascending: -inf, the distinct scores but the smallest, +inf."""
    distinct = np.unique(np.concatenate([*split.positives, split.negatives]))
    return np.concatenate([[-np.inf], distinct[1:], [np.inf]])


def class_miss_rates(split: Scored, thresholds: np.ndarray) -> np.ndarray:
    """Share of each defect class with s < t or a late alarm, (P, T)."""
    late = split.late or (0,) * len(split.positives)
    return np.stack(
        [
            (np.searchsorted(p, thresholds, side="left") + n) / (len(p) + n)
            for p, n in zip(split.positives, late, strict=True)
        ]
    )


def miss_rates(split: Scored, thresholds: np.ndarray) -> np.ndarray:
    """Share of positives with s < t or a late alarm, for each t."""
    return np.tensordot(np.asarray(split.shares), class_miss_rates(split, thresholds), axes=1)


def false_alarm_rates(split: Scored, thresholds: np.ndarray) -> np.ndarray:
    """Share of negatives with s >= t, for each t."""
    below = np.searchsorted(split.negatives, thresholds, side="left")
    return (len(split.negatives) - below) / len(split.negatives)


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemCosts:
    """What the two errors, a true alarm and a review cost per item, at production prevalence."""

    prevalence: float
    miss: float
    false_alarm: float
    true_alarm: float = 0.0
    review: float = 0.0

    @property
    def tolerance(self) -> float:
        return TIED * (self.prevalence * self.miss + (1 - self.prevalence) * self.false_alarm)


def cost_per_item(
    costs: ItemCosts, miss_rate: Number, false_alarm_rate: Number, review_share: Number = 0.0
) -> Any:
    """k: expected cost of the model's decisions per item; scalars or arrays of one shape."""
    pi = costs.prevalence
    return (
        pi * miss_rate * costs.miss
        + pi * (1 - miss_rate) * costs.true_alarm
        + (1 - pi) * false_alarm_rate * costs.false_alarm
        + review_share * costs.review
    )


@dataclass(frozen=True, slots=True)
class Cut:
    """The chosen threshold(s): below `low` passes, from `high` on is rejected, else reviewed."""

    low: float
    high: float
    cost: float  # per item, on validation
    tied: int  # how many candidates cost as little


def choose_threshold(validation: Scored, costs: ItemCosts) -> Cut:
    """The single threshold of least validation cost; of tied ones the smallest."""
    thresholds, missed, alarmed = validation.at_candidates
    cost = cost_per_item(costs, missed, alarmed)
    tied = np.flatnonzero(cost <= cost.min() + costs.tolerance)
    best = thresholds[tied[0]]
    return Cut(float(best), float(best), float(cost[tied[0]]), len(tied))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reviewer:
    """A person who looks at the band between two thresholds."""

    miss_rate: Number  # of positives seen
    false_alarm_rate: Number  # of negatives seen
    capacity: Number | None = None  # share of all items (q); None: no limit
    overflow: str = "reject"  # reject | pass: what happens to items beyond capacity


def choose_band(validation: Scored, costs: ItemCosts, reviewer: Reviewer) -> Cut:
    """The pair of thresholds of least validation cost among those whose band fits the capacity."""
    thresholds = candidates(validation)
    least = min(block.cost.min() for block in _pairs(validation, thresholds, costs, reviewer))
    tied: list[tuple[float, float, float, float]] = []  # band, low, high, cost
    for block in _pairs(validation, thresholds, costs, reviewer):
        rows, columns = np.nonzero(block.cost <= least + costs.tolerance)
        tied += [
            (block.band[i, j], thresholds[block.first + i], thresholds[j], block.cost[i, j])
            for i, j in zip(rows, columns, strict=True)
        ]
    narrowest = min(pair[0] for pair in tied)
    fit = [pair for pair in tied if pair[0] <= narrowest * (1 + TIED)]
    _, low, high, cost = min(fit, key=lambda pair: (pair[1], pair[2]))
    return Cut(float(low), float(high), float(cost), len(tied))


@dataclass(frozen=True, slots=True)
class _Block:
    first: int  # row of the first low threshold
    cost: np.ndarray  # (rows, T), inf where the pair is not allowed
    band: np.ndarray  # (rows, T)


def _pairs(
    validation: Scored, thresholds: np.ndarray, costs: ItemCosts, reviewer: Reviewer
) -> Iterator[_Block]:
    """Costs of all pairs low <= high, a block of low thresholds at a time to bound memory."""
    count = len(thresholds)
    passed = miss_rates(validation, thresholds)  # (T,) share of positives below t
    rejected = false_alarm_rates(validation, thresholds)  # (T,)
    limit = np.inf if reviewer.capacity is None else reviewer.capacity * (1 + TIED)
    rows = max(1, 1_000_000 // count)
    for first in range(0, count, rows):
        low = slice(first, min(first + rows, count))
        band_1 = passed[None, :] - passed[low, None]  # (rows, T)
        band_0 = rejected[low, None] - rejected[None, :]
        band = costs.prevalence * band_1 + (1 - costs.prevalence) * band_0
        miss = passed[low, None] + band_1 * reviewer.miss_rate
        alarm = rejected[None, :] + band_0 * reviewer.false_alarm_rate
        cost = cost_per_item(costs, miss, alarm, band)
        upper = np.arange(count)[None, :] >= np.arange(count)[low, None]
        yield _Block(first, np.where(upper & (band <= limit), cost, np.inf), band)


@dataclass(frozen=True, slots=True)
class Shares:
    """What a cut does to the items, before review. Scalars or arrays (draws, seeds)."""

    passed_positive: Number
    band_positive: Number
    rejected_negative: Number
    band_negative: Number


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rates after review. Scalars or arrays, as the shares were."""

    miss_rate: Number
    false_alarm_rate: Number
    review_share: Number
    band: Number
    kept: Number  # share of the band that the capacity lets be reviewed


def shares_at(split: Scored, cut: Cut) -> Shares:
    """The cut applied unchanged to a split."""
    ends = np.array([cut.low, cut.high])
    passed, rejected = miss_rates(split, ends), false_alarm_rates(split, ends)
    return Shares(
        float(passed[0]),
        float(passed[1] - passed[0]),
        float(rejected[1]),
        float(rejected[0] - rejected[1]),
    )


def class_shares(split: Scored, cut: Cut) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The cut applied unchanged: passed and band of each defect class (P,), rejected and band."""
    ends = np.array([cut.low, cut.high])
    passed, rejected = class_miss_rates(split, ends), false_alarm_rates(split, ends)
    return passed[:, 0], passed[:, 1] - passed[:, 0], rejected[1], rejected[0] - rejected[1]


def after_review(shares: Shares, prevalence: Number, reviewer: Reviewer | None) -> Outcome:
    """Rates once people have looked at as much of the band as they can."""
    band = prevalence * shares.band_positive + (1 - prevalence) * shares.band_negative
    if reviewer is None:
        nothing = np.zeros_like(band)
        return Outcome(
            shares.passed_positive, shares.rejected_negative, nothing, band, nothing + 1.0
        )
    kept = _kept(band, reviewer.capacity)
    over_pass = 1.0 if reviewer.overflow == "pass" else 0.0
    miss = shares.passed_positive + shares.band_positive * (
        kept * reviewer.miss_rate + (1 - kept) * over_pass
    )
    alarm = shares.rejected_negative + shares.band_negative * (
        kept * reviewer.false_alarm_rate + (1 - kept) * (1 - over_pass)
    )
    return Outcome(miss, alarm, kept * band, band, kept)


def _kept(band: Number, capacity: Number | None) -> np.ndarray:
    if capacity is None:
        return np.ones_like(band, dtype=float)
    band, capacity = np.broadcast_arrays(np.asarray(band, dtype=float), capacity)
    return np.minimum(1.0, np.divide(capacity, band, out=np.ones(band.shape), where=band > 0))


def precision(prevalence: float, miss_rate: float, false_alarm_rate: float) -> float | None:
    """Share of true ones among alarms in production; None where nothing is flagged."""
    caught = 1 - miss_rate if 1 - miss_rate > ROUNDING else 0.0
    true = prevalence * caught
    flagged = true + (1 - prevalence) * false_alarm_rate
    return float(true / flagged) if flagged > 0 else None
