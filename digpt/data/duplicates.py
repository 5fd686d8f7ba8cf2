"""Pictures that are the same, nearly the same, or so alike that they must come from one place.

N images, P pairs, F embedding width.
"""

from collections.abc import Iterable

import numpy as np

from digpt.data.measures import Measures
from digpt.reporter import Reporter

HASH_DISTANCE = 6  # bits of 64 that a re-encoded, resized or brightened copy may differ in
LEAST_CORRELATION = 0.985  # of the thumbnails of a near duplicate
LEAST_CONTRAST = 0.02  # below it a picture shows nothing that could be compared
BLOCK = 4_000_000  # comparisons in memory at once


def equal_sets(contents: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Sets of two or more of the rows whose pixels are the same."""
    _, which = np.unique(contents[rows], return_inverse=True)
    order = np.argsort(which, kind="stable")
    cuts = np.flatnonzero(np.diff(which[order])) + 1
    return [np.sort(rows[part]) for part in np.split(order, cuts) if len(part) > 1]


def near_pairs(found: Measures, *, reporter: Reporter) -> np.ndarray:
    """Pairs of rows (P, 2), first < second, that show nearly the same but not equal pixels.

    The difference hash proposes, the correlation of the thumbnails confirms; pictures without
    contrast are left out, since noise would decide.
    """
    rows = np.flatnonzero(found.readable & (found.contrast >= LEAST_CONTRAST))
    hashes, thumbnails = found.hashes[rows], _standardised(found.thumbnails[rows])
    step = max(BLOCK // max(len(rows), 1), 1)
    pairs = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(rows), step):
        reporter.check()
        mine = hashes[start : start + step, None]
        distance = np.bitwise_count(mine ^ hashes[None, start:])  # (step, N - start)
        first, second = np.nonzero(distance <= HASH_DISTANCE)
        kept = first < second
        first, second = first[kept] + start, second[kept] + start
        alike = _correlations(thumbnails, first, second) >= LEAST_CORRELATION
        pairs.append(np.stack([rows[first[alike]], rows[second[alike]]], axis=1))
    near = np.concatenate(pairs)
    return near[found.contents[near[:, 0]] != found.contents[near[:, 1]]]


def joined(pairs: Iterable[tuple[int, int]]) -> list[np.ndarray]:
    """The sets of rows that pairs join, each ascending, largest first."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        parent.setdefault(row, row)
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for first, second in pairs:
        parent[root(int(second))] = root(int(first))
    sets: dict[int, list[int]] = {}
    for row in sorted(parent):
        sets.setdefault(root(row), []).append(row)
    return sorted((np.array(s) for s in sets.values()), key=len, reverse=True)


def _standardised(thumbnails: np.ndarray) -> np.ndarray:
    """Rows of zero mean and unit length, so that a product of two is their correlation."""
    centred = thumbnails.astype(np.float32)
    centred -= centred.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def _correlations(thumbnails: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(P,), in pieces: proposals may be many."""
    found = [
        np.einsum("pt,pt->p", thumbnails[first[s : s + 65_536]], thumbnails[second[s : s + 65_536]])
        for s in range(0, len(first), 65_536)
    ]
    return np.concatenate(found) if found else np.zeros(0, np.float32)
