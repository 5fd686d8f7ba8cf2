"""How well students do that learned from each tokenizer: the truth that token quality is held to.

`python -m benchmarks.validity_students FOLDER [--data DIR] [--seconds 540]` pretrains one small
student per dataset and tokenizer and fine-tunes it; each cell is one line of FOLDER/students.jsonl.
It stops after the cell in which the time is up, and goes on from there when called again.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from digpt import data as datasets
from digpt.data.dataset import ImageDataset
from digpt.data.importers import read
from digpt.data.prepared import load_prepared, pixels, prepare
from digpt.evaluate.metrics import score
from digpt.models import load_encoder
from digpt.models.vit import build_vit
from digpt.pretrain import pretrain
from digpt.recipe import Recipe, Student, Transfer
from digpt.reporter import Quiet
from digpt.tokenizers import fitting
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.cache import TokenCache, write
from digpt.tokenizers.names import TokenizerName, parse
from digpt.tokenizers.quality import decodability
from digpt.transfer import extract, labelled, student, transfer

METRIC = "balanced_accuracy"
CPU = torch.device("cpu")
SCRATCH = "scratch"  # no pretraining: what every target must beat
TOKENIZERS = (
    "filters",
    "random",
    "pixels",
    "domain-clip",
    "hog",
    "codebook:128(filters)",
    "codebook:128(domain-clip)",
    "codebook:128(pixels)",
    "codebook:128(hog)",
)
IMAGES_SEEN = 9_600
DEEP_IMAGES_SEEN = 3_200  # of the deep check, with another seed
LABELS, LABEL_SEEDS = 20, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A dataset and how its students see it: 4 × 4 patches, so that all cost the same."""

    name: str
    folder: str = ""  # in the folder of data; "" for built-in sets
    image_size: int = 32
    epochs: int = 15

    @property
    def patch_size(self) -> int:
        return self.image_size // 4


SETTINGS = (
    Setting(name="surfaces"),
    Setting(name="boards", folder="deeppcb_crops", image_size=64),
    Setting(name="digits"),
    Setting(name="photographs", folder="grocery", image_size=64, epochs=8),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("DIGPT_TEST_DATA", ""))
    parser.add_argument("--seconds", type=float, default=540)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    out, ends = options.folder / "students.jsonl", time.monotonic() + options.seconds
    done = {(c["dataset"], c["tokenizer"]) for c in lines(out)}
    for setting, tokenizer in missing(done):
        if time.monotonic() > ends:
            return 1
        cell = measure(setting, tokenizer, Path(options.data), options.folder)
        add_line(out, cell)
        print(json.dumps(cell), flush=True)
    return 0


def missing(done: set[tuple[str, str]]) -> Iterator[tuple[Setting, str]]:
    """Cells to come, every dataset before the next tokenizer."""
    for tokenizer in (SCRATCH, *TOKENIZERS):
        for setting in SETTINGS:
            if (setting.name, tokenizer) not in done:
                yield setting, tokenizer


def lines(path: Path) -> list[dict[str, Any]]:
    """What is there already; a line cut short by a kill is not."""
    found = []
    for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def add_line(path: Path, values: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")


def open_setting(setting: Setting, data: Path) -> ImageDataset:
    """The dataset itself, imported where it is a folder."""
    if not setting.folder:
        return datasets.builtin(setting.name)
    found = read(data / setting.folder, name=setting.name, skip_bad=True)
    assert found.dataset is not None, found.problems
    return found.dataset


def prepared(setting: Setting, data: Path, folder: Path) -> ImageDataset:
    """The dataset at the student's size, made once."""
    at = folder / "prepared" / setting.name
    if not (at / "done").is_file():
        prepare(open_setting(setting, data), at, size=setting.image_size, reporter=Quiet())
        (at / "done").touch()
    return load_prepared(at)


def fitted(name: TokenizerName, setting: Setting, dataset: ImageDataset, folder: Path) -> Tokenizer:
    """The tokenizer, fitted once for a dataset on its pool and training images."""
    at = folder / "tokenizers" / setting.name / name.canonical.replace(":", "_")
    if not (at / "tokenizer.json").is_file():
        base = fitted(name.base, setting, dataset, folder) if name.base else None
        made = fitting.fit(
            name.canonical,
            dataset,
            size=setting.image_size,
            patch_size=setting.patch_size,
            seed=0,
            base=base,
            device=CPU,
            reporter=Quiet(),
        )
        fitting.save(made, at)
    return fitting.load(at)


def measure(setting: Setting, name: str, data: Path, folder: Path) -> dict[str, Any]:
    """One cell: fine-tuned accuracy on test, and what a shorter pretraining foretold."""
    started = time.monotonic()
    dataset = prepared(setting, data, folder)
    recipe = Recipe(student=_student(setting), images_seen=IMAGES_SEEN)
    deep, deep_seconds = None, 0.0
    if name == SCRATCH:
        vit = build_vit(recipe.student, torch.Generator().manual_seed(0))
    else:
        tokenizer = fitted(parse(name), setting, dataset, folder)
        with tempfile.TemporaryDirectory() as scratch:
            vit = _pretrained(tokenizer, dataset, recipe, 0, Path(scratch))
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            short = replace(recipe, images_seen=DEEP_IMAGES_SEEN)
            deep = _decodable(_pretrained(tokenizer, dataset, short, 1, Path(scratch)), dataset)
        deep_seconds = time.monotonic() - began
    return {
        "dataset": setting.name,
        "tokenizer": name,
        "images_seen": IMAGES_SEEN,
        "finetuned": _finetuned(vit, dataset, setting),
        "probed": _decodable(vit, dataset),
        "deep": deep,
        "deep_seconds": round(deep_seconds, 1),
        "seconds": round(time.monotonic() - started, 1),
    }


def _student(setting: Setting) -> Student:
    return Student(image_size=setting.image_size, patch_size=setting.patch_size, taps=(2, 4))


def _pretrained(
    tokenizer: Tokenizer, dataset: ImageDataset, recipe: Recipe, seed: int, folder: Path
) -> Any:
    rows = dataset.indices("pool", "train")
    write(tokenizer, pixels(dataset), rows, folder / "tokens", device=CPU, reporter=Quiet())
    pretrain(
        pixels(dataset),
        TokenCache.open(folder / "tokens"),
        recipe,
        rows=rows,
        method="digpt",
        seed=seed,
        out_dir=folder / "student",
        device=CPU,
        reporter=Quiet(),
    )
    return load_encoder(folder / "student" / "encoder")


def _finetuned(vit: Any, dataset: ImageDataset, setting: Setting) -> list[float]:
    """Balanced accuracy on test for each draw of the labels."""
    tried = Transfer(
        finetune_budgets=(LABELS,), finetune_epochs=setting.epochs, finetune_lrs=(1e-3,)
    )
    runs = transfer(
        student(vit),
        dataset,
        protocol="finetune",
        transfer=tried,
        label_seeds=range(LABEL_SEEDS),
        device=CPU,
        reporter=Quiet(),
    )
    truth = dataset.labels[labelled(dataset, "test")]
    return [round(score(METRIC, r.predictions.test, truth), 4) for r in runs]


def _decodable(vit: Any, dataset: ImageDataset) -> float:
    """Cross-validated linear accuracy of the student's features; test images are left out."""
    rows = np.concatenate([labelled(dataset, s) for s in ("train", "val")])[:1000]
    found = extract(student(vit), pixels(dataset), rows, device=CPU, reporter=Quiet())
    groups = None if dataset.groups is None else dataset.groups[rows]
    return round(decodability(found, dataset.labels[rows], groups)[0], 4)


if __name__ == "__main__":
    raise SystemExit(main())
