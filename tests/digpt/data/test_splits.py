"""Splits keep groups whole and classes even; label budgets are nested."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digpt.data.dataset import UNLABELLED
from digpt.data.splits import assign, label_subset
from digpt.errors import UserError

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), min_size=1, max_size=200))
def test_no_group_spans_two_splits(rows: list[tuple[int, int]]):
    labels = np.array([label for label, _ in rows])
    groups = np.array([f"g{group}" for _, group in rows])
    split = assign(labels, groups, SHARES, seed=0)
    assert len(split) == len(rows)
    for group in set(groups):
        assert len(set(split[groups == group])) == 1


def test_every_class_gets_its_share_in_every_split():
    labels = np.repeat(np.arange(5), [50, 100, 20, 10, 200])
    split = assign(labels, None, SHARES, seed=3)
    for label, size in zip(range(5), [50, 100, 20, 10, 200], strict=True):
        for name, share in SHARES.items():
            assert abs(((labels == label) & (split == name)).sum() - share * size) <= 1


def test_groups_of_many_sizes_still_come_near_the_shares():
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(200), draw.integers(1, 12, 200)).astype(str)
    labels = draw.integers(0, 4, len(groups))
    split = assign(labels, groups, SHARES, seed=0)
    for name, share in SHARES.items():
        for label in range(4):
            assert (split[labels == label] == name).mean() == pytest.approx(share, abs=0.03)


def test_the_same_seed_gives_the_same_split_and_another_a_new_one():
    labels = np.arange(300) % 3
    first = assign(labels, None, SHARES, seed=1)
    assert np.array_equal(first, assign(labels, None, SHARES, seed=1))
    assert not np.array_equal(first, assign(labels, None, SHARES, seed=2))


def test_shares_must_sum_to_one():
    with pytest.raises(UserError, match="sum to 1"):
        assign([0, 1], None, {"train": 0.5, "test": 0.4}, seed=0)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(-1, 5), min_size=1, max_size=150),
    st.integers(1, 30),
    st.integers(1, 30),
    st.integers(0, 3),
)
def test_a_smaller_budget_lies_within_a_larger_one(found: list[int], a: int, b: int, seed: int):
    labels, rows = np.array(found), np.arange(len(found))[::2]
    small, large = sorted((a, b))
    inner = label_subset(labels, rows, small, seed)
    outer = label_subset(labels, rows, large, seed)
    assert set(inner) <= set(outer) <= set(label_subset(labels, rows, "all", seed)) <= set(rows)
    assert UNLABELLED not in labels[outer]
    for label in range(6):  # what there is, at most the budget
        assert (labels[inner] == label).sum() == min(small, (labels[rows] == label).sum())


def test_what_one_class_holds_does_not_change_what_another_draws():
    labels = np.array([0] * 30 + [1] * 30)
    rows = np.arange(60)
    full = label_subset(labels, rows, 5, seed=0)
    fewer = label_subset(labels, np.delete(rows, np.arange(10)), 5, seed=0)
    assert np.array_equal(full[labels[full] == 1], fewer[labels[fewer] == 1])


@pytest.mark.parametrize("budget", [0, -1, "some"])
def test_a_budget_that_is_none_is_refused(budget: int | str):
    with pytest.raises(UserError, match="label budget"):
        label_subset(np.array([0, 1]), np.arange(2), budget, seed=0)
