"""Weights that a spec names: whether they can be had, and what is in their files."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from digpt.errors import UserError
from digpt.init import Init
from digpt.recipe import Student
from digpt.tokenizers.names import TokenizerName, parse
from jobs.spec import PilotSpec


def digests(spec: PilotSpec) -> dict[str, str]:
    """SHA-256 of every weights file, by the file as a tokenizer's name or an init writes it."""
    tokenizers = (parse(arm.tokenizer).weights_file for arm in spec.arms if arm.tokenizer)
    named = {name: "tokenizer" for name in tokenizers if name}
    named |= {init.file: "init" for init in inits(spec) if init.file}
    return {name: _digest_once(name, field) for name, field in named.items()}


def inits(spec: PilotSpec) -> list[Init]:
    """Every init of a spec once."""
    found = (spec.init_of(arm) for arm in spec.arms)
    return list(dict.fromkeys(init for init in found if init))


def check_inits(spec: PilotSpec) -> None:
    """Raise `UserError` unless each file that an init names suits the spec's student."""
    for init in inits(spec):
        if init.file:
            _check_init(init, spec.resolved.pretrain.student, _state_of(init.file, "init"))


def check_published(spec: PilotSpec, *, downloads: bool) -> None:
    """Raise `UserError` if a published model is unknown, if a file does not hold its weights or, of
    `downloads`, if this machine cannot have them."""
    named = {arm.tokenizer for arm in spec.arms if arm.tokenizer}
    others = {i.text for i in inits(spec) if i.family in ("clip", "timm") and not i.file}
    check_models(sorted(named | others), downloads=downloads)  # both of one grammar


def check_models(names: Iterable[str], *, downloads: bool = True) -> None:
    """`check_published` for tokenizers by their names."""
    for name in names:
        parsed = parse(name)
        if parsed.weights_file:
            _check_file(name, _state_of(parsed.weights_file, "tokenizer"))
        elif downloads and _is_published(parsed):
            _check(name)


@lru_cache(maxsize=32)  # as of inits
def _check_file(name: str, _: tuple[int, int]) -> None:
    _check(name)


def _check(name: str) -> None:
    from digpt.tokenizers import fitting  # noqa: PLC0415 - torch, open_clip, timm: seconds

    fitting.check(name)


def _is_published(name: TokenizerName) -> bool:
    return name.facts.needs_weights or (name.base is not None and _is_published(name.base))


def check_unchanged(path: Path, digest: str) -> None:
    """Raise `UserError` if a file is no longer what it was when the pilot was planned."""
    if _digest(str(path), "init") != digest:
        raise UserError(
            f"The weights file {path} has changed since the pilot was submitted. Submit it again,"
            " or bring the former file back.",
            code="weights-changed",
            field="init",
            path=str(path),
        )


@lru_cache(maxsize=8)  # the form of a new pilot asks at every change
def _check_init(init: Init, student: Student, _: tuple[int, int]) -> None:
    import torch  # noqa: PLC0415 - seconds

    from digpt.models.origins import start_from  # noqa: PLC0415 - torch

    with torch.device("meta"):  # names and shapes tell it, in no time
        start_from(init, student)


def _state_of(name: str, field: str) -> tuple[int, int]:
    """What tells that a file has been written anew, without reading it."""
    try:
        about = Path(name).expanduser().stat()
    except OSError as error:
        raise _unreadable(name, field, error) from error
    return about.st_mtime_ns, about.st_size


def weights_digest(name: str) -> str:
    """SHA-256 of the weights file that a tokenizer's name writes."""
    return _digest_once(name, "tokenizer")


def _digest_once(name: str, field: str) -> str:
    """The digest, read again once the file has changed: it takes seconds, and pages ask often."""
    return _digest_at(name, field, _state_of(name, field))


@lru_cache(maxsize=32)
def _digest_at(name: str, field: str, _: tuple[int, int]) -> str:
    return _digest(name, field)


def _digest(name: str, field: str) -> str:
    try:
        with Path(name).expanduser().open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(name, field, error) from error


def _unreadable(name: str, field: str, error: OSError) -> UserError:
    advice = (
        "start from random weights" if field == "init" else "choose a tokenizer such as filters"
    )
    return UserError(
        f"The weights file {name} cannot be read ({error.strerror}). Write its full path, or "
        f"{advice}.",
        code="weights-unreadable",
        field=field,
        file=name,
    )
