"""What a training step of `base` at 224 costs: `python -m benchmarks.pretrain_throughput`.

Student steps, steps from a token cache on disk, the published teacher (an
untrained ViT-H/14 costs the same) and steps with the options that cut the student's own work. All
are measured in turns in one process, beside the machine's own matrix rate, and compared within a
turn. With one thread, seconds are those of the CPU, so that other load on the machine hardly
counts; with more, of the clock. FLOPs are counted by torch.
"""

import argparse
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from digpt.meter import count_flops
from digpt.models.targets import unchanged
from digpt.pretrain.feed import Feed
from digpt.pretrain.ranks import Ranks
from digpt.pretrain.state import start
from digpt.pretrain.trainer import Trainer
from digpt.recipe import STUDENTS, Recipe
from digpt.reporter import Quiet
from digpt.tokenizers.base import Tokenizer, Tokens
from digpt.tokenizers.cache import TokenCache, write
from digpt.tokenizers.clip import untrained_clip
from digpt.tokenizers.portions import encode

CPU = torch.device("cpu")
OFFICIAL = 487e9  # FLOP per image of the published step, teacher included (METHOD section 1)
IMAGES, WIDTH = 64, 1024
BASE = Recipe(student=STUDENTS["base"], batch_size=8, target_norm="none", lr=1e-5)
CUT = replace(
    BASE,
    student=replace(BASE.student, decoder_depth=1, decoder_dim=512, decoder_heads=16),
    target_share=0.5,
)


class Given(Tokenizer):
    """Tokens of the published teacher's shape at no cost."""

    name, dim, grid_size = "given", WIDTH, (16, 16)

    def forward(self, images: Tensor) -> Tokens:
        return Tokens(torch.randn(len(images), 16, 16, WIDTH), torch.randn(len(images), WIDTH))

    def config(self) -> dict[str, object]:
        return {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=IMAGES // 8, help="8: an epoch of the cache")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8, help="the optimizer's pass is shared by it")
    parser.add_argument("--teacher", action="store_true", help="time it too; needs 6 GB")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{machine()}, {options.threads} threads, batch {options.batch}")
    print(f"load {os.getloadavg()[0]:.1f} before")
    pixels = np.random.default_rng(0).integers(256, size=(IMAGES, 224, 224, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        write(Given(), pixels, np.arange(IMAGES), Path(folder), device=CPU, reporter=Quiet())
        tokens = TokenCache.open(Path(folder))
        base, cut = (
            trainer(replace(r, batch_size=options.batch), pixels, tokens) for r in (BASE, CUT)
        )
        counted = {"base": base.count_flops(), "cut": cut.count_flops()}
        held, batches = base.feed.batch(0), base.feed.batches(0, 10**9)
        work: dict[str, Callable[[], object]] = {
            "student": lambda: base.step(held, Quiet()),
            "cached": lambda: base.step(next(batches), Quiet()),
            "cut": lambda: cut.step(held, Quiet()),
        }
        for do in work.values():
            do()  # once unmeasured
        if options.teacher:
            teacher, seen = untrained_clip("teacher", "ViT-H-14", 0).eval(), pixels[: options.batch]
            work["teacher"] = lambda: encode(teacher, seen, CPU)
            counted["teacher"] = float(count_flops(lambda: encode(teacher, seen[:1], CPU)))
        report_flops(counted)
        report_times(in_turns(work, options.rounds, options.threads), counted, options.batch)
        batches.close()
    print(f"load {os.getloadavg()[0]:.1f} after")
    return 0


def machine() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, torch {torch.__version__}, {commit.stdout.strip()}"


def trainer(recipe: Recipe, pixels: np.ndarray, tokens: TokenCache) -> Trainer:
    run = start(tokens, recipe, "digpt", 0, CPU, None)
    run.model.train()
    feed = Feed(pixels, np.arange(IMAGES), tokens, recipe, seed=0)
    return Trainer(run, feed, recipe, 0, CPU, (unchanged, unchanged), Ranks())


def in_turns(
    work: dict[str, Callable[[], object]], rounds: int, threads: int
) -> dict[str, np.ndarray]:
    """Seconds of each piece of work and GFLOP/s of a matrix product, (rounds,)."""
    clock = time.process_time if threads == 1 else time.perf_counter
    found: dict[str, list[float]] = {"gemm": [], **{name: [] for name in work}}
    for _ in range(rounds):
        before = matrix_rate(clock)
        for name, do in work.items():
            began = clock()
            do()
            found[name].append(clock() - began)
        found["gemm"].append((before + matrix_rate(clock)) / 2)
    return {name: np.array(values) for name, values in found.items()}


def matrix_rate(clock: Callable[[], float], side: int = 2048) -> float:
    """GFLOP/s of float32 products, the best of five."""
    a, b = torch.randn(side, side), torch.randn(side, side)
    best = 0.0
    for _ in range(5):
        began = clock()
        torch.mm(a, b)
        best = max(best, 2 * side**3 / (clock() - began))
    return best / 1e9


def report_flops(counted: dict[str, float]) -> None:
    print("step | GFLOP per image | share of the published step's")
    for name, flops in counted.items():
        print(f"{name} | {flops / 1e9:.1f} | 1/{OFFICIAL / flops:.2f}")


def report_times(found: dict[str, np.ndarray], counted: dict[str, float], batch: int) -> None:
    rates = {n: f * batch / found[n if n != "base" else "student"] for n, f in counted.items()}
    print(f"GEMM: {spread(found['gemm'])} GFLOP/s")
    print(f"student's share of it: {spread(rates['base'] / 1e9 / found['gemm'])}")
    for name in found.keys() - {"gemm"}:
        print(f"{name}: {spread(found[name] / batch)} s per image")
    print(f"cached / student-only: {spread(found['cached'] / found['student'])}")
    sums = found["cached"].sum() / found["student"].sum()
    print(f"{len(found['cached']) * batch} images in all: {sums:.3f}")
    print(f"student / cut: {spread(found['student'] / found['cut'])}")
    if "teacher" in found:
        online = found["student"] + found["teacher"]
        print(f"teacher online / cached: {spread(online / found['cached'])}")
        print(f"teacher online / cut: {spread(online / found['cut'])}")
        epochs = np.median(2 * found["teacher"] / (online - found["cached"]))
        print(f"filling the cache with two views is paid back after {epochs:.1f} epochs")


def spread(values: np.ndarray) -> str:
    """Median and range."""
    return f"{np.median(values):.3g} ({values.min():.3g} to {values.max():.3g})"


if __name__ == "__main__":
    raise SystemExit(main())
