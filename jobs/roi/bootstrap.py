"""Bootstrap of measured rates: seeds × items crossed, arms paired (ROI.md §3.3)."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from threading import Lock
from zlib import crc32

import numpy as np
from scipy.special import betaincinv

BLOCK = 2_500_000  # counts held at a time: 10 MB
KEPT_BYTES = 96_000_000  # of resampled shares: twelve arms at five label budgets, three seeds


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
def unit_counts(sizes: tuple[int, ...], seed: int, block: int, rows: int) -> np.ndarray:
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
    return _seed_weights(len(seeds), crc32(repr(tuple(seeds)).encode()), draws, seed)


@lru_cache(maxsize=32)
def _seed_weights(count: int, names: int, draws: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 1, names])
    drawn = rng.integers(0, count, (draws, count))
    weights = np.stack([(drawn == s).mean(axis=1) for s in range(count)], axis=1)
    weights.setflags(write=False)
    return weights


def resample_shares(units: Units, marks: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Share of marked items of each class in each draw: marks (S, n) 0/1 -> (K, draws, S).

    The same units and seed give the same resamples, so arms tried on the same items are paired. A
    draw of groups that holds no item of a class takes that class's measured share.
    """
    return resample_together([(units, marks)], draws, seed)[0]


def resample_together(
    asked: Sequence[tuple[Units, np.ndarray]], draws: int, seed: int
) -> list[np.ndarray]:
    """`resample_shares` of each, read-only; those on the same units in one pass.

    What was asked before is kept: nothing is resampled anew when an input moves no threshold.
    """
    keys = [(_digest(units), _digest_marks(marks), draws, seed) for units, marks in asked]
    found = {key: _KEPT.get(key) for key in keys}
    todo = {key: ask for key, ask in zip(keys, asked, strict=True) if found[key] is None}
    for of_units in {key[0] for key in todo}:
        part = [key for key in todo if key[0] == of_units]
        stacked = np.concatenate([np.asarray(todo[key][1]) for key in part])
        shares = _shares(todo[part[0]][0], stacked, draws, seed)
        ends = np.cumsum([len(todo[key][1]) for key in part])
        for key, own in zip(part, np.split(shares, ends[:-1], axis=2), strict=True):
            found[key] = _KEPT.put(key, np.ascontiguousarray(own))
    return [own for key in keys if (own := found[key]) is not None]


class _Kept:
    """The newest results, up to a number of bytes; safe among threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._results: OrderedDict[tuple, np.ndarray] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple) -> np.ndarray | None:
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def put(self, key: tuple, result: np.ndarray) -> np.ndarray:
        result.setflags(write=False)
        with self._lock:
            self._bytes += result.nbytes - (
                self._results[key].nbytes if key in self._results else 0
            )
            self._results[key] = result
            while self._bytes > self._max_bytes and len(self._results) > 1:
                self._bytes -= self._results.popitem(last=False)[1].nbytes
        return result


_KEPT = _Kept(KEPT_BYTES)


def _digest(units: Units) -> bytes:
    found = blake2b(repr(units.sizes).encode(), digest_size=16)
    for part in (units.item_unit, units.item_class):
        found.update(np.ascontiguousarray(part, dtype=np.int64).tobytes())
    return found.digest()


def _digest_marks(marks: np.ndarray) -> bytes:
    packed = np.packbits(np.asarray(marks, dtype=bool))
    return blake2b(packed.tobytes() + repr(np.shape(marks)).encode(), digest_size=16).digest()


def _shares(units: Units, marks: np.ndarray, draws: int, seed: int) -> np.ndarray:
    classes = len(units.sizes)
    rows = max(1, min(draws, BLOCK // max(units.count, 1)))
    sums, totals = _per_unit(units, marks)  # (K, U, S), (K, U)
    starts = range(0, draws, rows)
    shares = np.empty((classes, draws, len(marks)))
    for block, start in enumerate(starts):
        counts = unit_counts(units.sizes, seed, block, rows)[: draws - start]
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
            shares = shares if shares.flags.writeable else shares.copy()
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
