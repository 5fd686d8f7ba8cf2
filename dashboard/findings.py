"""What was found about a dataset as sentences, for the page, the card and the command line."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dashboard.text import Viewer, has_text

if TYPE_CHECKING:
    from digpt.data.health import Finding, Health

MOST_NAMED = 8  # classes or values in a sentence
_SHARES = ("share", "accuracy")


def finding_text(found: "Finding", me: Viewer) -> str:
    """What is wrong, as a sentence."""
    key = f"health.{found.code}"
    if found.facts.get("accuracy", 0.0) is None and has_text(f"{key}.none"):
        key = f"{key}.none"
    facts = {name: _fact(name, value, me) for name, value in found.facts.items()}
    return me.text(key, **({"count": me.number(found.count, "count")} | facts))


def fix_text(found: "Finding", me: Viewer) -> str:
    """What to do about it, as a sentence."""
    return me.text(f"health.{found.code}.fix")


def found_and_fix(found: "Finding", me: Viewer) -> str:
    """What is wrong and what to do, as text; Japanese sentences follow without a space."""
    return ("" if me.language == "ja" else " ").join((finding_text(found, me), fix_text(found, me)))


def health_text(found: "Health", me: Viewer) -> str:
    """How many findings of each severity, or that there are none."""
    count = me.number(found.images, "count")
    if not found.findings:
        return me.text("health.none", count=count)
    numbers = [
        (severity, sum(f.severity == severity for f in found.findings))
        for severity in ("error", "warning", "note")
    ]
    parts = [me.text(f"health.{severity}s", count=n) for severity, n in numbers if n]
    comma = "、" if me.language == "ja" else ", "
    return me.text("health.summary", parts=comma.join(parts), images=count)


def remark_text(remark: str, me: Viewer) -> str:
    """What stands beside a file; the name of a split in the reader's language."""
    return me.text(f"split.{remark}") if has_text(f"split.{remark}") else remark


def move_text(remark: str, me: Viewer) -> str:
    """ "train → test" in the reader's language, as `remark_text`."""
    return " → ".join(remark_text(split, me) for split in remark.split(" → "))


def _fact(name: str, value: Any, me: Viewer) -> str:
    if isinstance(value, Mapping):
        named = [f"{k} ({me.number(v, 'count')})" for k, v in list(value.items())[:MOST_NAMED]]
        rest = len(value) - len(named)
        comma = "、" if me.language == "ja" else ", "
        return comma.join([*named, *([me.text("health.more", count=rest)] if rest else [])])
    if isinstance(value, str) or value is None:
        return value or "–"
    if name == "strength":
        return f"{value:.2f}"
    return me.number(value, "accuracy" if name in _SHARES else "count")
