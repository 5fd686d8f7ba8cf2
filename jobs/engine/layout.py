"""How stages share a machine or a cluster: how many run side by side, and what each one gets."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from digpt.errors import UserError
from jobs.settings import Settings
from jobs.store import Store

CLUSTER_KEY = "cluster"
DRIVERS = (Path("/proc/driver/nvidia"), Path("/dev/dxg"))  # Linux; WSL2


@dataclass(frozen=True, slots=True)
class Layout:
    """`slots` stages side by side, each with `threads` CPU cores and a share of a GPU."""

    slots: int
    threads: int
    gpu: float = 0.0

    @property
    def held(self) -> float:
        """What a stage is charged for: its share of a GPU, else its cores."""
        return self.gpu or float(self.threads)


def lay_out(wanted: int, cpus: int, gpus: int) -> Layout:
    """As many slots as are wanted, else one for each GPU, else one for each core.

    Errors: UserError where there are fewer cores than slots.
    """
    slots = wanted or gpus or cpus
    if slots < 1 or slots > cpus:
        raise UserError(
            f"{max(slots, 1)} stages side by side need as many CPUs; Ray offers {cpus}. "
            "Set DIGPT_SLOTS lower, or use a larger cluster.",
            code="no-resources",
            field="slots",
            slots=max(slots, 1),
            cpus=cpus,
        )
    share = min(1.0, int(1000 * gpus / slots) / 1000) if gpus else 0.0
    return Layout(slots, max(1, cpus // slots), share)


def layout(settings: Settings, store: Store) -> Layout:
    """Of the cluster as it was last met, else of this machine, where our own head offers at least
    as many CPUs as slots are wanted."""
    met = met_cluster(settings, store)
    if met:
        return lay_out(settings.slots, met["cpus"], met["gpus"])
    return lay_out(settings.slots, max(settings.slots, cpu_count()), gpu_count())


def met_cluster(settings: Settings, store: Store) -> Mapping[str, Any] | None:
    """What the supervisor wrote of the cluster in use: `cpus`, `gpus` and the `calibration` of a
    worker; None of our own head, and of a cluster that was never met."""
    met = store.get_value(CLUSTER_KEY) if settings.ray_address else None
    return met if met and met["address"] == settings.ray_address else None


def cpu_count() -> int:
    """CPUs this process may use, which in a container are fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@cache
def gpu_count() -> int:
    """CUDA devices of this machine; torch is asked only where there is a driver."""
    if not any(path.exists() for path in DRIVERS):
        return 0
    import torch  # noqa: PLC0415 - seconds to import

    return torch.cuda.device_count()
