"""Pretraining: one loop for every method. Images and cached tokens in, an encoder out.

Everything random in step n (rows, views, cluster orders) is drawn from the seed and n alone, so a
resumed run needs no memory of random numbers: after step n it is where the other run was.
"""

import contextlib
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from digpt.checkpoint import delete_checkpoints, read_checkpoint, write_checkpoint
from digpt.errors import Cancelled
from digpt.models import ViT, save_encoder
from digpt.pretrain.divergence import check_finite, check_losses
from digpt.pretrain.feed import Feed, TokenSource, check_inputs
from digpt.pretrain.schedule import learning_rate, steps_of
from digpt.pretrain.state import Run, identity_of, resume, start, to_checkpoint
from digpt.pretrain.targets import target_norms
from digpt.pretrain.trainer import LOSSES, Trainer
from digpt.recipe import Recipe
from digpt.reporter import Reporter

POINTS = 100  # of the curve


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A finished pretraining."""

    encoder: Path  # a folder for `load_encoder`
    curve: list[dict[str, float]]  # step, images, loss, lr and, where there are, the parts
    steps: int
    images_seen: int
    images_per_second: float
    flops_per_image: float  # forward and backward, of one training step
    precision: str


def pretrain(
    images: np.ndarray,
    tokens: TokenSource,
    recipe: Recipe,
    *,
    method: str,
    seed: int,
    out_dir: Path,
    device: torch.device,
    reporter: Reporter,
    checkpoint_seconds: float = 60.0,
    rows: np.ndarray | None = None,
    loss: str | None = None,
    init: ViT | None = None,
) -> Result:
    """Pretrain a student on `images` (uint8, (M, S, S, 3), may be a memory map) and their tokens.

    rows: (N,) which images the token source's rows are; all of them when not given.
    loss: of continuous tokens, "cosine", "mse" or "smooth-l1"; the recipe's when not given.
    init: what the student starts from, of the recipe's sizes; it is left as it was.
    Goes on from the newest checkpoint in `out_dir`, if there is one; on the CPU the end is bit for
    bit that of an uninterrupted run. Stopped by `Cancelled`, it writes a checkpoint first.
    """
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    check_inputs(images, rows, tokens, recipe)
    norms = target_norms(tokens, len(rows), recipe, device)
    run = start(tokens, recipe, method, seed, device, loss, init)
    trainer = Trainer(run, Feed(images, rows, tokens, recipe, seed), recipe, seed, device, norms)
    identity = identity_of(recipe, method, seed, len(rows), tokens, loss, init)
    checkpoints = out_dir / "checkpoints"
    checkpoint = read_checkpoint(checkpoints, reporter)
    if checkpoint is not None:
        resume(run, checkpoint, identity, out_dir, reporter)
    else:
        run.flops_per_image = trainer.count_flops()
    _train(trainer, checkpoints, identity, checkpoint_seconds, reporter)
    save_encoder(run.model.encoder, out_dir / "encoder")
    delete_checkpoints(checkpoints)
    return Result(
        encoder=out_dir / "encoder",
        curve=run.curve,
        steps=run.step,
        images_seen=run.step * recipe.batch_size,
        images_per_second=run.step * recipe.batch_size / max(run.seconds, 1e-9),
        flops_per_image=run.flops_per_image,
        precision=trainer.precision,
    )


def _train(
    trainer: Trainer,
    checkpoints: Path,
    identity: dict[str, Any],
    checkpoint_seconds: float,
    reporter: Reporter,
) -> None:
    """All remaining steps, with points of the curve on the way and checkpoints by time."""
    run, recipe = trainer.run, trainer.recipe
    steps = steps_of(recipe)
    every = max(1, steps // POINTS)
    before, resumed_at = run.seconds, run.step
    started = saved = time.monotonic()

    def save() -> None:
        run.seconds = before + time.monotonic() - started
        check_finite(run, recipe)
        write_checkpoint(checkpoints, to_checkpoint(run, identity))

    run.model.train()
    try:
        with contextlib.closing(trainer.feed.batches(run.step, steps)) as batches:
            for batch in batches:
                reporter.check()
                trainer.step(batch, reporter)
                reporter.progress(run.step * recipe.batch_size, steps * recipe.batch_size)
                if run.step % every == 0 or run.step == steps:
                    _report(run, recipe, reporter)
                if time.monotonic() - saved >= checkpoint_seconds and run.step < steps:
                    save()
                    saved = time.monotonic()
    except Cancelled:
        if run.step > resumed_at:
            save()
        raise
    check_finite(run, recipe)
    run.seconds = before + time.monotonic() - started
    run.model.eval()


def _report(run: Run, recipe: Recipe, reporter: Reporter) -> None:
    """One point of the curve: means over the steps since the last one. Waits for the device."""
    recent = torch.stack(run.recent).cpu()  # (n, 3)
    check_losses(recent[:, 0], run, recipe)
    means = dict(zip(LOSSES, recent.mean(dim=0).tolist(), strict=True))
    point = {name: value for name, value in means.items() if not math.isnan(value)}
    point["lr"] = learning_rate(recipe, run.step - 1)
    run.curve.append({"step": run.step, "images": run.step * recipe.batch_size, **point})
    run.recent.clear()
    reporter.metric(run.step, **point)
