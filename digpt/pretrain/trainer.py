"""One step: a batch to the device, losses, gradients, an update."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from digpt.errors import UserError, is_out_of_memory
from digpt.models import Losses, normalise
from digpt.models.clusters import draw_numbers
from digpt.models.targets import Normalise
from digpt.pretrain.feed import Batch, Feed
from digpt.pretrain.precision import autocast, resolve_precision
from digpt.pretrain.randomness import ORDER, mixed
from digpt.pretrain.ranks import Ranks
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
        ranks: Ranks,
    ) -> None:
        self.ranks = ranks
        self.run, self.feed, self.recipe, self.seed, self.device = run, feed, recipe, seed, device
        self.precision = resolve_precision(recipe.precision, device)
        self.normalise_tokens, self.normalise_global = target_norms
        self.parameters = list(run.model.parameters())

    def step(self, batch: Batch, reporter: Reporter) -> None:
        """One update; after running out of memory again with half as many images at once."""
        run = self.run
        while True:
            try:
                values = self._gradients(batch)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(batch, error)
            run.optimizer.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()  # blocks of the old sizes would be in the way
            reporter.log(
                f"Out of memory: going on with {run.micro_batch} images at once, still"
                f" {self.recipe.batch_size} per step; the result of a step stays the same.",
                "warning",
            )
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        self.ranks.add_up([*gradients, values])
        self._update()
        run.recent.append(values)
        run.step += 1

    def _halve(self, batch: Batch, error: Exception) -> None:
        """Let fewer images be computed at once, or raise `UserError` where it was one."""
        at_once = min(self.run.micro_batch, len(batch.images))
        if at_once == 1:
            raise UserError(
                "Out of memory even with one image at a time. Use a smaller student,"
                " a smaller image or a larger device.",
                code="out-of-memory",
                why="one-image",
            ) from error
        self.run.micro_batch = (at_once + 1) // 2

    def count_flops(self) -> float:
        """FLOPs of forward and backward for one image, counted."""
        batch = self.feed.batch(0)  # cut, and seen by an online tokenizer, before anything counts
        with FlopCounterMode(display=False) as counter:
            self._gradients(batch.first())
        self.run.optimizer.zero_grad()
        return float(counter.get_total_flops())

    def _gradients(self, batch: Batch) -> Tensor:
        """Gradients of this process's part of a step's mean loss, micro-batch by micro-batch; the
        same part of the losses (3,), NaN where there is none."""
        before = self.feed.part.start  # images that other processes compute, with their draws
        generator = torch.Generator().manual_seed(mixed(self.seed, ORDER, self.run.step))
        draw_numbers(before, self.run.model.draws, generator, self.device)
        total = torch.zeros(len(LOSSES), device=self.device)
        for start in range(0, len(batch.images), self.run.micro_batch):
            few = slice(start, min(start + self.run.micro_batch, len(batch.images)))
            losses = self._losses(batch, few, generator)
            share = (few.stop - few.start) / self.recipe.batch_size
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
        if run.average:
            run.average.update(run.model.encoder, run.step)

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
