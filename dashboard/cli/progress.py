"""Progress at the terminal, on stderr, and only where a person watches."""

import sys
import time

from dashboard.progress import progress_text
from dashboard.text import Viewer


class TerminalReporter:
    """A Reporter that rewrites one line, at most five times a second.

    `later`: what is being done once it starts to count anew.
    """

    def __init__(self, what: str, me: Viewer, later: str = "") -> None:
        self._what, self._me, self._later = what, me, later or what
        self._last, self._done, self._began = 0.0, 0, time.monotonic()

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < self._done:
            self._what, self._began = self._later, now
        self._done = done
        if not total or not sys.stderr.isatty() or (now - self._last < 0.2 and done < total):
            return
        self._last = now
        end = "\n" if done >= total else ""
        line = progress_text(self._what, done, total, self._me, now - self._began)
        print(f"\r\033[K{line}", end=end, file=sys.stderr, flush=True)

    def metric(self, step: int, **values: float) -> None: ...

    def log(self, message: str, level: str = "info") -> None:
        print(f"{level}: {message}", file=sys.stderr, flush=True)

    def check(self) -> None: ...
