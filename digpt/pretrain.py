"""Pretraining: one loop for every method. Images and cached tokens in, an encoder out.

Everything random in step n (rows, views, cluster orders) is drawn from the seed and n alone, so a
resumed run needs no memory of random numbers: after step n it is where the other run was.
"""

import contextlib
import json
import math
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from digpt.checkpoint import Checkpoint, delete_checkpoints, read_checkpoint, write_checkpoint
from digpt.errors import Cancelled, UserError, pick
from digpt.models import METHODS, Losses, Method, normalise, save_encoder
from digpt.models.layers import initialise
from digpt.models.targets import Normalise, standardise, unchanged, whiten
from digpt.recipe import Recipe
from digpt.reporter import Reporter

VIEWS = ("identity", "flip")
TARGET_NORMS = ("none", "standardise", "whiten")
LOSSES = ("loss", "ar_loss", "visible_loss")
WHITENING_IMAGES = 2048
POINTS = 100  # of the curve
DIVERGED = 10.0  # times the first loss
_ROWS, _VIEWS, _ORDER, _WEIGHTS = range(4)  # streams of random numbers


class TokenSource(Protocol):
    """Cached tokens of N images in one or more views; `digpt.tokenizers.cache` writes them."""

    @property
    def dim(self) -> int: ...  # D, or the number of codes
    @property
    def codes(self) -> int | None: ...  # None for continuous tokens
    @property
    def grid_size(self) -> tuple[int, int]: ...
    @property
    def has_global(self) -> bool: ...
    @property
    def views(self) -> tuple[str, ...]: ...
    @property
    def mean(self) -> np.ndarray: ...  # (D,) over the training pool; for codes not used
    @property
    def std(self) -> np.ndarray: ...
    @property
    def global_mean(self) -> np.ndarray | None: ...
    @property
    def global_std(self) -> np.ndarray | None: ...

    def read(self, rows: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Tokens (B, h, w, D), or codes (B, h, w), and global tokens (B, D) of images `rows` (B,)
        in `views` (B,), each an index into `self.views`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A finished pretraining."""

    encoder: Path  # a folder for `load_encoder`
    curve: list[dict[str, float]]  # step, images, loss, lr and, where there are, the parts
    steps: int
    images_seen: int
    images_per_second: float
    flops_per_image: float  # forward and backward, of one training step
    precision: str


class Batch(NamedTuple):
    """One step's worth of data, on the host."""

    images: np.ndarray  # (B, S, S, 3) uint8
    tokens: np.ndarray
    global_token: np.ndarray | None


@dataclass(slots=True)
class _Run:
    """What changes while a run goes on."""

    model: Method
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0  # steps done
    parts: int = 1  # a batch is computed in so many parts, more after running out of memory
    seconds: float = 0.0
    flops_per_image: float = 0.0
    first_loss: float | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    recent: list[Tensor] = field(default_factory=list)  # (3,) per step since the last point


def pretrain(
    images: np.ndarray,
    tokens: TokenSource,
    recipe: Recipe,
    *,
    method: str,
    seed: int,
    out_dir: Path,
    device: torch.device,
    reporter: Reporter,
    checkpoint_seconds: float = 60.0,
    rows: np.ndarray | None = None,
    loss: str | None = None,
) -> Result:
    """Pretrain a student on `images` (uint8, (M, S, S, 3), may be a memory map) and their tokens.

    rows: (N,) which images the token source's rows are; all of them when not given.
    loss: of continuous tokens, "cosine", "mse" or "smooth-l1"; each method has its own default.
    Goes on from the newest checkpoint in `out_dir`, if there is one; on the CPU the end is bit for
    bit that of an uninterrupted run. Stopped by `Cancelled`, it writes a checkpoint first.
    """
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    _check_inputs(images, rows, tokens, recipe)
    feed = Feed(images, rows, tokens, recipe, seed)
    run = _start(tokens, recipe, method, seed, device, loss)
    trainer = _Trainer(
        run, feed, recipe, seed, device, _target_norms(tokens, len(rows), recipe, device)
    )
    identity = _identity(recipe, method, seed, len(rows), tokens, loss)
    checkpoints = out_dir / "checkpoints"
    checkpoint = read_checkpoint(checkpoints, reporter)
    if checkpoint is not None:
        _resume(run, checkpoint, identity, out_dir, reporter)
    else:
        run.flops_per_image = trainer.count_flops()
    _train(trainer, checkpoints, identity, checkpoint_seconds, reporter)
    save_encoder(run.model.encoder, out_dir / "encoder")
    delete_checkpoints(checkpoints)
    return Result(
        encoder=out_dir / "encoder",
        curve=run.curve,
        steps=run.step,
        images_seen=run.step * recipe.batch_size,
        images_per_second=run.step * recipe.batch_size / max(run.seconds, 1e-9),
        flops_per_image=run.flops_per_image,
        precision=trainer.precision,
    )


def steps_of(recipe: Recipe) -> int:
    """The number of steps in which at least `images_seen` images are seen."""
    return max(1, math.ceil(recipe.images_seen / recipe.batch_size))


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then a cosine to zero; `step` counts from 0."""
    steps = steps_of(recipe)
    warmup = round(recipe.warmup_share * steps)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * progress))


class Feed:
    """Batches by number: every epoch is a permutation, and a batch may span two of them."""

    def __init__(
        self, images: np.ndarray, rows: np.ndarray, tokens: TokenSource, recipe: Recipe, seed: int
    ) -> None:
        self.images, self.rows, self.tokens = images, rows, tokens
        self.batch_size, self.seed = recipe.batch_size, seed
        self.views = np.array([tokens.views.index(view) for view in recipe.views])
        self.flipped = np.array([view == "flip" for view in recipe.views])
        self._permutations: dict[int, np.ndarray] = {}

    def batch(self, step: int) -> Batch:
        """The batch of a step, the same whenever it is asked for."""
        chosen = self._chosen(step)  # (B,)
        rng = np.random.default_rng([self.seed, _VIEWS, step])
        views = rng.integers(len(self.views), size=self.batch_size)
        images = self.images[self.rows[chosen]]  # (B, S, S, 3)
        flipped = self.flipped[views]
        images[flipped] = images[flipped, :, ::-1]
        return Batch(images, *self.tokens.read(chosen, self.views[views]))

    def batches(self, start: int, stop: int) -> Generator[Batch, None, None]:
        """Batches `start` to `stop` - 1, each read while the one before is in use."""
        with ThreadPoolExecutor(max_workers=1) as reader:
            following = reader.submit(self.batch, start)
            for step in range(start, stop):
                current = following.result()
                if step + 1 < stop:
                    following = reader.submit(self.batch, step + 1)
                yield current

    def _chosen(self, step: int) -> np.ndarray:
        count = len(self.rows)
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs = range(places[0] // count, places[-1] // count + 1)
        return np.concatenate(
            [self._permutation(epoch)[places[places // count == epoch] % count] for epoch in epochs]
        )

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch not in self._permutations:
            self._permutations = {e: p for e, p in self._permutations.items() if e == epoch - 1}
            rng = np.random.default_rng([self.seed, _ROWS, epoch])
            self._permutations[epoch] = rng.permutation(len(self.rows))
        return self._permutations[epoch]


class _Trainer:
    """Takes steps: a batch to the device, losses, gradients, an update."""

    def __init__(
        self,
        run: _Run,
        feed: Feed,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        target_norms: tuple[Normalise, Normalise],
    ) -> None:
        self.run, self.feed, self.recipe, self.seed, self.device = run, feed, recipe, seed, device
        self.precision = resolve_precision(recipe.precision, device)
        self.normalise_tokens, self.normalise_global = target_norms
        self.parameters = list(run.model.parameters())

    def step(self, batch: Batch, reporter: Reporter) -> None:
        """One update; after running out of memory again in twice as many parts."""
        run = self.run
        while True:
            try:
                values = self._gradients(batch)
                break
            except torch.OutOfMemoryError as error:
                if run.parts * 2 > len(batch.images):
                    raise UserError(
                        "Out of memory even with one image at a time. Use a smaller student,"
                        " a smaller image or a larger device.",
                        code="out-of-memory",
                    ) from error
            run.optimizer.zero_grad()
            run.parts *= 2
            reporter.log(
                f"Out of memory: going on with {run.parts} parts per batch of"
                f" {self.recipe.batch_size}; the result of a step stays the same.",
                "warning",
            )
        self._update()
        run.recent.append(values)
        run.step += 1

    def count_flops(self) -> float:
        """FLOPs of forward and backward per image, counted on a few images."""
        few = Batch(*(None if part is None else part[:4] for part in self.feed.batch(0)))  # pyright: ignore[reportArgumentType] - only the global token may be None
        with FlopCounterMode(display=False) as counter:
            self._gradients(few)
        self.run.optimizer.zero_grad()
        return counter.get_total_flops() / len(few.images)

    def _gradients(self, batch: Batch) -> Tensor:
        """Gradients of a batch, summed over its parts; its losses (3,), NaN where there is none."""
        generator = torch.Generator().manual_seed(_mixed(self.seed, _ORDER, self.run.step))
        total = torch.zeros(len(LOSSES), device=self.device)
        for part in np.array_split(np.arange(len(batch.images)), self.run.parts):
            few = slice(part[0], part[-1] + 1)
            losses = self._losses(batch, few, generator)
            share = len(part) / len(batch.images)
            self.run.scaler.scale(losses.loss * share).backward()
            total += share * _values(losses)
        return total

    def _losses(self, batch: Batch, few: slice, generator: torch.Generator) -> Losses:
        images = self._to_device(batch.images[few]).permute(0, 3, 1, 2)  # (B, 3, S, S)
        images = normalise(images.float() / 255)
        tokens = self._to_device(batch.tokens[few])
        tokens = tokens.long() if self.feed.tokens.codes else self.normalise_tokens(tokens)
        global_token = None
        if batch.global_token is not None and self.feed.tokens.codes is None:
            global_token = self.normalise_global(self._to_device(batch.global_token[few]))
        with _autocast(self.precision, self.device):
            return self.run.model(images, tokens, global_token, generator=generator)

    def _update(self) -> None:
        run = self.run
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, run.step)
        if self.recipe.clip_norm:
            run.scaler.unscale_(run.optimizer)
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_norm)
        run.scaler.step(run.optimizer)
        run.scaler.update()
        run.optimizer.zero_grad()

    def _to_device(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)


def _train(
    trainer: _Trainer,
    checkpoints: Path,
    identity: dict[str, Any],
    checkpoint_seconds: float,
    reporter: Reporter,
) -> None:
    """All remaining steps, with points of the curve on the way and checkpoints by time."""
    run, recipe = trainer.run, trainer.recipe
    steps = steps_of(recipe)
    every = max(1, steps // POINTS)
    before, resumed_at = run.seconds, run.step
    started = saved = time.monotonic()

    def save() -> None:
        run.seconds = before + time.monotonic() - started
        _check_finite(run, recipe)
        write_checkpoint(checkpoints, _checkpoint(run, identity))

    run.model.train()
    try:
        with contextlib.closing(trainer.feed.batches(run.step, steps)) as batches:
            for batch in batches:
                reporter.check()
                trainer.step(batch, reporter)
                if run.step % every == 0 or run.step == steps:
                    _report(run, recipe, reporter)
                if time.monotonic() - saved >= checkpoint_seconds and run.step < steps:
                    save()
                    saved = time.monotonic()
    except Cancelled:
        if run.step > resumed_at:
            save()
        raise
    _check_finite(run, recipe)
    run.seconds = before + time.monotonic() - started
    run.model.eval()


def _report(run: _Run, recipe: Recipe, reporter: Reporter) -> None:
    """One point of the curve: means over the steps since the last one. Waits for the device."""
    recent = torch.stack(run.recent).cpu()  # (n, 3)
    _check_losses(recent[:, 0], run, recipe)
    means = dict(zip(LOSSES, recent.mean(dim=0).tolist(), strict=True))
    point = {name: value for name, value in means.items() if not math.isnan(value)}
    point["lr"] = learning_rate(recipe, run.step - 1)
    run.curve.append({"step": run.step, "images": run.step * recipe.batch_size, **point})
    run.recent.clear()
    reporter.metric(run.step, **point)
    reporter.progress(run.step * recipe.batch_size, steps_of(recipe) * recipe.batch_size)


def _check_losses(losses: Tensor, run: _Run, recipe: Recipe) -> None:
    """Raise `UserError` if the loss (n,) of a recent step is not finite or has run away."""
    run.first_loss = run.first_loss if run.first_loss is not None else float(losses[0])
    bad = (~losses.isfinite() | (losses > DIVERGED * run.first_loss)).nonzero()
    if len(bad):
        step = run.step - len(losses) + int(bad[0]) + 1
        raise _divergence(f"the loss became {float(losses[bad[0]]):.4g}", step, recipe)


def _check_finite(run: _Run, recipe: Recipe) -> None:
    """Raise `UserError` rather than keep weights that are not finite."""
    if run.recent:
        _check_losses(torch.stack(run.recent)[:, 0].cpu(), run, recipe)
    if not all(bool(parameter.isfinite().all()) for parameter in run.model.parameters()):
        raise _divergence("a weight became infinite or not a number", run.step, recipe)


def _divergence(what: str, step: int, recipe: Recipe) -> UserError:
    advice = f"lr (now {recipe.lr:g}; try {recipe.lr / 3:.2g})"
    if not recipe.clip_norm:
        advice += ", or set clip_norm to 1.0"
    if recipe.precision in ("fp16", "bf16"):
        advice += f", or use precision fp32 instead of {recipe.precision}"
    return UserError(
        f"Pretraining diverged: {what} at step {step} of {steps_of(recipe)}. Lower {advice}.",
        code="diverged",
        field="lr",
        step=step,
    )


def _start(
    tokens: TokenSource,
    recipe: Recipe,
    method: str,
    seed: int,
    device: torch.device,
    loss: str | None,
) -> _Run:
    """A model with weights from the seed, and its optimizer."""
    model = pick(METHODS, method, "method")(
        recipe.student,
        token_dim=tokens.dim,
        codes=tokens.codes,
        grid_size=tokens.grid_size,
        has_global=tokens.has_global,
        recipe=recipe,
        loss=loss,
    )
    initialise(model, torch.Generator().manual_seed(_mixed(seed, _WEIGHTS)))
    model.to(device)
    # matrices decay; biases, norms and learned tokens are vectors and do not
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=recipe.lr,
        betas=recipe.betas,
        fused=device.type in ("cpu", "cuda"),
    )
    is_scaled = resolve_precision(recipe.precision, device) == "fp16"
    return _Run(model, optimizer, torch.amp.GradScaler(device.type, enabled=is_scaled))


def _identity(
    recipe: Recipe, method: str, seed: int, count: int, tokens: TokenSource, loss: str | None
) -> dict[str, Any]:
    """What must be equal for a checkpoint to belong to a run."""
    facts = {
        "method": method,
        "seed": seed,
        "images": count,
        "recipe": asdict(recipe),
        "tokens": [tokens.dim, tokens.codes, *tokens.grid_size, tokens.has_global],
        "loss": loss,
    }
    return json.loads(json.dumps(facts))  # tuples as a checkpoint's JSON gives them back


def _setting() -> dict[str, Any]:
    """What must be equal for a resumed run to be bit for bit the same."""
    return {"torch": torch.__version__, "threads": torch.get_num_threads()}


def _checkpoint(run: _Run, identity: dict[str, Any]) -> Checkpoint:
    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    if run.recent:
        tensors["recent"] = torch.stack(run.recent)
    names = ("parts", "seconds", "flops_per_image", "first_loss", "curve")
    values = {name: getattr(run, name) for name in names}
    values |= {"identity": identity, "setting": _setting(), "scaler": run.scaler.state_dict()}
    return Checkpoint(run.step, tensors, values)


def _resume(
    run: _Run, checkpoint: Checkpoint, identity: dict[str, Any], out_dir: Path, reporter: Reporter
) -> None:
    """Put a run where the checkpoint was."""
    values, tensors = checkpoint.values, checkpoint.tensors
    if values["identity"] != identity:
        differing = [k for k, v in identity.items() if values["identity"].get(k) != v]
        raise UserError(
            f"The checkpoint in {out_dir} is of another run (different: {', '.join(differing)})."
            " Give an empty folder, or the same settings.",
            code="foreign-checkpoint",
        )
    if values["setting"] != _setting():
        reporter.log(
            f"Resuming under {_setting()}, begun under {values['setting']}: results will be"
            " equivalent, not bit for bit the same.",
            "warning",
        )
    model = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    run.model.load_state_dict(model)
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            states.setdefault(int(index), {})[key] = tensor
    groups = run.optimizer.state_dict()["param_groups"]
    run.optimizer.load_state_dict({"state": states, "param_groups": groups})
    run.scaler.load_state_dict(values["scaler"])
    for name in ("parts", "seconds", "flops_per_image", "first_loss", "curve"):
        setattr(run, name, values[name])
    device = next(run.model.parameters()).device
    run.recent = list(tensors["recent"].to(device)) if "recent" in tensors else []
    run.step = checkpoint.step
    reporter.log(f"Resumed after step {run.step}.")


def _target_norms(
    tokens: TokenSource, count: int, recipe: Recipe, device: torch.device
) -> tuple[Normalise, Normalise]:
    """How patch tokens and global tokens become targets."""
    if tokens.codes is not None or recipe.target_norm == "none":
        return unchanged, unchanged
    if recipe.target_norm == "standardise":
        patches = standardise(tokens.mean, tokens.std, device)
        if not tokens.has_global or tokens.global_mean is None or tokens.global_std is None:
            return patches, unchanged
        return patches, standardise(tokens.global_mean, tokens.global_std, device)
    rows = np.unique(np.linspace(0, count - 1, min(WHITENING_IMAGES, count)).astype(np.int64))
    sample, global_sample = tokens.read(rows, np.zeros(len(rows), dtype=np.int64))
    return (
        whiten(sample.reshape(-1, sample.shape[-1]), device),
        unchanged if global_sample is None else whiten(global_sample, device),
    )


def resolve_precision(precision: str, device: torch.device) -> str:
    """fp32, bf16 or fp16; "auto" is what the device does well."""
    if precision not in ("auto", "fp32", "bf16", "fp16"):
        raise UserError(
            f"Unknown precision {precision!r}. Available: auto, bf16, fp16, fp32.",
            field="precision",
        )
    if precision == "fp16" and device.type != "cuda":
        raise UserError("Precision fp16 needs a CUDA device. Use fp32 or auto.", field="precision")
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "fp32"  # bf16 without the instructions for it is 20 times slower on a CPU
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def _autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    if precision == "fp32":
        return contextlib.nullcontext()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=dtype)


def _values(losses: Losses) -> Tensor:
    """The losses that `LOSSES` names, (3,), without waiting for the device."""
    nan = losses.loss.new_full((), math.nan)
    found = [getattr(losses, name) for name in LOSSES]
    return torch.stack([nan if value is None else value.detach() for value in found]).float()


def _mixed(*numbers: int) -> int:
    """One seed from several numbers, such that near ones do not give related streams."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _check_inputs(
    images: np.ndarray, rows: np.ndarray, tokens: TokenSource, recipe: Recipe
) -> None:
    size = recipe.student.image_size
    if images.ndim != 4 or images.shape[1:] != (size, size, 3) or images.dtype != np.uint8:
        raise UserError(
            f"Images are {images.dtype} {images.shape}, but the student reads uint8"
            f" (N, {size}, {size}, 3). Prepare the dataset at size {size}, or set image_size.",
            field="image_size",
        )
    if not len(rows):
        raise UserError("There are no images to pretrain on.", code="no-images")
    for view in recipe.views:
        if view not in VIEWS or view not in tokens.views:
            raise UserError(
                f"View {view!r} is not in the token cache. Available:"
                f" {', '.join(v for v in tokens.views if v in VIEWS)}.",
                field="views",
            )
    if recipe.target_norm not in TARGET_NORMS:
        raise UserError(
            f"Unknown target_norm {recipe.target_norm!r}. Available: {', '.join(TARGET_NORMS)}.",
            field="target_norm",
        )
