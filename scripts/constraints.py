"""Write constraints.txt: the newest versions of everything that pyproject.toml allows.

Run as `make constraints`, on Linux, so that the NVIDIA packages are named too. Packages are
resolved and not installed; only names and versions are written, so no host gets into the file.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADER = """\
# Exact versions of everything, development tools included. Made by `make constraints`; do not edit.
# A constraint installs nothing: packages of other platforms do no harm here.
"""


def resolve() -> dict[str, str]:
    """Version of uv and of every package that `.[dev]` needs, from pip's own resolver."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    command += ["--quiet", "--report", "-", "uv", "--editable", f"{ROOT}[dev]"]
    report = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = [item["metadata"] for item in json.loads(report)["install"]]
    return {item["name"]: item["version"] for item in found if item["name"] != "digpt-pilot"}


def without_build(version: str) -> str:
    """The version without its local part: 2.15.0+cpu and 2.15.0 are one constraint."""
    return version.partition("+")[0]


if __name__ == "__main__":
    versions = resolve()
    names = sorted(versions, key=str.lower)
    lines = [f"{name}=={without_build(versions[name])}\n" for name in names]
    (ROOT / "constraints.txt").write_text(HEADER + "".join(lines), "utf-8")
    print(f"constraints.txt: {len(lines)} packages")
