"""What each kind of stage does: parameters and input folders in, a new folder and a summary out.

A stage function knows nothing of Ray, the store or other stages; it calls `digpt` and writes files.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.numpy import load_file, save_file

from digpt import data as datasets
from digpt.data.dataset import ImageDataset
from digpt.data.prepared import load_prepared, pixels, prepare
from digpt.data.views import WHOLE
from digpt.errors import UserError, pick
from digpt.evaluate.intervals import Interval, estimate
from digpt.evaluate.metrics import METRICS
from digpt.init import Init
from digpt.models import load_encoder, save_encoder
from digpt.models.origins import start_from
from digpt.models.vit import build_vit
from digpt.pretrain import pretrain
from digpt.recipe import Recipe, Student, Transfer
from digpt.reporter import Reporter
from digpt.tokenizers import fitting
from digpt.tokenizers.cache import TokenCache, write
from digpt.tokenizers.online import Online
from digpt.transfer import Run, features_of, read_out, transfer
from digpt.transfer.encoders import Encoder, frozen, recogniser, student
from digpt.transfer.predictions import labelled
from jobs.engine.artifacts import CHECKPOINTS
from jobs.weights import check_unchanged

FEATURES = "features.safetensors"  # split -> (n, F)

Params = Mapping[str, Any]
Inputs = Mapping[str, Path]
StageFunction = Callable[[Params, Inputs, Path, str, torch.device, Reporter], dict[str, Any]]


def run_stage(
    kind: str,
    params: Params,
    inputs: Inputs,
    out_dir: Path,
    *,
    source: str,
    device: torch.device,
    reporter: Reporter,
) -> dict[str, Any]:
    """Run one stage into `out_dir`; returns its summary (plain JSON)."""
    return pick(STAGES, kind, "stage")(params, inputs, out_dir, source, device, reporter)


def open_source(source: str, reporter: Reporter) -> ImageDataset:
    """The dataset behind a stage's `source`: "builtin:NAME?option=n" or a prepared folder."""
    address = urlsplit(source)
    if address.scheme == "builtin":
        options = {name: int(value) for name, value in parse_qsl(address.query)}
        return datasets.builtin(address.path, **options, reporter=reporter)
    return datasets.open_dataset(Path(source))


def prepare_stage(
    params: Params, inputs: Inputs, out_dir: Path, source: str, _: torch.device, reporter: Reporter
) -> dict[str, Any]:
    """All images at the student's size, as one memory-mapped array, with the dataset's table."""
    dataset = open_source(source, reporter)
    prepare(dataset, out_dir, size=params["size"], reporter=reporter)
    return {"images": len(dataset), "classes": list(dataset.classes)}


def fit_stage(
    params: Params, inputs: Inputs, out_dir: Path, _: str, device: torch.device, reporter: Reporter
) -> dict[str, Any]:
    """A tokenizer fitted on pool and training images, or loaded from weights; the tuning of a
    domain-clip goes on where it was stopped."""
    base = fitting.load(inputs["base"]) if "base" in inputs else None
    tokenizer = fitting.fit(
        params["tokenizer"],
        load_prepared(inputs["dataset"]),
        size=params["size"],
        patch_size=params["patch_size"],
        seed=params["seed"],
        base=base,
        device=device,
        reporter=reporter,
        checkpoints=out_dir / CHECKPOINTS,
    )
    fitting.save(tokenizer, out_dir)
    return {"tokenizer": params["tokenizer"], "config": tokenizer.config()}


def tokenize_stage(
    params: Params, inputs: Inputs, out_dir: Path, _: str, device: torch.device, reporter: Reporter
) -> dict[str, Any]:
    """Tokens of every pretraining image and view, written once."""
    dataset = load_prepared(inputs["dataset"])
    rows = dataset.indices("pool", "train")
    tokenizer = fitting.load(inputs["tokenizer"]).to(device)
    write(
        tokenizer,
        pixels(dataset),
        rows,
        out_dir,
        views=tuple(params["views"]),
        crop_scale=tuple(params.get("crop_scale", WHOLE)),
        size=params.get("size"),
        device=device,
        reporter=reporter,
    )
    return {"tokenizer": tokenizer.name, "rows": len(rows), "views": params["views"]}


def init_stage(
    params: Params, inputs: Inputs, out_dir: Path, source: str, _: torch.device, __: Reporter
) -> dict[str, Any]:
    """A student's first weights from elsewhere, in its own sizes; `source` is their file."""
    facts = dict(params["init"])
    if source:
        check_unchanged(Path(source), facts["weights"])
        facts["weights"] = source
    earlier = inputs["encoder"] / "encoder" if "encoder" in inputs else None
    vit = start_from(Init(**facts), Student(**params["student"]), earlier)
    save_encoder(vit, out_dir / "encoder")
    return {"parameters": sum(p.numel() for p in vit.parameters())}


def pretrain_stage(
    params: Params, inputs: Inputs, out_dir: Path, _: str, device: torch.device, reporter: Reporter
) -> dict[str, Any]:
    """One student pretrained on cached tokens, or with the tokenizer in every step; resumes from
    `out_dir` where it was stopped."""
    dataset = load_prepared(inputs["dataset"])
    rows = dataset.indices("pool", "train")
    recipe = recipe_from(params["recipe"])
    tokens = _tokens(inputs, dataset, rows, recipe, device, reporter)
    result = pretrain(
        pixels(dataset),
        tokens,
        recipe,
        rows=rows,
        method=params["method"],
        seed=params["seed"],
        out_dir=out_dir,
        device=device,
        reporter=reporter,
        init=load_encoder(inputs["init"] / "encoder") if "init" in inputs else None,
    )
    teacher_flops = tokens.flops_per_image if isinstance(tokens, Online) else 0.0
    return {
        "steps": result.steps,
        "images_seen": result.images_seen,
        "images_per_second": result.images_per_second,
        "flops_per_image": result.flops_per_image,
        "precision": result.precision,
        "micro_batch": result.micro_batch,
        "flops": (result.flops_per_image + teacher_flops) * result.images_seen,
    }


def _tokens(
    inputs: Inputs,
    dataset: ImageDataset,
    rows: np.ndarray,
    recipe: Recipe,
    device: torch.device,
    reporter: Reporter,
) -> TokenCache | Online:
    """What the pretraining predicts: the cache, or the tokenizer itself for online crops."""
    if "tokens" in inputs:
        return TokenCache.open(inputs["tokens"])
    return Online(
        fitting.load(inputs["tokenizer"]),
        pixels(dataset),
        rows,
        size=recipe.student.image_size,
        device=device,
        reporter=reporter,
    )


def features_stage(
    params: Params, inputs: Inputs, out_dir: Path, _: str, device: torch.device, reporter: Reporter
) -> dict[str, Any]:
    """What a frozen encoder makes of every labelled image, once for all that is read out of it."""
    dataset, encoder = load_prepared(inputs["dataset"]), encoder_of(params, inputs)
    found = features_of(encoder.to(device), dataset, device=device, reporter=reporter)
    save_file(found, out_dir / FEATURES)
    return {split: list(of_split.shape) for split, of_split in found.items()}


def read_out_stage(protocol: str) -> StageFunction:
    """The stage that reads the classes out of features, at every budget and label seed."""

    def run(
        params: Params, inputs: Inputs, out_dir: Path, _: str, __: torch.device, reporter: Reporter
    ) -> dict[str, Any]:
        dataset = load_prepared(inputs["dataset"])
        runs = read_out(
            load_file(inputs["features"] / FEATURES),
            dataset,
            protocol=protocol,
            transfer=Transfer(**_tuples(params["transfer"])),
            label_seeds=list(range(params["label_seeds"])),
            reporter=reporter,
        )
        _write_runs(runs, dataset, out_dir)
        return {"runs": [_run_facts(r) for r in runs]}

    return run


def finetune_stage(
    params: Params, inputs: Inputs, out_dir: Path, _: str, device: torch.device, reporter: Reporter
) -> dict[str, Any]:
    """One encoder fine-tuned at every budget and label seed; goes on where it was stopped."""
    dataset = load_prepared(inputs["dataset"])
    runs = transfer(
        encoder_of(params, inputs).to(device),
        dataset,
        protocol="finetune",
        transfer=Transfer(**_tuples(params["transfer"])),
        label_seeds=list(range(params["label_seeds"])),
        device=device,
        reporter=reporter,
        keep=out_dir / CHECKPOINTS,
    )
    _write_runs(runs, dataset, out_dir)
    return {"runs": [_run_facts(r) for r in runs]}


def evaluate_stage(
    params: Params, inputs: Inputs, out_dir: Path, _: str, __: torch.device, reporter: Reporter
) -> dict[str, Any]:
    """Every metric of one arm with its interval over seeds and test images."""
    dataset = load_prepared(inputs["dataset"])
    test = labelled(dataset, "test")
    groups = dataset.groups[test] if dataset.groups is not None else None
    cells = read_cells({role: path for role, path in inputs.items() if role != "dataset"})
    results = []
    for done, ((protocol, budget), probabilities) in enumerate(sorted(cells.items())):
        reporter.check()
        for metric in METRICS:
            interval = estimate(
                metric,
                probabilities,
                dataset.labels[test],
                groups=groups,
                draws=params["bootstrap"],
                seed=0,
            )
            results.append(_result(dataset.task, protocol, budget, metric, interval))
        reporter.progress(done + 1, len(cells))
    (out_dir / "results.json").write_text(json.dumps(results))
    return {"results": results}


STAGES: dict[str, StageFunction] = {
    "prepare": prepare_stage,
    "fit": fit_stage,
    "tokenize": tokenize_stage,
    "init": init_stage,
    "pretrain": pretrain_stage,
    "features": features_stage,
    "probe": read_out_stage("probe"),
    "knn": read_out_stage("knn"),
    "finetune": finetune_stage,
    "evaluate": evaluate_stage,
}


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """A Recipe back from the plain JSON of a stage's parameters."""
    plain = _tuples({k: v for k, v in values.items() if k != "student"})
    return Recipe(student=Student(**_tuples(values["student"])), **plain)


Cells = dict[tuple[str, str], list[list[np.ndarray]]]  # [pretraining seed][label seed] -> (n, C)


def read_cells(folders: Mapping[str, Path], split: str = "test") -> Cells:
    """Predictions of one arm by (protocol, label budget); folders are named "protocol:seed"."""
    cells: Cells = defaultdict(list)
    for role in sorted(folders, key=lambda r: (r.split(":")[0], int(r.split(":")[1]))):
        by_budget = read_predictions(folders[role], split)
        for budget, by_label_seed in by_budget.items():
            cells[role.split(":")[0], budget].append(by_label_seed)
    return dict(cells)


def read_predictions(folder: Path, split: str) -> dict[str, list[np.ndarray]]:
    """Label budget -> one (n, C) array of class probabilities for each label seed, in row order."""
    path = folder / "predictions.parquet"
    if not path.is_file():
        raise UserError(
            f"Predictions are missing on the disk ({path}). Submit the same pilot again: "
            "only what is missing is run.",
            code="missing-predictions",
            path=str(path),
        )
    table = pq.read_table(path, filters=[("split", "==", split)])
    found: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
    budgets = np.asarray(table["label_budget"].to_pylist())
    seeds = table["label_seed"].to_numpy()
    flat = table["probabilities"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    values = flat.reshape(len(table), -1)  # (rows, C)
    for budget in dict.fromkeys(budgets):
        for seed in np.unique(seeds[budgets == budget]):
            found[str(budget)][int(seed)] = values[(budgets == budget) & (seeds == seed)]
    return {b: [by_seed[s] for s in sorted(by_seed)] for b, by_seed in found.items()}


def encoder_of(params: Params, inputs: Inputs) -> Encoder:
    """The network that a transfer stage tries, as its parameters and inputs say."""
    role = params["role"]
    if role == "scratch":
        shape = Student(**_tuples(params["student"]))
        return student(build_vit(shape, torch.Generator().manual_seed(params["seed"])))
    if role == "student":
        return student(load_encoder(inputs["encoder"] / "encoder"))
    tokenizer = fitting.load(inputs["encoder"])
    return frozen(tokenizer) if role == "frozen" else recogniser(tokenizer)


def _write_runs(runs: list[Run], dataset: ImageDataset, out_dir: Path) -> None:
    """predictions.parquet: one row per (budget, label seed, split, image)."""
    tables = []
    for run in runs:
        for split in ("val", "test"):
            values = getattr(run.predictions, split)  # (n, C)
            n, classes = values.shape
            flat = pa.array(values.astype(np.float32).reshape(-1))
            tables.append(
                pa.table(
                    {
                        "label_budget": pa.array([str(run.label_budget)] * n),
                        "label_seed": pa.array(np.full(n, run.label_seed, np.int32)),
                        "split": pa.array([split] * n),
                        "id": pa.array(dataset.ids[labelled(dataset, split)].astype(str)),
                        "probabilities": pa.FixedSizeListArray.from_arrays(flat, classes),
                    }
                )
            )
    pq.write_table(pa.concat_tables(tables), out_dir / "predictions.parquet")


def _run_facts(run: Run) -> dict[str, Any]:
    return {
        "label_budget": str(run.label_budget),
        "label_seed": run.label_seed,
        "labels_used": run.labels_used,
        "chosen": run.predictions.chosen,
    }


def _result(
    task: str, protocol: str, budget: str, metric: str, interval: Interval
) -> dict[str, Any]:
    return {
        "task": task,
        "protocol": protocol,
        "label_budget": budget,
        "metric": metric,
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n_seeds": interval.n_pretrain_seeds,
        "covers": list(interval.covers),
    }


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON lists back to the tuples that frozen recipes hold."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
