"""What is wrong with a pilot spec: one sentence with the file, the line and the field.

`source` and `line` are among the facts of every error, so that a page can say the place in its own
language; `why` tells the sentences of one code apart.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from digpt.errors import UserError, pick

Path = list[int | str]
LONGEST = 60  # characters of a value that a sentence repeats

# what pydantic finds -> our sentence, said after the field's name
_WHY: Mapping[str, str] = {
    "missing": "missing",
    "string_type": "text",
    "string_too_short": "empty",
    "string_too_long": "long",
    "literal_error": "choice",
    "greater_than": "above",
    "greater_than_equal": "least",
    "less_than_equal": "most",
    "too_short": "few",
    "too_long": "many",
    "tuple_type": "list",
    "dict_type": "map",
    "model_type": "map",
    "model_attributes_type": "map",
}
_SAYS: Mapping[str, str] = {
    "missing": "is missing; give it",
    "text": "must be text, not {value!r}",
    "empty": "is empty; give at least one character",
    "long": "is too long; at most {max_length} characters fit",
    "choice": "must be {expected}, not {value!r}",
    "above": "must be above {gt:g}, not {value!r}",
    "least": "must be at least {ge:g}, not {value!r}",
    "most": "must be at most {le:g}, not {value!r}",
    "few": "is empty; give at least one",
    "many": "has {actual_length} entries; at most {max_length} are possible",
    "list": "must be a list, not {value!r}",
    "map": "must be a map of fields, not {value!r}",
    "whole": "must be a whole number, not {value!r}",
    "number": "must be a number, not {value!r}",
}


class Misfit(ValueError):
    """Fields that do not go together; pydantic finds their place. `why` is that of the error."""

    def __init__(self, why: str, said: str, **facts: object) -> None:
        super().__init__(said)
        self.why, self.facts = why, facts


def of_yaml(error: yaml.YAMLError, source: str) -> UserError:
    """Text that is no YAML."""
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else None
    problem = getattr(error, "problem", None) or str(error)
    return UserError(
        f"{_place(source, line)} is not valid YAML: {problem}.",
        code="bad-yaml",
        source=source,
        line=line,
    )


def of_validation(
    error: ValidationError,
    model: type[BaseModel],
    parts: Mapping[str, type[BaseModel]],
    text: str,
    source: str,
) -> UserError:
    """The first mistake that pydantic found. parts: the models of fields that have their own."""
    first = error.errors()[0]
    path: Path = [p for p in first["loc"] if not str(p).startswith("function-")]
    field, kind = ".".join(str(p) for p in path), first["type"]
    at = {"source": source, "line": _line_of(text, path) if text else None}
    place = _place(**at)
    if kind == "extra_forbidden":
        owner = parts.get(str(path[0]), model) if len(path) > 1 else model
        unknown = _unknown_field(owner, str(path[-1]))
        facts = unknown.facts | at
        return UserError(f"{place}: {unknown.message}", code="unknown-field", field=field, **facts)
    why = _WHY.get(kind) or {"int": "whole", "flo": "number"}.get(kind[:3], kind)
    facts: dict[str, Any] = {"value": _shown(first.get("input")), **first.get("ctx", {})}
    if isinstance(misfit := facts.pop("error", None), Misfit):
        why, facts = misfit.why, facts | misfit.facts
    if "expected" in facts:
        facts["known"] = re.findall(r"'([^']*)'", facts["expected"])
    said = _SAYS[why].format(**facts) if why in _SAYS else str(misfit or first["msg"])
    label = f"{field}{' ' if why in _SAYS else ': '}" if field else ""
    return UserError(
        f"{place}: {label}{said}.", code="bad-spec", field=field, **facts | at | {"why": why}
    )


def at_its_place(error: UserError, text: str, source: str) -> UserError:
    """The same error with the place of its field, or of the name that it is about."""
    path: Path = [int(p) if p.isdecimal() else p for p in (error.field or "").split(".")]
    line = _line_of(text, path) if text else None
    line = line or _line_with(text, str(error.facts.get("name", "")))
    message = f"{_place(source, line)}: {error.message}"
    facts = error.facts | {"source": source, "line": line}
    return UserError(message, code=error.code, field=error.field, **facts)


def _unknown_field(model: type[BaseModel], name: str) -> UserError:
    try:
        pick(dict.fromkeys(model.model_fields, 0), name, "field")
    except UserError as error:
        return error
    raise AssertionError(name)


def _shown(value: object) -> object:
    """A value as a sentence can repeat it."""
    if isinstance(value, (int, float)):
        return value
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _place(source: str, line: int | None) -> str:
    where = source or "the spec"
    return f"{where}, line {line}" if line else where


def _line_of(text: str, path: Path) -> int | None:
    """1-based line of the deepest part of `path` that stands in the YAML text."""
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    line = None
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            item: yaml.Node = node.value[part]
            line, node = item.start_mark.line + 1, item
    return line


def _line_with(text: str, name: str) -> int | None:
    """1-based line of the last place where `name` stands as a word of its own."""
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    lines = [i for i, line in enumerate(text.splitlines(), 1) if name and word.search(line)]
    return lines[-1] if lines else None
