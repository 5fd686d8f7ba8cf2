"""What changes while a run goes on: made from the seed, kept in checkpoints, put back from them."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digpt.checkpoint import Checkpoint
from digpt.errors import UserError, pick
from digpt.models import METHODS, Method, Target, ViT
from digpt.models.average import Average
from digpt.models.layers import initialise
from digpt.pretrain.acceleration import checkpoint_blocks
from digpt.pretrain.feed import TokenSource
from digpt.pretrain.precision import resolve_precision
from digpt.pretrain.randomness import WEIGHTS, mixed
from digpt.recipe import Recipe, without_off
from digpt.reporter import Reporter
from digpt.threads import threads

FIRST_SCALE = 2.0**16  # of fp16 gradients; halved after each overflow
KEPT_BYTES = 2**30  # of activations on a CPU; 64 images of the quick recipe keep 40 MB


@dataclass(slots=True)
class Run:
    """What changes while a run goes on."""

    model: Method
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    micro_batch: int  # images computed at once; halved when memory runs out
    average: Average | None = None  # of the encoder
    step: int = 0  # steps done
    seconds: float = 0.0
    flops_per_image: float = 0.0
    first_loss: float | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    recent: list[Tensor] = field(default_factory=list)  # (3,) per step since the last point

    @property
    def encoder(self) -> ViT:
        """What pretraining is for: the encoder, or its average where there is one."""
        return self.average.module if self.average else self.model.encoder  # pyright: ignore[reportReturnType] - a copy of the encoder


def start(
    tokens: TokenSource,
    recipe: Recipe,
    method: str,
    seed: int,
    device: torch.device,
    loss: str | None,
    init: ViT | None = None,
) -> Run:
    """A model with weights from the seed, its encoder's from `init` where given; its optimizer."""
    model = pick(METHODS, method, "method")(
        recipe, Target(tokens.dim, tokens.codes, tokens.has_global), loss
    )
    initialise(model, torch.Generator().manual_seed(mixed(seed, WEIGHTS)))
    if recipe.zero_class_token:
        nn.init.zeros_(model.encoder.cls_token)
    if init is not None:
        model.encoder = deepcopy(init)
    model.to(device)
    average = Average(model.encoder, recipe.ema) if recipe.ema else None
    if recipe.activation_checkpointing:
        checkpoint_blocks(model)
    # matrices decay; biases, norms and, unless asked for, learned tokens are vectors and do not
    named = list(model.named_parameters())
    decaying = [p.ndim > 1 or (recipe.decay_tokens and n.endswith("token")) for n, p in named]
    decayed = [p for (_, p), decays in zip(named, decaying, strict=True) if decays]
    others = [p for (_, p), decays in zip(named, decaying, strict=True) if not decays]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=recipe.lr,
        betas=recipe.betas,
        fused=device.type in ("cpu", "cuda"),
    )
    is_scaled = resolve_precision(recipe.precision, device) == "fp16"
    return Run(
        model,
        optimizer,
        torch.amp.GradScaler(device.type, FIRST_SCALE, enabled=is_scaled),
        micro_batch=recipe.micro_batch
        or images_at_once(recipe, tokens.codes or tokens.dim, device),
        average=average,
    )


def images_at_once(recipe: Recipe, outputs: int, device: torch.device) -> int:
    """Of a batch, how many images are computed at once where the recipe does not say: all of them,
    or on a CPU what fits; a process that runs out of memory there is ended and cannot go on."""
    if device.type != "cpu":
        return recipe.batch_size
    student = recipe.student
    blocks = student.dim * student.depth + 2 * student.decoder_dim * student.decoder_depth
    numbers = 16 * blocks + 8 * outputs  # kept for each patch, about
    patches = (student.image_size // student.patch_size) ** 2
    return max(1, min(recipe.batch_size, KEPT_BYTES // (4 * numbers * patches)))


def identity_of(
    recipe: Recipe,
    method: str,
    seed: int,
    count: int,
    tokens: TokenSource,
    loss: str | None,
    init: ViT | None = None,
) -> dict[str, Any]:
    """What must be equal for a checkpoint to belong to a run."""
    facts = {
        "method": method,
        "seed": seed,
        "images": count,
        "recipe": without_off(asdict(recipe)),
        "tokens": [tokens.dim, tokens.codes, *tokens.grid_size, tokens.has_global],
        "loss": loss,
        "init": None if init is None else _digest(init),
    }
    return json.loads(json.dumps(facts))  # tuples as a checkpoint's JSON gives them back


def _digest(vit: ViT) -> str:
    """SHA-256 of an encoder's weights and positions."""
    digest = hashlib.sha256()
    for name, value in vit.state_dict().items():
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _setting(run: Run) -> dict[str, Any]:
    """What must be equal for a resumed run to be bit for bit the same, besides the threads."""
    device = next(run.model.parameters()).device.type
    return {"torch": torch.__version__, "device": device, "scaled": run.scaler.is_enabled()}


@contextlib.contextmanager
def threads_of(checkpoint: Checkpoint | None, reporter: Reporter) -> Iterator[None]:
    """As many threads as the run was begun with: sums come out bit for bit the same only so."""
    here = torch.get_num_threads()
    begun = checkpoint.values["threads"] if checkpoint else here
    if begun != here:
        reporter.log(
            f"Going on with {begun} threads, as the run was begun, instead of {here}: only so does"
            " it end bit for bit as if it had not been stopped.",
            "warning",
        )
    with threads(begun):
        yield


_KEPT = ("micro_batch", "seconds", "flops_per_image", "first_loss", "curve")  # values of a `Run`


def to_checkpoint(run: Run, identity: dict[str, Any]) -> Checkpoint:
    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    if run.average:
        averaged = run.average.module.state_dict()
        tensors |= {f"average.{name}": value for name, value in averaged.items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    if run.recent:
        tensors["recent"] = torch.stack(run.recent)
    values = {name: getattr(run, name) for name in _KEPT}
    values |= {"identity": identity, "setting": _setting(run), "scaler": run.scaler.state_dict()}
    values["threads"] = torch.get_num_threads()
    return Checkpoint(run.step, tensors, values)


def resume(
    run: Run, checkpoint: Checkpoint, identity: dict[str, Any], out_dir: Path, reporter: Reporter
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
    if values["setting"] != _setting(run):
        reporter.log(
            f"Resuming under {_setting(run)}, begun under {values['setting']}: results will be"
            " equivalent, not bit for bit the same.",
            "warning",
        )
    run.model.load_state_dict(_under("model.", tensors))
    if run.average:
        run.average.module.load_state_dict(_under("average.", tensors))
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            states.setdefault(int(index), {})[key] = tensor
    groups = run.optimizer.state_dict()["param_groups"]
    run.optimizer.load_state_dict({"state": states, "param_groups": groups})
    run.scaler.load_state_dict(values["scaler"])
    for name in _KEPT:
        setattr(run, name, values[name])
    device = next(run.model.parameters()).device
    run.recent = list(tensors["recent"].to(device)) if "recent" in tensors else []
    run.step = checkpoint.step
    reporter.log(f"Resumed after step {run.step}.")


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
