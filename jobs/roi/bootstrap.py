"""Bootstrap of measured rates: seeds × items crossed, arms paired (ROI.md §3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
from scipy.special import betaincinv

BLOCK = 2_500_000  # counts held at a time: 10 MB


@dataclass(frozen=True, slots=True)
class Units:
    """What is resampled: items, or whole groups. Units of one stratum (class) lie side by side.

    sizes: units per stratum, in order. item_unit: (n,) unit of every item.
    item_class: (n,) class of every item; the last class is the good one.
    """

    sizes: tuple[int, ...]
    item_unit: np.ndarray
    item_class: np.ndarray

    @property
    def count(self) -> int:
        return sum(self.sizes)


def make_units(item_class: np.ndarray, groups: np.ndarray | None = None) -> Units:
    """Items (or groups, by their majority class) sorted into strata, one per class 0..K-1."""
    item_class = np.asarray(item_class)
    count = int(item_class.max()) + 1
    if groups is None:
        names, unit_class = np.arange(len(item_class)), item_class
        member = names
    else:
        names, member = np.unique(groups, return_inverse=True)
        table = np.zeros((len(names), count), dtype=int)
        np.add.at(table, (member, item_class), 1)
        unit_class = table.argmax(axis=1)
    order = np.argsort(unit_class, kind="stable")
    place = np.empty(len(names), dtype=int)
    place[order] = np.arange(len(names))
    sizes = tuple(int((unit_class == k).sum()) for k in range(count))
    return Units(sizes, place[member], item_class)


@lru_cache(maxsize=16)
def _unit_counts(sizes: tuple[int, ...], seed: int, block: int, rows: int) -> np.ndarray:
    """How often each unit is drawn, (rows, U) float32: within every stratum with replacement."""
    rng = np.random.default_rng([seed, block])
    parts = []
    for size in sizes:
        drawn = rng.integers(0, max(size, 1), (rows, size))
        drawn += np.arange(rows)[:, None] * size
        parts.append(np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size))
    counts = np.concatenate(parts, axis=1).astype(np.float32)
    counts.setflags(write=False)
    return counts


def seed_weights(seeds: Sequence[object], draws: int, seed: int) -> np.ndarray:
    """Weight of every seed in every draw, (draws, S); the same for equal lists of seeds."""
    count = len(seeds)
    rng = np.random.default_rng([seed, 1, crc32(repr(tuple(seeds)).encode())])
    drawn = rng.integers(0, count, (draws, count))
    return np.stack([(drawn == s).mean(axis=1) for s in range(count)], axis=1)


def resample_shares(units: Units, marks: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Share of marked items of each class in each draw: marks (S, n) 0/1 -> (K, draws, S).

    The same units and seed give the same resamples, so arms tried on the same items are paired. A
    draw of groups that holds no item of a class takes that class's measured share.
    """
    classes = len(units.sizes)
    rows = max(1, min(draws, BLOCK // max(units.count, 1)))
    sums, totals = _per_unit(units, marks)  # (K, U, S), (K, U)
    starts = range(0, draws, rows)
    shares = np.empty((classes, draws, len(marks)))
    for block, start in enumerate(starts):
        counts = _unit_counts(units.sizes, seed, block, rows)[: draws - start]
        for k in range(classes):
            inside = _columns(totals[k])
            drawn = counts[:, inside]
            both = np.concatenate([totals[k, inside, None], sums[k, inside]], axis=1)
            seen = (drawn @ both).astype(float)  # (rows, 1 + S), whole numbers so far
            items, marked = seen[:, 0], seen[:, 1:]
            measured = sums[k].sum(axis=0, dtype=float) / totals[k].sum(dtype=float)
            share = np.divide(
                marked,
                items[:, None],
                out=np.tile(measured, (len(items), 1)),
                where=items[:, None] > 0,
            )
            shares[k, start : start + len(items)] = share
    return shares


def _columns(total: np.ndarray) -> slice:
    """The stretch of units that hold items of a class."""
    inside = np.flatnonzero(total)
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _per_unit(units: Units, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    classes, seeds = len(units.sizes), len(marks)
    sums = np.zeros((classes, units.count, seeds), dtype=np.float32)
    totals = np.zeros((classes, units.count), dtype=np.float32)
    where = (units.item_class, units.item_unit)
    np.add.at(sums, where, np.asarray(marks, dtype=np.float32).T)
    np.add.at(totals, where, 1.0)
    return sums, totals


def rate_draws(units: Units, marks: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Rates of errors `marks` (S, n) by class in every draw, (K, draws, S).

    A class with no error at all, or nothing but errors, over all seeds is drawn from Jeffreys'
    Beta(x + 1/2, n - x + 1/2) (Brown, Cai and DasGupta 2001), or a clean small test would look
    certain. Arms that share a seed here share that draw.
    """
    marks = np.asarray(marks)
    shares = resample_shares(units, marks, draws, seed)
    for k in range(len(units.sizes)):
        of_class = marks[:, units.item_class == k]
        if of_class.min() == of_class.max():
            items = of_class.shape[1]
            errors = items if of_class.max() else 0
            rng = np.random.default_rng([seed, 2, k])
            shares[k] = jeffreys_draws(errors, items, draws, rng)[:, None]
    return shares


def jeffreys_draws(errors: int, items: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of a rate whose sample shows no error, or nothing else.

    Stratified (one draw per equal slice of probability, shuffled): the distribution is so skewed
    that plain draws would give its spread poorly.
    """
    slices = (rng.permutation(draws) + rng.random(draws)) / draws
    return betaincinv(errors + 0.5, items - errors + 0.5, slices)
