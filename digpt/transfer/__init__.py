"""How an encoder is tried on labels: protocols × label budgets × label seeds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from digpt.data.dataset import ImageDataset
from digpt.data.splits import label_subset
from digpt.errors import UserError, pick
from digpt.recipe import Transfer
from digpt.reporter import Counted, Reporter
from digpt.transfer.encoders import Encoder, frozen, recogniser, student
from digpt.transfer.features import extract
from digpt.transfer.finetune import Task, finetune
from digpt.transfer.kept import Kept
from digpt.transfer.knn import knn
from digpt.transfer.predictions import Predictions, labelled
from digpt.transfer.probe import probe

__all__ = [
    "PROTOCOLS",
    "Encoder",
    "Predictions",
    "Run",
    "extract",
    "features_of",
    "finetune",
    "frozen",
    "knn",
    "labelled",
    "probe",
    "read_out",
    "recogniser",
    "student",
    "transfer",
]

Budget = int | str  # labels per class, or "all"
_Subset = tuple[Budget, int, np.ndarray]  # label seed, rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One protocol at one label budget with one draw of the labels."""

    protocol: str
    label_budget: Budget
    label_seed: int
    labels_used: int
    predictions: Predictions


def transfer(
    encoder: Encoder,
    dataset: ImageDataset,
    *,
    protocol: str,
    transfer: Transfer,
    label_seeds: Sequence[int],
    device: torch.device | str,
    reporter: Reporter,
    keep: Path | None = None,
) -> list[Run]:
    """All runs of one protocol, budgets in the recipe's order, label seeds inside.

    keep: folder for finished fine-tunings; those that are there already are not run again.

    Budget "all" has only one subset, hence one run, with label seed 0. Fine-tuning chooses its
    learning rate once per budget, on validation with the first label seed.
    """
    pick(dict.fromkeys(PROTOCOLS), protocol, "protocol")
    if protocol in READ_OUTS:
        features = features_of(encoder, dataset, device=device, reporter=reporter)
        return read_out(
            features,
            dataset,
            protocol=protocol,
            transfer=transfer,
            label_seeds=label_seeds,
            reporter=reporter,
        )
    task = Task(
        images=_pixels(dataset),
        labels=dataset.labels,
        classes=len(dataset.classes),
        **_rows(dataset),
    )
    return _finetune(encoder, task, transfer, label_seeds, device, reporter, Kept(keep))


def features_of(
    encoder: Encoder, dataset: ImageDataset, *, device: torch.device | str, reporter: Reporter
) -> dict[str, np.ndarray]:
    """What the frozen encoder makes of the labelled images: split -> (n, F) float32."""
    rows = _rows(dataset)
    every = np.concatenate(list(rows.values()))
    found = extract(encoder, _pixels(dataset), every, device=device, reporter=reporter)
    ends = np.cumsum([len(of_split) for of_split in rows.values()])
    return dict(zip(rows, np.split(found, ends[:-1]), strict=True))


def read_out(
    features: Mapping[str, np.ndarray],
    dataset: ImageDataset,
    *,
    protocol: str,
    transfer: Transfer,
    label_seeds: Sequence[int],
    reporter: Reporter,
) -> list[Run]:
    """All runs of a protocol on features that `features_of` made, in the order of `transfer`."""
    fit, rows = pick(READ_OUTS, protocol, "protocol"), _rows(dataset)
    labels = {split: dataset.labels[rows[split]] for split in ("train", "val")}  # never of test
    subsets = list(_subsets(dataset.labels, rows["train"], transfer.label_budgets, label_seeds))
    counted, runs = Counted(reporter, sum(len(subset) for *_, subset in subsets)), []
    for budget, seed, subset in subsets:
        reporter.check()
        positions = np.searchsorted(rows["train"], subset)
        predictions = fit(
            features, labels, subset=positions, classes=len(dataset.classes), reporter=reporter
        )
        counted.add(len(subset))
        runs.append(_run(protocol, budget, seed, subset, predictions))
    return runs


def _finetune(
    encoder: Encoder,
    task: Task,
    transfer: Transfer,
    label_seeds: Sequence[int],
    device: torch.device | str,
    reporter: Reporter,
    kept: Kept,
) -> list[Run]:
    """All fine-tunings; `task` holds every training row, of which each sees its own."""
    runs, recipe = [], transfer
    subsets = list(_subsets(task.labels, task.train, transfer.finetune_budgets, label_seeds))
    counted = Counted(reporter, _steps(transfer, subsets))
    for budget, seed, subset in subsets:
        if not runs or runs[-1].label_budget != budget:
            recipe = transfer  # all learning rates are open again
        predictions = kept.read(budget, seed)
        if predictions is not None:
            counted.add(recipe.finetune_all_steps(len(subset)))
        else:
            predictions = finetune(
                encoder,
                task._replace(train=subset),
                transfer=recipe,
                seed=seed,
                device=device,
                reporter=reporter,
                counted=counted,
            )
            kept.write(budget, seed, predictions)
        recipe = replace(recipe, finetune_lrs=(predictions.chosen["lr"],))
        runs.append(_run("finetune", budget, seed, subset, predictions))
    return runs


def _steps(transfer: Transfer, subsets: Sequence[_Subset]) -> int:
    """Of all fine-tunings; the first of each budget tries the learning rates."""
    first = {budget: len(rows) for budget, _, rows in reversed(subsets)}
    trials = sum(
        transfer.finetune_all_steps(n) - transfer.finetune_steps(n) for n in first.values()
    )
    return trials + sum(transfer.finetune_steps(len(rows)) for _, _, rows in subsets)


READ_OUTS: Mapping[str, Callable[..., Predictions]] = {"probe": probe, "knn": knn}
PROTOCOLS = (*READ_OUTS, "finetune")


def _rows(dataset: ImageDataset) -> dict[str, np.ndarray]:
    """Split -> row numbers of its labelled images."""
    return {split: labelled(dataset, split) for split in ("train", "val", "test")}


def _subsets(
    labels: np.ndarray, train: np.ndarray, budgets: Sequence[Budget], label_seeds: Sequence[int]
) -> Iterator[_Subset]:
    """Budget, label seed and the training rows that they may see."""
    for budget in budgets:
        for seed in [0] if budget == "all" else label_seeds:
            yield budget, seed, label_subset(labels, train, budget, seed)


def _run(
    protocol: str, budget: Budget, seed: int, subset: np.ndarray, predictions: Predictions
) -> Run:
    return Run(
        protocol=protocol,
        label_budget=budget,
        label_seed=seed,
        labels_used=len(subset),
        predictions=predictions,
    )


def _pixels(dataset: ImageDataset) -> np.ndarray:
    """The prepared images (N, S, S, 3) uint8, a memory map where the dataset has one."""
    array = getattr(dataset.images, "array", None)
    if array is not None:
        return array
    side = min(dataset.image_size)
    if side < 1:
        raise UserError(
            f"Dataset {dataset.name!r} does not say how large its images are. Prepare it first "
            "(a pilot does), so that transfer knows at which size to look.",
            code="not-prepared",
            field="dataset",
        )
    return dataset.images.load(np.arange(len(dataset)), side)
