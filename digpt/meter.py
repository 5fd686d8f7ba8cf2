"""What a stage used: device-seconds, CPU time, memory, images, FLOPs and energy."""

import resource
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch.utils.flop_counter import FlopCounterMode

SAMPLE_SECONDS = 0.05
_RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One metered block."""

    device_type: str  # cpu, cuda, mps
    device_seconds: float  # occupied: wall time × devices; on CPU a device is one worker
    cpu_seconds: float  # of all threads of this process
    peak_memory_bytes: int  # CUDA: most allocated; CPU: most resident, of the whole process
    images: int
    images_per_second: float | None  # None where no images were counted
    flops: int | None  # None where none were counted
    threads: int
    energy_joules: float | None  # None where nothing measures it
    energy_source: str  # "NVML", "RAPL, by share of CPU time", or "none"


class Meter:
    """Meters the block that it is entered for; read `reading` afterwards.

    >>> with Meter("cpu") as meter:
    ...     meter.images(10)
    >>> meter.reading.images
    10
    """

    def __init__(self, device: torch.device | str, *, devices: int = 1) -> None:
        self.device = torch.device(device)
        self.devices = devices
        self._images = 0
        self._flops: int | None = None
        self._reading: Reading | None = None

    def images(self, count: int) -> None:
        """`count` more images went through."""
        self._images += count

    def flops(self, count: int) -> None:
        """`count` more floating-point operations, as `count_flops` counts them."""
        self._flops = (self._flops or 0) + count

    @property
    def reading(self) -> Reading:
        """What the block used; there is one once the block is left, also by an error."""
        if self._reading is None:
            raise RuntimeError("The metered block is still running.")
        return self._reading

    def __enter__(self) -> Self:
        self._synchronise()
        self._memory = _CudaPeak(self.device) if self.device.type == "cuda" else _ResidentPeak()
        self._energy = _energy_counter(self.device)
        self._cpu_start, self._start = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # a failed kernel shows again here and must not hide the error
            self._synchronise()
        seconds = time.perf_counter() - self._start
        joules = self._energy.joules() if self._energy else None
        self._reading = Reading(
            device_type=self.device.type,
            device_seconds=seconds * self.devices,
            cpu_seconds=time.process_time() - self._cpu_start,
            peak_memory_bytes=self._memory.stop(),
            images=self._images,
            images_per_second=self._images / seconds if self._images else None,
            flops=self._flops,
            threads=torch.get_num_threads(),
            energy_joules=joules,
            energy_source=self._energy.source if self._energy and joules is not None else "none",
        )

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def count_flops(run: Callable[[], object]) -> int:
    """Floating-point operations of one call: 2 for each multiply-add, backward passes included.

    Counts matrix products, convolutions and attention; attention counts whole, masked or not.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one kernel that the counter does not know
    try:
        with FlopCounterMode(display=False) as counter:
            run()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops()


class _CudaPeak:
    """Most memory allocated on a CUDA device since it was made."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        torch.cuda.reset_peak_memory_stats(device)

    def stop(self) -> int:
        return torch.cuda.max_memory_allocated(self._device)


class _ResidentPeak:
    """Most memory resident in this process since it was made, sampled by a thread.

    The kernel's own high-water mark cannot be reset without disturbing another meter.
    """

    def __init__(self) -> None:
        self._most = _resident_bytes()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="meter", daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self._most = max(self._most, _resident_bytes())

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return max(self._most, _resident_bytes())


def _resident_bytes() -> int:
    """Memory of this process now; where /proc is missing (macOS), the most it ever had."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _energy_counter(device: torch.device) -> "_Nvml | _Rapl | None":
    """A counter of the energy that this device uses, where the machine has one."""
    if device.type == "cuda":
        return _Nvml.open(device)
    return _Rapl.open() if device.type == "cpu" else None


class _Nvml:
    """Energy of one NVIDIA device, from its own counter."""

    source = "NVML"

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle
        self._start = self._millijoules()

    @classmethod
    def open(cls, device: torch.device) -> "_Nvml | None":
        try:
            import pynvml  # noqa: PLC0415  # pyright: ignore[reportMissingImports] - optional
        except ImportError:
            return None
        try:
            pynvml.nvmlInit()
            uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
            return cls(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
        except pynvml.NVMLError:  # no permission, or a device without the counter
            return None

    def joules(self) -> float | None:
        try:
            return (self._millijoules() - self._start) / 1000
        except self._nvml.NVMLError:
            return None

    def _millijoules(self) -> int:
        return self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)


class _Rapl:
    """Energy of all CPU packages, of which this process is charged its share of the CPU time."""

    source = "RAPL, by share of CPU time"

    def __init__(self, packages: list[Path]) -> None:
        self._packages = packages
        self._start = [_number(p / "energy_uj") for p in packages]
        self._busy, self._own = _busy_seconds(), time.process_time()

    @classmethod
    def open(cls) -> "_Rapl | None":
        packages = [p for p in _RAPL.glob("intel-rapl:*") if p.name.count(":") == 1]
        try:
            return cls(packages) if packages else None
        except OSError:  # readable by root only on most systems
            return None

    def joules(self) -> float | None:
        try:
            used = [
                (_number(p / "energy_uj") - start) % (_number(p / "max_energy_range_uj") + 1)
                for p, start in zip(self._packages, self._start, strict=True)
            ]
            busy = _busy_seconds() - self._busy
        except OSError:
            return None
        own = time.process_time() - self._own
        return sum(used) / 1e6 * (min(1.0, own / busy) if busy > 0 else 1.0)


def _number(path: Path) -> int:
    return int(path.read_text())


def _busy_seconds() -> float:
    """CPU time that the whole machine has worked, from the first line of /proc/stat."""
    user, nice, system, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system) / 100  # in hundredths on every Linux that has RAPL
