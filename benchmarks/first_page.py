"""How long until the dashboard shows itself: `python -m benchmarks.first_page`.

Starts `digpt serve` in a new home, asks for the first page as soon as the port answers, and prints
the time from the command to the whole page, beside what importing Gradio alone takes. CPU seconds
stand beside the wall's: on a busy machine only they can be compared.
"""

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import NamedTuple

import psutil

LIMIT_SECONDS = 120.0


class Seconds(NamedTuple):
    """What a process took."""

    wall: float
    cpu: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    _import()  # fills the file cache, so that neither side pays for reading the disk
    pairs = [(_import(), _page()) for _ in range(options.runs)]
    print(f"median of {options.runs}        wall s   CPU s")
    _row("import gradio", [alone for alone, _ in pairs])
    _row("command to page", [page for _, page in pairs])
    _row("beyond Gradio", [Seconds(p.wall - a.wall, p.cpu - a.cpu) for a, p in pairs])
    return 0


def _row(name: str, taken: list[Seconds]) -> None:
    wall, cpu = (statistics.median(values) for values in zip(*taken, strict=True))
    print(f"{name:16} {wall:8.2f}{cpu:8.2f}")


def _import() -> Seconds:
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", "import gradio"])
    *_, used = os.wait4(process.pid, 0)
    return Seconds(time.monotonic() - began, used.ru_utime + used.ru_stime)


def _page() -> Seconds:
    with tempfile.TemporaryDirectory() as home:
        port = _free_port()
        command = [sys.executable, "-m", "dashboard.cli", "serve", "--home", home]
        began = time.monotonic()
        server = psutil.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL)
        try:
            _first_page(port, began + LIMIT_SECONDS)
            return Seconds(time.monotonic() - began, _cpu(server))
        finally:
            server.terminate()
            server.wait()
            stop = [sys.executable, "-m", "dashboard.cli", "stop", "--home", home]
            subprocess.run(stop, check=False, stdout=subprocess.DEVNULL)


def _cpu(process: psutil.Popen) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _first_page(port: int, deadline: float) -> None:
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).read()
            return
        time.sleep(0.02)
    raise TimeoutError(f"no page within {LIMIT_SECONDS:.0f} s")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
