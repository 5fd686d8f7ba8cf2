"""A run that diverges stops with what happened and what to lower; it never leaves NaN behind."""

import torch
from torch import Tensor

from digpt.errors import UserError
from digpt.pretrain.schedule import steps_of
from digpt.pretrain.state import Run
from digpt.recipe import Recipe

DIVERGED = 10.0  # times the first loss


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
    if not all(bool(parameter.isfinite().all()) for parameter in run.model.parameters()):
        raise _divergence("a weight became infinite or not a number", run.step, recipe)


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
    )
