"""Intervals that say which sources of chance they cover: pretraining seed, label seed, items.

P pretraining seeds, L label seeds, N test items, R bootstrap draws. Seeds and items are crossed: in
one draw all seeds meet the same resample of the items, and all arms the same draw of the seeds.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np

from digpt.errors import UserError
from digpt.evaluate.metrics import bootstrap

ENOUGH_SEEDS = 6  # from here on pretraining seeds are resampled; below, differences use t
DRAWS = 1000
Cells = Sequence[Sequence[np.ndarray]]  # [pretraining seed][label seed] -> probabilities (N, C)


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A value with its 95% interval and the sources of chance that this interval covers."""

    value: float
    low: float
    high: float
    n_pretrain_seeds: int
    n_label_seeds: int
    n_items: int
    covers: tuple[str, ...]  # of "pretraining", "labels", "items"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """a - b: the headline interval and, where that one is a t interval, the bootstrap beside it."""

    headline: Interval
    p_value: float  # two-sided, of the headline
    method: str  # "t" (Welch where not paired) or "bootstrap"
    is_paired_by_seed: bool  # by pretraining seed
    bootstrap: Interval  # over items and label seeds; also over pretraining seeds if ENOUGH_SEEDS
    standard_error: float  # of that bootstrap


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """One metric of one arm at one protocol and label budget, plain and under every resample."""

    plain: np.ndarray  # (P, L)
    draws: np.ndarray  # (P, L, R)
    pretrain_seeds: tuple[Hashable, ...]
    label_seeds: tuple[Hashable, ...]
    n_items: int
    seed: int  # of the resamples; scores are comparable only under one seed


def measure(
    metric: str,
    probs: Cells,
    labels: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    pretrain_seeds: Sequence[Hashable] | None = None,
    label_seeds: Sequence[Hashable] | None = None,
) -> Scores:
    """The costly half of every interval, O(P L R N C): keep it and compare as often as you like.

    groups: (N,) whole groups are resampled, since items of one group are not independent.
    pretrain_seeds, label_seeds: names of the rows and columns of `probs`, 0.. if None; arms are
    paired where they agree.
    """
    table = _table(probs)
    weights = _item_weights(len(labels), draws, seed, groups)
    plain = np.array([[bootstrap(metric, p, labels, weights[:1])[0] for p in row] for row in table])
    if np.isnan(plain).any():
        raise UserError(
            f"Metric {metric!r} has no value on these {len(labels)} test items: they show only one "
            "class. Add test images of another class.",
            code="undefined-metric",
            field="metric",
            metric=metric,
            count=len(labels),
        )
    resampled = [[bootstrap(metric, p, labels, weights[1:]) for p in row] for row in table]
    return Scores(
        plain=plain,
        draws=np.array(resampled),
        pretrain_seeds=tuple(pretrain_seeds or range(plain.shape[0])),
        label_seeds=tuple(label_seeds or range(plain.shape[1])),
        n_items=len(labels),
        seed=seed,
    )


def estimate(
    metric: str,
    probs: Cells,
    labels: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """The metric's mean over seeds with its hierarchical bootstrap interval."""
    return interval(measure(metric, probs, labels, groups=groups, draws=draws, seed=seed))


def interval(scores: Scores) -> Interval:
    """Percentile interval over everything that varies."""
    values = resample(scores, with_pretraining=True)
    covers = _covers(scores, with_pretraining=True)
    return _percentile(float(scores.plain.mean()), values, scores, covers)


def difference(a: Scores, b: Scores) -> Difference:
    """a - b, paired by items, by label seeds where these agree, and by pretraining seeds likewise.

    With 2 to 5 pretraining seeds the headline is a t interval on per-seed differences (METHOD,
    section 4), because a bootstrap of so few seeds is too narrow; an arm with a single seed, as
    frozen is, enters it as a fixed value. With one seed on
    both sides nothing covers pretraining luck.
    """
    _check_comparable(a, b)
    counts = len(a.pretrain_seeds), len(b.pretrain_seeds)
    is_paired = counts[0] > 1 and a.pretrain_seeds == b.pretrain_seeds
    enough = max(counts) > 1 and all(n == 1 or n >= ENOUGH_SEEDS for n in counts)
    values = resample(a, with_pretraining=enough) - resample(b, with_pretraining=enough)
    value = float(a.plain.mean() - b.plain.mean())
    larger = a if counts[0] >= counts[1] else b
    beside = _percentile(value, values, larger, _covers(larger, with_pretraining=enough))
    error = float(np.nanstd(values, ddof=1))
    if enough or max(counts) == 1:
        headline, p_value, method = beside, _normal_p(value, error), "bootstrap"
    else:
        headline, p_value = _t_interval(a, b, is_paired, larger)
        method = "t"
    return Difference(
        headline=headline,
        p_value=p_value,
        method=method,
        is_paired_by_seed=is_paired,
        bootstrap=beside,
        standard_error=error,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    count, largest = len(order), 0.0
    adjusted = [0.0] * count
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def mcnemar(a: np.ndarray, b: np.ndarray, labels: np.ndarray) -> float:
    """Exact two-sided p-value that two sets of probabilities (N, C) are right equally often."""
    right_a, right_b = a.argmax(axis=1) == labels, b.argmax(axis=1) == labels
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    discordant = only_a + only_b
    tail = sum(math.comb(discordant, k) for k in range(min(only_a, only_b) + 1))
    return min(1.0, float(2 * tail / 2**discordant)) if discordant else 1.0


def matched_difference(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """95% interval of how much larger a share got, from 0 or 1 for each of the same items (n,);
    not of zero width where nothing changed (Agresti and Min 2005, half an item in each cell)."""
    gained, lost = (after > before).sum() + 0.5, (before > after).sum() + 0.5
    count = len(before) + 2
    centre = (gained - lost) / count
    spread = np.sqrt(gained + lost - (gained - lost) ** 2 / count) / count
    reach = 1.96 * spread
    return float(max(centre - reach, -1)), float(min(centre + reach, 1))


def detectable_effect(standard_error: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Least true difference that a two-sided test with this standard error finds with `power`."""
    from scipy.special import ndtri  # noqa: PLC0415 - start-up time

    return float((ndtri(1 - alpha / 2) + ndtri(power)) * standard_error)


def _table(probs: Cells) -> Cells:
    lengths = {len(row) for row in probs}
    if len(lengths) != 1 or 0 in lengths:
        raise UserError(
            "Every pretraining seed must come with the same label seeds; these have "
            f"{', '.join(str(len(row)) for row in probs) or 'none'}. Finish or leave out the "
            "incomplete seed.",
            code="ragged-seeds",
        )
    return probs


def _item_weights(count: int, draws: int, seed: int, groups: np.ndarray | None) -> np.ndarray:
    """Counts of every item: a row of ones, then one row for each draw, (1 + R, N) float32."""
    if groups is None:
        return _unit_weights(count, draws, seed)
    names, member = np.unique(groups, return_inverse=True)
    return _unit_weights(len(names), draws, seed)[:, member]


@lru_cache(maxsize=8)
def _unit_weights(count: int, draws: int, seed: int) -> np.ndarray:
    """As `_item_weights`, of independent units; kept, because all arms share it."""
    drawn = np.random.default_rng([seed, 0]).integers(0, count, (draws, count))
    drawn += np.arange(draws)[:, None] * count
    counts = np.bincount(drawn.ravel(), minlength=draws * count).reshape(draws, count)
    weights = np.concatenate([np.ones((1, count)), counts]).astype(np.float32)
    weights.setflags(write=False)
    return weights


def _seed_weights(names: Sequence[Hashable], draws: int, seed: int) -> np.ndarray:
    """Weight of every seed in every draw, (R, count), the same for equal lists of names.

    One fewer than there are is drawn (the rescaled bootstrap of Rao and Wu 1988): with a handful of
    seeds the plain bootstrap understates the variance of their mean by (count - 1) / count.
    """
    count = len(names)
    if count == 1:
        return np.ones((draws, 1))
    rng = np.random.default_rng([seed, crc32(repr(tuple(names)).encode())])
    drawn = rng.integers(0, count, (draws, count - 1))
    return np.stack([(drawn == s).mean(axis=1) for s in range(count)], axis=1)


def resample(scores: Scores, *, with_pretraining: bool) -> np.ndarray:
    """Means over seeds in every draw (R,): items and label seeds resampled, others if asked."""
    pretraining, _, draws = scores.draws.shape
    over_labels = _seed_weights(scores.label_seeds, draws, scores.seed)
    over_pretraining = np.full((draws, pretraining), 1 / pretraining)
    if with_pretraining:  # another stream than that of the label seeds, which may be named alike
        over_pretraining = _seed_weights(scores.pretrain_seeds, draws, scores.seed + 1)
    return np.einsum("rp,rl,plr->r", over_pretraining, over_labels, scores.draws)


def _covers(scores: Scores, *, with_pretraining: bool) -> tuple[str, ...]:
    covers = ["pretraining"] if with_pretraining and len(scores.pretrain_seeds) > 1 else []
    covers += ["labels"] if len(scores.label_seeds) > 1 else []
    return (*covers, "items")


def _percentile(
    value: float, values: np.ndarray, scores: Scores, covers: tuple[str, ...]
) -> Interval:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return _interval(value, float(low), float(high), scores, covers)


def _interval(
    value: float, low: float, high: float, scores: Scores, covers: tuple[str, ...]
) -> Interval:
    return Interval(
        value=value,
        low=low,
        high=high,
        n_pretrain_seeds=len(scores.pretrain_seeds),
        n_label_seeds=len(scores.label_seeds),
        n_items=scores.n_items,
        covers=covers,
    )


def _normal_p(value: float, standard_error: float) -> float:
    """Two-sided p of a value with its bootstrap standard error, taken as normal.

    Counting draws beyond 0 cannot go below 2/R: with 1,000 draws and the 36 pairs of nine arms,
    Holm's correction would then call every difference unclear.
    """
    if standard_error == 0:
        return 1.0 if value == 0 else 0.0
    return math.erfc(abs(value) / standard_error / math.sqrt(2))


def _t_interval(a: Scores, b: Scores, is_paired: bool, counted: Scores) -> tuple[Interval, float]:
    """t interval and two-sided p-value over pretraining seeds, of per-seed means over labels."""
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 - start-up time

    of_a, of_b = a.plain.mean(axis=1), b.plain.mean(axis=1)  # (P,)
    value = float(of_a.mean() - of_b.mean())
    error, freedom = _welch([of_a - of_b] if is_paired else [of_a, of_b])
    reach = float(stdtrit(freedom, 0.975)) * error
    if error > 0:
        p_value = float(2 * stdtr(freedom, -abs(value) / error))
    else:
        p_value = 1.0 if value == 0 else 0.0
    return _interval(value, value - reach, value + reach, counted, ("pretraining",)), p_value


def _welch(samples: Sequence[np.ndarray]) -> tuple[float, float]:
    """Standard error and degrees of freedom of a sum of means; single values are fixed."""
    parts = [(s.var(ddof=1) / len(s), len(s) - 1) for s in samples if len(s) > 1]
    variance = sum(v for v, _ in parts)
    if variance == 0:
        return 0.0, float(min(f for _, f in parts))
    freedom = variance**2 / sum(v**2 / f for v, f in parts)
    return math.sqrt(variance), float(freedom)


def _check_comparable(a: Scores, b: Scores) -> None:
    if (a.n_items, a.seed, a.draws.shape[2]) != (b.n_items, b.seed, b.draws.shape[2]):
        raise UserError(
            f"Arms measured on {a.n_items} and {b.n_items} test items, or with different bootstrap "
            "draws, cannot be compared. Use the same test split, draws and seed for both.",
            code="not-comparable",
        )
