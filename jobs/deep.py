"""The deep check: about a minute of real pretraining for each tokenizer, run as a small pilot.

It is planned, priced, run and resumed as any pilot; only its size and how it is read are its own.
It is read on validation images: the test split is left to the pilot that it helps to choose. These
chose the probe's strength too, which flatters all arms alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from digpt.recipe import PRESETS
from digpt.tokenizers.names import parse
from jobs import equal
from jobs.spec import Arm, DatasetRef, PilotSpec
from jobs.views import Progress, Range

if TYPE_CHECKING:
    from digpt.evaluate.intervals import Interval, Scores
    from jobs.compare import ArmResults

SECONDS = 60.0  # of pretraining for each tokenizer
FEWEST_IMAGES = 1_000
LABELS, METRIC = 20, "balanced_accuracy"  # labels per class
PROTOCOLS = ("finetune", "probe")  # the two do not always agree, so both are shown
FINETUNE_LR = 1e-3  # one, so that validation chooses nothing and can be read
CONTROL = "random"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeepArm:
    """What one student tells under one protocol, and by how much more than the two controls."""

    tokenizer: str | None  # None: the student that was not pretrained
    protocol: str
    accuracy: Range  # balanced, on validation images
    over_scratch: Range | None
    over_random: Range | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeepView:
    """The newest deep check of a dataset."""

    pilot: str
    status: str
    progress: Progress
    images_seen: int
    labels: int  # per class
    arms: tuple[DeepArm, ...]  # those that have finished


def spec_of(
    data: DatasetRef, tokenizers: Sequence[str], images_seen: int, accepted: Sequence[str] = ()
) -> PilotSpec:
    """The pilot of a deep check: the quick recipe cut short, the named tokenizers, the control and
    no pretraining at all. accepted: recognisers whose licence forbids commercial use."""
    named = dict.fromkeys([CONTROL, *(parse(n).canonical for n in tokenizers)])
    return PilotSpec(
        name=f"Deep check: {data.name}"[:100],
        dataset=data,
        arms=(Arm(method="scratch"), *(Arm(method="digpt", tokenizer=n) for n in named)),
        preset="quick",
        pretrain={"images_seen": images_seen},
        transfer={
            "protocols": [*PROTOCOLS],
            "label_budgets": [LABELS],
            "finetune_budgets": [LABELS],
            "finetune_lrs": [FINETUNE_LR],
        },
        licence_accepted=tuple(accepted),
    )


def images_in_time(seconds_of: Callable[[float, float], float]) -> int:
    """Images that the quick recipe sees in a minute on this device, at most its own number.

    seconds_of: (images, FLOPs of each) -> device-seconds. Two digits: a new measurement of the
    device should not make another number of it.
    """
    recipe = PRESETS["quick"].pretrain
    flops = equal.flops_per_image(Arm(method="digpt", tokenizer=CONTROL), recipe)
    seconds = seconds_of(recipe.images_seen, flops)
    images = float(f"{recipe.images_seen * SECONDS / seconds:.2g}")
    return int(min(max(images, FEWEST_IMAGES), recipe.images_seen))


def measured(arms: "Sequence[ArmResults]") -> tuple[DeepArm, ...]:
    """Accuracy of each finished arm and its paired differences to the two controls, by protocol."""
    return tuple(row for protocol in PROTOCOLS for row in _of_protocol(protocol, arms))


def _of_protocol(protocol: str, arms: "Sequence[ArmResults]") -> list[DeepArm]:
    from digpt.evaluate.intervals import difference, interval  # noqa: PLC0415 - start-up time

    scored = {arm.arm.tokenizer: _scores(protocol, arm) for arm in arms}

    def over(name: str | None, control: str | None) -> Range | None:
        if name == control or control not in scored:
            return None
        return _range(difference(scored[name], scored[control]).headline)

    return [
        DeepArm(
            tokenizer=name,
            protocol=protocol,
            accuracy=_range(interval(scores)),
            over_scratch=over(name, None),
            over_random=over(name, CONTROL),
        )
        for name, scores in scored.items()
    ]


def _scores(protocol: str, arm: "ArmResults") -> "Scores":
    """What it says of validation images, over label draws and resampled images."""
    from digpt.data.prepared import load_prepared  # noqa: PLC0415 - start-up time
    from digpt.evaluate.intervals import measure  # noqa: PLC0415 - start-up time
    from digpt.transfer.predictions import labelled  # noqa: PLC0415 - torch

    data = load_prepared(arm.dataset)
    rows = labelled(data, "val")
    groups = None if data.groups is None else data.groups[rows]
    probabilities = arm.cells("val")[protocol, str(LABELS)]
    return measure(METRIC, probabilities, data.labels[rows], groups=groups)


def _range(found: "Interval") -> Range:
    return Range(likely=found.value, low=found.low, high=found.high)
