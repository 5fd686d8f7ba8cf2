"""Who is trained on and who is tested on: splits by group, and small label budgets within them."""

from collections.abc import Mapping, Sequence

import numpy as np

from digpt.data.dataset import UNLABELLED
from digpt.errors import UserError


def assign(
    labels: Sequence[int] | np.ndarray,
    groups: Sequence[str] | np.ndarray | None,
    fractions: Mapping[str, float],
    seed: int,
) -> np.ndarray:
    """Split name of every item, (N,) str: each class near `fractions`, no group in two splits.

    Greedy: groups in random order, the largest first, each to the split where it most reduces the
    squared distance to the wanted count of every class.
    """
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise UserError(
            f"Split fractions must be positive and sum to 1, not {dict(fractions)}.",
            code="bad-fractions",
            field="fractions",
        )
    labels = np.asarray(labels)
    counts, member_of = _class_counts(labels, groups)  # (G, C), (N,)
    names = list(fractions)
    share = np.array([fractions[name] for name in names])
    wanted = share[:, None] * counts.sum(axis=0)  # (S, C)
    held = np.zeros_like(wanted)
    chosen = np.zeros(len(counts), np.int64)
    for group in _largest_first(counts, seed):
        added = counts[group]
        present = added > 0
        # change of sum((held - wanted)²) / wanted, over the classes that this group has
        change = added * (2 * (held - wanted) + added) / np.maximum(wanted, 1e-9)
        chosen[group] = int(np.argmin(change[:, present].sum(axis=1)))
        held[chosen[group]] += added
    return np.array(names)[chosen[member_of]]


def label_subset(
    labels: np.ndarray, indices: np.ndarray, per_class: int | str, seed: int
) -> np.ndarray:
    """The rows among `indices` whose labels a budget may see, ascending.

    `per_class` images of each class, or "all". Nested: with one seed, a smaller budget's rows are
    among a larger one's. A class with fewer images gives what it has; unlabelled rows never count.
    """
    indices = np.asarray(indices, dtype=np.int64)
    known = indices[np.asarray(labels)[indices] != UNLABELLED]
    if per_class == "all":
        return np.sort(known)
    if isinstance(per_class, str) or per_class < 1:
        raise UserError(
            f'A label budget is a whole number of images per class, or "all", not {per_class!r}.',
            code="bad-budget",
            field="label_budgets",
        )
    known = np.sort(known)
    chosen = []
    for label in np.unique(labels[known]):
        # a generator per class: what one class holds cannot change what another draws
        draw = np.random.default_rng((seed, int(label)))
        chosen.append(draw.permutation(known[labels[known] == label])[:per_class])
    return np.sort(np.concatenate(chosen)) if chosen else known


def _class_counts(
    labels: np.ndarray, groups: Sequence[str] | np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """How many of each class each group holds, (G, C), and the group of every item, (N,)."""
    _, classes = np.unique(labels, return_inverse=True)
    if groups is None:
        member_of = np.arange(len(labels))
    else:
        _, member_of = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.zeros((int(member_of.max(initial=-1)) + 1, int(classes.max(initial=-1)) + 1))
    np.add.at(counts, (member_of, classes), 1)
    return counts, member_of


def _largest_first(counts: np.ndarray, seed: int) -> np.ndarray:
    order = np.random.default_rng(seed).permutation(len(counts))
    return order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
