"""The container keeps what the README says of it, as far as its files can tell."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
README = (ROOT / "README.md").read_text("utf-8")


def values(instruction: str) -> list[str]:
    """Arguments of every such instruction, in order."""
    return re.findall(rf"^\s*{instruction} (.*)$", DOCKERFILE, re.M)


def test_does_not_run_as_root() -> None:
    assert values("USER")[-1].partition(":")[0] not in {"root", "0"}


def test_whatever_is_copied_exists_and_passes_the_ignore_file() -> None:
    copied = {name for line in values("COPY") for name in line.split()[:-1]}
    let_in = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.M)
    assert copied == set(let_in)
    assert not [name for name in copied if not (ROOT / name).exists()]


def test_serves_and_probes_the_port_it_exposes() -> None:
    port = values("EXPOSE")[-1]
    command = json.loads(values("CMD")[-1])
    assert command[command.index("--port") + 1] == port
    assert f"127.0.0.1:{port}/healthz" in DOCKERFILE
    assert f"-p {port}:{port}" in README


def test_readme_runs_it_with_room_for_ray_and_a_reaper() -> None:
    run = next(line for line in README.splitlines() if line.startswith("docker run"))
    assert all(flag in run for flag in ("--init", "--shm-size=", "-v ", "--gpus all"))
