"""Errors that tell a person what to do, and one lookup for every registry."""

import errno
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

T = TypeVar("T")


class UserError(Exception):
    """Something the user can put right: never retried, shown as one sentence.

    `code` names the kind of mistake (a key that a page can translate), `field` the field or file it
    is in, and `facts` hold the values that the sentence mentions.
    """

    def __init__(
        self, message: str, *, code: str = "bad-input", field: str | None = None, **facts: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field
        self.facts = facts

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep code, field and facts when the error travels between processes."""
        return _rebuild, (self.message, self.code, self.field, self.facts)


def _rebuild(message: str, code: str, field: str | None, facts: dict[str, Any]) -> UserError:
    return UserError(message, code=code, field=field, **facts)


class Cancelled(Exception):
    """The work was asked to stop; raised by `Reporter.check`."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on whichever device; known by name, so that torch is not needed."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"  # torch's, of an accelerator
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))  # of a CPU
    )


def is_disk_full(error: BaseException) -> bool:
    """Whether a disk, or one's share of it, has no room left; safetensors only says so in words."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    is_written = type(error).__name__ == "SafetensorError"
    return is_written and any(f"os error {n})" in str(error) for n in (errno.ENOSPC, errno.EDQUOT))


def pick(table: Mapping[str, T], name: str, kind: str) -> T:
    """Return `table[name]`, or say what was asked, what is near and what there is."""
    if name in table:
        return table[name]
    near = get_close_matches(name, table, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UserError(
        f"Unknown {kind} {name!r}.{hint} Available: {', '.join(sorted(table))}.",
        code="unknown-name",
        field=kind,
        kind=kind,
        name=name,
        available=sorted(table),
    )
