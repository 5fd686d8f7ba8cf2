"""Run a pilot and print its table: `python -m benchmarks.pilot examples/quick.yaml --home DIR`.

Prints wall time, what was estimated, the machine's matrix rate and, for each arm, accuracy with its
95% interval, device-seconds and stand-alone cost. A home that has the stages already reuses them,
so time a pilot in a new one.
"""

import argparse
import os
import platform
import subprocess
import time
from pathlib import Path

import pandas as pd

from digpt.errors import UserError
from jobs.money.calibrate import calibrate
from jobs.service import PilotService
from jobs.settings import load_settings
from jobs.spec import load_spec

METRIC = "balanced_accuracy"
COLUMNS = (("finetune", "20"), ("probe", "20"), ("probe", "all"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args()
    service = PilotService(load_settings(options.home))
    try:
        spec = load_spec(options.spec)
        print(machine())
        started = time.monotonic()
        pilot = service.submit(spec, start=False)
        service.drive(pilot)
    except UserError as error:
        print(error.message)
        return 2
    print(f"{time.monotonic() - started:.0f} s for {spec.name}, with starting Ray")
    print(report(service, pilot))
    return 0


def machine() -> str:
    """What the times were measured on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    rate = calibrate("cpu", 1, seconds=1.0)
    return (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, GEMM "
        f"{rate.gflops:.0f} GFLOP/s with {rate.threads} threads, commit {commit.stdout.strip()}"
    )


def report(service: PilotService, pilot: str) -> str:
    """One row for each arm, and what the pilot took against its estimate."""
    view, frame = service.pilot(pilot), service.compare([pilot])
    rows = [_row(arm.name, frame) for arm in view.arms]
    lines = [" | ".join(["arm", *(f"{p} {b}" for p, b in COLUMNS), "device s", "cost"])]
    lines += [" | ".join(row) for row in rows]
    if view.estimate:
        guess = view.estimate.wall_seconds
        lines.append(f"estimated {guess.likely:.0f} s ({guess.low:.0f} to {guess.high:.0f})")
    lines.append(f"took {view.elapsed_seconds:.0f} s, {view.money:.5f} {view.card.currency}")
    return "\n".join(lines)


def _row(arm: str, frame: pd.DataFrame) -> list[str]:
    own = frame[(frame["arm"] == arm) & (frame["metric"] == METRIC)]
    if own.empty:
        return [arm, *("-" for _ in COLUMNS), "-", "-"]
    cells = []
    for protocol, budget in COLUMNS:
        found = own[(own["protocol"] == protocol) & (own["label_budget"] == budget)]
        cells += [f"{r.value:.1%} ({r.low:.1%} to {r.high:.1%})" for r in found.itertuples()] or [
            "-"
        ]
    first = own.iloc[0]
    cost = f"{first['cost_stand_alone']:.5f} {first['currency']}"
    return [arm, *cells, f"{first['device_seconds']:.0f}", cost]


if __name__ == "__main__":
    raise SystemExit(main())
