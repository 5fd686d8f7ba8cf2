"""Weights files that a spec's tokenizers name: their content belongs in the stage key."""

import hashlib
from pathlib import Path

from digpt.errors import UserError
from digpt.tokenizers.names import parse
from jobs.spec import PilotSpec


def digests(spec: PilotSpec) -> dict[str, str]:
    """SHA-256 of every weights file, by the file as it is written in the tokenizer's name."""
    names = (parse(arm.tokenizer).weights_file for arm in spec.arms if arm.tokenizer)
    return {name: _digest(name) for name in names if name}


def _digest(name: str) -> str:
    try:
        with Path(name).expanduser().open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"The weights file {name} cannot be read ({error.strerror}). Write its full path, or "
            "choose a tokenizer that needs no weights, such as filters.",
            code="weights-unreadable",
            field="tokenizer",
            file=name,
        ) from error
