"""Full fine-tuning with a linear head; learning rate and checkpoint chosen on validation."""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.evaluate.metrics import score
from digpt.recipe import CHECKPOINTS, Transfer, trial_steps
from digpt.reporter import Counted, Reporter
from digpt.tokenizers.portions import fewer
from digpt.transfer.augment import augment
from digpt.transfer.encoders import Encoder
from digpt.transfer.features import as_images
from digpt.transfer.layers import layer_groups, learn_positions
from digpt.transfer.memory import images_at_once
from digpt.transfer.predictions import Predictions
from digpt.transfer.regularise import Regulariser, branching, drop_paths

LABEL_SMOOTHING = 0.1
_EVAL_BATCH = 512


class Task(NamedTuple):
    """The images and labels of one fine-tuning. images (N, S, S, 3) uint8, labels (N,)."""

    images: np.ndarray
    labels: np.ndarray
    train: np.ndarray  # row numbers, as val and test
    val: np.ndarray
    test: np.ndarray
    classes: int


def finetune(
    encoder: Encoder,
    task: Task,
    *,
    transfer: Transfer,
    seed: int,
    device: torch.device | str,
    reporter: Reporter,
    counted: Counted | None = None,
) -> Predictions:
    """Probabilities of the tuned copy that does best on validation; `encoder` is left as it was.

    The schedule is the recipe's epochs, or LEAST_STEPS if these are more. With several learning
    rates each first runs a quarter of it as a schedule of its own; the one that validation likes
    best then runs in full. The test rows are seen once, by the final network.

    counted: where steps are counted as part of more work; else they are this fine-tuning's own.
    """
    if not encoder.is_tunable:
        raise UserError(
            "The 'frozen' arm has nothing to fine-tune: its features are used as they are. Take "
            "protocols probe or knn, or method 'direct' to fine-tune the recogniser.",
            code="not-tunable",
            field="protocols",
        )
    if transfer.finetune_drop_path and not branching(encoder):
        reporter.log("This recogniser has no blocks of ours: it is tuned without drop path.")
    counted = counted or Counted(reporter, transfer.finetune_all_steps(len(task.train)))
    run = _Run(encoder, task, transfer, seed, torch.device(device), reporter, counted)
    steps = transfer.finetune_steps(len(task.train))
    lr = run.best_lr(steps)
    tuned = run.train(lr, steps, CHECKPOINTS)
    test = run.predict(tuned.network, task.test)
    chosen = {"lr": lr, "schedule_share": tuned.share}
    return Predictions(val=tuned.val, test=test, chosen=chosen)


class Network(nn.Module):
    """An encoder and a linear head that starts at zero, so that all classes start equal."""

    def __init__(self, encoder: nn.Module, dim: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)  # one scale for any recogniser
        self.head = nn.Linear(dim, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.encoder(images)))  # (B, C)


class _Tuned(NamedTuple):
    """A network at its best checkpoint."""

    network: Network
    val: np.ndarray  # its validation probabilities (n_val, C)
    value: float  # its validation macro-F1
    share: float  # of the schedule, when it was taken


@dataclass(frozen=True)
class _Run:
    """One encoder, task and seed; only learning rate and length of schedule vary."""

    encoder: Encoder
    task: Task
    transfer: Transfer
    seed: int
    device: torch.device
    reporter: Reporter
    counted: Counted

    @property
    def batch(self) -> int:
        return self.transfer.finetune_images(len(self.task.train))

    def best_lr(self, steps: int) -> float:
        """The learning rate of best validation macro-F1 after a short schedule."""
        lrs = self.transfer.finetune_lrs
        if not self.transfer.finetune_trials:
            return lrs[0]
        trial = trial_steps(steps)
        return lrs[int(np.argmax([self.train(lr, trial, (1.0,)).value for lr in lrs]))]

    def train(self, lr: float, steps: int, checkpoints: tuple[float, ...]) -> _Tuned:
        """Tune a copy of the encoder and keep the checkpoint that validation likes best."""
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(cuda):  # dropout draws from the global generator
            torch.manual_seed(self.seed)
            return self._train(lr, steps, checkpoints)

    def _train(self, lr: float, steps: int, checkpoints: tuple[float, ...]) -> _Tuned:
        network = self._network()
        optimizer, schedule = self._optimizer(network, lr, steps)
        regulariser = Regulariser.of(self.transfer, self.task.classes, LABEL_SMOOTHING)
        generator = torch.Generator().manual_seed(self.seed)
        batches = _batches(self.task.train, self.batch, generator)
        at_once = images_at_once(network, self._images(self.task.train[:1]), self.batch)
        stops = {max(1, round(share * steps)): share for share in checkpoints}
        best, state = None, None
        for step in range(1, steps + 1):
            self.reporter.check()
            self._step(network, optimizer, next(batches), generator, regulariser, at_once)
            schedule.step()
            self.counted.add()
            if step in stops:
                now = self._checkpoint(network, stops[step])
                if best is None or now.value >= best.value:  # of equals the later
                    best, state = now, deepcopy(network.state_dict()) if step < steps else None
        assert best is not None, "the last checkpoint is the end of the schedule"
        if state is not None:
            network.load_state_dict(state)
        return best

    def _network(self) -> Network:
        tuned = deepcopy(self.encoder).to(self.device)
        if self.transfer.finetune_positions:
            learn_positions(tuned)
        tuned.requires_grad_(True)
        drop_paths(tuned, self.transfer.finetune_drop_path)
        with torch.no_grad():
            dim = tuned.eval()(self._images(self.task.train[:1])).shape[1]
        return Network(tuned, dim, self.task.classes).to(self.device).train()

    def _optimizer(
        self, network: Network, lr: float, steps: int
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        groups = layer_groups(
            network.encoder,
            network.head,
            lr=lr,
            decay=self.transfer.finetune_layer_decay,
            head_rate=self.transfer.finetune_head_rate,
            weight_decay=self.transfer.finetune_weight_decay,
        )
        optimizer = torch.optim.AdamW(groups, fused=True)
        least = min(self.transfer.finetune_min_lr / lr, 1.0)
        shape = _warmup_cosine(steps, self.transfer.finetune_warmup_share, least)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, shape)

    def _step(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        rows: np.ndarray,
        generator: torch.Generator,
        regulariser: Regulariser | None,
        at_once: int,
    ) -> None:
        """One step on one augmented batch, of which so many images are computed at once."""
        labels = torch.as_tensor(self.task.labels[rows])
        pixels = self.task.images[rows]
        if regulariser:
            pixels = regulariser.pixels(pixels, generator)
        scale = self.transfer.finetune_crop_scale
        images = augment(as_images(pixels, self.device), generator, scale)
        targets, smoothing = labels.to(self.device), LABEL_SMOOTHING
        if regulariser:  # its targets are smoothed already
            images, targets = regulariser.batch(images, targets, generator)
            smoothing = 0.0
        optimizer.zero_grad(set_to_none=True)
        for few, wanted in zip(images.split(at_once), targets.split(at_once), strict=True):
            with _autocast(self.device):
                logits = network(few)
            loss = nn.functional.cross_entropy(logits.float(), wanted, label_smoothing=smoothing)
            (loss * (len(few) / len(images))).backward()
        if self.transfer.finetune_clip_norm:
            nn.utils.clip_grad_norm_(network.parameters(), self.transfer.finetune_clip_norm)
        optimizer.step()

    def _checkpoint(self, network: Network, share: float) -> _Tuned:
        val = self.predict(network, self.task.val)
        value = score("macro_f1", val, self.task.labels[self.task.val])
        return _Tuned(network, val, value, share)

    @torch.no_grad()
    def predict(self, network: Network, rows: np.ndarray) -> np.ndarray:
        """Class probabilities (n, C); the network is left in training mode."""
        network.eval()
        parts, batch = [], fewer(_EVAL_BATCH, self.task.images.shape[1])
        for start in range(0, len(rows), batch):
            self.reporter.check()
            with _autocast(self.device):
                logits = network(self._images(rows[start : start + batch]))
            parts.append(logits.float().softmax(dim=1).cpu().numpy())
        network.train()
        return np.concatenate(parts)

    def _images(self, rows: np.ndarray) -> Tensor:
        return as_images(self.task.images[rows], self.device)


def _batches(rows: np.ndarray, batch: int, generator: torch.Generator) -> Iterator[np.ndarray]:
    """Row numbers, always `batch` of them, from one shuffled epoch after another, without end."""
    left = rows[:0]
    while True:
        while len(left) < batch:
            shuffled = rows[torch.randperm(len(rows), generator=generator).numpy()]
            left = np.concatenate([left, shuffled])
        yield left[:batch]
        left = left[batch:]


def _warmup_cosine(steps: int, warmup_share: float, least: float) -> Callable[[int], float]:
    """Share of the peak rate at a step: linear warm-up, then half a cosine to `least`."""
    warmup = max(1, round(warmup_share * steps))

    def rate(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        falling = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
        return least + (1 - least) * falling

    return rate


def _autocast(device: torch.device) -> torch.autocast:
    """bfloat16 on a GPU that has it, float32 elsewhere."""
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bf16)
