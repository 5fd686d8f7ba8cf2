"""What an arm does to the items: its rates as measured, and in every bootstrap draw (ROI.md §3.3).

Legend: S seeds, n test items, P classes of defects, N draws. Thresholds stay fixed; only how the
measured shares are weighed depends on the case's quantities (prevalence, reviewer, capacity).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from jobs.roi.bootstrap import (
    Units,
    make_units,
    rate_draws,
    resample_shares,
    resample_together,
    seed_weights,
)
from jobs.roi.evidence import (
    ArmEvidence,
    Items,
    Setting,
    choose_cut,
    decisions,
    items_of,
    split_scores,
    true_classes,
)
from jobs.roi.inputs import Number, Terms
from jobs.roi.matrix import CostMatrix, confusion_rates
from jobs.roi.rates import Cut, Reviewer, Shares, after_review, class_shares


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """An arm's rates after review; numbers or arrays of draws."""

    miss_rate: Number
    false_alarm_rate: Number
    review_share: Number = 0.0
    decision_cost: Number | None = None  # k, where a cost matrix gives it


class Behaviour(Protocol):
    """An arm's rates at any quantities of the case."""

    @property
    def cuts(self) -> tuple[Cut, ...]: ...

    def measured(self, terms: Terms) -> Rates: ...

    def bootstrapped(self, terms: Terms) -> Rates: ...


@dataclass(frozen=True, slots=True)
class ByClass:
    """Shares of the items of each class on either side of the cuts, by seed (last axis)."""

    passed: np.ndarray  # (P, ..., S) of the defects
    band: np.ndarray  # (P, ..., S)
    rejected: np.ndarray  # (..., S) of the good items
    good_band: np.ndarray  # (..., S)
    seeds: np.ndarray  # (..., S) weight of each seed


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """An arm that decides by one threshold, or by two with people between them."""

    cuts: tuple[Cut, ...]
    seen: ByClass
    drawn: ByClass
    overflow: str | None  # None: nobody reviews

    def measured(self, terms: Terms) -> Rates:
        """Rates on the test items."""
        return _rates(self.seen, terms, self.overflow)

    def bootstrapped(self, terms: Terms) -> Rates:
        """Rates in every draw of items and seeds."""
        return _rates(self.drawn, terms, self.overflow)


def _rates(seen: ByClass, terms: Terms, overflow: str | None) -> Rates:
    """Rates after review, averaged over seeds: several seeds are not an ensemble."""
    shares = [_column(p) / _column(terms.prevalence) for p in terms.class_prevalence.values()]
    passed = sum(w * x for w, x in zip(shares, seen.passed, strict=True))
    if overflow is None:
        return Rates(
            miss_rate=_mean(passed, seen.seeds), false_alarm_rate=_mean(seen.rejected, seen.seeds)
        )
    band = sum(w * x for w, x in zip(shares, seen.band, strict=True))
    outcome = after_review(
        Shares(passed, band, seen.rejected, seen.good_band),
        _column(terms.prevalence),
        Reviewer(
            miss_rate=_column(terms.reviewer_miss_rate),
            false_alarm_rate=_column(terms.reviewer_false_alarm_rate),
            capacity=None if terms.capacity is None else _column(terms.capacity / terms.volume),
            overflow=overflow,
        ),
    )
    return Rates(
        miss_rate=_mean(outcome.miss_rate, seen.seeds),
        false_alarm_rate=_mean(outcome.false_alarm_rate, seen.seeds),
        review_share=_mean(outcome.review_share, seen.seeds),
    )


def _column(x: Number) -> np.ndarray:
    """A quantity (...) beside rates (..., S)."""
    return np.asarray(x)[..., None]


def _mean(by_seed: Number, seeds: np.ndarray) -> Number:
    mean = np.einsum("...s,...s->...", by_seed, seeds)
    return mean if np.ndim(mean) else float(mean)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """An arm's cuts and what they do to each test item, before anything is resampled."""

    cuts: tuple[Cut, ...]
    units: Units
    wrong: np.ndarray  # (S, n) missed or falsely alarmed
    in_band: np.ndarray  # (S, n) left to people


def prepare(setting: Setting, evidence: ArmEvidence) -> Prepared:
    """Thresholds from validation, applied unchanged to the test items."""
    count = len(evidence.val_scores)
    cuts = tuple(
        choose_cut(split_scores(evidence, "val", s, setting), setting) for s in range(count)
    )
    items = items_of(setting, evidence, "test")
    scores = np.stack([np.asarray(s)[items.rows] for s in evidence.test_scores])  # (S, n)
    low = np.array([cut.low for cut in cuts])[:, None]
    high = np.array([cut.high for cut in cuts])[:, None]
    good = items.kind == len(setting.classes)
    return Prepared(
        cuts=cuts,
        units=_units(evidence, items),
        wrong=np.where(good, scores >= high, (scores < low) | items.is_late),
        in_band=(scores >= low) & (scores < high) & ~items.is_late,
    )


def resample_all(arms: Sequence[Prepared], draws: int, seed: int) -> None:
    """Draw the shares of several arms at once; each arm then finds its own kept."""
    marks = [(arm.units, arm.wrong) for arm in arms]
    marks += [(arm.units, arm.in_band) for arm in arms if arm.in_band.any()]
    resample_together(marks, draws, seed)


def threshold_behaviour(
    setting: Setting, evidence: ArmEvidence, arm: Prepared, draws: int, seed: int
) -> Thresholds:
    """Shares on either side of the cuts on test and in its resamples."""
    seen = [
        class_shares(split_scores(evidence, "test", s, setting), cut)
        for s, cut in enumerate(arm.cuts)
    ]
    passed, band, rejected, good_band = (
        np.stack(part, axis=-1) for part in zip(*seen, strict=True)
    )
    count = len(arm.cuts)
    reviewer = setting.reviewer
    return Thresholds(
        cuts=arm.cuts,
        seen=ByClass(passed, band, rejected, good_band, np.full(count, 1 / count)),
        drawn=_draw(arm, seed_weights(_seeds(evidence, count), draws, seed), seed),
        overflow=reviewer.overflow if reviewer else None,
    )


def _draw(arm: Prepared, seeds: np.ndarray, seed: int) -> ByClass:
    """Shares by class in every draw, arrays (..., N, S); `seeds` (N, S) weighs the seeds."""
    draws = len(seeds)
    rates = rate_draws(arm.units, arm.wrong, draws, seed)  # (P + 1, N, S)
    band = _band_draws(arm, rates, draws, seed) if arm.in_band.any() else np.zeros_like(rates)
    return ByClass(rates[:-1], band[:-1], rates[-1], band[-1], seeds)


def _seeds(evidence: ArmEvidence, count: int) -> tuple[object, ...]:
    return evidence.seeds or tuple(range(count))


def _units(evidence: ArmEvidence, items: Items) -> Units:
    """What is resampled: the items that count, or their groups."""
    groups = None if evidence.groups is None else np.asarray(evidence.groups)[items.rows]
    return make_units(items.kind, groups)


def _band_draws(arm: Prepared, rates: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Shares in the band (P + 1, N, S): of what the drawn rates leave, as much as resampled."""
    band = resample_shares(arm.units, arm.in_band, draws, seed)
    left = 1 - resample_shares(arm.units, arm.wrong, draws, seed)
    share = np.divide(band, left, out=np.zeros_like(band), where=left > 0)
    return (1 - rates) * np.minimum(share, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class ByMatrix:
    """An arm that decides for the class of least expected cost."""

    classes: tuple[str, ...]
    good: int
    seen: np.ndarray  # (K, K) rates, rows true; the seeds' mean
    drawn: np.ndarray  # (K, K, N)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """None: decisions are by cost, not by threshold."""
        return ()

    def measured(self, terms: Terms) -> Rates:
        """Rates on the test items."""
        return self._rates(self.seen, terms)

    def bootstrapped(self, terms: Terms) -> Rates:
        """Rates in every draw of items and seeds."""
        return self._rates(self.drawn, terms)

    def _rates(self, shares: np.ndarray, terms: Terms) -> Rates:
        """Costs of the matrix; a defect decided as good is missed, and the other way round."""
        assert terms.costs is not None, "this behaviour is made for a cost matrix"
        rest = 1 - terms.prevalence
        cost, missed = 0.0, 0.0
        for i, true in enumerate(self.classes):
            occurs = rest if i == self.good else terms.class_prevalence.get(true, 0.0)
            if i != self.good and true not in terms.class_prevalence:
                continue  # it never comes, and may have no test items
            by_decision = (
                share * terms.costs[true][decided]
                for decided, share in zip(self.classes, shares[i], strict=True)
            )
            cost = cost + occurs * sum(by_decision)
            if i != self.good:
                missed = missed + occurs * shares[i, self.good]
        return Rates(
            miss_rate=missed / terms.prevalence,
            false_alarm_rate=1 - shares[self.good, self.good],
            decision_cost=cost,
        )


def matrix_behaviour(matrix: CostMatrix, evidence: ArmEvidence, draws: int, seed: int) -> ByMatrix:
    """Decisions on the test items, and on their resamples."""
    true = true_classes(matrix, evidence, "test")
    seeds = range(len(evidence.test_probabilities))
    decided = np.stack([decisions(matrix, evidence, "test", s) for s in seeds])  # (S, n)
    shown = [confusion_rates(matrix.counts(true, d), matrix.prevalence) for d in decided]
    return ByMatrix(
        classes=matrix.classes,
        good=matrix.good,
        seen=np.mean(shown, axis=0),
        drawn=_draw_confusion(matrix, evidence, true, decided, draws, seed),
    )


def _draw_confusion(
    matrix: CostMatrix,
    evidence: ArmEvidence,
    true: np.ndarray,
    decided: np.ndarray,
    draws: int,
    seed: int,
) -> np.ndarray:
    """Rates (K, K, N) in every draw; a class with one decision only from Dirichlet(counts + 1/2).

    That is Jeffreys' rule for more than two outcomes, or a clean small test would look certain.
    """
    count = len(matrix.classes)
    present = np.unique(true)
    kind = np.searchsorted(present, true)
    units = make_units(kind, None if evidence.groups is None else np.asarray(evidence.groups))
    weights = seed_weights(_seeds(evidence, len(decided)), draws, seed)  # (N, S)
    drawn = np.full((count, count, draws), np.nan)
    for j in range(count):
        shares = resample_shares(units, decided == j, draws, seed)  # (present, N, S)
        drawn[present, j] = (shares * weights).sum(axis=-1)
    for i in present:
        of_class = decided[:, true == i]
        if of_class.min() == of_class.max():
            counts = np.bincount(of_class[0], minlength=count)
            rng = np.random.default_rng([seed, 4, int(i)])
            drawn[i] = rng.dirichlet(counts + 0.5, draws).T
    return drawn
