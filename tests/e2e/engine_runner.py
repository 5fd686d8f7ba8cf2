"""A tiny stage runner for tests of the engine: stages that write, wait, fail or count."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digpt.errors import Cancelled, UserError
from digpt.reporter import Reporter


def run_stage(
    kind: str,
    params: Mapping[str, Any],
    inputs: dict[str, Path],
    out_dir: Path,
    *,
    source: str,
    device: Any,
    reporter: Reporter,
) -> dict[str, Any]:
    """Do what `params` says; leaves its pid in `marks` (a folder) every time it begins."""
    if marks := params.get("marks"):
        (Path(marks) / f"{params['name']}.{os.getpid()}.{time.time_ns()}").touch()
    if params.get("fail"):
        raise UserError(str(params["fail"]), code="test-failed")
    steps = int(params.get("steps", 1))
    checkpoint = out_dir / "checkpoints" / "step"
    first = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for step in range(first, steps):
        try:
            reporter.check()
        except Cancelled:
            if marks:
                (Path(marks) / f"stopped-{params['name']}").touch()
            raise
        time.sleep(float(params.get("pause", 0.0)))
        checkpoint.parent.mkdir(exist_ok=True)
        fresh = checkpoint.with_suffix(".new")  # killed while writing, it would be empty
        fresh.write_text(str(step + 1))
        fresh.replace(checkpoint)
        reporter.progress(step + 1, steps)
        reporter.metric(step + 1, loss=1.0 / (step + 1))
    total = sum(int((path / "value").read_text()) for path in inputs.values())
    (out_dir / "value").write_text(str(total + int(params.get("value", 1))))
    reporter.log(f"{kind} is done")
    results = params.get("results")
    return {"value": total, "began_at": first} | ({"results": results} if results else {})
