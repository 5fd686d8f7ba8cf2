"""Training as a process: signals, kills, damage, several of them together."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from digpt.checkpoint import read_checkpoint
from digpt.models import load_encoder
from digpt.pretrain.__main__ import main
from digpt.pretrain.plain import CURVE
from digpt.reporter import Quiet
from tests.digpt.pretrain.tiny import TINY

ROOT = Path(__file__).parents[3]
LONG = ["--threads", "1", *TINY, "images_seen=3200"]


def command(pictures: Path, out: Path, *more: str) -> list[str]:
    return ["-m", "digpt.pretrain", str(pictures), "--out", str(out), *more]


def begin(arguments: list[str]) -> subprocess.Popen[str]:
    """Python with these arguments as a process of its own."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def complete(arguments: list[str]) -> str:
    """What such a process tells until it ends well."""
    process = begin(arguments)
    _, told = process.communicate(timeout=180)
    assert process.returncode == 0, told
    return told


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[list[str]], str]]:
    """What the command tells when it is run in this process, without an interpreter of its own."""

    def run(arguments: list[str]) -> str:
        capsys.readouterr()
        assert main(arguments[2:]) == 0
        return capsys.readouterr().err

    threads = torch.get_num_threads()
    yield run
    torch.set_num_threads(threads)


def newest(out: Path) -> int:
    names = [path.name for path in (out / "checkpoints").glob("step-*.safetensors")]
    return max((int(name.split("-")[1]) for name in names), default=0)


def wait_for_step(out: Path, step: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while newest(out) <= step and process.poll() is None:
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_of_the_step_it_came_in(
    number: int, code: int, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = begin(command(pictures, out, "--checkpoint-seconds", "0.2", *LONG))
    wait_for_step(out, 0, process)
    before = newest(out)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert "The same command goes on from here" in told
    kept = read_checkpoint(out / "checkpoints", Quiet())
    assert kept is not None
    assert kept.step >= before
    assert not (out / "timm.safetensors").exists()


@pytest.mark.slow
def test_a_process_killed_at_random_steps_ends_as_if_it_had_not_been(
    pictures: Path, tmp_path: Path, here: Callable[[list[str]], str]
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    here(command(pictures, whole, *LONG))
    chance, stopped_after = random.Random(2), []
    while len(stopped_after) < 3:
        process = begin(command(pictures, out, "--checkpoint-seconds", "0.02", *LONG))
        wait_for_step(out, newest(out), process)
        time.sleep(chance.random() * 0.15)
        assert process.poll() is None, "it ended before it was killed: train longer"
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        stopped_after.append(newest(out))
        if len(stopped_after) == 2:
            damage_newest(out)
    assert sorted(set(stopped_after)) == sorted(stopped_after), "each went on from the one before"
    told = here(command(pictures, out, *LONG))
    assert f"Resumed after step {stopped_after[-1]}." in told
    assert (whole / "curve.csv").read_text() == (out / "curve.csv").read_text()
    first, second = weights(whole), weights(out)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def damage_newest(out: Path) -> None:
    """One bit of the last checkpoint flips, as on a bad disk; the one before is still there, and
    one more where the process was killed before it had deleted the oldest."""
    paths = sorted((out / "checkpoints").glob("step-*.safetensors"))
    assert len(paths) >= 2
    content = bytearray(paths[-1].read_bytes())
    content[len(content) // 2] ^= 1
    paths[-1].write_bytes(bytes(content))


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "encoder" / "encoder.safetensors")


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


@pytest.mark.slow
def test_two_processes_train_what_one_does_and_go_on_where_they_were_stopped(
    pictures: Path, tmp_path: Path, here: Callable[[list[str]], str]
) -> None:
    """Sums of two parts differ from that of the whole in the last digits only. Weights cannot be
    compared: a key's bias has no gradient but rounding, from which Adam makes whole steps."""
    shared = ["--threads", "1", *TINY, "images_seen=320", "target_share=0.5", "ema=0.9"]
    alone, together = tmp_path / "alone", tmp_path / "together"
    here(command(pictures, alone, *shared))
    often = ["--checkpoint-seconds", "0", *shared]
    process = begin([*TORCHRUN, *command(pictures, together, *often)])
    wait_for_step(together, 3, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert 3 < newest(together) < 40
    told = complete([*TORCHRUN, *command(pictures, together, *shared)])
    assert "Resumed after step" in told
    with (alone / CURVE).open() as first, (together / CURVE).open() as second:
        points = [*zip(csv.DictReader(first), csv.DictReader(second), strict=True)]
    assert len(points) == 40
    for one, two in points:
        assert float(one["loss"]) == pytest.approx(float(two["loss"]), rel=1e-4)
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    features = [load_encoder(out / "encoder")(images) for out in (alone, together)]
    assert torch.allclose(*features, atol=1e-2)
