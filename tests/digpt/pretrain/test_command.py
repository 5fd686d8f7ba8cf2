"""`python -m digpt.pretrain`: from a folder of pictures to an encoder, as a person runs it."""

import errno
import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from packaging.requirements import Requirement
from PIL import Image
from safetensors import SafetensorError

from digpt.data.pool import gather
from digpt.errors import UserError, is_disk_full
from digpt.models import load_encoder, normalise
from digpt.models.export import timm_arguments
from digpt.pretrain.__main__ import main
from digpt.pretrain.terminal import Terminal
from digpt.reporter import Quiet
from tests.digpt.pretrain.tiny import TINY

ROOT = Path(__file__).parents[3]
SMALL = [*TINY, "images_seen=80"]
ALLOWED = ("torch", "torchvision", "numpy", "pillow", "safetensors")


def test_an_encoder_that_timm_loads_comes_of_a_folder_of_pictures(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([str(pictures), "--out", str(out), *SMALL]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert sorted(p.name for p in out.iterdir()) == ["curve.csv", "encoder", "run.json",
                                                     "timm.safetensors"]  # fmt: skip
    vit = load_encoder(out / "encoder").eval()
    arguments = timm_arguments(vit)
    model = timm.create_model(**arguments, checkpoint_path=str(out / "timm.safetensors")).eval()
    images = normalise(torch.rand(3, 3, 16, 16))
    with torch.no_grad():
        assert torch.allclose(model(images), vit(images), atol=1e-5)
    result = json.loads((out / "run.json").read_text())["result"]
    assert (result["steps"], result["images_seen"]) == (10, 80)
    assert len((out / "curve.csv").read_text().splitlines()) == 11


@pytest.mark.slow
def test_nothing_but_torch_and_images_is_needed(pictures: Path, tmp_path: Path) -> None:
    """Every other package that is installed is hidden."""
    code = (
        "import sys, runpy\n"
        "from importlib.machinery import PathFinder\n"
        f"missing = {sorted(_other_modules())!r}\n"
        "class Hiding(PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        is_missing = name.partition('.')[0] in missing\n"
        "        return None if is_missing else super().find_spec(name, path, target)\n"
        "sys.meta_path = [Hiding if f is PathFinder else f for f in sys.meta_path]\n"
        "arguments = sys.argv[1:]\n"
        "for tokenizer in ('pixels', 'filters'):\n"
        f"    out = {str(tmp_path)!r} + '/' + tokenizer\n"
        "    sys.argv[1:] = [*arguments, '--out', out, '--tokenizer', tokenizer]\n"
        "    try: runpy.run_module('digpt.pretrain', run_name='__main__')\n"
        "    except SystemExit as stop: assert not stop.code, tokenizer"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(pictures), *SMALL],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    for tokenizer in ("pixels", "filters"):
        assert (tmp_path / tokenizer / "timm.safetensors").is_file()


def _other_modules() -> set[str]:
    """All installed modules but ours, those that are allowed, and what these require."""
    kept, waiting = {"digpt-pilot"}, list(ALLOWED)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name not in kept:
            kept.add(name)
            waiting += _needs(name)
    owners = packages_distributions()
    found = {m for m, by in owners.items() if not {n.lower().replace("_", "-") for n in by} & kept}
    assert {"open_clip", "timm", "sklearn", "ray", "gradio", "pydantic", "pandas", "yaml"} <= found
    return found


def _needs(name: str) -> list[str]:
    try:
        needs = [Requirement(text) for text in requires(name) or []]
    except PackageNotFoundError:
        return []
    return [n.name for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]


def test_held_out_folders_are_left_out_and_bad_pictures_are_named(
    pictures: Path, tmp_path: Path
) -> None:
    (pictures / "class0" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"1 of 25 pictures cannot be read \(class0/bad\.png"):
        gather(pictures, tmp_path / "a", size=16, skip_bad=False, reporter=Quiet())
    kept = gather(pictures, tmp_path / "b", size=16, skip_bad=True, reporter=Quiet())
    assert len(kept) == 24
    assert not any("test" in name or "bad" in name for name in kept.ids)
    expected = Image.open(pictures / str(kept.ids[5])).resize((16, 16), Image.Resampling.BICUBIC)
    assert np.array_equal(kept.images.load([5], 16)[0], np.asarray(expected))


def test_pictures_are_read_once_and_again_when_they_change(pictures: Path, tmp_path: Path) -> None:
    first = gather(pictures, tmp_path / "a", size=16, skip_bad=False, reporter=Quiet())
    written = (tmp_path / "a" / "images.npy").stat().st_mtime_ns
    again = gather(pictures, tmp_path / "a", size=16, skip_bad=False, reporter=Quiet())
    assert (tmp_path / "a" / "images.npy").stat().st_mtime_ns == written
    assert first.fingerprint == again.fingerprint
    Image.new("RGB", (9, 9)).save(pictures / "class1" / "new.png")
    changed = gather(pictures, tmp_path / "a", size=16, skip_bad=False, reporter=Quiet())
    assert len(changed) == 25
    assert changed.fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "lr=fast"], "lr must be a number"),
        (["--set", "lr"], "takes NAME=VALUE"),
        (["--set", "lrr=1"], "Did you mean 'lr'"),
        (["--set", "student.clusters=3,3"], "student.clusters (3, 3) do not divide the 4×4"),
        (["--student", "bas"], "Did you mean 'base'"),
        (["--preset", "quik"], "Did you mean 'quick'"),
        (["--method", "digtp"], "Did you mean 'digpt'"),
        (["--tokenizer", "pixel"], "Did you mean 'pixels'"),
        (["--device", "cpuu"], "Did you mean 'cpu'"),
        (["--init", "arm:a/b"], "names an arm of a pilot"),
        (["--init", "official:nowhere.pth"], "there is no file nowhere.pth"),
        (["--set", "precision=fp16"], "fp16 needs a CUDA device"),
        (["--set", "attention=flex"], "flex needs a CUDA device"),
        (["--threads", "-1"], "--threads must be from 0 to"),
        (["--threads", "1000000"], "this machine has"),
        (["--seed", "-1"], "--seed must be from 0"),
        (["--checkpoint-seconds", "nan"], "--checkpoint-seconds must be from 0 up, not nan"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_read(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [str(tmp_path / "nowhere"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*asked, *arguments]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert len(told.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_without_pictures_and_one_that_is_not_there_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert "does not exist. Give a folder of pictures" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty"), "--out", str(tmp_path / "out")]) == 2
    assert "No picture was found" in capsys.readouterr().err


def test_the_output_of_another_run_is_refused_and_a_finished_one_is_left_alone(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(pictures), "--out", str(tmp_path / "out"), *SMALL]
    assert main(arguments) == 0
    written = (tmp_path / "out" / "timm.safetensors").stat().st_mtime_ns
    assert main(arguments) == 0
    assert (tmp_path / "out" / "timm.safetensors").stat().st_mtime_ns == written
    capsys.readouterr()
    assert main([*arguments, "--seed", "1"]) == 2
    assert "belongs to another run (different: seed)" in capsys.readouterr().err


@pytest.mark.parametrize("found", ["{", "[]", "{}"])
def test_a_run_file_that_this_command_did_not_write_is_refused(
    found: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_text(found)
    assert main([str(pictures), "--out", str(tmp_path), *SMALL]) == 2
    assert "run.json cannot be read" in capsys.readouterr().err


def test_a_full_disk_is_told_and_the_same_command_goes_on_once_there_is_room(
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = [str(pictures), "--out", str(tmp_path / "out"), *SMALL]

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr("os.posix_fallocate", refuse)  # a map of a full disk would end the process
        assert main(arguments) == 1
    assert f"no room left on the disk of {tmp_path / 'out'}" in capsys.readouterr().err
    assert main(arguments) == 0


def test_safetensors_words_for_a_full_disk_are_known() -> None:
    said = "Error while serializing: I/O error: No space left on device (os error 28)"
    assert is_disk_full(SafetensorError(said))
    assert not is_disk_full(SafetensorError("Error while deserializing header: too large"))


def test_progress_in_a_file_is_few_lines_and_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("digpt.pretrain.terminal.time.monotonic", lambda: clock[0])
    stream = StringIO()
    terminal = Terminal(stream)
    for done in range(0, 1001, 10):
        terminal.progress(done, 1000)
        terminal.metric(done, loss=2.5)
        clock[0] += 0.5
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5  # every ten of fifty seconds
    assert lines[0] == "  200 of 1,000 (20%), 20 per second, 40 s left, loss 2.5000"
    assert lines[-1] == "  1,000 of 1,000 (100%), 20 per second, loss 2.5000"
    terminal.progress(5, 7000)
    clock[0] += 10
    terminal.progress(6, 7000)
    assert "19 h 25 min left" in stream.getvalue()
