"""How arms look, once for all pages, and which of them have seen more labels than they count."""

from collections.abc import Sequence

from digpt.tokenizers.names import CLASS, COLUMN, parse
from jobs.spec import Arm
from jobs.views import DatasetView

MUTED = -1
BASELINE = 0
PREFERRED = {"frozen": (0,), "digpt": (1, 2), "masked": (3,), "scratch": (4,)}


def assign(arms: Sequence[Arm]) -> dict[str, int]:
    """Arm name -> look 0..4 (colour, marker and dash go together); more than five are muted."""
    given: dict[str, int] = {}
    free = [0, 1, 2, 3, 4]
    for arm in arms:
        wanted = next((n for n in PREFERRED.get(arm.method, ()) if n in free), None)
        if wanted is not None:
            given[arm.name] = wanted
            free.remove(wanted)
    for arm in arms:
        coloured = [n for n in free if n != BASELINE]  # grey stays the baseline's
        if arm.name not in given:
            given[arm.name] = coloured[0] if coloured else MUTED
            if coloured:
                free.remove(coloured[0])
    return given


def sees_labels(arm: Arm, data: DatasetView) -> bool:
    """Whether the arm's recogniser was tuned with captions that name the class."""
    name = parse(arm.tokenizer) if arm.tokenizer else None
    while name is not None:
        if name.needs_captions:
            if name.caption_fields:
                return CLASS in name.caption_fields
            column = name.argument or COLUMN
            has_column = column in data.caption_columns
            return not has_column or data.caption_names_class.get(column, 0.0) > 0
        name = name.base
    return False
