"""The engine with a real Ray: what survives whose death.

A head takes ten seconds of a core, and a worker five: the tests share one home, and each works on
stages of its own name.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from jobs.engine.artifacts import open_artifacts
from jobs.engine.head import attach, ensure_head, stop_head
from jobs.engine.supervisor import LEASE, ensure_supervisor, is_led, run_in_process, stop_all
from jobs.settings import Settings
from jobs.store import Store
from jobs.store.records import ArmRecord, NewPilot

pytestmark = [pytest.mark.ray, pytest.mark.slow]
RUNNER = "engine_runner:run_stage"
ENDED = ("done", "partial", "failed", "cancelled")


class House:
    """A home with two slots, and a folder where stages leave a mark when they begin."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, slots=2)
        self.store = Store(self.settings.database)
        self.marks = home / "marks"
        self.marks.mkdir()

    def stage(self, name: str, *inputs: str, **params: Any) -> Any:
        return SimpleNamespace(
            key=key_of(name),
            kind="fit",
            params={"name": name, "marks": str(self.marks), **params},
            inputs={f"in{i}": key_of(n) for i, n in enumerate(inputs)},
            arms=("A",),
            label=name,
            units=1.0,
            cost_hint=1.0,
            source="",
        )

    def submit(self, *stages: Any) -> str:
        arm = ArmRecord(name="A", method="digpt", tokenizer=None, look=0)
        return self.store.create_pilot(NewPilot(name="p", spec={}, dataset="d"), [arm], stages).id

    def begun(self, name: str) -> list[int]:
        """Pids of the workers that began the stage, in order."""
        marks = sorted(self.marks.glob(f"{name}.*"), key=lambda p: p.suffix)
        return [int(p.name.split(".")[1]) for p in marks]

    def lead(self) -> int:
        """Pid of the supervisor, started where nobody leads."""
        if started := ensure_supervisor(self.settings, runner=RUNNER):
            return started
        return int((self.store.lease_owner(LEASE) or "").rpartition(":")[2])

    def status(self, pilot: str) -> str:
        return self.store.pilot(pilot).status

    def why(self, pilot: str) -> str:
        """What is known when a pilot did not end as it should."""
        attempts = [a for s in self.store.stages(pilot) for a in self.store.attempts(s.key)]
        log = self.settings.home / "logs" / "supervisor.log"
        return f"{attempts}\n{log.read_text() if log.exists() else ''}"


@pytest.fixture(scope="module")
def _path() -> Iterator[None]:
    """Ray's workers find the runner beside this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, _path: None) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("home")) as house:
        yield house


@pytest.fixture
def house(shared: House) -> Iterator[House]:
    """The shared home; a test that failed leaves no stage in its slots."""
    yield shared
    for pilot in shared.store.pilots().rows:
        shared.store.request_cancel(pilot.id)


@contextlib.contextmanager
def open_house(home: Path) -> Iterator[House]:
    """A home, and nothing left of its processes afterwards."""
    house = House(home)
    try:
        yield house
    finally:
        stop_all(house.settings)
        stop_head(house.settings)


@pytest.mark.usefixtures("_path")
def test_a_pilot_runs_in_process_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        pilot = house.submit(
            house.stage("a", value=1),
            house.stage("b", "a", value=2, steps=3, pause=0.1),
            house.stage("c", "a", "b", value=4),
        )
        assert run_in_process(house.settings, pilot, runner=RUNNER)
        assert house.status(pilot) == "done", house.why(pilot)
        artifacts = open_artifacts(house.settings)
        assert (artifacts.folder(key_of("c")) / "value").read_text() == "8"  # 4 + (1) + (2 + 1)
        assert [artifacts.verify(key_of(n)) for n in "abc"] == [[], [], []]
        stages = house.store.stages(pilot)
        assert all(s.state == "done" and s.device_seconds > 0 and s.peak_memory for s in stages)
        assert [p.step for p in house.store.points([key_of("b")])] == [1, 2, 3]
        assert (stages[1].done, stages[1].total) == (3, 3)
        assert not attach(house.settings)
        assert not is_led(house.settings)


def test_the_head_survives_its_starter_and_is_found_again(house: House) -> None:
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            ensure_head(house.settings)
            code = 0
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    found = attach(house.settings)
    assert found is not None
    assert ensure_head(house.settings) == found
    assert all(process_ignores_no_sigint(int(pid)) for pid in found.pids)


def test_a_worker_told_to_stop_or_killed_is_replaced_and_its_stage_resumes(house: House) -> None:
    pilot = house.submit(house.stage("a", steps=40, pause=0.1))
    house.lead()
    wait(lambda: house.store.stage(key_of("a")).done >= 5)
    os.kill(house.begun("a")[0], signal.SIGTERM)
    wait(lambda: house.store.attempts(key_of("a"))[0].state == "lost")
    assert (house.marks / "stopped-a").exists()  # it was asked, and not cut off
    wait(lambda: len(house.begun("a")) == 2 and house.store.stage(key_of("a")).done >= 15)
    os.kill(house.begun("a")[1], signal.SIGKILL)
    killed_at = time.monotonic()
    wait(lambda: house.store.attempts(key_of("a"))[1].state == "lost")
    assert time.monotonic() - killed_at < 5
    wait(lambda: house.status(pilot) in ENDED)
    assert house.status(pilot) == "done", house.why(pilot)
    assert len(house.begun("a")) == 3
    summary = open_artifacts(house.settings).summary(key_of("a"))
    assert summary["began_at"] >= 15  # from the checkpoint, not from the start


def test_two_pilots_share_a_stage(house: House) -> None:
    shared = house.stage("s", steps=5, pause=0.1)
    first, second = house.submit(shared), house.submit(shared, house.stage("t", "s"))
    house.lead()
    wait(lambda: house.status(first) in ENDED and house.status(second) in ENDED)
    assert (house.status(first), house.status(second)) == ("done", "done")
    assert len(house.begun("s")) == 1


@pytest.mark.parametrize(("name", "pause"), [("willing", 0.1), ("deaf", 30.0)])
def test_cancel_frees_the_slots_within_five_seconds(house: House, name: str, pause: float) -> None:
    pilot = house.submit(house.stage(name, steps=600, pause=pause))
    house.lead()
    wait(lambda: bool(house.begun(name)))
    asked_at = time.monotonic()
    assert house.store.request_cancel(pilot)
    wait(lambda: house.status(pilot) == "cancelled")
    assert time.monotonic() - asked_at < 5
    again = house.submit(house.stage(f"after-{name}"))
    wait(lambda: house.status(again) == "done")


def test_a_new_supervisor_picks_up_the_running_stage(house: House) -> None:
    pilot = house.submit(house.stage("c", steps=80, pause=0.1), house.stage("d", "c"))
    leader = house.lead()
    wait(lambda: house.store.stage(key_of("c")).done >= 3)
    os.kill(leader, signal.SIGKILL)
    wait(lambda: not is_led(house.settings))
    assert ensure_supervisor(house.settings, runner=RUNNER) not in (None, leader)
    wait(lambda: house.status(pilot) in ENDED)
    assert house.status(pilot) == "done", house.why(pilot)
    assert len(house.begun("c")) == 1
    assert [a.state for a in house.store.attempts(key_of("c"))] == ["done"]


def test_a_supervisor_told_to_stop_leaves_stages_running(house: House) -> None:
    pilot = house.submit(house.stage("e", steps=40, pause=0.1))
    leader = house.lead()
    wait(lambda: house.store.stage(key_of("e")).done >= 3)
    os.kill(leader, signal.SIGTERM)
    wait(lambda: not is_led(house.settings))
    wait(lambda: open_artifacts(house.settings).is_complete(key_of("e")))
    assert house.status(pilot) == "running"  # nobody has looked yet
    assert run_in_process(house.settings, pilot, runner=RUNNER)
    assert house.status(pilot) == "done", house.why(pilot)
    assert len(house.begun("e")) == 1


def test_a_dead_head_is_replaced_and_its_stages_run_again(house: House) -> None:
    pilot = house.submit(house.stage("h", steps=60, pause=0.1))
    house.lead()
    wait(lambda: house.store.stage(key_of("h")).done >= 3)
    head = attach(house.settings)
    assert head is not None
    for pid in head.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + 180
    while house.status(pilot) not in ENDED and time.monotonic() < deadline:
        ensure_supervisor(house.settings, runner=RUNNER)  # as the dashboard does
        time.sleep(0.5)
    assert house.status(pilot) == "done", house.why(pilot)


def test_stopping_ends_every_process_of_the_head(house: House) -> None:
    found = ensure_head(house.settings)
    first = {int(pid) for pid in found.pids}
    session = {p.pid for p in psutil.process_iter() if session_of(p.pid) == found.session}
    assert first <= session
    stop_all(house.settings)
    assert not any(psutil.pid_exists(pid) and not is_zombie(pid) for pid in session)
    assert attach(house.settings) is None
    assert not stop_head(house.settings)


def key_of(name: str) -> str:
    return name.ljust(64, "0")


def session_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None


def is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def process_ignores_no_sigint(pid: int) -> bool:
    """Whether SIGINT is not in the process's set of ignored signals."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():  # no /proc on macOS
        return True
    line = next(x for x in status.read_text().splitlines() if x.startswith("SigIgn"))
    return not int(line.split()[1], 16) & (1 << (signal.SIGINT - 1))


def wait(condition: Callable[[], bool], seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
