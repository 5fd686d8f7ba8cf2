"""How fast this device multiplies matrices: the yardstick of every estimate."""

import time

import torch

from digpt.threads import threads as on_threads
from jobs.money.estimate import Calibration

SIZE = 512  # large enough to reach the matrix peak of a core, small enough for many repeats


def calibrate(device: str, threads: int, seconds: float = 0.5) -> Calibration:
    """GEMM GFLOP/s of a device; on a CPU with that many threads, the number that a stage has.
    Takes about `seconds`, at most 1."""
    target = torch.device(device)
    with on_threads(threads):
        rate = _rate(target, min(seconds, 1.0))
    return Calibration("cpu" if target.type == "cpu" else _name(target), threads, rate / 1e9)


def _rate(target: torch.device, seconds: float) -> float:
    """FLOP/s of the fastest of many products."""
    size = SIZE if target.type == "cpu" else 8 * SIZE
    left, right = torch.ones(size, size, device=target), torch.ones(size, size, device=target)
    _multiply(left, right, target)  # warm-up: libraries load, clocks rise
    fastest, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        _multiply(left, right, target)
        fastest = min(fastest, time.perf_counter() - start)
    return 2 * size**3 / fastest


def _multiply(left: torch.Tensor, right: torch.Tensor, device: torch.device) -> None:
    torch.mm(left, right)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
