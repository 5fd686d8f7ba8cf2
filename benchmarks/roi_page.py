"""How soon the ROI page follows a slider: `python -m benchmarks.roi_page --home HOME`.

HOME holds a finished pilot. A server of its own is started on it, Chromium moves the slider of the
cost of a miss one step at a time, and the page itself measures from the slider's input event to
the changed figures. The bar is 300 ms. Beside it: the server's own time for the figures, and for
everything further down the page.
"""

import argparse
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from jobs.roi.schema import Case
from jobs.service import PilotService
from jobs.settings import load_settings

BAR_MS = 300
CALM_MS = 4000  # between two moves: the charts follow the figures
WATCH = """() => {
  window.moved = [];
  const figures = () => document.querySelector("#roi-figures")?.innerText;
  let at = null, before = "";
  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-slide]")) return;
    at = performance.now(); before = figures();
  }, true);
  new MutationObserver(() => {
    if (at === null || figures() === before) return;
    const start = at;
    at = null;
    requestAnimationFrame(() => window.moved.push((performance.now() - start) / 1000));
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8190)
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    _report_server(given.home, given.moves)
    with _served(given.home, given.port) as address:
        seconds = _slide(address, given.moves, given.chromium)
    print(f"slider to figures, ms: {_told(seconds)}; bar {BAR_MS}")
    return 0


def _report_server(home: Path, moves: int) -> None:
    service = PilotService(load_settings(home))
    pilot = service.pilots(status="done").items[0]
    case = service.default_case(pilot.id)
    service.roi(pilot.id, case)
    print(f"pilot {pilot.name!r}, {len(service.pilot(pilot.id).arms)} arms")
    for name, work in (("figures", service.headline), ("whole result", service.roi)):
        wall, cpu = [], []
        for n in range(moves):
            start, busy = time.perf_counter(), time.process_time()
            work(pilot.id, _moved(case, n))
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - busy)
        print(f"server, {name}, ms: {_told(wall)}; of CPU: {_told(cpu)}")


def _moved(case: Case, n: int) -> Case:
    return case.model_copy(update={"cost_miss": 40 + n})


def _told(seconds: list[float]) -> str:
    low, middle, high = 1000 * np.quantile(seconds, [0, 0.5, 0.9])
    return f"median {middle:.0f}, least {low:.0f}, 9 of 10 within {high:.0f}"


@contextmanager
def _served(home: Path, port: int):
    command = [sys.executable, "-m", "dashboard.cli", "serve", "--home", str(home)]
    with subprocess.Popen([*command, "--port", str(port)]) as server:
        try:
            yield _ready(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()


def _ready(address: str) -> str:
    for _ in range(120):
        try:
            urlopen(f"{address}/roi", timeout=10).read()
            return address
        except OSError:
            time.sleep(1)
    raise SystemExit(f"{address} did not come up")


def _slide(address: str, moves: int, chromium: str) -> list[float]:
    """Seconds from each input event to the next change of the figures."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only this part needs it

    with sync_playwright() as p:
        page = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        page.goto(f"{address}/roi?lang=en")
        page.wait_for_selector("#roi-item-none, #roi-item-rows", timeout=120_000)
        page.wait_for_timeout(3000)
        page.evaluate(WATCH)
        for n in range(moves):
            key = "PageDown" if n % 2 else "PageUp"  # far enough for every figure to change
            page.locator("#roi-cost-miss-slide").press(key)
            page.wait_for_function("n => window.moved.length > n", arg=n, timeout=20_000)
            page.wait_for_timeout(CALM_MS)
        return page.evaluate("window.moved")


if __name__ == "__main__":
    raise SystemExit(main())
