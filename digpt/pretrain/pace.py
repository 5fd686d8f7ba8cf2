"""How long an image takes in a training step on this device: a few steps on noise. B images."""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from digpt.models import Target
from digpt.models.targets import unchanged
from digpt.pretrain.feed import Feed
from digpt.pretrain.ranks import Ranks
from digpt.pretrain.state import start
from digpt.pretrain.trainer import Trainer
from digpt.recipe import Recipe
from digpt.reporter import Quiet

STEPS = 5  # after one that warms up; the fastest counts, since others may use the machine too
CPU_FLOPS, OTHER_FLOPS = 1e10, 1e13  # of one such step: well under a second, yet as busy as a run


def seconds_per_image(
    method: str, recipe: Recipe, target: Target, flops: float, device: torch.device
) -> float:
    """Device-seconds of one image in a training step of a method, its reading not counted.

    flops: of one image, about; they set how many images, at most a batch, a measured step has.
    """
    most = CPU_FLOPS if device.type == "cpu" else OTHER_FLOPS
    count = int(min(max(most / flops, 1), recipe.batch_size))
    student = recipe.student
    side = student.image_size // student.patch_size
    measured = replace(
        recipe, batch_size=count, crops="cached", views=("identity",), stored_size=0, clip_norm=1.0
    )
    tokens = _Noise(target, (side, side))
    shape = (count, student.image_size, student.image_size, 3)
    images = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    feed = Feed(images, np.arange(count), tokens, measured, seed=0)
    run = start(tokens, measured, method, 0, device, None)
    run.model.train()
    trainer = Trainer(run, feed, measured, 0, device, (unchanged, unchanged), Ranks())
    batch, fastest = feed.batch(0), float("inf")
    # on a CPU the time that this thread is given: waiting for others would make single arms dear
    clock = time.thread_time if device.type == "cpu" else time.perf_counter
    for step in range(1 + STEPS):
        begun = clock()
        trainer.step(batch, Quiet())
        run.recent[-1].cpu()  # waits for the device
        if step:
            fastest = min(fastest, clock() - begun)
    return fastest / count


@dataclass(frozen=True)
class _Noise:
    """A token source of a tokenizer's shape."""

    target: Target
    grid_size: tuple[int, int]
    has_global: bool = False
    views: tuple[str, ...] = ("identity",)
    crop_scale: tuple[float, float] = (1.0, 1.0)
    global_mean: None = None
    global_std: None = None

    @property
    def dim(self) -> int:
        return self.target.dim

    @property
    def codes(self) -> int | None:
        return self.target.codes

    @property
    def mean(self) -> np.ndarray:
        return np.zeros(self.dim, np.float32)

    @property
    def std(self) -> np.ndarray:
        return np.ones(self.dim, np.float32)

    def read(self, rows: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, None]:
        rng, shape = np.random.default_rng(1), (len(rows), *self.grid_size)
        if self.codes is not None:
            return rng.integers(self.codes, size=shape), None
        return rng.normal(size=(*shape, self.dim)).astype(np.float16), None
