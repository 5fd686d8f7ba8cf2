"""How long 100,000 images take to come in: `python -m benchmarks.import_speed`.

Makes small pictures in a temporary folder (not timed), then runs `digpt data check` (the index:
every file is opened, decoded and hashed) and `digpt data add` (the index, and a copy in the home),
each as a process of its own. The bar: indexed in 120 s on two cores.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from PIL import Image

BAR_SECONDS = 120.0
CLASSES = 10
KINDS = ("JPEG", "PNG", "BMP")
EVERY_SECONDS = 0.2


class Taken(NamedTuple):
    """What one command took."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, home = Path(folder) / "photos", Path(folder) / "home"
        size = make_images(source, options.images, options.side)
        print(f"{options.images:,} images of {options.side} px, {size / 2**20:.0f} MiB")
        print("command | wall s | CPU s | peak MiB | bar s")
        commands = (["check", source], ["add", source, "--name", "speed"])
        for command in commands:
            taken = measured(["data", *map(str, command), "--home", str(home), "--json"])
            bar = f"{BAR_SECONDS:.0f}" if command[0] == "check" else "–"
            print(
                f"digpt data {command[0]} | {taken.wall_seconds:.0f} | {taken.cpu_seconds:.0f} | "
                f"{taken.peak_mib:.0f} | {bar}"
            )
    return 0


def make_images(folder: Path, count: int, side: int) -> int:
    """Class folders of noisy pictures, each different from all others; their bytes in all."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (side * 4, side * 4, 3), np.uint8)
    total = 0
    for label in range(CLASSES):
        (folder / f"class-{label}").mkdir(parents=True)
    for i in range(count):
        y, x = rng.integers(0, 3 * side, 2)
        pixels = noise[y : y + side, x : x + side].copy()
        pixels[0, :8] = np.frombuffer(i.to_bytes(24, "big"), np.uint8).reshape(8, 3)
        pixels[-8:, :8] = i * 2654435761 % 251  # a mark that JPEG keeps
        kind = KINDS[i % len(KINDS)]
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, kind)
        path = folder / f"class-{i % CLASSES}" / f"{i:06d}.{kind.lower()}"
        total += path.write_bytes(out.getvalue())
    return total


def measured(arguments: list[str]) -> Taken:
    """Run one `digpt` command, and watch how much memory it and its children hold."""
    began = time.monotonic()
    process = psutil.Popen(
        [sys.executable, "-m", "dashboard.cli", *arguments], stdout=subprocess.DEVNULL
    )
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if status:
        raise RuntimeError(f"digpt {' '.join(arguments)} ended with {status}")
    return Taken(wall, used.ru_utime + used.ru_stime, max(peak[0], used.ru_maxrss * 1024) / 2**20)


def _watch(process: psutil.Popen, peak: list[int]) -> None:
    while True:
        try:
            family = [process, *process.children(recursive=True)]
            peak[0] = max(peak[0], sum(one.memory_info().rss for one in family))
        except psutil.Error:
            return
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
