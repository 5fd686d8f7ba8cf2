"""Work that takes a while behind a page: where it is, how to stop it, and what came of it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Generic, TypeVar

from dashboard.html import Html, bar, h
from dashboard.text import Viewer
from digpt.errors import Cancelled
from digpt.reporter import Reporter

T = TypeVar("T")
EVERY = 0.4  # seconds between two looks


class Background(Generic[T]):
    """A function that is given a reporter, running in a thread of its own.

    Iterating gives (done, total) now and then until it has ended. Leaving the page does not end it:
    what it finds is remembered by the service, so that it is there when somebody comes back.
    """

    def __init__(self, work: Callable[[Reporter], T]) -> None:
        self._reporter = _Told()
        self._future: Future[T] = Future()
        threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        while not self._future.done():
            yield self._reporter.at
            time.sleep(EVERY)

    def stop(self) -> None:
        """Ask it to end at its next step."""
        self._reporter.asked_to_stop = True

    def result(self) -> T:
        """What it returned; raises what it raised, `Cancelled` where it was stopped."""
        return self._future.result()

    def _run(self, work: Callable[[Reporter], T]) -> None:
        try:
            self._future.set_result(work(self._reporter))
        except BaseException as error:
            self._future.set_exception(error)


class _Told:
    """A reporter that remembers how far the work is."""

    def __init__(self) -> None:
        self.at = (0, 0)
        self.asked_to_stop = False

    def progress(self, done: int, total: int) -> None:
        self.at = (done, total)

    def metric(self, step: int, **values: float) -> None: ...

    def log(self, message: str, level: str = "info") -> None: ...

    def check(self) -> None:
        if self.asked_to_stop:
            raise Cancelled


def progress_box(at: tuple[int, int], words: str, me: Viewer) -> Html:
    """A bar with what is being done and how far it is."""
    done, total = at
    share = done / total if total else 0.0
    said = me.text(
        "work.at", what=words, done=me.number(done, "count"), total=me.number(total, "count")
    )
    return h(
        '<div class="d-work" aria-live="polite">{bar}<p class="d-note">{said}</p></div>',
        bar=bar(share, words),
        said=said if total else words,
    )
