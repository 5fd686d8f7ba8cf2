"""Resampled rates against the closed forms of the bootstrap."""

import numpy as np
import pytest

from jobs.roi.bootstrap import (
    jeffreys_draws,
    make_units,
    rate_draws,
    resample_shares,
    seed_weights,
)

DRAWS = 4000


def errors_of(seed: int, items: int, share: float) -> np.ndarray:
    return (np.random.default_rng(seed).random(items) < share).astype(int)


def test_spread_of_a_rate_is_the_bootstrap_closed_form():
    marks = errors_of(0, 100, 0.2)
    units = make_units(np.repeat([0, 1], [60, 40]))
    shares = rate_draws(units, marks[None], DRAWS, 0)[:, :, 0]  # (2, DRAWS)
    for k, part in enumerate((marks[:60], marks[60:])):
        error = np.sqrt(part.var() / len(part))
        assert shares[k].mean() == pytest.approx(part.mean(), abs=5 * error / np.sqrt(DRAWS))
        assert shares[k].std() == pytest.approx(error, rel=0.06)


def test_arms_on_the_same_items_are_paired():
    units = make_units(np.repeat([0, 1], [50, 50]))
    a = errors_of(0, 100, 0.3)
    b = a.copy()
    b[:2] = 1 - b[:2]
    first, second = (rate_draws(units, m[None], DRAWS, 0)[0, :, 0] for m in (a, b))
    change = (a - b)[:50]
    assert (first - second).std() == pytest.approx(np.sqrt(change.var() / 50), rel=0.06)


def test_seeds_and_items_are_crossed():
    """Variance of the mean over drawn seeds: items' and seeds' parts and both together."""
    marks = np.stack([errors_of(s, 40, 0.1 + 0.2 * s) for s in range(3)])  # (S, n)
    units = make_units(np.repeat([0, 1], [39, 1]))
    shares = resample_shares(units, marks, 40_000, 0)[0]  # (N, S)
    drawn = (shares * seed_weights((0, 1, 2), 40_000, 0)).sum(axis=1)
    table = marks[:, :39].astype(float)
    seeds, items = table.shape
    by_seed, by_item = table.mean(axis=1), table.mean(axis=0)
    rest = (table - by_seed[:, None] - by_item[None] + table.mean()).var()
    variance = by_seed.var() / seeds + by_item.var() / items + rest / (seeds * items)
    assert drawn.mean() == pytest.approx(table.mean(), abs=0.005)
    assert drawn.var() == pytest.approx(variance, rel=0.05)


def test_equal_seed_lists_are_resampled_together():
    assert np.array_equal(seed_weights((0, 1), 50, 7), seed_weights((0, 1), 50, 7))
    assert not np.array_equal(seed_weights((0, 1), 50, 7), seed_weights((0, 2), 50, 7))
    assert seed_weights((0, 1, 2), 50, 7).sum(axis=1) == pytest.approx(np.ones(50))


@pytest.mark.parametrize(("errors", "items"), [(0, 40), (200, 200)])
def test_a_clean_test_is_not_certain(errors: int, items: int):
    units = make_units(np.repeat([0, 1], [items, 3]))
    marks = np.concatenate([np.full(items, errors > 0), [0, 1, 0]])[None].repeat(2, axis=0)
    draws = rate_draws(units, marks, 10_000, 0)[0]
    a, b = errors + 0.5, items - errors + 0.5
    assert draws[:, 0].mean() == pytest.approx(a / (a + b), rel=0.02)
    assert draws[:, 0].std() == pytest.approx(
        np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1))), rel=0.04
    )
    assert np.array_equal(draws[:, 0], draws[:, 1])  # counted per item, not per seed


def test_a_resampled_share_is_a_whole_number_of_items():
    units = make_units(np.repeat([0, 1], [30, 30]))
    items = resample_shares(units, errors_of(1, 60, 0.4)[None], 50, 0)[0] * 30
    assert np.abs(items - items.round()).max() < 1e-12


def test_jeffreys_draws_stay_between_0_and_1():
    draws = jeffreys_draws(0, 1, 1000, np.random.default_rng(0))
    assert 0 <= draws.min() <= draws.max() <= 1


def test_groups_are_drawn_whole():
    """Ten groups of equal items: the spread is that of ten items, not of a hundred."""
    group = np.repeat(np.arange(10), 10)
    marks = (group < 3).astype(int)
    units = make_units(np.concatenate([np.zeros(100, int), [1]]), np.concatenate([group, [99]]))
    shares = rate_draws(units, np.append(marks, 0)[None], DRAWS, 0)[0, :, 0]
    assert shares.std() == pytest.approx(np.sqrt(0.3 * 0.7 / 10), rel=0.06)


def test_a_group_belongs_to_the_class_of_most_of_its_items():
    units = make_units(np.array([0, 0, 1, 1, 1, 0]), np.array(["a", "a", "a", "b", "b", "b"]))
    assert units.sizes == (1, 1)
    assert units.item_unit.tolist() == [0, 0, 0, 1, 1, 1]
    shares = resample_shares(units, np.array([[1, 0, 0, 0, 0, 1]]), 5, 0)
    assert shares[0] == pytest.approx(np.full((5, 1), 2 / 3))  # both groups, every time


def test_same_seed_gives_the_same_draws_in_any_block_size(monkeypatch: pytest.MonkeyPatch):
    units = make_units(np.repeat([0, 1], [30, 30]))
    marks = errors_of(1, 60, 0.4)[None]
    assert np.array_equal(rate_draws(units, marks, 100, 3), rate_draws(units, marks, 100, 3))
    monkeypatch.setattr("jobs.roi.bootstrap.BLOCK", 60 * 7)  # 15 blocks, the last one short
    assert rate_draws(units, marks, 100, 3).shape == (2, 100, 1)
