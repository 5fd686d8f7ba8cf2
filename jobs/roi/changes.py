"""What was changed in a case since it was fixed, and the hash that fixes it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.roi.case import Case

# parts of a case that hold parts; everything else is one value, ranges and lists too
GROUPS = ("today", "labels", "review", "minimum", "prevalence", "gates")
RULE = ("p_go", "p_no", "next_stage_cost", "stage_budget", "stage", "minimum", "gates")


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a case that is not what it was; None: not given."""

    field: str  # dotted, as in the case
    before: Any
    after: Any

    @property
    def is_rule(self) -> bool:
        """Whether it is the manager's rule that changed, not an input."""
        return self.field.split(".")[0] in RULE


def case_hash(case: Case) -> str:
    """SHA-256 (hex) of the rule and the case; a value that was left out counts as its default."""
    text = json.dumps(_content(case), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def changes(before: Case, after: Case) -> tuple[Change, ...]:
    """Every field that differs, in the order of the case's fields."""
    old, new = dict(_leaves(_content(before))), dict(_leaves(_content(after)))
    defaults = dict(_leaves({n: f.default for n, f in Case.model_fields.items()}))
    order = {name: i for i, name in enumerate(Case.model_fields)}
    names = sorted({*old, *new}, key=lambda n: (order[n.split(".")[0]], n))
    found = []
    for name in names:
        was = old.get(name, _plain(defaults.get(name)))
        now = new.get(name, _plain(defaults.get(name)))
        if was != now:
            found.append(Change(name, was, now))
    return tuple(found)


def _content(case: Case) -> dict[str, Any]:
    return case.model_dump(mode="json", exclude_defaults=True)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names with their values; only the groups of a case are opened."""
    for name, value in values.items():
        is_range = isinstance(value, Mapping) and {"low", "high"} <= set(value)
        if isinstance(value, Mapping) and not is_range and (prefix or name in GROUPS):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _plain(value: Any) -> Any:
    """A default as it stands in JSON; no value for those that are required or are groups."""
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, (int, float, str)) else None
