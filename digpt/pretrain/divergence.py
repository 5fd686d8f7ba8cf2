"""A run that diverges stops with what happened and what to lower; it never leaves NaN behind."""

from collections.abc import Iterator

import torch
from torch import Tensor

from digpt.errors import UserError
from digpt.pretrain.schedule import steps_of
from digpt.pretrain.state import Run
from digpt.recipe import Recipe

DIVERGED = 10.0  # times the first loss
LEAST_SCALE = (
    1e-3  # of fp16 gradients: a scaler that has gone so low finds no step without overflow
)


def check_losses(losses: Tensor, run: Run, recipe: Recipe) -> None:
    """Raise `UserError` if the loss (n,) of a recent step is not finite or has run away."""
    run.first_loss = run.first_loss if run.first_loss is not None else float(losses[0])
    bad = (~losses.isfinite() | (losses > DIVERGED * run.first_loss)).nonzero()
    if len(bad):
        step = run.step - len(losses) + int(bad[0]) + 1
        raise _divergence(f"the loss became {float(losses[bad[0]]):.4g}", step, recipe)


def check_finite(run: Run, recipe: Recipe) -> None:
    """Raise `UserError` rather than keep weights that are not finite."""
    if run.recent:
        check_losses(torch.stack(run.recent)[:, 0].cpu(), run, recipe)
    if not all(bool(tensor.isfinite().all()) for tensor in _kept(run)):
        raise _divergence("a weight became infinite or not a number", run.step, recipe)


def check_scale(run: Run, recipe: Recipe) -> None:
    """Raise `UserError` if the scaler of fp16 skips step after step, so that nothing is learnt."""
    if run.scaler.is_enabled() and run.scaler.get_scale() < LEAST_SCALE:
        raise _divergence("gradients overflow in fp16 at every step", run.step, recipe)


def _kept(run: Run) -> Iterator[Tensor]:
    """What a checkpoint would hold."""
    yield from run.model.parameters()
    if run.average:
        yield from run.average.module.parameters()
    for state in run.optimizer.state.values():
        yield from state.values()


def _divergence(what: str, step: int, recipe: Recipe) -> UserError:
    advice = f"lr (now {recipe.lr:g}; try {recipe.lr / 3:.2g})"
    if not recipe.clip_norm:
        advice += ", or set clip_norm to 1.0"
    if recipe.precision in ("fp16", "bf16"):
        advice += f", or use precision fp32 instead of {recipe.precision}"
    return UserError(
        f"Pretraining diverged: {what} at step {step} of {steps_of(recipe)}. Lower {advice}.",
        code="diverged",
        field="lr",
        step=step,
        steps=steps_of(recipe),
        lr=f"{recipe.lr:g}",
        lower=f"{recipe.lr / 3:.2g}",
    )
