"""Leaving Ray while it starts."""

import time
from pathlib import Path

import pytest

from digpt.errors import UserError
from jobs.engine.executor import RayExecutor
from jobs.settings import Settings, load_settings


def test_a_head_that_is_starting_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def slow(settings: Settings) -> None:
        time.sleep(0.2)
        written.append(settings.home)
        raise UserError("no more of this start is needed here")

    monkeypatch.setattr("jobs.engine.executor.ensure_head", slow)
    executor = RayExecutor(load_settings(tmp_path))
    assert executor.free() == []
    executor.close()
    assert written == [tmp_path]
