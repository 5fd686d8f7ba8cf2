"""What does the token cache cost in accuracy? `python -m benchmarks.cache_fidelity --out DIR`.

Pretrains D-iGPT on the built-in surfaces in four ways, over several seeds: whole images and their
mirrors from the cache; K fixed random crops from the cache; random crops whose tokens are taken
from the cached whole image (RoI-align); and random crops with the tokenizer in every step, which is
the published way and the reference. Exit 1 if the cached crops lose significantly anywhere, 3 if
cells are missing because the minutes were over: the same call goes on.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.cells import Cell, Lab, against, machine, table
from digpt.data.surfaces import surfaces
from digpt.recipe import PRESETS, Recipe

REFERENCE = "online crops"
CACHED = "cached crops"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of what is measured")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then stop cleanly")
    parser.add_argument("--tokenizer", default="filters")
    parser.add_argument("--images", type=int, default=4_000, help="of the surfaces")
    parser.add_argument("--images-seen", type=int, default=10_000, help="in pretraining")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--views", type=int, default=8, help="fixed crops that are cached")
    parser.add_argument("--smallest", type=float, default=0.2, help="share of a crop, at least")
    parser.add_argument("--labels", type=int, default=20, help="per class, beside all")
    parser.add_argument("--preset", default="quick")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    columns = [str(options.labels), "all"]
    lab = Lab(options.out, surfaces(options.images), budgets=[options.labels, "all"])
    cells = cells_of(options)
    records = lab.run(cells, options.minutes)
    print(f"{machine()}\n{vars(options)}\n{len(records)} of {len(cells)} cells\n")
    print(table(records, columns, lab.labels()), end="\n\n")
    text, found = against(records, REFERENCE, columns, lab.labels())
    print(text)
    if len(records) < len(cells):
        return 3
    loses = any(at.high < 0 for (name, _), at in found.items() if name.startswith(CACHED))
    print(f"\ncached crops lose significantly: {'yes' if loses else 'no'}")
    return int(loses)


def cells_of(options: argparse.Namespace) -> list[Cell]:
    """Each way with each seed, seeds outside: what is stopped early has every way."""
    return [
        Cell(name=name, method="digpt", tokenizer=options.tokenizer, recipe=recipe, seed=seed)
        for seed in range(options.seeds)
        for name, recipe in ways(options).items()
    ]


def ways(options: argparse.Namespace) -> dict[str, Recipe]:
    """The four ways; crops are cut from images kept at twice the student's side."""
    whole = replace(PRESETS[options.preset].pretrain, images_seen=options.images_seen)
    side = 2 * whole.student.image_size
    crops = replace(whole, crop_scale=(options.smallest, 1.0), stored_size=side)
    fixed = tuple(f"crop{n + 1}" for n in range(options.views))
    return {
        "whole images": whole,
        f"{CACHED}, {options.views} each": replace(crops, views=fixed),
        "crops by RoI-align": replace(crops, crops="rois"),
        REFERENCE: replace(crops, crops="online"),
    }


if __name__ == "__main__":
    raise SystemExit(main())
