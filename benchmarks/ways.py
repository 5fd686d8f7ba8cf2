"""Ways of pretraining D-iGPT on the built-in surfaces, judged against one of them over seeds."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from benchmarks.cells import Cell, Lab, against, machine, table
from digpt.data.surfaces import surfaces
from digpt.recipe import Recipe

Ways = Mapping[str, Recipe]


def arguments_of(description: str | None) -> argparse.ArgumentParser:
    """What every such comparison can be told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, help="folder of what is measured")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then stop cleanly")
    parser.add_argument("--tokenizer", default="filters")
    parser.add_argument("--images", type=int, default=10_000, help="of the surfaces")
    parser.add_argument("--images-seen", type=int, default=40_000, help="in pretraining")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=int, default=20, help="per class, beside all")
    parser.add_argument("--preset", default="quick")
    return parser


def judge(
    options: argparse.Namespace, ways: Ways, *, reference: str, is_judged: Callable[[str], bool]
) -> int:
    """Measure what is missing and print it. 3: cells are missing because the minutes were over;
    1: a judged way loses significantly to the reference somewhere; else 0."""
    torch.set_num_threads(1)
    columns = [str(options.labels), "all"]
    lab = Lab(options.out, surfaces(options.images), budgets=[options.labels, "all"])
    cells = [  # seeds outside: what is stopped early has every way
        Cell(name=name, method="digpt", tokenizer=options.tokenizer, recipe=recipe, seed=seed)
        for seed in range(options.seeds)
        for name, recipe in ways.items()
    ]
    records = lab.run(cells, options.minutes)
    print(f"{machine()}\n{vars(options)}\n{len(records)} of {len(cells)} cells\n")
    print(table(records, columns, lab.labels()), end="\n\n")
    text, found = against(records, reference, columns, lab.labels())
    print(text)
    if len(records) < len(cells):
        return 3
    losers = sorted({name for (name, _), at in found.items() if is_judged(name) and at.high < 0})
    print(f"\nlose significantly: {', '.join(losers) or 'none'}")
    return int(bool(losers))
