"""Work that takes a while behind a page: where it is, how to stop it, and what came of it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import gradio as gr

from dashboard.html import NOTHING, Html, bar, h, note
from dashboard.progress import progress_text
from dashboard.text import Viewer
from digpt.errors import Cancelled, UserError
from digpt.reporter import Quiet, Reporter

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

    @property
    def seconds(self) -> float:
        """How long its present part has been running."""
        return time.monotonic() - self._reporter.began

    @property
    def part(self) -> int:
        """0 for its first part; one more whenever it starts to count anew."""
        return self._reporter.part

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


class _Told(Quiet):
    """A reporter that remembers how far the work is."""

    def __init__(self) -> None:
        self.at = (0, 0)
        self.part, self.began = 0, time.monotonic()
        self.asked_to_stop = False

    def progress(self, done: int, total: int) -> None:
        if done < self.at[0]:
            self.part, self.began = self.part + 1, time.monotonic()
        self.at = (done, total)

    def check(self) -> None:
        if self.asked_to_stop:
            raise Cancelled


class Errand:
    """What a page's button starts, once for each viewer, so that each stops their own.

    page: prefix of the page's words and ids. doing: key of what is said meanwhile. again: whether
    the button is offered anew after the work has succeeded.
    """

    def __init__(self, page: str, doing: str, me: Viewer, *, again: bool) -> None:
        self.page, self.doing, self.me, self.again = page, doing, me, again
        self._under_way: dict[str, Background[Any]] = {}

    def run(self, work: Callable[[Reporter], Any], request: gr.Request) -> Iterator[list[Any]]:
        """Progress box, button and stop button, now and then until the work has ended."""
        me, key = self.me, str(request.session_hash)
        begun = Background(work)
        self._under_way[key] = begun
        hidden, offered = gr.update(visible=False), gr.update(visible=True)
        try:
            for at in begun:
                box = progress_box(at, me.text(self.doing), me, begun.seconds)
                yield [box, hidden, offered]
            begun.result()
            yield [NOTHING, offered if self.again else hidden, hidden]
        except Cancelled:
            yield [note(me.text(f"{self.page}.stopped")), offered, hidden]
        except UserError as error:
            yield [note(me.error(error), "no", f"{self.page}-error"), offered, hidden]
        finally:
            self._under_way.pop(key, None)

    def stop(self, request: gr.Request) -> None:
        """Ask the viewer's own work to end at its next step."""
        if work := self._under_way.get(str(request.session_hash)):
            work.stop()


def progress_box(at: tuple[int, int], words: str, me: Viewer, seconds: float = 0.0) -> Html:
    """A bar with what is being done, how far it is after so many seconds and, once that can be
    told, how long it still takes."""
    done, total = at
    return h(
        '<div class="d-work" aria-live="polite">{bar}<p class="d-note">{said}</p></div>',
        bar=bar(done / total if total else 0.0, words),
        said=progress_text(words, done, total, me, seconds) if total else words,
    )
