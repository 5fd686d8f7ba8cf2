"""What an attempt tells while it runs: lines of JSON in its folder, read by byte offset."""

import json
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from digpt.errors import Cancelled
from jobs.store.records import Log, Point

EVENTS, RESULT, BEAT = "events.jsonl", "result.json", "beat.json"
FLUSH_SECONDS = 0.25
MAX_READ = 1_000_000  # bytes taken over at once


@dataclass(slots=True)
class Batch:
    """What was told since the last look."""

    offset: int
    points: list[Point] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    progress: tuple[int, int] | None = None


class EventWriter:
    """The reporter of an attempt: gathers events, writes them about four times a second."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._clock = clock
        self._lines: list[dict[str, Any]] = []
        self._progress: tuple[int, int] | None = None
        self._flushed = 0.0
        self._odd_values: set[str] = set()
        self.cancelled = threading.Event()

    def progress(self, done: int, total: int) -> None:
        self._progress = (int(done), int(total))
        self._flush_sometimes()

    def metric(self, step: int, **values: float) -> None:
        for name, value in values.items():
            if math.isfinite(value):
                self._add({"step": int(step), "name": name, "value": float(value)})
            elif name not in self._odd_values:  # said once; a curve cannot show it
                self._odd_values.add(name)
                self.log(f"{name} is {value} at step {step}", "warning")
        self._flush_sometimes()

    def log(self, message: str, level: str = "info") -> None:
        self._add({"at": self._clock(), "level": level, "text": str(message)})
        self._flush_sometimes()

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def flush(self) -> None:
        """Write what was gathered; called from the heartbeat too, so nothing waits long."""
        with self._lock:
            lines, self._lines = self._lines, []
            progress, self._progress = self._progress, None
            if progress is not None:
                lines.append({"done": progress[0], "total": progress[1]})
            if lines and not self._file.closed:
                self._file.write("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in lines))
                self._file.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        self.flush()
        self._file.close()

    def _add(self, line: dict[str, Any]) -> None:
        with self._lock:
            self._lines.append(line)

    def _flush_sometimes(self) -> None:
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()


def read_events(path: Path, offset: int) -> Batch:
    """Whole lines after byte `offset`; a line still being written waits for the next look."""
    batch = Batch(offset)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(MAX_READ)
    except FileNotFoundError:
        return batch
    end = content.rfind(b"\n") + 1
    batch.offset = offset + end
    for line in content[:end].splitlines():
        _take(batch, line)
    return batch


def write_json(path: Path, value: Any, *, durable: bool = False) -> None:
    """Replace a small file at once: a reader sees the old one or the new one."""
    aside = path.with_suffix(".tmp")
    with aside.open("w", encoding="utf-8") as file:
        file.write(json.dumps(value, ensure_ascii=False))
        if durable:
            file.flush()
            os.fsync(file.fileno())
    aside.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The file's content, or None where there is none (yet)."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _take(batch: Batch, line: bytes) -> None:
    try:
        event = json.loads(line)
    except ValueError:
        return  # torn by a crash of the machine: the next line is whole again
    if "name" in event:
        batch.points.append(Point(event["step"], event["name"], event["value"]))
    elif "text" in event:
        batch.logs.append(Log(event["at"], event["level"], event["text"]))
    elif "done" in event:
        batch.progress = (event["done"], event["total"])
