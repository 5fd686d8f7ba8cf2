"""One worker per slot: runs one stage attempt after another in a thread, and tells how it goes.

The worker is a detached Ray actor that outlives its supervisor. It is per slot rather than per
attempt so that torch is imported once; an attempt that is killed takes only its own slot down.
Attempts are told apart by number, and what counts is on disk: `events.jsonl`, `beat.json` and
`result.json` in the attempt's folder, and the artifact, committed before `result.json`.
"""

import gc
import importlib
import json
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from digpt.errors import Cancelled, UserError, is_disk_full, is_out_of_memory
from jobs.engine.artifacts import disk_full, open_artifacts
from jobs.engine.events import BEAT, EVENTS, RESULT, EventWriter, write_json
from jobs.settings import Settings
from jobs.store.records import Cost

BEAT_SECONDS = 0.5
JOULES_PER_KWH = 3.6e6
LEASE_SECONDS = 600.0  # an idle worker nobody asks after ends itself
GRACE_SECONDS = 25.0  # to save a checkpoint in; a container gets SIGKILL 30 s after SIGTERM


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One attempt at one stage, as a worker is told of it."""

    key: str
    number: int
    kind: str
    params: Mapping[str, Any]
    inputs: Mapping[str, str]  # role -> key
    source: str


@dataclass(slots=True)
class _Run:
    task: Task
    reporter: EventWriter
    over: threading.Event = field(default_factory=threading.Event)


class Worker:
    """The actor. Ray calls its methods from several threads; the stage runs in its own."""

    def __init__(
        self,
        settings: Settings,
        runner: str,
        threads: int,
        gpus: float,
        *,
        owns_process: bool = False,
    ) -> None:
        """owns_process: whether it may listen for SIGTERM, and end the process by it."""
        os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is imported
        self.settings, self.runner, self.threads = settings, runner, threads
        self.device = "cuda" if gpus and _assigned_gpus() else "cpu"
        self.device_type = self.device
        self.devices = float(gpus or threads)  # how much of it is held: CPU cores, or GPUs
        self._run: _Run | None = None
        self._lock = threading.Lock()
        self._asked = time.monotonic()
        self._is_ending = False
        if owns_process:
            _on_sigterm(self._end)
        threading.Thread(target=self._end_when_forgotten, daemon=True).start()
        threading.Thread(target=self._warm_up, daemon=True).start()

    def start(self, task: Task) -> int:
        """Begin an attempt and return this process's pid at once."""
        with self._lock:
            self._asked = time.monotonic()
            if self._run and not self._run.over.is_set():
                running = self._run.task
                if (running.key, running.number) == (task.key, task.number):
                    return os.getpid()
                raise RuntimeError(f"busy with {running.kind} {running.key[:12]}")
            folder = attempt_folder(self.settings, task.key, task.number)
            self._run = _Run(task, EventWriter(folder / EVENTS))
            threading.Thread(target=self._attempt, args=(self._run,), daemon=True).start()
        return os.getpid()

    def calibration(self) -> dict[str, Any]:
        """How fast this worker's device is; for a cluster, whose devices are not the caller's."""
        from jobs.money.calibrate import calibrate  # noqa: PLC0415 - torch

        return asdict(calibrate(self.device, self.threads))

    def status(self) -> tuple[str, int] | None:
        """(key, number) of the attempt that runs, if any."""
        self._asked = time.monotonic()
        return self._current()

    def watch(self, key: str, number: int, seconds: float, _after: object = None) -> bool:
        """Wait until the attempt is over, at most `seconds`; True if it is (or never was here).

        `_after` is the answer to `start`, which Ray awaits before this call.
        """
        self._asked = time.monotonic()
        run = self._run
        if not run or (run.task.key, run.task.number) != (key, number):
            return True
        return run.over.wait(seconds)

    def cancel(self, key: str, number: int) -> None:
        """Ask the attempt to stop at its next step."""
        run = self._run
        if run and (run.task.key, run.task.number) == (key, number):
            run.reporter.cancelled.set()

    def _attempt(self, run: _Run) -> None:
        folder = attempt_folder(self.settings, run.task.key, run.task.number)
        beat = threading.Thread(target=self._beat, args=(run, folder), daemon=True)
        beat.start()
        try:
            result = self._metered(run)
            # ended from outside it has no result: it counts as lost, and is begun again from there
            if not (self._is_ending and result["state"] == "cancelled"):
                write_json(folder / RESULT, result, durable=True)
        finally:
            run.reporter.close()
            run.over.set()
            beat.join()
            gc.collect()

    def _metered(self, run: _Run) -> dict[str, Any]:
        """The outcome with what it cost; torch's import is not part of the stage."""
        import torch  # noqa: PLC0415 (3 s; imported while the worker waits for its first stage)

        from digpt.meter import Meter  # noqa: PLC0415 (imports torch)

        torch.set_num_threads(self.threads)  # counts for this thread only
        with Meter(self.device) as meter:
            result = self._outcome(run)
        run.reporter.flush()  # before the result: who reads that has read all
        reading = meter.reading
        joules = reading.energy_joules
        cost = Cost(
            device_seconds=reading.device_seconds,
            flops=result.pop("flops", None) or reading.flops,
            energy_kwh=None if joules is None else joules / JOULES_PER_KWH,
            peak_memory=reading.peak_memory_bytes,
            device_type=self.device_type,
            cores=self.devices,
        )
        return result | {"cost": asdict(cost)}

    def _outcome(self, run: _Run) -> dict[str, Any]:
        """Run the stage and say how it ended, in a form that goes to `result.json`."""
        artifacts = open_artifacts(self.settings)
        try:
            return {"state": "done", **self._make(run)}
        except Cancelled:
            return {"state": "cancelled", "error": None}
        except UserError as error:
            if error.code == "damaged-cache":  # whoever retries finds it gone and makes it anew
                artifacts.remove(run.task.inputs["tokens"])
            return {"state": "failed", "error": error_facts(error)}
        except BaseException as error:
            if is_disk_full(error):
                return {"state": "failed", "error": error_facts(disk_full(artifacts.root))}
            if is_out_of_memory(error):
                return {"state": "failed", "error": error_facts(_out_of_memory(self.device))}
            return _fault(run, error)

    def _make(self, run: _Run) -> dict[str, Any]:
        """Run the stage and commit its artifact."""
        import torch  # noqa: PLC0415 (see _metered)

        task, artifacts = run.task, open_artifacts(self.settings)
        work = artifacts.open(task.key, task.number)
        summary = _load(self.runner)(
            task.kind,
            task.params,
            {role: artifacts.folder(key) for role, key in task.inputs.items()},
            work,
            source=task.source,
            device=torch.device(self.device),
            reporter=run.reporter,
        )
        run.reporter.check()
        artifacts.commit(task.key, task.number, summary)
        return {"flops": summary.get("flops")}

    def _beat(self, run: _Run, folder: Path) -> None:
        began = time.monotonic()
        while not run.over.wait(BEAT_SECONDS):
            run.reporter.flush()
            cost = Cost(
                device_seconds=time.monotonic() - began,
                device_type=self.device_type,
                cores=self.devices,
            )
            write_json(folder / BEAT, {"at": time.time(), "pid": os.getpid(), **asdict(cost)})

    def _warm_up(self) -> None:
        """Import what the first stage needs while Ray still hands it over."""
        try:
            _load(self.runner)
            if self.device == "cuda":
                import torch  # noqa: PLC0415 (see _metered)

                self.device_type = torch.cuda.get_device_name()  # what prices go by
        except Exception:  # said by the stage itself, with its trace
            return

    def _end_when_forgotten(self) -> None:
        while True:
            time.sleep(LEASE_SECONDS / 60)
            forgotten = time.monotonic() - self._asked > LEASE_SECONDS
            if forgotten and self._current() is None:
                os._exit(0)  # Ray has no way to leave an actor from a thread

    def _end(self) -> None:
        """Let the attempt stop at its next step, as if cancelled, then end the process."""
        self._is_ending = True
        if run := self._run:
            run.reporter.cancelled.set()
            run.over.wait(GRACE_SECONDS)
        os._exit(0)

    def _current(self) -> tuple[str, int] | None:
        run = self._run
        return (run.task.key, run.task.number) if run and not run.over.is_set() else None


def attempt_folder(settings: Settings, key: str, number: int) -> Path:
    """Where an attempt's events and outcome stand."""
    return settings.attempts / key / str(number)


def error_facts(error: UserError) -> dict[str, Any]:
    """A UserError as the store keeps it."""
    facts = json.loads(json.dumps(error.facts, default=str))  # as JSON can hold them
    return {"code": error.code, "message": error.message, "field": error.field, "facts": facts}


def read_cost(values: Mapping[str, Any] | None) -> Cost | None:
    """The cost that stands in `beat.json` or `result.json`."""
    names = Cost.__dataclass_fields__
    return Cost(**{n: values[n] for n in names if n in values}) if values else None


def _fault(run: _Run, error: BaseException) -> dict[str, Any]:
    trace = "".join(traceback.format_exception(error))
    run.reporter.log(trace, "error")
    message = f"{type(error).__name__}: {error}"
    return {"state": "fault", "error": {"code": "fault", "message": message, "field": None}}


def _load(name: str) -> Callable[..., dict[str, Any]]:
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)


def _on_sigterm(act: Callable[[], None]) -> None:
    """Call `act` in a thread once SIGTERM comes. The main thread of an actor is in Ray's own loop
    and runs no handler of Python's; what Python writes to a socket at once is heard elsewhere."""
    heard, written = socket.socketpair()
    written.setblocking(False)

    def listen() -> None:
        with heard, written:
            while signal.SIGTERM not in heard.recv(1):
                pass  # another signal, which Ray sees to
        act()

    signal.signal(signal.SIGTERM, lambda *_: None)  # instead of Ray's, which ends without saving
    signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=listen, daemon=True).start()


def _assigned_gpus() -> list[Any]:
    import ray  # noqa: PLC0415 (inside an actor Ray is loaded already)

    return ray.get_gpu_ids()


def _out_of_memory(device: str) -> UserError:
    return UserError(
        f"Not enough memory on the {device} for this stage. Choose smaller batches "
        "(pretrain.micro_batch, transfer.finetune_batch) or a smaller student, or run fewer stages "
        "side by side (DIGPT_SLOTS).",
        code="out-of-memory",
    )
