"""What an import has to say about single files: how grave, which file, what, and how to fix it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from digpt.data.problem_kinds import KINDS, Severity
from digpt.errors import UserError

MOST_LISTED = 200  # problems of one severity that are listed one by one


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to know or to put right; an error stops the import, the rest does not.

    `what` and `fix` are English; `code` (of `KINDS`) and `facts` let a page say it otherwise.
    """

    severity: Severity
    file: str
    what: str
    fix: str
    code: str
    facts: Mapping[str, Any]


def problem(code: str, file: str, **facts: Any) -> Problem:
    """The problem of a kind, said of a file (or a place in one; "" for the whole source)."""
    kind = KINDS[code]
    words = {name: listed(value, " and ") for name, value in facts.items()}
    return Problem(
        kind.severity, file, kind.what.format(**words), kind.fix.format(**words), code, facts
    )


def refusal(code: str, file: str, **facts: Any) -> UserError:
    """The same as an error, where nothing of the source can be looked at."""
    said = problem(code, file, **facts)
    return UserError(f"{said.what} {said.fix}", code=code, field=file, **facts)


def listed(value: Any, comma: str) -> Any:
    """A tuple of names in words; anything else as it is."""
    return comma.join(value) if isinstance(value, tuple) else value


def shortened(problems: Sequence[Problem]) -> list[Problem]:
    """Errors first; beyond so many, one line that counts the rest."""
    ranks: tuple[Severity, ...] = ("error", "warning", "note")
    shown = []
    for rank in ranks:
        some = [p for p in problems if p.severity == rank]
        shown += some[:MOST_LISTED]
        if len(some) > MOST_LISTED:
            rest = problem("more", "", count=len(some) - MOST_LISTED)
            shown.append(replace(rest, severity=rank))
    return shown
