"""What changes while a CLIP is tuned: kept in checkpoints, put back from them, bit for bit on the
same CPU. Random numbers are not kept: what earlier steps drew is drawn again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digpt.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from digpt.reporter import Reporter

_KEPT = ("best", "at", "waited", "looked", "loss")


@dataclass(slots=True)
class TuningRun:
    """After `step` steps. `looked`: the last step after which the held-out images were looked at;
    `state`: the weights that told most of them, `best` of 1, after `at` steps; `waited`: looks
    since."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    state: dict[str, Tensor]
    best: float = 0.0
    at: int = 0
    waited: int = 0
    step: int = 0
    looked: int = 0
    loss: float = 0.0

    def learned(self) -> dict[str, Tensor]:
        """The weights that learn, copied."""
        learning = {n for n, p in self.model.named_parameters() if p.requires_grad}
        return {n: v.clone() for n, v in self.model.state_dict().items() if n in learning}

    def write(self, folder: Path, identity: Mapping[str, Any]) -> None:
        frozen = {n for n, p in self.model.named_parameters() if not p.requires_grad}
        now = {n: v for n, v in self.model.state_dict().items() if n not in frozen}
        tensors = {f"model.{n}": v for n, v in now.items()}
        tensors |= {f"state.{n}": v for n, v in self.state.items()}
        for index, kept in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{n}": v for n, v in kept.items()}
        values = {n: getattr(self, n) for n in _KEPT} | {"identity": dict(identity)}
        values["threads"] = torch.get_num_threads()
        write_checkpoint(folder, Checkpoint(self.step, tensors, values), keep=1)  # they are large

    def resume(self, checkpoint: Checkpoint, reporter: Reporter) -> None:
        """Go on where the checkpoint was."""
        tensors, device = checkpoint.tensors, next(self.model.parameters()).device
        self.model.load_state_dict(_under("model.", tensors), strict=False)
        self.state = {n: v.to(device) for n, v in _under("state.", tensors).items()}
        kept: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer.", tensors).items():
            index, _, key = name.partition(".")
            kept.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": kept, "param_groups": groups})
        for name in _KEPT:
            setattr(self, name, checkpoint.values[name])
        self.step = checkpoint.step
        reporter.log(f"Tuning goes on after step {self.step}.")


def checkpoint_of(
    folder: Path | None, identity: Mapping[str, Any], reporter: Reporter
) -> Checkpoint | None:
    """The newest checkpoint of the run that `identity` (plain JSON) describes, if there is one."""
    found = read_checkpoint(folder, reporter) if folder else None
    return found if found and found.values["identity"] == identity else None


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
