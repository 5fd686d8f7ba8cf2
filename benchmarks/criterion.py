"""Do semantic tokens beat the controls? `python -m benchmarks.criterion --home DIR`.

Runs the arms of `examples/criterion.yaml` over five pretraining seeds on the built-in surfaces and
tests one arm, named before the test split is read, against scratch, pixels and the random control:
fine-tuned at 20 labels per class, paired by pretraining seed, Holm over the three. Exit 0 if every
difference is significantly above 0, else 1.
"""

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.pilot import METRIC, machine, report
from digpt.evaluate.intervals import holm
from jobs.service import PilotService
from jobs.settings import load_settings
from jobs.spec import load_spec

SPEC = Path(__file__).parent.parent / "examples" / "criterion.yaml"
CONTROLS = ("scratch", "digpt × pixels", "digpt × random")
LEVEL = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--arm", default="digpt × filters", help="chosen on validation")
    options = parser.parse_args()
    service = PilotService(load_settings(options.home))
    print(machine())
    pilot = service.submit(load_spec(SPEC), start=False)
    service.drive(pilot)
    print(report(service, pilot))
    found = service.differences(pilot, protocol="finetune", label_budget="20", metric=METRIC)
    rows = [against(found, options.arm, control) for control in CONTROLS]
    adjusted = holm([p for _, _, _, p in rows])
    passed = True
    for control, (value, low, high, p), p_holm in zip(CONTROLS, rows, adjusted, strict=True):
        passed &= value > 0 and p_holm < LEVEL
        print(
            f"{options.arm} - {control}: {100 * value:+.1f} points "
            f"({100 * low:+.1f} to {100 * high:+.1f}), p {p:.4f}, Holm {p_holm:.4f}"
        )
    print("passed" if passed else "not passed")
    return 0 if passed else 1


def against(found: pd.DataFrame, arm: str, control: str) -> tuple[float, float, float, float]:
    """Difference, interval and p of arm - control, whichever way round the pair is stored."""
    for row in found.itertuples():
        if (row.arm_a, row.arm_b) == (arm, control):
            return row.difference, row.low, row.high, row.p
        if (row.arm_a, row.arm_b) == (control, arm):
            return -row.difference, -row.high, -row.low, row.p
    raise SystemExit(f"{arm} and {control} have no common result")


if __name__ == "__main__":
    raise SystemExit(main())
