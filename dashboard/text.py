"""Words for people: every string in the reader's language, looked up by key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

from dashboard.numbers import interval, number
from digpt.errors import UserError

LANGUAGES = ("en", "ja")
LOCALES = Path(__file__).parent / "locales"


@cache
def strings(language: str) -> Mapping[str, str]:
    """All strings of one language by key."""
    return json.loads((LOCALES / f"{language}.json").read_text("utf-8"))


@cache
def _facts(language: str) -> Mapping[str, str]:
    """What is known of weights and data from elsewhere, by its English words."""
    path = LOCALES / f"facts.{language}.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def text(key: str, language: str, **values: object) -> str:
    """The string `key` with its values filled in; with `count=1` the form `key.one`, if any."""
    table = strings(language)
    if values.get("count") == 1 and f"{key}.one" in table:
        key = f"{key}.one"
    return table[key].format(**values)


def has_text(key: str) -> bool:
    """Whether `key` exists, for codes that come from elsewhere."""
    return key in strings("en")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page: the language and the theme that everything is made for."""

    language: str = "en"
    dark: bool = False

    def text(self, key: str, **values: object) -> str:
        """`text` in the viewer's language."""
        return text(key, self.language, **values)

    def fact(self, words: str) -> str:
        """A licence or an origin in the viewer's language; a name of a person's own as it is."""
        return _facts(self.language).get(words, words)

    def number(self, value: float | None, kind: str, currency: str = "") -> str:
        """`number` in the viewer's language; a dash where there is none."""
        return "–" if value is None else number(value, kind, self.language, currency)

    def interval(self, low: float, high: float, kind: str, currency: str = "") -> str:
        """`interval` in the viewer's language."""
        return interval(low, high, kind, self.language, currency)

    def error(self, error: UserError) -> str:
        """A UserError in the viewer's language where its code is translated, else as it came.

        English is what was raised, so `error.` keys are in the other languages' files alone; one
        code with several sentences tells them apart by its fact `why`.
        """
        known = strings(self.language)
        keys = (f"error.{error.code}.{error.facts.get('why')}", f"error.{error.code}")
        key = next((k for k in keys if k in known), "")
        if self.language == "en" or not key:
            return error.message
        facts = {name: self._fact(name, value) for name, value in error.facts.items()}
        words = known[key].format(**facts | {"field": error.field or "", "message": error.message})
        return f"{self._place(error.facts, known)}{words}"

    def _place(self, facts: Mapping[str, Any], known: Mapping[str, str]) -> str:
        """The file and the line of a spec, where the error is of one."""
        source, line = facts.get("source"), facts.get("line")
        if "source" not in facts or not (source or line):
            return ""
        part = "file" if source and line else "line" if line else "source"
        return known[f"error.place.{part}"].format(source=source, line=line)

    def _fact(self, name: str, value: Any) -> Any:
        """What a sentence mentions: lists with commas, and the names of things in words."""
        if isinstance(value, (list, tuple)):
            return self.text("list.separator").join(map(str, value)) or "–"
        keys = {"kind": "error.kind", "task": "data.task", "status": "status", "split": "split"}
        key = f"{keys[name]}.{value}" if name in keys else ""
        return strings(self.language).get(key, value)


def stored_error(error: Mapping[str, Any], me: Viewer) -> str:
    """What stopped a stage or a pilot, as the store keeps it, in the viewer's language."""
    named = ("code", "message", "field", "facts")
    facts = {k: v for k, v in error.items() if k not in named} | (error.get("facts") or {})
    message, code = str(error.get("message", "")), str(error.get("code", ""))
    try:
        return me.error(UserError(message, code=code, field=error.get("field"), **facts))
    except KeyError:  # kept by an earlier version, without what the sentence mentions
        return message


def columns_of(words: str) -> int:
    """How wide words are in Latin letters, as at a terminal: Japanese characters take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in words)
