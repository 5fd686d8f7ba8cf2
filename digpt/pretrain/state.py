"""What changes while a run goes on: made from the seed, kept in checkpoints, put back from them."""

import hashlib
import json
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digpt.checkpoint import Checkpoint
from digpt.errors import UserError, pick
from digpt.models import METHODS, Method, ViT
from digpt.models.layers import initialise
from digpt.pretrain.feed import TokenSource
from digpt.pretrain.precision import resolve_precision
from digpt.pretrain.randomness import WEIGHTS, mixed
from digpt.recipe import Recipe
from digpt.reporter import Reporter


@dataclass(slots=True)
class Run:
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
        recipe.student,
        token_dim=tokens.dim,
        codes=tokens.codes,
        grid_size=tokens.grid_size,
        has_global=tokens.has_global,
        recipe=recipe,
        loss=loss,
    )
    initialise(model, torch.Generator().manual_seed(mixed(seed, WEIGHTS)))
    if init is not None:
        model.encoder = deepcopy(init)
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
    return Run(model, optimizer, torch.amp.GradScaler(device.type, enabled=is_scaled))


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
        "recipe": asdict(recipe),
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


def _setting() -> dict[str, Any]:
    """What must be equal for a resumed run to be bit for bit the same."""
    return {"torch": torch.__version__, "threads": torch.get_num_threads()}


def to_checkpoint(run: Run, identity: dict[str, Any]) -> Checkpoint:
    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    if run.recent:
        tensors["recent"] = torch.stack(run.recent)
    names = ("parts", "seconds", "flops_per_image", "first_loss", "curve")
    values = {name: getattr(run, name) for name in names}
    values |= {"identity": identity, "setting": _setting(), "scaler": run.scaler.state_dict()}
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
