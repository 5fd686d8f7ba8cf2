"""What a worker does about the outcome of a stage."""

from pathlib import Path
from typing import Any

from digpt.errors import UserError
from jobs.engine.artifacts import open_artifacts
from jobs.engine.events import EventWriter
from jobs.engine.worker import Task, Worker, _Run
from jobs.settings import Settings, load_settings


def find_damage(*_: Any, **__: Any) -> dict[str, Any]:
    raise UserError("A shard is changed.", code="damaged-cache")


def find_nothing(*_: Any, **__: Any) -> dict[str, Any]:
    raise UserError("There is no image.", code="no-images")


def outcome(settings: Settings, stage: str) -> dict[str, Any]:
    artifacts = open_artifacts(settings)
    artifacts.open("tokens", 1)
    artifacts.commit("tokens", 1, {})
    task = Task(
        key="p" * 64, number=1, kind="pretrain", params={}, inputs={"tokens": "tokens"}, source=""
    )
    worker = Worker(settings, f"{__name__}:{stage}", 1, 0)
    return worker._outcome(_Run(task, EventWriter(settings.home / "events.jsonl")))


def test_a_damaged_token_cache_is_taken_away_so_that_a_retry_makes_it_anew(tmp_path: Path):
    settings = load_settings(tmp_path)
    found = outcome(settings, "find_damage")
    assert (found["state"], found["error"]["code"]) == ("failed", "damaged-cache")
    assert not open_artifacts(settings).is_complete("tokens")


def test_another_mistake_leaves_the_inputs_alone(tmp_path: Path):
    settings = load_settings(tmp_path)
    assert outcome(settings, "find_nothing")["error"]["code"] == "no-images"
    assert open_artifacts(settings).is_complete("tokens")
