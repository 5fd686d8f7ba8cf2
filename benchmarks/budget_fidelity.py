"""Does a small budget rank the arms as a larger one does? `python -m benchmarks.budget_fidelity
--out DIR`.

Pretrains every arm at a budget of images seen and at eight times that, and shows the Spearman
correlation of the two rankings with an interval: test items are resampled, the same ones for all
arms and both budgets, and so are seeds where there are several. Exit 3 if cells are missing because
the minutes were over: the same call goes on.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.cells import Cell, Lab, Record, by_name, machine, scores, table
from digpt.data.surfaces import surfaces
from digpt.evaluate.intervals import Scores, resample
from digpt.recipe import PRESETS

ARMS = (
    ("digpt", "filters"),
    ("digpt", "hog"),
    ("digpt", "pixels"),
    ("digpt", "random"),
    ("digpt", "codebook:64(filters)"),
    ("masked", "pixels"),
    ("igpt", "pixels"),
)
TIMES = 8


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of what is measured")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then stop cleanly")
    parser.add_argument("--images", type=int, default=10_000, help="of the surfaces")
    parser.add_argument("--images-seen", type=int, default=40_000, help="of the small budget")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--labels", type=int, default=20, help="per class, beside all")
    parser.add_argument("--preset", default="quick")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    lab = Lab(options.out, surfaces(options.images), budgets=[options.labels, "all"])
    cells = cells_of(options)
    records = lab.run(cells, options.minutes)
    columns, labels = [str(options.labels), "all"], lab.labels()
    print(f"{machine()}\n{vars(options)}\n{len(records)} of {len(cells)} cells\n")
    print(table(records, columns, labels), end="\n\n")
    if len(records) < len(cells):
        return 3
    rows = by_name(records)
    for column in columns:
        value, low, high = agreement(rows, column, labels)
        print(f"probe, {column}: Spearman {value:.2f} ({low:.2f} to {high:.2f})")
    return 0


def cells_of(options: argparse.Namespace) -> list[Cell]:
    """Every arm at both budgets, the small one first, seeds outside."""
    recipe = PRESETS[options.preset].pretrain
    return [
        Cell(
            name=name(method, tokenizer, times),
            method=method,
            tokenizer=tokenizer,
            recipe=replace(recipe, images_seen=times * options.images_seen),
            seed=seed,
        )
        for seed in range(options.seeds)
        for times in (1, TIMES)
        for method, tokenizer in ARMS
    ]


def name(method: str, tokenizer: str, times: int) -> str:
    return f"{method} × {tokenizer}, {times}×"


def agreement(
    rows: Mapping[str, Sequence[Record]], column: str, labels: np.ndarray
) -> tuple[float, float, float]:
    """Rank correlation of the arms at the two budgets with its 95% interval."""
    small, large = (
        [scores(rows[name(*arm, times)], column, labels) for arm in ARMS] for times in (1, TIMES)
    )
    plain = spearman(*(np.array([s.plain.mean() for s in of]) for of in (small, large)))
    draws = [spearman(a, b) for a, b in zip(_draws(small), _draws(large), strict=True)]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return plain, float(low), float(high)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of ranks, equal values sharing theirs; NaN where one side has no order."""
    from scipy.stats import rankdata  # noqa: PLC0415 - start-up time

    ranks = rankdata(a), rankdata(b)
    if min(np.ptp(r) for r in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def _draws(of: Sequence[Scores]) -> np.ndarray:
    """(R, arms): each arm's mean over seeds in every resample."""
    return np.stack([resample(s, with_pretraining=True) for s in of], axis=1)


if __name__ == "__main__":
    raise SystemExit(main())
