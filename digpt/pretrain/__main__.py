"""Pretrain a ViT on a folder of pictures: `python -m digpt.pretrain PICTURES --out FOLDER`.

Needs torch, torchvision, numpy, Pillow and safetensors; tokenizers other than pixels, filters and
random need the package they are named after. The same command goes on where it was stopped. With
several GPUs: `torchrun --nproc-per-node=N -m digpt.pretrain PICTURES --out FOLDER`.
"""

import argparse
import json
import math
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from digpt.errors import Cancelled, UserError, is_disk_full, pick
from digpt.models import METHODS
from digpt.overrides import check as check_numbers
from digpt.overrides import override, override_student
from digpt.pretrain import plain
from digpt.pretrain.ranks import torchrun
from digpt.pretrain.signals import stopped_by
from digpt.pretrain.terminal import Terminal
from digpt.recipe import PRESETS, STUDENTS, Recipe, Student, Transfer

DONE, FAILED, BAD_INPUT = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 a file or disk failed, 2 bad input, 128 + n stopped by signal n
    (130: Ctrl-C)."""
    asked = _parser().parse_args(arguments)
    terminal = Terminal()
    try:
        order = _order(asked)
        device_type = _device(asked.device)
        plain.check(order, torch.device(device_type))
        if asked.threads:
            torch.set_num_threads(asked.threads)
        with torchrun(device_type) as device, stopped_by(terminal) as reporter:
            out = plain.train(order, device, reporter)
    except UserError as error:
        terminal.log(error.message, "error")
        return BAD_INPUT
    except (OSError, SafetensorError) as error:
        terminal.log(_of_the_system(error, asked.out), "error")
        return FAILED
    except Cancelled as stop:
        terminal.log(f"Stopped ({stop}). The same command goes on from here.", "warning")
        return 128 + _signal(stop)
    print(out)
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m digpt.pretrain",
        description=__doc__,
        epilog=_numbers(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("pictures", type=Path, help="folder of pictures; sub-folders too, but val and test")
    add("--out", type=Path, required=True, help="folder for the encoder and all that is on the way")
    add("--tokenizer", default="filters", help="what is predicted, as pixels (%(default)s)")
    add("--method", default="digpt", help=f"{', '.join(METHODS)} (%(default)s)")
    add("--preset", default="quick", help=f"{', '.join(PRESETS)} (%(default)s)")
    add("--student", help=f"sizes: {', '.join(STUDENTS)} (as the preset has it)")
    add("--init", help="first weights: official:FILE, timm:NAME[@FILE], clip:NAME@TAG (random)")
    add(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="numbers other than the preset's"
    )
    add("--seed", type=int, default=0, help="of weights and of the order of pictures (%(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    add("--threads", type=int, default=0, help="of a CPU (all cores)")
    add("--skip-bad", action="store_true", help="leave out pictures that cannot be read")
    add("--onnx", action="store_true", help="write encoder.onnx too; needs onnx and onnxscript")
    add("--checkpoint-seconds", type=float, default=60.0, help="between checkpoints (%(default)s)")
    return parser


def _numbers() -> str:
    """What `--set` takes, with the values of the quick preset."""
    recipe = PRESETS["quick"].pretrain
    values = {f.name: getattr(recipe, f.name) for f in fields(Recipe) if f.name != "student"}
    values |= {f"student.{f.name}": getattr(recipe.student, f.name) for f in fields(Student)}
    listed = "\n  ".join(f"{name}={_shown(value)}" for name, value in values.items())
    return f"numbers for --set, as preset quick has them:\n  {listed}"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _order(asked: argparse.Namespace) -> plain.Order:
    cores = os.cpu_count() or 1
    _check_range("--threads", asked.threads, 0, cores, f"; this machine has {cores} cores")
    _check_range("--seed", asked.seed, 0, 2**63 - 1)
    _check_range("--checkpoint-seconds", asked.checkpoint_seconds, 0, math.inf)
    return plain.Order(
        pictures=asked.pictures,
        out=asked.out,
        method=asked.method,
        tokenizer=asked.tokenizer,
        recipe=_recipe(asked),
        seed=asked.seed,
        init=asked.init,
        skip_bad=asked.skip_bad,
        onnx=asked.onnx,
        checkpoint_seconds=asked.checkpoint_seconds,
    )


def _check_range(name: str, value: float, low: float, high: float, why: str = "") -> None:
    if not low <= value <= high:  # nor NaN
        upto = f" to {high}" if high < math.inf else " up"
        raise UserError(f"{name} must be from {low}{upto}, not {value}{why}.", field=name)


def _recipe(asked: argparse.Namespace) -> Recipe:
    preset = pick(PRESETS, asked.preset, "preset").pretrain
    changes = dict(_change(text) for text in asked.set)
    sizes: dict[str, Any] = {"preset": asked.student} if asked.student else {}
    sizes |= {n.removeprefix("student."): v for n, v in changes.items() if n.startswith("student.")}
    rest = {n: v for n, v in changes.items() if not n.startswith("student.")}
    try:
        student = override_student(preset.student, sizes)
        recipe = replace(override(preset, rest, "pretrain"), student=student)
        check_numbers(recipe, Transfer())
    except UserError as error:
        message = error.message.replace("pretrain.", "")
        raise UserError(message, code=error.code, field="set", **error.facts) from error
    return recipe


def _change(text: str) -> tuple[str, Any]:
    """`lr=1e-3` -> ("lr", 0.001); commas make a list."""
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise UserError(f"--set takes NAME=VALUE, as in lr=1e-3, not {text!r}.", field="set")
    parts = [_value(part) for part in value.split(",")]
    return name, parts if len(parts) > 1 else parts[0]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _device(name: str) -> str:
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return "cuda" if there["cuda"] else "cpu"
    pick(there, name, "device")
    if not there[name]:
        have = ", ".join(kind for kind, is_there in there.items() if is_there)
        raise UserError(f"There is no device {name} here. Available: {have}.", field="device")
    return name


def _of_the_system(error: OSError | SafetensorError, out: Path) -> str:
    """What a file or disk refused, and what to do."""
    goes_on = "The same command goes on from here."
    if is_disk_full(error):
        return f"There is no room left on the disk of {out}. Make room. {goes_on}"
    file = getattr(error, "filename", None) or out
    reason = getattr(error, "strerror", None) or error
    return f"{file} cannot be used: {reason}. Check that it is there and yours. {goes_on}"


def _signal(stop: Cancelled) -> int:
    return signal.SIGTERM if "SIGTERM" in str(stop) else signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
