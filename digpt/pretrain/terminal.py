"""A reporter for people at a terminal, or who read its log file later."""

import sys
import time
from typing import TextIO

from digpt.reporter import Quiet

LINE_SECONDS = 10.0  # between two lines of progress in a file
REDRAW_SECONDS = 0.2  # of the one line of progress on a terminal


class Terminal(Quiet):
    """Lines on standard error: what happens, how far it is, how long it will still take."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_live = self._stream.isatty()
        self._began = self._shown = 0.0
        self._first = self._last = self._total = 0
        self._loss = ""
        self._is_open = False  # a line of progress stands at the end, to be drawn over

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if total != self._total or done < self._last:  # another piece of work
            self._began = self._shown = now
            self._first, self._total = done, total
        self._last = done
        interval = REDRAW_SECONDS if self._is_live else LINE_SECONDS
        if now - self._shown < interval and done < total:
            return
        self._shown = now
        self._draw(self._line(done, total, now - self._began), ends=done >= total)

    def metric(self, step: int, **values: float) -> None:
        self._loss = f", loss {values['loss']:.4f}" if "loss" in values else ""

    def log(self, message: str, level: str = "info") -> None:
        mark = "" if level == "info" else f"{level}: "
        if self._is_open:
            self._stream.write("\n")
            self._is_open = False
        self._stream.write(f"{mark}{message}\n")
        self._stream.flush()

    def _line(self, done: int, total: int, seconds: float) -> str:
        rate = (done - self._first) / seconds if seconds > 0 else 0.0
        left = f", {_duration((total - done) / rate)} left" if rate and done < total else ""
        speed = f", {rate:,.0f} per second" if rate else ""
        return f"{done:,} of {total:,} ({done / max(total, 1):.0%}){speed}{left}{self._loss}"

    def _draw(self, line: str, *, ends: bool) -> None:
        start, end = ("\r\x1b[K", "\n" if ends else "") if self._is_live else ("", "\n")
        self._stream.write(f"{start}  {line}{end}")
        self._stream.flush()
        self._is_open = self._is_live and not ends


def _duration(seconds: float) -> str:
    """Time to go in one or two units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
