"""A comparison in cells: one pretrained student each, kept in a file as soon as it is measured.

A cell is a method, a tokenizer, a recipe and a seed on one dataset. `Lab.run` measures those that
its folder's cells.jsonl does not hold, one after another on one thread, and stops between two when
its minutes are over, so that a long comparison can be run in pieces. Everything is judged by a
linear probe on frozen features of the test split.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from digpt.data.dataset import ImageDataset
from digpt.data.prepared import load_prepared, pixels, prepare
from digpt.data.splits import label_subset
from digpt.evaluate.intervals import Interval, Scores, difference, holm, interval, measure
from digpt.evaluate.metrics import score
from digpt.evaluate.robustness import CORRUPTIONS, corrupt
from digpt.models import load_encoder
from digpt.models.vit import build_vit
from digpt.pretrain import pretrain
from digpt.recipe import Recipe, without_off
from digpt.reporter import Quiet
from digpt.tokenizers import fitting
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.cache import TokenCache, write
from digpt.tokenizers.names import TokenizerName, parse
from digpt.tokenizers.online import Online
from digpt.transfer.encoders import Encoder, student
from digpt.transfer.features import extract
from digpt.transfer.predictions import labelled
from digpt.transfer.probe import probe

METRIC = "balanced_accuracy"
DEVICE = torch.device("cpu")
SEVERITY = (2, 4)  # of the five, to halve the time; METHOD's five are what a report would show


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is pretrained; `name` is its row in the table, and cells of a row differ by seed."""

    name: str
    method: str
    tokenizer: str | None  # None: no pretraining
    recipe: Recipe
    seed: int


Record = Mapping[str, Any]


class Lab:
    """A dataset, what transfer asks about it, and the folder in which cells are kept."""

    def __init__(
        self,
        folder: Path,
        dataset: ImageDataset,
        *,
        budgets: Sequence[int | str],
        label_seeds: int = 3,
        with_corruptions: bool = False,
    ) -> None:
        self.folder, self.dataset = folder, dataset
        self.budgets, self.label_seeds = tuple(budgets), label_seeds
        self.with_corruptions = with_corruptions

    def run(self, cells: Sequence[Cell], minutes: float = float("inf")) -> list[Record]:
        """The records of the cells that there are in the end, in the order of the cells."""
        ends, known = time.monotonic() + 60 * minutes, self._known()
        for cell in cells:
            key = self.key(cell)
            if key not in known and time.monotonic() < ends:
                known[key] = self._measure(cell, key)
                _append(self.folder / "cells.jsonl", known[key])
                print(f"{cell.name}, seed {cell.seed}: {known[key]['seconds']:.0f} s", flush=True)
        return [known[key] for cell in cells if (key := self.key(cell)) in known]

    def key(self, cell: Cell) -> str:
        """What decides a cell's result, digested."""
        facts = {
            "dataset": self.dataset.fingerprint,
            "method": cell.method,
            "tokenizer": cell.tokenizer,
            "recipe": without_off(asdict(cell.recipe)),
            "seed": cell.seed,
            "transfer": [self.budgets, self.label_seeds, self.with_corruptions],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def labels(self) -> np.ndarray:
        """Of the test items, in the order of the records' predictions."""
        return self.dataset.labels[labelled(self.dataset, "test")]

    def _known(self) -> dict[str, Record]:
        path = self.folder / "cells.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return {record["key"]: record for line in lines if (record := _whole(line))}

    def _measure(self, cell: Cell, key: str) -> Record:
        started = time.monotonic()
        encoder, facts = self._encoder(cell, self.folder / "runs" / key)
        pretrained = time.monotonic()
        record = {
            "key": key,
            "name": cell.name,
            "seed": cell.seed,
            "predictions": self._predictions(encoder, cell.recipe.student.image_size),
            "pretrain_seconds": pretrained - started,
            "seconds": time.monotonic() - started,
            "machine": machine(),
            **facts,
        }
        shutil.rmtree(self.folder / "runs" / key, ignore_errors=True)
        return record

    def _encoder(self, cell: Cell, folder: Path) -> tuple[Encoder, dict[str, Any]]:
        """The student of a cell, pretrained unless it has no tokenizer, and what that took."""
        recipe = cell.recipe
        if cell.tokenizer is None:
            generator = torch.Generator().manual_seed(cell.seed)
            return student(build_vit(recipe.student, generator)), {"loop_seconds": 0.0}
        dataset = self._prepared(recipe.stored_size or recipe.student.image_size)
        rows = dataset.indices("pool", "train")
        result = pretrain(
            pixels(dataset),
            self._tokens(cell, dataset, rows),
            recipe,
            rows=rows,
            method=cell.method,
            seed=cell.seed,
            out_dir=folder,
            device=DEVICE,
            reporter=Quiet(),
        )
        facts = {
            "loop_seconds": result.images_seen / result.images_per_second,
            "gflop_per_image": result.flops_per_image / 1e9,
        }
        return student(load_encoder(result.encoder)), facts

    def _tokens(self, cell: Cell, dataset: ImageDataset, rows: np.ndarray) -> TokenCache | Online:
        recipe, size = cell.recipe, cell.recipe.student.image_size
        tokenizer = self._tokenizer(parse(cell.tokenizer or ""), cell)
        if recipe.crops == "online":
            return Online(
                tokenizer, pixels(dataset), rows, size=size, device=DEVICE, reporter=Quiet()
            )
        views = ("identity",) if recipe.crops == "rois" else recipe.views
        scale = recipe.crop_scale if recipe.crops == "cached" else (1.0, 1.0)
        facts = [tokenizer.name, self._seed(cell), views, scale, size, len(pixels(dataset)[0])]
        folder = self.folder / "tokens" / hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        if not (folder / "cache.json").exists():
            write(
                tokenizer,
                pixels(dataset),
                rows,
                folder,
                views=views,
                crop_scale=scale,
                size=size,
                device=DEVICE,
                reporter=Quiet(),
            )
        return TokenCache.open(folder)

    def _tokenizer(self, name: TokenizerName, cell: Cell) -> Tokenizer:
        """Fitted once on the images at the student's size, for all recipes of that size."""
        size = cell.recipe.student.image_size
        plain = re.sub(r"[^\w.-]", "_", name.canonical)
        folder = self.folder / "tokenizers" / f"{plain}-{size}-{self._seed(cell)}"
        if (folder / "tokenizer.json").exists():
            return fitting.load(folder)
        has_base = name.base is not None and name.needs_base
        tokenizer = fitting.fit(
            name.canonical,
            self._prepared(size),
            size=size,
            patch_size=cell.recipe.student.patch_size,
            seed=self._seed(cell),
            base=self._tokenizer(name.base, cell) if has_base and name.base else None,
            device=DEVICE,
            reporter=Quiet(),
        )
        fitting.save(tokenizer, folder)
        return tokenizer

    @staticmethod
    def _seed(cell: Cell) -> int:
        """A control is drawn anew with each seed; all else is fitted once."""
        return cell.seed if "random" in (cell.tokenizer or "") else 0

    def _prepared(self, size: int) -> ImageDataset:
        folder = self.folder / "images" / f"{self.dataset.fingerprint[:12]}-{size}"
        if not folder.exists():
            aside = folder.with_suffix(".tmp")
            shutil.rmtree(aside, ignore_errors=True)
            prepare(self.dataset, aside, size=size, reporter=Quiet())
            aside.rename(folder)
        return load_prepared(folder)

    def _predictions(self, encoder: Encoder, size: int) -> dict[str, list[str]]:
        """ "budget" or "budget kind severity" -> one digit string per label seed: the class that
        the probe gives to each test item. The probe is fitted on clean images."""
        dataset = self._prepared(size)
        rows = {split: labelled(dataset, split) for split in ("train", "val", "test")}
        seen = {"": pixels(dataset)[rows["test"]]}
        if self.with_corruptions:
            kinds = [(kind, level) for kind in CORRUPTIONS for level in SEVERITY]
            seen |= {f" {kind} {level}": corrupt(seen[""], kind, level) for kind, level in kinds}
        features = {split: _features(encoder, pixels(dataset)[rows[split]]) for split in rows}
        features["test"] = np.concatenate([_features(encoder, images) for images in seen.values()])
        labels = {split: dataset.labels[rows[split]] for split in ("train", "val")}
        found: dict[str, list[str]] = {}
        for budget in self.budgets:
            for seed in [0] if budget == "all" else range(self.label_seeds):
                chosen = label_subset(dataset.labels, rows["train"], budget, seed)
                subset = np.searchsorted(rows["train"], chosen)
                made = probe(features, labels, subset=subset, classes=len(dataset.classes)).test
                for name, part in zip(seen, np.split(made.argmax(axis=1), len(seen)), strict=True):
                    found.setdefault(f"{budget}{name}", []).append(" ".join(map(str, part)))
        return found


def scores(records: Sequence[Record], column: str, labels: np.ndarray) -> Scores:
    """Everything an interval needs of one row's records, under one column of predictions."""
    eye = np.eye(1 + int(labels.max()), dtype=np.float32)
    probs = [[eye[_classes(p)] for p in r["predictions"][column]] for r in records]
    return measure(METRIC, probs, labels, pretrain_seeds=[r["seed"] for r in records])


def value(record: Record, column: str, labels: np.ndarray) -> float:
    """The mean over label seeds of one cell."""
    eye = np.eye(1 + int(labels.max()), dtype=np.float32)
    made = [eye[_classes(p)] for p in record["predictions"][column]]
    return float(np.mean([score(METRIC, p, labels) for p in made]))


def by_name(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Rows of the table, in the order in which they first appear."""
    rows: dict[str, list[Record]] = {}
    for record in records:
        rows.setdefault(record["name"], []).append(record)
    return rows


def table(records: Sequence[Record], columns: Sequence[str], labels: np.ndarray) -> str:
    """Markdown: accuracy of each row with its interval, seeds, and seconds of the loop per cell."""
    head = ["", *(f"probe, {c}" for c in columns), "seeds", "loop s", "GFLOP per image"]
    lines = [_line(head), _line(["---"] * len(head))]
    for name, own in by_name(records).items():
        cells = [percent(interval(scores(own, column, labels))) for column in columns]
        loop = np.mean([r["loop_seconds"] for r in own])
        work = own[0].get("gflop_per_image")
        shown = f"{work:.3g}" if work else "–"
        lines.append(_line([name, *cells, str(len(own)), f"{loop:.1f}", shown]))
    return "\n".join(lines)


def against(
    records: Sequence[Record], reference: str, columns: Sequence[str], labels: np.ndarray
) -> tuple[str, dict[tuple[str, str], Interval]]:
    """Markdown and intervals of every row minus the reference, paired by seed; Holm in a column."""
    rows, found = by_name(records), {}
    lines = [_line(["minus " + reference, "labels", "points (95%)", "p, Holm"]), _line(["---"] * 4)]
    others = [name for name in rows if name != reference]
    for column in columns if reference in rows else ():
        base = scores(rows[reference], column, labels)
        made = [difference(scores(rows[name], column, labels), base) for name in others]
        for name, one, p in zip(others, made, holm([d.p_value for d in made]), strict=True):
            at = one.headline
            found[name, column] = at
            points = f"{100 * at.value:+.1f} ({100 * at.low:+.1f} to {100 * at.high:+.1f})"
            lines.append(_line([name, column, points, f"{p:.3f}"]))
    return "\n".join(lines), found


def percent(at: Interval) -> str:
    return f"{at.value:.1%} ({100 * at.low:.1f} to {100 * at.high:.1f})"


def machine() -> str:
    """Machine, threads and commit of a measurement."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    kind = platform.processor() or platform.machine()
    return f"{kind}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s), commit {commit}"


def _features(encoder: Encoder, images: np.ndarray) -> np.ndarray:
    return extract(encoder, images, np.arange(len(images)), device=DEVICE, reporter=Quiet())


def _classes(digits: str) -> np.ndarray:
    return np.array(digits.split(), dtype=np.int64)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _append(path: Path, record: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_cut = path.exists() and not path.read_bytes().endswith(b"\n")  # by a kill
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * is_cut + json.dumps(record) + "\n")


def _whole(line: str) -> Record | None:
    """A line's record; None of a line that was being written when the run was killed."""
    try:
        return json.loads(line)
    except ValueError:
        return None
