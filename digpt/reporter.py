"""How long work says where it is and hears that it should stop."""

from typing import Protocol


class Reporter(Protocol):
    """What a stage is handed. `digpt` never prints; it reports."""

    def progress(self, done: int, total: int) -> None:
        """`done` of `total` units (images, steps, fits) are finished."""

    def metric(self, step: int, **values: float) -> None:
        """One point of one or more curves, e.g. `metric(120, loss=0.71, lr=1e-3)`."""

    def log(self, message: str, level: str = "info") -> None:
        """One line a person may want to read; `level` is info, warning or error."""

    def check(self) -> None:
        """Raise `Cancelled` if the work should stop now. Cheap: call it at every step."""


class Quiet:
    """Reports to nobody and is never cancelled."""

    def progress(self, done: int, total: int) -> None: ...

    def metric(self, step: int, **values: float) -> None: ...

    def log(self, message: str, level: str = "info") -> None: ...

    def check(self) -> None: ...


class Counted:
    """Progress of work that is told unit by unit."""

    def __init__(self, reporter: Reporter, total: int) -> None:
        self.reporter, self.total, self.done = reporter, total, 0

    def add(self, units: int = 1) -> None:
        """So many more units are finished."""
        self.done += units
        self.reporter.progress(self.done, self.total)


class Part(Quiet):
    """A share of larger work, from `start` to `end` of 1; only its progress and whether it should
    stop concern the whole, which hears of percent."""

    def __init__(self, whole: Reporter, start: float, end: float) -> None:
        self._whole, self._start, self._end = whole, start, end

    def progress(self, done: int, total: int) -> None:
        at = self._start + (self._end - self._start) * done / max(total, 1)
        self._whole.progress(round(100 * at), 100)

    def check(self) -> None:
        self._whole.check()
