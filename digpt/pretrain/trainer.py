"""One step: a batch to the device, losses, gradients, an update."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from digpt.errors import UserError
from digpt.models import Losses, normalise
from digpt.models.targets import Normalise
from digpt.pretrain.feed import Batch, Feed
from digpt.pretrain.precision import autocast, resolve_precision
from digpt.pretrain.randomness import ORDER, mixed
from digpt.pretrain.schedule import learning_rate
from digpt.pretrain.state import Run
from digpt.recipe import Recipe
from digpt.reporter import Reporter

LOSSES = ("loss", "ar_loss", "visible_loss")


class Trainer:
    """Takes steps: a batch to the device, losses, gradients, an update."""

    def __init__(
        self,
        run: Run,
        feed: Feed,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        target_norms: tuple[Normalise, Normalise],
    ) -> None:
        self.run, self.feed, self.recipe, self.seed, self.device = run, feed, recipe, seed, device
        self.precision = resolve_precision(recipe.precision, device)
        self.normalise_tokens, self.normalise_global = target_norms
        self.parameters = list(run.model.parameters())

    def step(self, batch: Batch, reporter: Reporter) -> None:
        """One update; after running out of memory again in twice as many parts."""
        run = self.run
        while True:
            try:
                values = self._gradients(batch)
                break
            except torch.OutOfMemoryError as error:
                if run.parts * 2 > len(batch.images):
                    raise UserError(
                        "Out of memory even with one image at a time. Use a smaller student,"
                        " a smaller image or a larger device.",
                        code="out-of-memory",
                    ) from error
            run.optimizer.zero_grad()
            run.parts *= 2
            reporter.log(
                f"Out of memory: going on with {run.parts} parts per batch of"
                f" {self.recipe.batch_size}; the result of a step stays the same.",
                "warning",
            )
        self._update()
        run.recent.append(values)
        run.step += 1

    def count_flops(self) -> float:
        """FLOPs of forward and backward per image, counted on a few images."""
        few = Batch(*(None if part is None else part[:4] for part in self.feed.batch(0)))  # pyright: ignore[reportArgumentType] - only the global token may be None
        with FlopCounterMode(display=False) as counter:
            self._gradients(few)
        self.run.optimizer.zero_grad()
        return counter.get_total_flops() / len(few.images)

    def _gradients(self, batch: Batch) -> Tensor:
        """Gradients of a batch, summed over its parts; its losses (3,), NaN where there is none."""
        generator = torch.Generator().manual_seed(mixed(self.seed, ORDER, self.run.step))
        total = torch.zeros(len(LOSSES), device=self.device)
        for part in np.array_split(np.arange(len(batch.images)), self.run.parts):
            few = slice(part[0], part[-1] + 1)
            losses = self._losses(batch, few, generator)
            share = len(part) / len(batch.images)
            self.run.scaler.scale(losses.loss * share).backward()
            total += share * _values(losses)
        return total

    def _losses(self, batch: Batch, few: slice, generator: torch.Generator) -> Losses:
        images = self._to_device(batch.images[few]).permute(0, 3, 1, 2)  # (B, 3, S, S)
        images = normalise(images.float() / 255)
        tokens = self._to_device(batch.tokens[few])
        tokens = tokens.long() if self.feed.tokens.codes else self.normalise_tokens(tokens)
        global_token = None
        if batch.global_token is not None and self.feed.tokens.codes is None:
            global_token = self.normalise_global(self._to_device(batch.global_token[few]))
        with autocast(self.precision, self.device):
            return self.run.model(images, tokens, global_token, generator=generator)

    def _update(self) -> None:
        run = self.run
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, run.step)
        if self.recipe.clip_norm:
            run.scaler.unscale_(run.optimizer)
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_norm)
        run.scaler.step(run.optimizer)
        run.scaler.update()
        run.optimizer.zero_grad()

    def _to_device(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)


def _values(losses: Losses) -> Tensor:
    """The losses that `LOSSES` names, (3,), without waiting for the device."""
    nan = losses.loss.new_full((), math.nan)
    found = [getattr(losses, name) for name in LOSSES]
    return torch.stack([nan if value is None else value.detach() for value in found]).float()
