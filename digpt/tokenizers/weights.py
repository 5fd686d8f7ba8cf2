"""Where published weights come from, and what to say when they cannot be had."""

import argparse
import re
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from pickle import UnpicklingError
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from digpt.errors import UserError
from digpt.stand_ins import HEAD, stand_in
from digpt.tokenizers.names import SUFFIXES

ASK_SECONDS = 5.0  # for the hub's answer whether it is there at all
_NOT_TORCH = "torch did not write it"
FEW = 12  # names that an error still lists in full
# What reading a file of something else raises, or weights of another model.
UNREADABLE = (
    RuntimeError,
    AttributeError,
    TypeError,
    StopIteration,  # of no weights at all
    AssertionError,  # open_clip's, for a width that its text tower does not have
    KeyError,
    ValueError,
    IndexError,
    EOFError,
    OSError,
    SafetensorError,
    UnpicklingError,
)


def split_argument(argument: str) -> tuple[str, str]:
    """Model name and what stands after "@" ("" where nothing does)."""
    model, _, weights = argument.partition("@")
    return model.strip(), weights.strip()


def existing(weights: str, user: str) -> Path:
    """The file of these weights; `user` is the tokenizer or init that names them."""
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"{user!r}: there is no file {path}. Write the path of a .safetensors or .pt file.",
            code="no-weights",
            field=str(path),
            why="file",
            name=user,
            path=str(path),
        )
    return path


def read_weights(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file; of a pickle only tensors are read, never code.

    Where tensors are made on the meta device, `read_shapes`: a check of them is the loading itself.
    """
    if torch.get_default_device().type == "meta":
        return read_shapes(path)
    return named_tensors(load_file(path) if path.suffix == ".safetensors" else _unpickled(path))


def read_shapes(path: Path) -> dict[str, Tensor]:
    """The same without any numbers: names and shapes, which the head of a file tells."""
    if path.suffix == ".safetensors":
        return named_tensors(_header(path))
    return named_tensors(_unpickled(path, "meta"))


@contextmanager
def file_of_shapes(path: Path) -> Iterator[Path]:
    """A file for `torch.load` to read onto the meta device: this one, or what tells as much."""
    if path.suffix != ".safetensors":
        yield path
        return
    with TemporaryDirectory() as folder:
        torch.save(_header(path), Path(folder) / "shapes.pt")
        yield Path(folder) / "shapes.pt"


def _header(path: Path) -> dict[str, Tensor]:
    with safe_open(str(path), "pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def named_tensors(found: Any) -> dict[str, Tensor]:
    """The weights of a checkpoint: training scripts wrap them, and save their options beside them.

    ValueError where there are none.
    """
    for key in ("state_dict", "model"):
        found = found.get(key, found) if isinstance(found, Mapping) else found
    if not isinstance(found, Mapping):
        raise ValueError(f"it holds a {type(found).__name__}, no named weights")
    return {
        str(name).removeprefix("module."): value
        for name, value in found.items()
        if isinstance(value, Tensor)
    }


def _unpickled(path: Path, device: str = "cpu") -> Any:
    try:
        # MAE's scripts, and so D-iGPT's, keep their command line in the checkpoint: plain values
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location=device, weights_only=True)
    except UnpicklingError as error:
        raise ValueError(_reason(error)) from error


def unknown(kind: str, name: str, known: Sequence[str], listing: str) -> UserError:
    """The error for a model or tag that a library does not know; `listing` prints them all."""
    near = get_close_matches(name, known, n=3)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    rest = f"{listing} lists the {len(known)} there are."
    if len(known) <= FEW:
        rest = f"Available: {', '.join(sorted(known))}."
    return UserError(
        f"Unknown {kind} {name!r}.{hint} {rest}",
        code="unknown-name",
        field="tokenizer",
        kind=kind,
        name=name,
        near=near,
        available=sorted(known) if len(known) <= FEW else near,
    )


def can_be_had(repository: str) -> bool:
    """Whether weights of this hub repository are in the local cache, or the hub offers them now."""
    from huggingface_hub import constants  # noqa: PLC0415 - only known where weights are loaded

    cached = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    if any(file.suffix in SUFFIXES for file in cached.glob("snapshots/*/*")):
        return True
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        address = f"{constants.ENDPOINT}/api/models/{repository}"
        urllib.request.urlopen(address, timeout=ASK_SECONDS).close()
    except OSError:  # no network, no such repository, or one that asks for a sign-in
        return False
    return True


def unreachable(user: str, file: str, example: str) -> UserError:
    """The error for weights that are neither in the local cache nor downloadable."""
    from huggingface_hub import constants  # noqa: PLC0415 - only known where weights are loaded

    folder = constants.HF_HUB_CACHE
    return UserError(
        f"{user!r}: its weights ({file}) are not in {folder} and could not be "
        "downloaded. Connect to the internet once (HTTPS_PROXY names a proxy), or copy that folder "
        f"from another machine and let HF_HUB_CACHE name it, or give a file of your own: "
        f"{example}.",
        code="weights-unreachable",
        field="tokenizer",
        name=user,
        file=file,
        folder=folder,
        variable="HF_HUB_CACHE",
    )


def _reason(cause: Exception) -> str:
    """Why a file was not read, in one line."""
    words = str(cause).strip()
    if isinstance(cause, KeyError) and isinstance(cause.args[0], int):  # pickle's, of a first byte
        return _NOT_TORCH
    if not isinstance(cause, UnpicklingError):
        return words.splitlines()[0].rstrip(".!:") if words else type(cause).__name__
    code = re.search(r"GLOBAL (\S+)", words)  # torch's own words recommend to run what is in it
    if code is None:
        return _NOT_TORCH
    return f"beside tensors it holds {code[1]}, which could run code; save its state_dict() alone"


def unfit(user: str, path: str, cause: Exception) -> UserError:
    """The error for a file that does not hold this model's weights."""
    reason = _reason(cause)
    kind = _kind(Path(path), cause, reason)
    if kind:
        return UserError(
            f"{user!r}: {path} does not hold weights: {KINDS[kind]}.",
            code="wrong-weights",
            field=path,
            why=kind,
            name=user,
            path=path,
        )
    return UserError(
        f"{user!r}: {path} does not hold weights of this model ({reason}). Name the "
        "model that the file was saved from.",
        code="wrong-weights",
        field=path,
        why="tokenizer",
        name=user,
        path=path,
        reason=reason,
    )


KINDS = {
    "empty": "it is empty. Copy it again",
    "git-pointer": "Git left a pointer in its place. Fetch the file itself with git lfs pull",
    "web-page": "it is a web page, as a download without sign-in leaves it. Download it again",
    "cut-short": "it is damaged, or cut short as by a broken transfer. Copy it again",
    "script": "it is a TorchScript program. Save the state_dict() of it, and name that file",
    "other-kind": "it is of another kind, which neither torch nor safetensors wrote. Name a file "
    "of weights",
}


def _kind(path: Path, cause: Exception, reason: str) -> str:
    """What the file is instead of weights, of KINDS; "" where it may be weights."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return ""
    if found := stand_in(head):
        return found
    if "TorchScript" in str(cause):
        return "script"
    if isinstance(cause, SafetensorError):  # eight bytes of length and an object of JSON come first
        return "cut-short" if head[8:9] == b"{" else "other-kind"
    if "PytorchStreamReader" in str(cause):
        return "cut-short"
    return "other-kind" if reason == _NOT_TORCH else ""


def misfit(
    user: str, model: str, path: str, cause: Exception, wanted: Mapping[str, Tensor]
) -> UserError:
    """The same with what the file lacks of `wanted`, the model's own weights; `unfit` where it
    cannot be read or that tells nothing."""
    try:
        found = read_shapes(Path(path))
    except UNREADABLE as unread:
        return unfit(user, path, unread)
    facts = _differences(found, wanted)
    said = "; ".join(f"{n} {_DIFFERENCES[kind]}" for kind, n in facts.items() if n != "0")
    if not said:
        return unfit(user, path, cause)
    return UserError(
        f"{user!r}: {path} does not hold weights of {model}: of the model's {len(wanted)}, {said}. "
        f"Name the model that the file was saved from, or a file of {model}.",
        code="wrong-weights",
        field=path,
        why="model",
        name=user,
        model=model,
        path=path,
        total=len(wanted),
        missing=facts["missing"],
        differing=facts["differing"],
        foreign=facts["foreign"],
    )


_DIFFERENCES = {
    "missing": "are missing",
    "differing": "have another shape (file ≠ model)",
    "foreign": "in the file are not of this model",
}


def _differences(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """How many weights are missing, of another shape or foreign, each with an example."""
    differing = [n for n in wanted if n in found and found[n].shape != wanted[n].shape]
    # positions are often resampled, so they tell least of another architecture
    telling = sorted(differing, key=lambda n: "pos" in n)
    shapes = [f"{n}: {shape_text(found[n])} ≠ {shape_text(wanted[n])}" for n in telling]
    return {
        "missing": _counted([n for n in wanted if n not in found]),
        "differing": _counted(shapes),
        "foreign": _counted([n for n in found if n not in wanted]),
    }


def shape_text(value: Tensor) -> str:
    """Sizes as 768×3×32×32."""
    return "×".join(map(str, value.shape)) or "1"


def _counted(names: Sequence[str]) -> str:
    return f"{len(names)} ({names[0]})" if names else "0"
