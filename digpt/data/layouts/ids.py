"""Ids as files write them: the number 12 in one place, the text "12" or "000012" in another."""

import re
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_NUMBER = re.compile(r"0*(\d+)(?:\.0*)?")


class Ids(Generic[T]):
    """What each id stands for. An id that is written otherwise is found where only one fits."""

    def __init__(self) -> None:
        self._meant: dict[Any, T] = {}
        self._alike: dict[str, list[Any]] = {}
        self.found = 0
        self.rewritten: list[tuple[Any, Any]] = []  # ids as they were asked for, and as they are
        self.unknown: list[tuple[str, Any]] = []  # where, and the id that is none

    def __contains__(self, ident: Any) -> bool:
        return ident in self._meant

    def add(self, ident: Any, meant: T) -> Any:
        """Keep a new id; returns an earlier one that differs from it in writing only, if any."""
        self._meant[ident] = meant
        alike = self._alike.setdefault(_plain(ident), [])
        alike.append(ident)
        return alike[0] if len(alike) > 1 else None

    def find(self, ident: Any, where: str) -> T | None:
        """What an id stands for; None where it is unknown, which is remembered."""
        known = as_id(ident)
        if known not in self._meant:
            alike = self._alike.get(_plain(known), [])
            if len(alike) != 1:
                self.unknown.append((where, ident))
                return None
            self.rewritten.append((known, alike[0]))
            known = alike[0]
        self.found += 1
        return self._meant[known]

    @property
    def example(self) -> Any:
        """One of the ids; a dash where there is none."""
        return next(iter(self._meant), "–")


def as_id(value: Any) -> Any:
    """A value that can be an id; None for a list, an object, a truth value or nothing."""
    is_id = isinstance(value, (int, str, float)) and not isinstance(value, bool)
    return value if is_id and value != "" else None


def _plain(ident: Any) -> str:
    text = str(ident).strip().casefold()
    number = _NUMBER.fullmatch(text)
    return number[1] if number else text
