"""Make, keep and load tokenizers. Fitting sees pool and training images, never others.

This module needs torch; `digpt.tokenizers.names` holds the grammar and facts and needs nothing.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from digpt.data.dataset import ImageDataset
from digpt.errors import UserError, pick
from digpt.reporter import Reporter
from digpt.tokenizers import domain_clip, tuned_clip
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.clip import Clip, check_clip, load_clip, untrained_clip
from digpt.tokenizers.codebook import Codebook, sample_size
from digpt.tokenizers.filters import Filters
from digpt.tokenizers.hog import Hog
from digpt.tokenizers.names import TokenizerName, parse
from digpt.tokenizers.pixels import Pixels
from digpt.tokenizers.portions import at_once, fewer
from digpt.tokenizers.recogniser import Recogniser, initialise
from digpt.tokenizers.timm import Timm, check_timm, load_timm, untrained_timm

BATCH = 256
MOST_IMAGES = 4_000  # for statistics: more do not move principal components


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a family's builder is given."""

    name: TokenizerName
    dataset: ImageDataset
    size: int
    patch_size: int
    seed: int
    base: Tokenizer | None
    device: torch.device
    reporter: Reporter
    checkpoints: Path | None

    def batches(self, most: int | None = None, batch: int = BATCH) -> Iterator[Tensor]:
        """Pool and training images (B, 3, S, S) in [0, 1], at most `most` spread over all."""
        batch = fewer(batch, self.size)
        rows = self.dataset.indices("pool", "train")
        if most is not None and len(rows) > most:
            rows = rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
        for start in range(0, len(rows), batch):
            self.reporter.check()
            pixels = self.dataset.images.load(rows[start : start + batch], self.size)
            images = torch.tensor(pixels, device=self.device)  # copied: a memory map is read-only
            yield images.permute(0, 3, 1, 2).float() / 255
            self.reporter.progress(min(start + batch, len(rows)), len(rows))


def fit(
    name: str,
    dataset: ImageDataset,
    *,
    size: int,
    patch_size: int,
    seed: int,
    base: Tokenizer | None = None,
    device: torch.device,
    reporter: Reporter,
    checkpoints: Path | None = None,
) -> Tokenizer:
    """The tokenizer of that name for images of `size` and a student's patches of `patch_size`.

    checkpoints: folder from which a tuning that was stopped goes on.
    """
    parsed = parse(name)
    task = Task(
        name=parsed,
        dataset=dataset,
        size=size,
        patch_size=patch_size,
        seed=seed,
        base=base,
        device=device,
        reporter=reporter,
        checkpoints=checkpoints,
    )
    return pick(BUILDERS, parsed.family, "tokenizer")(task).eval()


def check(name: str) -> None:
    """Raise a UserError where `fit` could only fail: an unknown model, or weights that cannot be
    had. Nothing is downloaded."""
    part: TokenizerName | None = parse(name)
    is_tuned = False
    while part is not None and part.family != "random":
        if part.family == "clip":
            check_clip(part.canonical, part.argument or "", reads_texts=is_tuned)
        if part.family == "timm":
            check_timm(part.canonical, part.argument or "")
        is_tuned = part.tunes
        part = part.base


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokenizer.safetensors and tokenizer.json."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().cpu().contiguous() for k, v in tokenizer.state_dict().items()}
    save_file(state, folder / "tokenizer.safetensors")
    aside = folder / "tokenizer.tmp"  # the description is there whole, or not yet
    aside.write_text(json.dumps(_about(tokenizer)))
    aside.replace(folder / "tokenizer.json")


def load(folder: Path) -> Tokenizer:
    """The tokenizer that `save` wrote."""
    try:
        about = json.loads((folder / "tokenizer.json").read_text())
        state = load_file(folder / "tokenizer.safetensors")
    except (FileNotFoundError, json.JSONDecodeError, SafetensorError) as error:
        raise UserError(
            f"{folder} holds no complete tokenizer ({error}). Run the pilot again to make it.",
            code="no-tokenizer",
            field=str(folder),
        ) from error
    tokenizer = _rebuild(about["family"], about["config"])
    tokenizer.load_state_dict(state)
    return tokenizer.eval()


def _architecture(name: TokenizerName) -> str:
    """The family whose class this is: an untrained or tuned CLIP is built as a CLIP."""
    is_like_base = name.family in ("random", "domain-clip")
    return name.base.family if is_like_base and name.base else name.family


def _about(tokenizer: Tokenizer) -> dict[str, Any]:
    """What `load` needs before the weights; a codebook brings its base along."""
    config = tokenizer.config()
    if isinstance(tokenizer, Codebook):
        config["base"] = _about(tokenizer.base)
    return {"family": _architecture(parse(tokenizer.name)), "config": config}


def _pixels(task: Task) -> Tokenizer:
    return Pixels(name=task.name.canonical, image_size=task.size, patch_size=task.patch_size)


def _filters(task: Task) -> Tokenizer:
    made = Filters(name=task.name.canonical, image_size=task.size, patch_size=task.patch_size)
    made = made.to(task.device)
    count, total, square = 0, torch.zeros(()), torch.zeros(())
    for images in task.batches(MOST_IMAGES):
        responses = made.responses(images).flatten(0, 2).double().cpu()  # (n, R)
        count, total = count + len(responses), total + responses.sum(0)
        square = square + responses.T @ responses
    mean = total / count
    made.fit((square / count - torch.outer(mean, mean)).float(), mean.float())
    return made


def _hog(task: Task) -> Tokenizer:
    return Hog(name=task.name.canonical, image_size=task.size, patch_size=task.patch_size)


def _clip(task: Task) -> Tokenizer:
    return load_clip(task.name.canonical, task.name.argument or "", task.name.option("layer"))


def _timm(task: Task) -> Tokenizer:
    name = task.name
    layer, size = name.option("layer"), name.option("size")
    return load_timm(name.canonical, name.argument or "", layer, size)


def _random(task: Task) -> Tokenizer:
    """Untrained: the network of the base, or the domain-clip tower where no base is named."""
    base = task.name.base
    if base is not None:
        asked = {key: base.option(key) for key in base.facts.options}
        untrained = untrained_clip if base.family == "clip" else untrained_timm
        return untrained(task.name.canonical, base.argument or "", task.seed, **asked)
    made = Recogniser(name=task.name.canonical, image_size=task.size, patch_size=task.patch_size)
    initialise(made, torch.Generator().manual_seed(task.seed))
    return made


def _domain_clip(task: Task) -> Tokenizer:
    """From scratch and small, or a published CLIP tuned."""
    base = task.name.base
    if base is not None:
        blocks = task.name.option("blocks")
        return tuned_clip.tune(
            task.name.canonical,
            task.dataset,
            task.name.argument,
            base,
            blocks=None if blocks == "all" else int(blocks),
            size=task.size,
            seed=task.seed,
            device=task.device,
            reporter=task.reporter,
            checkpoints=task.checkpoints,
        )
    return domain_clip.train(
        task.name.canonical,
        task.dataset,
        task.name.argument,
        image_size=task.size,
        patch_size=task.patch_size,
        seed=task.seed,
        device=task.device,
        reporter=task.reporter,
    )


def _codebook(task: Task) -> Tokenizer:
    assert task.base is not None, "the plan gives every codebook its base"
    made = Codebook(
        name=task.name.canonical, base=task.base.cpu(), codes=int(task.name.argument or 0)
    )
    base, wanted = task.base.to(task.device), sample_size(made.dim)
    h, w = base.grid_size
    tokens = [
        base.encode(images).patches.flatten(0, 2).cpu()  # (n, D)
        for images in task.batches(max(wanted // (h * w), 1), at_once(base))
    ]
    made.base.cpu()
    made.fit(torch.cat(tokens), seed=task.seed, reporter=task.reporter)
    return made


def _load_codebook(config: dict[str, Any]) -> Tokenizer:
    base = config.pop("base")
    return Codebook(base=_rebuild(base["family"], base["config"]), **config)


def _rebuild(family: str, config: dict[str, Any]) -> Tokenizer:
    return pick(LOADERS, family, "tokenizer")(dict(config))


BUILDERS: Mapping[str, Callable[[Task], Tokenizer]] = {
    "pixels": _pixels,
    "filters": _filters,
    "hog": _hog,
    "clip": _clip,
    "timm": _timm,
    "random": _random,
    "domain-clip": _domain_clip,
    "codebook": _codebook,
}
LOADERS: Mapping[str, Callable[[dict[str, Any]], Tokenizer]] = {
    "pixels": lambda config: Pixels(**config),
    "filters": lambda config: Filters(**config),
    "hog": lambda config: Hog(**config),
    "clip": lambda config: Clip(**config),
    "timm": lambda config: Timm(**config),
    "random": lambda config: Recogniser(**config),
    "domain-clip": lambda config: Recogniser(**config),
    "codebook": _load_codebook,
}
