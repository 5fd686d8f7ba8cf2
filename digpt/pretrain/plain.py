"""A whole training without the engine: a folder of pictures in, an encoder out.

Everything lies in one output folder, so that the same call goes on where it was stopped:
`run.json` (what was asked and what came of it), `work/` (pixels, tokenizer and tokens) and
`checkpoints/` until it is done, then `encoder/`, `timm.safetensors`, `encoder.onnx`, `curve.csv`.
"""

import csv
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from digpt.data.dataset import ImageDataset
from digpt.data.images import ArrayImages
from digpt.data.pool import gather
from digpt.errors import UserError, pick
from digpt.init import parse_init
from digpt.models import METHODS, load_encoder
from digpt.models.export import check_onnx, save_onnx, save_timm, timm_call
from digpt.models.origins import start_from
from digpt.pretrain.acceleration import check_attention, check_compiler
from digpt.pretrain.loop import Result, pretrain
from digpt.pretrain.precision import resolve_precision
from digpt.pretrain.ranks import Ranks
from digpt.recipe import Recipe, without_off
from digpt.reporter import Reporter
from digpt.tokenizers import fitting
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.cache import ABOUT as CACHE
from digpt.tokenizers.cache import TokenCache, write
from digpt.tokenizers.names import TokenizerName, parse
from digpt.tokenizers.online import Online

RUN, WORK, TIMM, ONNX, CURVE = "run.json", "work", "timm.safetensors", "encoder.onnx", "curve.csv"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What a person asks for."""

    pictures: Path
    out: Path
    method: str
    tokenizer: str
    recipe: Recipe
    seed: int = 0
    init: str | None = None
    skip_bad: bool = False
    onnx: bool = False
    checkpoint_seconds: float = 60.0

    def identity(self) -> dict[str, Any]:
        """What must be equal for an output folder to belong to this order, as JSON."""
        facts = {
            "pictures": str(self.pictures.absolute()),
            "method": self.method,
            "tokenizer": self.tokenizer,
            "recipe": without_off(asdict(self.recipe)),
            "seed": self.seed,
            "init": self.init,
        }
        return json.loads(json.dumps(facts))


def check(order: Order, device: torch.device) -> None:
    """Raise `UserError` for what could only fail, before any picture is read."""
    pick(METHODS, order.method, "method")
    resolve_precision(order.recipe.precision, device)
    check_attention(order.recipe.attention, device)
    if order.recipe.compile:
        check_compiler(device)
    fitting.check(order.tokenizer)
    if order.init is not None and parse_init(order.init).family == "arm":
        raise UserError(
            f"Init {order.init!r} names an arm of a pilot, which this command knows nothing of."
            " Give its encoder as timm:MODEL@FILE, or run the pilot again with this init.",
            field="init",
        )
    if order.onnx:
        check_onnx()


def train(order: Order, device: torch.device, reporter: Reporter) -> Path:
    """Train, or go on, or find that it is done; the output folder.

    In a process group the first process prepares, and the others read what it made.
    """
    ranks = Ranks.joined()
    reporter = ranks.reporter(reporter)
    if not ranks.is_first:
        ranks.wait()
    run, init = _open(order), None
    if not run["result"] and order.init:  # what is wrong with it is told before pictures are read
        init = start_from(parse_init(order.init), order.recipe.student)
    prepared = None if run["result"] else _prepare(order, run, device, reporter)
    if ranks.is_first:
        ranks.wait()
    if prepared is None:
        reporter.log(f"This run is done: {order.out} holds its encoder.")
        return order.out
    dataset, tokens = prepared
    reporter.log(f"Training {order.method} × {order.tokenizer} on {device}.")
    result = pretrain(
        _pixels(dataset),
        tokens,
        order.recipe,
        method=order.method,
        seed=order.seed,
        out_dir=order.out,
        device=device,
        reporter=reporter,
        checkpoint_seconds=order.checkpoint_seconds,
        init=init,
    )
    if ranks.is_first:
        _finish(order, run, result, reporter)
    ranks.wait()
    return order.out


def _open(order: Order) -> dict[str, Any]:
    """What the output folder says of its run; of a new one, what will be written there."""
    path = order.out / RUN
    new: dict[str, Any] = {"order": order.identity(), "fingerprint": None, "result": None}
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(run, dict) and run.keys() == new.keys()):
            raise ValueError("this command did not write it")
    except FileNotFoundError:
        return new
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}). Give another --out.") from error
    differing = [name for name, value in new["order"].items() if run["order"].get(name) != value]
    if differing:
        raise UserError(
            f"{order.out} belongs to another run (different: {', '.join(differing)}). Give another"
            " --out, or the same settings to go on with it.",
            code="foreign-run",
            field="out",
        )
    return run


def _prepare(
    order: Order, run: dict[str, Any], device: torch.device, reporter: Reporter
) -> tuple[ImageDataset, TokenCache | Online]:
    """Pixels and tokens, made where they are not there yet."""
    size = order.recipe.stored_size or order.recipe.student.image_size
    reporter.log(f"Reading the pictures in {order.pictures}.")
    dataset = gather(
        order.pictures,
        order.out / WORK / "pictures",
        size=size,
        skip_bad=order.skip_bad,
        reporter=reporter,
    )
    if run["fingerprint"] not in (None, dataset.fingerprint):
        raise UserError(
            f"The pictures in {order.pictures} have changed since this run began. Give another"
            " --out to begin anew.",
            code="changed-pictures",
            field="pictures",
        )
    if run["fingerprint"] is None:
        run["fingerprint"] = dataset.fingerprint
        _keep(order, run)
    return dataset, _tokens(order, dataset, device, reporter)


def _tokens(
    order: Order, dataset: ImageDataset, device: torch.device, reporter: Reporter
) -> TokenCache | Online:
    recipe, cache = order.recipe, order.out / WORK / "tokens"
    rows = np.arange(len(dataset))
    if recipe.crops != "online" and (cache / CACHE).exists():
        return TokenCache.open(cache)
    tokenizer = _tokenizer(order, dataset, device, reporter)
    if recipe.crops == "online":
        return Online(
            tokenizer,
            _pixels(dataset),
            rows,
            size=recipe.student.image_size,
            device=device,
            reporter=reporter,
        )
    reporter.log(f"Making tokens of {len(dataset):,} pictures with {order.tokenizer}.")
    write(
        tokenizer,
        _pixels(dataset),
        rows,
        cache,
        views=("identity",) if recipe.crops == "rois" else recipe.views,
        crop_scale=recipe.crop_scale if recipe.crops == "cached" else (1.0, 1.0),
        size=recipe.student.image_size,
        device=device,
        reporter=reporter,
    )
    return TokenCache.open(cache)


def _tokenizer(
    order: Order, dataset: ImageDataset, device: torch.device, reporter: Reporter
) -> Tokenizer:
    """The tokenizer as it was fitted before, or fitted now."""
    folder, student = order.out / WORK / "tokenizer", order.recipe.student
    if (folder / "tokenizer.json").exists():
        return fitting.load(folder)
    reporter.log(f"Fitting {order.tokenizer}.")

    def fitted(name: TokenizerName) -> Tokenizer:
        return fitting.fit(
            name.canonical,
            dataset,
            size=student.image_size,
            patch_size=student.patch_size,
            seed=order.seed,
            base=fitted(name.base) if name.base is not None and name.needs_base else None,
            device=device,
            reporter=reporter,
        )

    tokenizer = fitted(parse(order.tokenizer))
    fitting.save(tokenizer, folder)
    return tokenizer


def _pixels(dataset: ImageDataset) -> np.ndarray:
    assert isinstance(dataset.images, ArrayImages), "gather made this dataset"
    return dataset.images.array


def _finish(order: Order, run: dict[str, Any], result: Result, reporter: Reporter) -> None:
    """Write what others can load, note what came of it, and drop what was only on the way."""
    vit = load_encoder(result.encoder)
    save_timm(vit, order.out / TIMM)
    if order.onnx:
        reporter.log("Writing ONNX.")
        save_onnx(vit, order.out / ONNX)
    with (order.out / CURVE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(result.curve[0]))
        writer.writeheader()
        writer.writerows(result.curve)
    digest = hashlib.sha256((result.encoder / "encoder.safetensors").read_bytes()).hexdigest()
    run["result"] = {
        "steps": result.steps,
        "images_seen": result.images_seen,
        "images_per_second": result.images_per_second,
        "flops_per_image": result.flops_per_image,
        "precision": result.precision,
        "micro_batch": result.micro_batch,
        "loss": result.curve[-1]["loss"],
        "sha256": digest,
        "torch": torch.__version__,
    }
    _keep(order, run)
    shutil.rmtree(order.out / WORK)
    reporter.log(f"Done. The encoder: {timm_call(vit, str(order.out / TIMM))}")


def _keep(order: Order, run: dict[str, Any]) -> None:
    order.out.mkdir(parents=True, exist_ok=True)
    aside = order.out / f"{RUN}.tmp"
    aside.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    aside.replace(order.out / RUN)
