"""What does a step cost at 512 px? `python -m benchmarks.high_resolution --out DIR`.

FLOPs and seconds per image of a D-iGPT training step, forward and backward, at 224 and 512 px: in
2 × 2 clusters, in 4 × 4, and in 4 × 4 where a cluster sees only the last few. Images and tokens are
noise, since cost does not hang on them. Rows that the folder holds are not measured again.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cells import machine
from digpt.flops import training_flops
from digpt.models import METHODS, Target
from digpt.recipe import STUDENTS, Recipe

TOKEN_DIM = 256


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of what is measured")
    parser.add_argument("--student", default="tiny", choices=STUDENTS)
    parser.add_argument("--sides", type=int, nargs=2, default=[224, 512])
    parser.add_argument("--steps", type=int, default=5, help="measured, of one image each")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    path = options.out / "steps.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = {row["key"]: row for row in map(json.loads, lines)}
    recipes = recipes_of(options.student, *options.sides)
    shown = []
    for name, recipe in recipes.items():
        key = f"{options.student}: {name}, {options.steps} steps"
        if key not in known:
            known[key] = {"key": key, **measure(recipe, options.steps), "machine": machine()}
            options.out.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[key]) + "\n")
        shown.append((name, known[key]))
    print(f"{machine()}\n{vars(options)}\n")
    print(table(shown))
    return 0


def recipes_of(student: str, small: int, large: int) -> dict[str, Recipe]:
    """The rows of the table; the first is what the others are compared with."""
    sizes = STUDENTS[student]

    def recipe(side: int, clusters: int, window: int = 0, share: float = 1.0) -> Recipe:
        shape = replace(sizes, image_size=side, clusters=(clusters, clusters))
        return Recipe(student=shape, window=window, target_share=share)

    return {
        f"{small} px, 2 × 2": recipe(small, 2),
        f"{large} px, 2 × 2": recipe(large, 2),
        f"{large} px, 4 × 4": recipe(large, 4),
        f"{large} px, 4 × 4, window 3": recipe(large, 4, 3),
        f"{large} px, 4 × 4, window 1": recipe(large, 4, 1),
        f"{large} px, 4 × 4, window 3, a quarter of the targets": recipe(large, 4, 3, 0.25),
    }


def measure(recipe: Recipe, steps: int) -> dict[str, Any]:
    """Seconds of a step (the median) and FLOPs, per image."""
    student = recipe.student
    side = student.image_size // student.patch_size
    model = METHODS["digpt"](recipe, Target(TOKEN_DIM))
    images = torch.randn(1, 3, *[student.image_size] * 2)
    tokens = torch.randn(1, side, side, TOKEN_DIM)
    took = []
    for _ in range(steps + 1):
        started = time.process_time()  # of this process: other work on the machine does not count
        model(images, tokens).loss.backward()
        took.append(time.process_time() - started)
    return {
        "seconds": float(np.median(took[1:])),  # the first one warms up
        "gflop": training_flops("digpt", recipe, token_dim=TOKEN_DIM) / 1e9,
        "patches": side**2,
    }


def table(rows: list[tuple[str, dict[str, Any]]]) -> str:
    """Markdown, each row beside the first."""
    lines = [
        "| | patches | GFLOP per image | times | CPU s per image | times |",
        "|---|---|---|---|---|---|",
    ]
    first = rows[0][1]
    for name, row in rows:
        work, slower = row["gflop"] / first["gflop"], row["seconds"] / first["seconds"]
        lines.append(
            f"| {name} | {row['patches']:,} | {row['gflop']:.1f} | {work:.2f} "
            f"| {row['seconds']:.2f} | {slower:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
