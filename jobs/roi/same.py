"""The very same object, as a key of what is kept: arrays are too long to compare by value."""

from typing import Generic, TypeVar

T = TypeVar("T", covariant=True)


class Same(Generic[T]):
    """Equal to another that holds the same object; holds it, so that no other takes its place."""

    def __init__(self, held: T) -> None:
        self.held = held

    def __hash__(self) -> int:
        return id(self.held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.held is self.held
