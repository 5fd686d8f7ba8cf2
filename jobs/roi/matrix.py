"""Costs with K classes: a confusion matrix, a cost matrix, and decisions from posteriors (§1.7)."""

from dataclasses import dataclass

import numpy as np

from digpt.errors import UserError


@dataclass(frozen=True, kw_only=True, slots=True)
class CostMatrix:
    """Costs of deciding j for true class i, at production prevalence."""

    classes: tuple[str, ...]
    costs: np.ndarray  # (K, K)
    prevalence: np.ndarray  # (K,), sums to 1
    good: int  # position of the good class

    def decisions(self, probabilities: np.ndarray, prior: np.ndarray) -> np.ndarray:
        """Cheapest class (n,) from posteriors (n, K) that were made at another class mix."""
        moved = shift_posteriors(probabilities, prior, self.prevalence)
        return decide(expected_costs(moved, self.costs))

    def cost(self, true: np.ndarray, decided: np.ndarray) -> float:
        """k of decisions (n,) on items of true classes (n,)."""
        return matrix_cost(
            confusion_rates(self.counts(true, decided), self.prevalence),
            self.costs,
            self.prevalence,
        )

    def counts(self, true: np.ndarray, decided: np.ndarray) -> np.ndarray:
        """Confusion counts (K, K), rows true."""
        counts = np.zeros(self.costs.shape)
        np.add.at(counts, (true, decided), 1)
        return counts


def confusion_rates(counts: np.ndarray, prevalence: np.ndarray) -> np.ndarray:
    """Rows of a (K, K) confusion divided by their sums; NaN rows for classes that never come."""
    counts = np.asarray(counts, dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    empty = np.flatnonzero((totals[:, 0] == 0) & (np.asarray(prevalence) > 0))
    if len(empty):
        raise UserError(
            f"Class {int(empty[0])} has no test items but a prevalence above 0, so its errors are "
            "unknown. Add test items of it or set its prevalence to 0.",
            code="no-positive-items",
            field="prevalence",
        )
    return np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)


def matrix_cost(rates: np.ndarray, costs: np.ndarray, prevalence: np.ndarray) -> float:
    """Expected cost per item: sum_i pi_i sum_j R_ij C_ij."""
    occurs = np.asarray(prevalence) > 0
    by_class = (np.asarray(rates)[occurs] * np.asarray(costs)[occurs]).sum(axis=1)
    return float(by_class @ np.asarray(prevalence)[occurs])


def shift_posteriors(
    posteriors: np.ndarray, from_prior: np.ndarray, to_prior: np.ndarray
) -> np.ndarray:
    """Posteriors (N, K) made at one prior, moved to another (Saerens et al. 2002; Elkan 2001).

    An item certain to be of classes that do not occur says nothing about the others, so it has
    their prior.
    """
    source, target = np.asarray(from_prior, dtype=float), np.asarray(to_prior, dtype=float)
    if np.any((source == 0) & (target > 0)):
        raise UserError(
            "A class has prior 0 where the posteriors were made but occurs in production, so its "
            "posterior cannot be moved. Make the posteriors with items of that class.",
            code="no-prior",
            field="prevalence",
        )
    ratio = np.divide(target, source, out=np.zeros_like(target), where=source > 0)
    weighted = np.asarray(posteriors, dtype=float) * ratio  # (N, K)
    total = weighted.sum(axis=-1, keepdims=True)
    moved = np.broadcast_to(target / target.sum(), weighted.shape).copy()
    return np.divide(weighted, total, out=moved, where=total > 0)


def expected_costs(posteriors: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Cost (N, K) of deciding j for each item."""
    return np.asarray(posteriors) @ np.asarray(costs, dtype=float)


def decide(expected: np.ndarray) -> np.ndarray:
    """Cheapest decision (N,); costs equal but for rounding go to the smallest index."""
    scale = np.abs(expected).max(axis=-1, keepdims=True)
    tied = expected <= expected.min(axis=-1, keepdims=True) + 1e-12 * scale
    return tied.argmax(axis=-1)
