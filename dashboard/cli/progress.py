"""Progress at the terminal, on stderr, and only where a person watches."""

import sys
import time


class TerminalReporter:
    """A Reporter that rewrites one line, at most five times a second."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._last = 0.0

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not sys.stderr.isatty() or (now - self._last < 0.2 and done < total):
            return
        self._last = now
        end = "\n" if done >= total else ""
        print(f"\r{self._what}: {done} of {total}", end=end, file=sys.stderr, flush=True)

    def metric(self, step: int, **values: float) -> None: ...

    def log(self, message: str, level: str = "info") -> None:
        print(f"{level}: {message}", file=sys.stderr, flush=True)

    def check(self) -> None: ...
