"""What an import has to say about single files: how grave, which file, what, and how to fix it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
MOST_LISTED = 200  # problems of one severity that are listed one by one


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to know or to put right; an error stops the import, the rest does not."""

    severity: Severity
    file: str
    what: str
    fix: str


def shortened(problems: Sequence[Problem]) -> list[Problem]:
    """Errors first; beyond so many, one line that counts the rest."""
    ranks: tuple[Severity, ...] = ("error", "warning", "note")
    shown = []
    for rank in ranks:
        some = [p for p in problems if p.severity == rank]
        shown += some[:MOST_LISTED]
        if len(some) > MOST_LISTED:
            what = f"And {len(some) - MOST_LISTED} more like these."
            shown.append(Problem(rank, "", what, "Put the listed ones right first."))
    return shown
