"""Leaving Ray while it starts."""

import socket
import time
from pathlib import Path

import pytest

from digpt.errors import UserError
from jobs.engine.executor import RayExecutor
from jobs.engine.head import ensure_head
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


def test_a_cluster_that_nobody_answers_for_is_named_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        address = f"127.0.0.1:{closed_soon.getsockname()[1]}"
    with pytest.raises(UserError, match=f"Nobody answers at the Ray cluster {address}"):
        ensure_head(Settings(home=tmp_path, ray_address=address))
