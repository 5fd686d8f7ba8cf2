"""Progress at a terminal and in a log."""

import pytest

from dashboard.cli import progress
from dashboard.text import Viewer


class Clock:
    """A second passes whenever somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


@pytest.mark.parametrize(("is_terminal", "lines"), [(True, 100), (False, 3)])
def test_a_log_gets_a_line_now_and_then_and_a_terminal_one_that_lives(
    is_terminal: bool,
    lines: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(progress, "time", Clock())
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    reporter = progress.TerminalReporter("Reading", Viewer("en"))
    for done in range(1, 101):
        reporter.progress(done, 200)
    told = capsys.readouterr().err
    assert told.count("Reading") == lines
    assert ("\r" in told) == is_terminal
    reporter.progress(200, 200)
    assert capsys.readouterr().err.endswith("\n") == is_terminal
