"""How long each arm takes for one image on this machine: its own encoder, and a head of its size.

From prepared pixels to class probabilities, on one core (or one accelerator); reading and resizing
an image file is not in it. A head's weights do not change its time, so they are made up.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from digpt.data.prepared import load_prepared, pixels
from digpt.meter import count_flops
from digpt.reporter import Reporter
from digpt.threads import threads
from digpt.transfer.features import as_images
from digpt.transfer.predictions import labelled
from jobs.engine.artifacts import Artifacts
from jobs.engine.stages import encoder_of
from jobs.store.records import PilotStage

PROTOCOLS = ("probe", "knn", "finetune")
BATCH = 32  # a line's buffer: large enough to use the device, small enough to wait for
LEAST_SECONDS, LEAST_RUNS = 0.25, 8
SPREAD = (0.1, 0.9)  # quantiles over the repeats

Head = Callable[[np.ndarray], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """One arm under one protocol. Seconds are for one image, on one core or accelerator."""

    arm: str
    protocol: str
    seconds: float  # in batches of BATCH, median
    low: float  # 10% and 90% of the repeats
    high: float
    alone: float  # one image by itself
    flops: float | None  # of one image, None where the encoder does no matrix work
    device: str  # cpu, or the accelerator's name


def measure(
    stages: Sequence[PilotStage], artifacts: Artifacts, reporter: Reporter
) -> list[Latency]:
    """Latency of every finished arm under each protocol that it was tried with."""
    todo = _first_of_each(stages)
    by_key = {stage.key: stage for stage in stages}
    found = []
    for done, ((arm, protocol), stage) in enumerate(todo.items()):
        reporter.check()
        if "features" in stage.inputs:  # the encoder is an input of the stage that made them
            stage = by_key[stage.inputs["features"]]
        inputs = {role: artifacts.folder(key) for role, key in stage.inputs.items()}
        found.append(_measure_stage(arm, protocol, stage, inputs))
        reporter.progress(done + 1, len(todo))
    return found


def _first_of_each(stages: Sequence[PilotStage]) -> dict[tuple[str, str], PilotStage]:
    """One transfer stage for each arm and protocol: seeds do not change the time."""
    found: dict[tuple[str, str], PilotStage] = {}
    for stage in stages:
        if stage.kind in PROTOCOLS and stage.state == "done":
            for arm in stage.arms:
                found.setdefault((arm, stage.kind), stage)
    return found


def _measure_stage(
    arm: str, protocol: str, stage: PilotStage, inputs: Mapping[str, Path]
) -> Latency:
    data = load_prepared(inputs["dataset"])
    test = labelled(data, "test")
    photos = pixels(data)[np.resize(test, BATCH)]  # (BATCH, S, S, 3)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = encoder_of(stage.params, inputs).to(device).eval()
    ask = encoder.forward if protocol == "finetune" else encoder.represent

    @torch.no_grad()
    def features(photos: np.ndarray) -> np.ndarray:
        return ask(as_images(photos, device)).float().cpu().numpy()  # (B, F)

    width = features(photos[:1]).shape[1]
    head = _head(protocol, width, len(data.classes), len(labelled(data, "train")))
    with threads(1):
        batch = _repeat(lambda: head(features(photos)), BATCH)
        alone = _repeat(lambda: head(features(photos[:1])), 1)
    low, high = np.quantile(batch, SPREAD)
    flops = count_flops(lambda: features(photos[:1]))
    return Latency(
        arm=arm,
        protocol=protocol,
        seconds=float(np.median(batch)),
        low=float(low),
        high=float(high),
        alone=float(np.median(alone)),
        flops=float(flops) or None,
        device="cpu" if device.type == "cpu" else torch.cuda.get_device_name(device),
    )


def _head(protocol: str, width: int, classes: int, labelled_images: int) -> Head:
    """What follows the features: a linear layer, or a look at every labelled image."""
    draw = np.random.default_rng(0)
    rows = labelled_images if protocol == "knn" else classes
    weights = draw.standard_normal((width, rows)).astype(np.float32)

    def run(features: np.ndarray) -> object:
        scores = features @ weights  # (B, C), or similarities (B, labelled)
        return scores.argsort(axis=1) if protocol == "knn" else np.exp(scores - scores.max())

    return run


def _repeat(run: Callable[[], object], images: int) -> list[float]:
    """Seconds for each image in every repeat, after one that does not count."""
    run()
    found, until = [], time.perf_counter() + LEAST_SECONDS
    while len(found) < LEAST_RUNS or time.perf_counter() < until:
        start = time.perf_counter()
        run()
        found.append((time.perf_counter() - start) / images)
    return found
