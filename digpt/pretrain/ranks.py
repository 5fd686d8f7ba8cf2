"""The processes that train together: one for each device under torchrun, else this one alone.

Each computes the gradients of its part of every batch; sums of gradients are exchanged once, after
the last part. So a process that runs out of memory can go on in smaller parts while the others
wait, which hooks that exchange during the backward pass would not allow.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from digpt.errors import Cancelled, UserError
from digpt.reporter import Quiet, Reporter

PATIENCE = timedelta(days=2)  # the others wait while the first process reads pictures


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which of how many processes this is."""

    index: int = 0
    count: int = 1

    @staticmethod
    def joined() -> "Ranks":
        """Those of torch's process group, if this process is in one."""
        if not (dist.is_available() and dist.is_initialized()):
            return Ranks()
        return Ranks(dist.get_rank(), dist.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this is the one that reports, and writes files."""
        return self.index == 0

    def own(self, count: int) -> range:
        """This process's part of `count` things."""
        return range(self.index * count // self.count, (self.index + 1) * count // self.count)

    def check_share(self, batch_size: int) -> None:
        """Raise `UserError` unless every process has an image of each batch to compute."""
        if self.count > batch_size:
            raise UserError(
                f"A batch of {batch_size} cannot be shared by {self.count} processes. Start fewer,"
                " or set a larger batch_size.",
                field="batch_size",
            )

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, total in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def any(self, claim: bool) -> bool:
        """Whether the claim is true in any process; on the CPU, so that no device is waited for."""
        if self.count == 1:
            return claim
        claims = torch.tensor(float(claim))
        dist.all_reduce(claims)
        return bool(claims > 0)

    def wait(self) -> None:
        """Until every process is here."""
        self.any(False)

    def check(self, reporter: Reporter) -> None:
        """Raise `Cancelled` in every process at the same step, once one of them should stop."""
        if self.count == 1:
            return reporter.check()
        asked = None
        try:
            reporter.check()
        except Cancelled as error:
            asked = error
        if self.any(asked is not None):
            raise Cancelled("a process was asked to stop") from asked

    def reporter(self, reporter: Reporter) -> Reporter:
        """The reporter of the first process; the others only listen, and say what is wrong."""
        return reporter if self.is_first else _Listener(self.index, reporter)


class _Listener(Quiet):
    def __init__(self, index: int, reporter: Reporter) -> None:
        self._index, self._reporter = index, reporter

    def log(self, message: str, level: str = "info") -> None:
        if level != "info":
            self._reporter.log(f"Process {self._index}: {message}", level)

    def check(self) -> None:
        self._reporter.check()


@contextlib.contextmanager
def torchrun(device_type: str) -> Iterator[torch.device]:
    """Join the processes that torchrun started, if it did, and give this one's device."""
    if not dist.is_torchelastic_launched():
        yield torch.device(device_type)
        return
    device = torch.device(device_type)
    if device_type == "cuda":
        index = dist.get_node_local_rank()  # pyright: ignore[reportPrivateImportUsage] - documented
        device = torch.device("cuda", index)
        torch.cuda.set_device(device)
    # counts and claims stay on the CPU, gradients on their device
    backend = "cpu:gloo,cuda:nccl" if device_type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield device
    finally:
        dist.destroy_process_group()
