"""What is wrong with a business case, in the reader's language, for the form or for a file."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dashboard.decisions import field_name, kind_of, value_text
from dashboard.text import Viewer, has_text

if TYPE_CHECKING:
    from digpt.errors import UserError

ENDS = {"low", "likely", "high"}
ABSURD = 1e16  # more than any field allows


def case_error(error: "UserError", currency: str, me: Viewer) -> str:
    """The sentence for a field's value; any other error as it is."""
    field = error.field or ""
    if error.code == "case-missing" and _has_name(field):
        return me.text("mistake.missing", field=field_name(field, me))
    if error.code == "no-exchange-rate" and _has_name(field):
        name, other = field_name(field, me), error.facts["currency"]
        return me.text("mistake.rate", field=name, currency=other, own=currency)
    if error.code != "case-value" or not _has_name(field):
        return me.error(error)
    value = error.facts["value"]
    if isinstance(value, Mapping) and ENDS - set(value):
        return me.text("mistake.incomplete", field=field_name(field, me))
    allowed = _allowed(field, error.facts, currency, me)
    if allowed is None:
        return me.error(error)
    shown = _shown(field, error.facts["value"], currency, me)
    return me.text("mistake.value", field=field_name(field, me), value=shown, allowed=allowed)


def file_error(error: "UserError", me: Viewer) -> str:
    """The sentence for a case in a file: its own field names, lines and numbers (0.08, not 8%)."""
    facts, field = error.facts, error.field or ""
    where = _where(field, facts.get("line"), me)
    if me.language == "en" or error.code not in ("case-value", "case-missing", "case-unknown"):
        return me.error(error)
    if error.code == "case-unknown":
        known = me.text("list.separator").join(facts["known"])
        return me.text("mistake.file.unknown", field=where, known=known)
    allowed = _allowed_in_file(field, facts, me)
    if error.code == "case-missing":
        return me.text("mistake.file.missing", field=where, allowed=allowed)
    return me.text("mistake.file.value", field=where, value=facts["value"], allowed=allowed)


def _where(field: str, line: int | None, me: Viewer) -> str:
    """A field as the file and the form call it, and its line."""
    at = me.text("mistake.file.line", field=field, line=line) if line else field
    return (
        me.text("mistake.file.where", name=field_name(field, me), at=at) if _has_name(field) else at
    )


def _allowed_in_file(field: str, facts: Mapping[str, Any], me: Viewer) -> str:
    rule, bound = facts.get("rule"), facts.get("bound")
    if rule:
        return me.text(f"mistake.rule.{rule}", bound="" if bound is None else f"{bound:g}")
    last = field.rpartition(".")[2]
    first = field.partition(".")[0]
    for name in (last, first if first in ("ramp", "prevalence") else "", kind_of(field)):
        for key in (f"mistake.file.allowed.{name}", f"mistake.allowed.{name}"):
            if has_text(key):
                return me.text(key)
    return str(facts["allowed"])


def _has_name(field: str) -> bool:
    return has_text(f"case.{field}")


def _allowed(field: str, facts: Mapping[str, Any], currency: str, me: Viewer) -> str | None:
    """What would have been allowed: a rule between fields, else the range of its kind."""
    rule, bound = facts.get("rule"), facts.get("bound")
    if rule:
        shown = "" if bound is None else _shown(field, bound, currency, me)
        return me.text(f"mistake.rule.{rule}", bound=shown)
    last = field.rpartition(".")[2]
    for key in (f"mistake.allowed.{last}", f"mistake.allowed.{kind_of(field)}"):
        if has_text(key):
            return me.text(key)
    return None


def _shown(field: str, value: Any, currency: str, me: Viewer) -> str:
    if field in ("ramp", "items_per_year") and isinstance(value, int):
        return str(value)  # how many values
    if isinstance(value, (int, float)) and abs(value) >= ABSURD:
        return f"{value:.3g}"  # three hundred digits help nobody
    return value_text(field, value, currency, me)
