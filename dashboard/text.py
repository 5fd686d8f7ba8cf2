"""Words for people: every string in the reader's language, looked up by key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dashboard.numbers import interval, number

LANGUAGES = ("en", "ja")
LOCALES = Path(__file__).parent / "locales"


@cache
def strings(language: str) -> Mapping[str, str]:
    """All strings of one language by key."""
    return json.loads((LOCALES / f"{language}.json").read_text("utf-8"))


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

    def number(self, value: float | None, kind: str, currency: str = "") -> str:
        """`number` in the viewer's language; a dash where there is none."""
        return "–" if value is None else number(value, kind, self.language, currency)

    def interval(self, low: float, high: float, kind: str, currency: str = "") -> str:
        """`interval` in the viewer's language."""
        return interval(low, high, kind, self.language, currency)

    def error(self, error: Any) -> str:
        """A UserError in the viewer's language where its code is translated, else as it came."""
        key = f"error.{error.code}"
        if self.language == "en" or not has_text(key):
            return error.message
        values = error.facts | {"field": error.field or "", "message": error.message}
        return self.text(key, **values)
