"""Signals that ask a training to stop, as a request that it hears at its next step."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from digpt.errors import Cancelled
from digpt.reporter import Reporter


class _Stoppable:
    """A reporter that also says `Cancelled` once a signal has come."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.signal: int | None = None
        self.progress, self.metric, self.log = reporter.progress, reporter.metric, reporter.log

    def check(self) -> None:
        if self.signal is not None:
            raise Cancelled(f"stopped by {signal.Signals(self.signal).name}")
        self._reporter.check()


@contextlib.contextmanager
def stopped_by(
    reporter: Reporter, *signals: int, default: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT)
) -> Iterator[Reporter]:
    """A reporter that raises `Cancelled` at the next check after one of the signals, so that a
    training writes its checkpoint and stops; a second one acts as it did before. Main thread only.
    """
    stoppable = _Stoppable(reporter)
    before = {number: signal.getsignal(number) for number in signals or default}

    def ask(number: int, _: FrameType | None) -> None:
        stoppable.signal = number
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, ask)
    try:
        yield stoppable
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
