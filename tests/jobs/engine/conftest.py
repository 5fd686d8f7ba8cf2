"""A supervisor whose executor and clock the test holds in its hands."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from digpt.errors import UserError
from jobs.engine.artifacts import Artifacts, open_artifacts
from jobs.engine.events import RESULT, write_json
from jobs.engine.executor import Ended, Slot
from jobs.engine.reconcile import Supervisor
from jobs.engine.worker import Task, attempt_folder
from jobs.settings import Settings
from jobs.store import Store
from jobs.store.records import ArmRecord, Cost, NewPilot, PilotRecord


@dataclass
class FakeExecutor:
    """Runs nothing: the test says when an attempt is over, and how."""

    settings: Settings
    artifacts: Artifacts
    size: int = 2
    problem: UserError | None = None
    running: dict[tuple[str, int], Slot] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    killed: list[tuple[str, int]] = field(default_factory=list)
    over: list[Ended] = field(default_factory=list)

    def adopt(self) -> set[tuple[str, int]]:
        return set(self.running)

    def free(self) -> list[Slot]:
        taken = {slot.name for slot in self.running.values()}
        names = [f"slot-{i + 1}" for i in range(self.size)]
        return [Slot(n, Cost()) for n in names if n not in taken]

    def submit(self, slot: Slot, task: Task) -> None:
        self.running[task.key, task.number] = slot
        self.tasks.append(task)

    def poll(self, seconds: float = 0.0) -> list[Ended]:
        over, self.over = self.over, []
        return over

    def cancel(self, key: str, number: int) -> None:
        self.cancelled.append((key, number))

    def kill(self, key: str, number: int) -> Ended | None:
        self.killed.append((key, number))
        self.running.pop((key, number), None)
        return None

    def rest(self) -> None: ...

    def close(self) -> None: ...

    def names(self) -> list[str]:
        """Names of the running stages, in order of their start."""
        return [key.rstrip("0") for key, _ in self.running]

    def end(self, name: str, state: str = "done", **result: Any) -> None:
        """The worker of the running attempt has written its result."""
        key, number = next(k for k in self.running if k[0] == key_of(name))
        if state == "done":
            self.artifacts.open(key, number)
            self.artifacts.commit(key, number, result.pop("summary", {}))
        cost = {"device_seconds": result.pop("seconds", 1.0), "device_type": "cpu", "cores": 1.0}
        folder = attempt_folder(self.settings, key, number)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / RESULT, {"state": state, "cost": cost, **result})
        del self.running[key, number]
        self.over.append(Ended(key, number, lost=False))

    def lose(self, name: str) -> None:
        """The worker of the running attempt has died."""
        key, number = next(k for k in self.running if k[0] == key_of(name))
        del self.running[key, number]
        self.over.append(Ended(key, number, lost=True, reason="killed"))


@dataclass
class House:
    """A home with a supervisor in it."""

    settings: Settings
    time: float = 1_800_000_000.0

    def __post_init__(self) -> None:
        self.store = Store(self.settings.database, clock=lambda: self.time)
        self.artifacts = open_artifacts(self.settings)
        self.executor = FakeExecutor(self.settings, self.artifacts)
        self.supervisor = self.new_supervisor()

    def new_supervisor(self) -> Supervisor:
        def price(device: str, seconds: float, currency: str, cores: float) -> float:
            return seconds * cores

        return Supervisor(
            self.settings,
            self.store,
            self.artifacts,
            self.executor,
            price=price,
            clock=lambda: self.time,
        )

    def submit(self, *stages: Any, arms: Sequence[str] = ("A",), **values: Any) -> str:
        """Store a pilot of these stages; its id."""
        records = [ArmRecord(name=a, method="digpt", tokenizer=None, look=0) for a in arms]
        new = NewPilot(name="pilot", spec={}, dataset="surfaces", **values)
        self.time += 1
        return self.store.create_pilot(new, records, stages).id

    def tick(self, seconds: float = 1.0) -> None:
        self.time += seconds
        self.supervisor.tick()

    def state(self, name: str) -> str:
        return self.store.stage(key_of(name)).state

    def pilot(self, pilot_id: str) -> PilotRecord:
        return self.store.pilot(pilot_id)


def key_of(name: str) -> str:
    return name.ljust(64, "0")


def make_stage(name: str, *inputs: str, arms: Sequence[str] = ("A",), kind: str = "fit") -> Any:
    """A planned stage; its key is its name, filled up."""
    return SimpleNamespace(
        key=key_of(name),
        kind=kind,
        params={"name": name},
        inputs={f"in{i}": key_of(n) for i, n in enumerate(inputs)},
        arms=tuple(arms),
        label=name,
        units=10.0,
        cost_hint=2.0,
        source="",
    )


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Settings(home=tmp_path / "home"))


@pytest.fixture
def stage() -> Any:
    """Makes planned stages."""
    return make_stage
