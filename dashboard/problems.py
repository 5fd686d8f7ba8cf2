"""What an import found, in the reader's language: digpt says it in English, locales otherwise."""

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from dashboard.text import LOCALES, Viewer
from digpt.data.problems import listed
from digpt.data.reasons import Reason

if TYPE_CHECKING:
    from digpt.data.problems import Problem


@cache
def translations(language: str) -> Mapping[str, Any]:
    """`kinds`: what and fix by a problem's code; `reasons`: words by a reason's code."""
    return json.loads((LOCALES / f"problems.{language}.json").read_text("utf-8"))


def problem_words(found: "Problem", me: Viewer) -> tuple[str, str]:
    """What is wrong, and what to do."""
    if me.language == "en":
        return found.what, found.fix
    what, fix = translations(me.language)["kinds"][found.code]
    facts = {name: _fact(value, me.language) for name, value in found.facts.items()}
    return what.format(**facts), fix.format(**facts)


def _fact(value: Any, language: str) -> Any:
    if isinstance(value, Reason):
        return translations(language)["reasons"][value.code].format(**value.facts)
    return listed(value, "、")
