"""What an import found and a card tells, in the reader's language: digpt says it in English."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from dashboard.text import LOCALES, Viewer, has_text
from digpt.data.problems import listed
from digpt.data.reasons import Reason

if TYPE_CHECKING:
    from digpt.data.problems import Problem
    from digpt.data.remarks import Remark
    from jobs.views import DatasetView

# as importers write it: labels.csv, row 14
_PLACE = re.compile(
    r"(?P<file>.+), (?P<part>row|line|image|annotation|category|object|shape) (?P<number>\d+)"
)


@cache
def translations(language: str) -> Mapping[str, Any]:
    """`kinds`: what and fix by a problem's code; `reasons` and `remarks`: words by their codes;
    `sources`: what is read from; `places`: a place in a file."""
    return json.loads((LOCALES / f"problems.{language}.json").read_text("utf-8"))


def problem_words(found: "Problem", me: Viewer) -> tuple[str, str]:
    """What is wrong, and what to do."""
    if me.language == "en":
        return found.what, found.fix
    what, fix = translations(me.language)["kinds"][found.code]
    facts = {name: _fact(value, me.language) for name, value in found.facts.items()}
    if has_text(f"split.{facts.get('split')}"):
        facts["split"] = me.text(f"split.{facts['split']}")
    return what.format(**facts), fix.format(**facts)


def place_words(file: str, me: Viewer) -> str:
    """A file, and the place in it where one is named."""
    named = _PLACE.fullmatch(file)
    if me.language == "en" or named is None:
        return file
    words = translations(me.language)["places"][named["part"]]
    return f"{named['file']}{words.format(number=named['number'])}"


def remark_words(found: "Remark", me: Viewer) -> str:
    """What is said of a whole dataset; a set's own words stay as they are."""
    if me.language == "en":
        return found.words
    known = translations(me.language)
    kind = known["kinds"].get(found.code, [None])[0]
    words = known["remarks"].get(found.code, kind)
    if words is None:
        return found.words
    facts = {name: _fact(value, me.language) for name, value in found.facts.items()}
    if "source" in facts:
        facts["source"] = known["sources"].get(facts["source"], facts["source"])
    if found.code in known["remarks"] and "split" in facts:
        facts["split"] = me.text(f"split.{facts['split']}")
    return words.format(**facts)


def dataset_notes(data: "DatasetView", me: Viewer) -> list[str]:
    """What to know of the set, in the reader's language where that is there."""
    if data.builtin:
        return builtin_notes(data.name, data.notes, me)
    return [remark_words(note, me) for note in data.notes]


def builtin_notes(name: str, notes: "Sequence[Remark]", me: Viewer) -> list[str]:
    """What to know of a built-in set."""
    keys = [f"builtin.{name}.{i}" for i in range(len(notes))]
    known = zip(keys, notes, strict=True)
    return [me.text(key) if has_text(key) else said.words for key, said in known]


def format_words(found: Any, me: Viewer) -> str:
    """How a source was read."""
    return me.text("list.separator").join(remark_words(one, me) for one in found.formats)


def _fact(value: Any, language: str) -> Any:
    if isinstance(value, Reason):
        return translations(language)["reasons"][value.code].format(**value.facts)
    return listed(value, "、")
