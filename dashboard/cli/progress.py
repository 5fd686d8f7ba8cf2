"""Progress on stderr: one living line where a person watches, a line now and then in a log."""

import sys
import time

from dashboard.progress import progress_text
from dashboard.text import Viewer

REDRAW_SECONDS, LINE_SECONDS = 0.2, 30.0  # of the line at a terminal; between lines of a log


class TerminalReporter:
    """A Reporter that rewrites one line; a log gets lines, and of short work none.

    `later`: what is being done once it starts to count anew.
    """

    def __init__(self, what: str, me: Viewer, later: str = "") -> None:
        self._what, self._me, self._later = what, me, later or what
        self._began = time.monotonic()
        self._last, self._done = self._began, 0
        self._is_live = sys.stderr.isatty()

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < self._done:
            self._what, self._began = self._later, now
        self._done = done
        is_due = now - self._last >= (REDRAW_SECONDS if self._is_live else LINE_SECONDS)
        ends = self._is_live and done >= total
        if not total or not (is_due or ends):
            return
        self._last = now
        line = progress_text(self._what, done, total, self._me, now - self._began)
        start, end = ("\r\033[K", "\n" if ends else "") if self._is_live else ("", "\n")
        print(f"{start}{line}", end=end, file=sys.stderr, flush=True)

    def metric(self, step: int, **values: float) -> None: ...

    def log(self, message: str, level: str = "info") -> None:
        print(f"{level}: {message}", file=sys.stderr, flush=True)

    def check(self) -> None: ...
