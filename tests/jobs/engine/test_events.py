"""What an attempt tells arrives whole, once and in order."""

import json
from pathlib import Path

import pytest

from digpt.errors import Cancelled
from jobs.engine.events import EventWriter, read_events, read_json, write_json


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attempt" / "events.jsonl"


def test_points_logs_and_progress_arrive(path: Path) -> None:
    writer = EventWriter(path, clock=lambda: 7.0)
    writer.metric(1, loss=0.5, lr=1e-3)
    writer.log("half-way — 半分", "warning")
    writer.progress(5, 10)
    writer.close()
    batch = read_events(path, 0)
    assert [(p.step, p.name, p.value) for p in batch.points] == [(1, "loss", 0.5), (1, "lr", 1e-3)]
    assert [(g.at, g.level, g.text) for g in batch.logs] == [(7.0, "warning", "half-way — 半分")]
    assert batch.progress == (5, 10)
    assert batch.offset == path.stat().st_size


def test_reading_goes_on_where_it_stopped(path: Path) -> None:
    writer = EventWriter(path)
    writer.metric(1, loss=0.5)
    writer.flush()
    first = read_events(path, 0)
    writer.metric(2, loss=0.4)
    writer.close()
    assert [p.step for p in read_events(path, first.offset).points] == [2]


def test_a_line_still_being_written_waits(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"done": 1, "total": 2}\n{"done": 2, "to')
    batch = read_events(path, 0)
    assert batch.progress == (1, 2)
    assert batch.offset == 24


def test_a_torn_line_is_left_out(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"done": 1,\n{"done": 2, "total": 2}\n')
    assert read_events(path, 0).progress == (2, 2)


def test_no_file_yet_means_no_news(path: Path) -> None:
    assert read_events(path, 0).offset == 0
    assert read_json(path) is None


def test_values_that_no_curve_can_show_are_said_once(path: Path) -> None:
    writer = EventWriter(path)
    for step in range(3):
        writer.metric(step, loss=float("nan"))
    writer.close()
    batch = read_events(path, 0)
    assert batch.points == []
    assert [g.text for g in batch.logs] == ["loss is nan at step 0"]


def test_many_reports_make_few_writes(path: Path) -> None:
    writer = EventWriter(path)
    for step in range(10_000):
        writer.progress(step, 10_000)
    writer.close()
    assert len(path.read_text().splitlines()) < 100


def test_a_cancelled_reporter_stops_the_work_at_its_next_check(path: Path) -> None:
    writer = EventWriter(path)
    writer.check()
    writer.cancelled.set()
    with pytest.raises(Cancelled):
        writer.check()


def test_a_small_file_is_replaced_at_once(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"n": 1})
    write_json(tmp_path / "a.json", {"n": 2}, durable=True)
    assert json.loads((tmp_path / "a.json").read_text()) == {"n": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
