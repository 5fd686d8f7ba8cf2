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
from digpt.pretrain.acceleration import check_attention, compile_blocks, use_flex
from digpt.pretrain.divergence import check_finite, check_losses, check_scale
from digpt.pretrain.feed import Feed, TokenSource, check_inputs
from digpt.pretrain.ranks import Ranks
from digpt.pretrain.schedule import learning_rate, steps_of
from digpt.pretrain.state import Run, identity_of, resume, start, threads_of, to_checkpoint
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
    micro_batch: int  # images computed at once; less than asked for if memory ran out


def pretrain(
    images: np.ndarray,
    tokens: TokenSource,
    recipe: Recipe,
    *,
    method: str,
    seed: int,
    out_dir: Path,
    device: torch.device | str,
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
    bit that of an uninterrupted run. Stopped by `Cancelled`, it writes a checkpoint first. In a
    process group each process computes its part of every batch; the first one writes.
    """
    device = torch.device(device)
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    check_inputs(images, rows, tokens, recipe)
    check_attention(recipe.attention, device)
    ranks = Ranks.joined()
    ranks.check_share(recipe.batch_size)
    reporter = ranks.reporter(reporter)
    checkpoint = read_checkpoint(out_dir / "checkpoints", reporter)
    with threads_of(checkpoint, reporter):
        norms = target_norms(tokens, len(rows), recipe, device)
        run = start(tokens, recipe, method, seed, device, loss, init)
        feed = Feed(images, rows, tokens, recipe, seed, ranks.own(recipe.batch_size))
        trainer = Trainer(run, feed, recipe, seed, device, norms, ranks)
        identity = identity_of(recipe, method, seed, len(rows), tokens, loss, init)
        if checkpoint is not None:
            resume(run, checkpoint, identity, out_dir, reporter)
        else:
            run.flops_per_image = trainer.count_flops()
        if recipe.attention == "flex":
            use_flex(run.model, device)
        if recipe.compile:
            compile_blocks(run.model, device)
        _train(trainer, out_dir / "checkpoints", identity, checkpoint_seconds, reporter)
    return _finish(trainer, out_dir)


def _finish(trainer: Trainer, out_dir: Path) -> Result:
    """Keep the encoder, drop the checkpoints."""
    run, recipe, ranks = trainer.run, trainer.recipe, trainer.ranks
    if ranks.is_first:
        save_encoder(run.encoder, out_dir / "encoder")
        delete_checkpoints(out_dir / "checkpoints")
    ranks.wait()
    return Result(
        encoder=out_dir / "encoder",
        curve=run.curve,
        steps=run.step,
        images_seen=run.step * recipe.batch_size,
        images_per_second=run.step * recipe.batch_size / max(run.seconds, 1e-9),
        flops_per_image=run.flops_per_image,
        precision=trainer.precision,
        micro_batch=min(run.micro_batch, len(trainer.feed.part)),
    )


def _train(
    trainer: Trainer,
    checkpoints: Path,
    identity: dict[str, Any],
    checkpoint_seconds: float,
    reporter: Reporter,
) -> None:
    """All remaining steps, with points of the curve on the way and checkpoints by time."""
    run, recipe, ranks = trainer.run, trainer.recipe, trainer.ranks
    steps = steps_of(recipe)
    every = max(1, steps // POINTS)
    before, resumed_at = run.seconds, run.step
    started = saved = time.monotonic()

    def save() -> None:
        run.seconds = before + time.monotonic() - started
        check_finite(run, recipe)
        if ranks.is_first:
            write_checkpoint(checkpoints, to_checkpoint(run, identity))

    run.model.train()
    try:
        with contextlib.closing(trainer.feed.batches(run.step, steps)) as batches:
            for batch in batches:
                ranks.check(reporter)
                trainer.step(batch, reporter)
                reporter.progress(run.step * recipe.batch_size, steps * recipe.batch_size)
                if run.step % every == 0 or run.step == steps:
                    _report(run, recipe, reporter)
                is_due = time.monotonic() - saved >= checkpoint_seconds
                if run.step < steps and ranks.any(is_due):
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
    check_scale(run, recipe)
    means = dict(zip(LOSSES, recent.mean(dim=0).tolist(), strict=True))
    point = {name: value for name, value in means.items() if not math.isnan(value)}
    point["lr"] = learning_rate(recipe, run.step - 1)
    run.curve.append({"step": run.step, "images": run.step * recipe.batch_size, **point})
    run.recent.clear()
    reporter.metric(run.step, **point)
