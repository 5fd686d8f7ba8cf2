"""Which part of D-iGPT earns its keep? `python -m benchmarks.ablation --out DIR`.

One student for each of: both decoders (the reference), the autoregressive one alone, that of
visible tokens alone; pixels of the next cluster instead of semantic tokens; codes instead of
continuous tokens, in several numbers; and no pretraining. On the built-in surfaces or, with --data,
on a folder of one's own. A probe on clean images at two label budgets, and on corrupted test
images. Exit 3 if cells are missing because the minutes were over: the same call goes on.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.cells import SEVERITY, Cell, Lab, Record, against, by_name, machine, table, value
from digpt.data.dataset import ImageDataset
from digpt.data.importers import read
from digpt.data.surfaces import surfaces
from digpt.evaluate.robustness import CORRUPTIONS, mean_relative_drop
from digpt.recipe import PRESETS

REFERENCE = "both decoders"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of what is measured")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then stop cleanly")
    parser.add_argument("--data", type=Path, help="class folders; the surfaces if not given")
    parser.add_argument("--tokenizer", default="filters", help="the semantic one")
    parser.add_argument("--codes", type=int, nargs="*", default=[64, 512, 4096])
    parser.add_argument("--images", type=int, default=4_000, help="of the surfaces")
    parser.add_argument("--images-seen", type=int, default=10_000, help="in pretraining")
    parser.add_argument("--size", type=int, help="side of images; the preset's if not given")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=int, default=5, help="per class, beside all")
    parser.add_argument("--preset", default="quick")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    dataset = _folder(options.data) if options.data else surfaces(options.images)
    lab = Lab(options.out, dataset, budgets=[options.labels, "all"], with_corruptions=True)
    cells = cells_of(options)
    records = lab.run(cells, options.minutes)
    columns, labels = [str(options.labels), "all"], lab.labels()
    print(f"{machine()}\n{vars(options)}\n{dataset.name}: {len(records)} of {len(cells)} cells\n")
    print(table(records, columns, labels), end="\n\n")
    print(drops(records, "all", labels), end="\n\n")
    print(against(records, REFERENCE, columns, labels)[0])
    return 0 if len(records) == len(cells) else 3


def cells_of(options: argparse.Namespace) -> list[Cell]:
    """Each arm with each seed, seeds outside: what is stopped early has every arm."""
    recipe = replace(PRESETS[options.preset].pretrain, images_seen=options.images_seen)
    if options.size:
        recipe = replace(recipe, student=replace(recipe.student, image_size=options.size))
    return [
        Cell(name=name, method=method, tokenizer=tokenizer, recipe=recipe, seed=seed)
        for seed in range(options.seeds)
        for name, method, tokenizer in arms(options.tokenizer, options.codes)
    ]


def arms(tokenizer: str, codes: Sequence[int]) -> list[tuple[str, str, str | None]]:
    """(name, method, tokenizer) of every arm."""
    return [
        (REFERENCE, "digpt", tokenizer),
        ("autoregressive only", "digpt-ar", tokenizer),
        ("visible only", "digpt-visible", tokenizer),
        ("pixels, both decoders", "digpt", "pixels"),
        ("pixels, autoregressive only", "digpt-ar", "pixels"),
        *((f"{k} codes", "digpt", f"codebook:{k}({tokenizer})") for k in codes),
        ("no pretraining", "scratch", None),
    ]


def drops(records: Sequence[Record], budget: str, labels: np.ndarray) -> str:
    """Markdown: of each arm the accuracy on clean and on corrupted test images, mean over seeds."""
    lines = [
        "| " + " | ".join(["", "clean", *CORRUPTIONS, "mean relative drop"]) + " |",
        "|" + "---|" * (len(CORRUPTIONS) + 3),
    ]
    for name, own in by_name(records).items():

        def mean(column: str, own: Sequence[Record] = own) -> float:
            return float(np.mean([value(r, column, labels) for r in own]))

        clean = mean(budget)
        found = {k: [mean(f"{budget} {k} {s}") for s in SEVERITY] for k in CORRUPTIONS}
        drop = mean_relative_drop(clean, [v for values in found.values() for v in values])
        cells = [f"{x:.1%}" for x in (clean, *map(float, map(np.mean, found.values())), drop)]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def _folder(path: Path) -> ImageDataset:
    found = read(path, name=path.name)
    if found.dataset is None:
        raise SystemExit("\n".join(str(problem) for problem in found.problems))
    return found.dataset


if __name__ == "__main__":
    raise SystemExit(main())
