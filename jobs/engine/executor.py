"""Ray, as the supervisor sees it: slots that take one attempt at a time and tell when it is over.

This file, `head` and `worker` are the only ones that know Ray. Ray is imported and started in the
background, when the first stage must run.
"""

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from digpt.errors import UserError
from jobs.engine.head import START_SECONDS, attach, authenticate, ensure_head
from jobs.engine.layout import Layout, lay_out
from jobs.engine.worker import Task, Worker
from jobs.settings import Settings
from jobs.store.records import Cost

RUNNER = "jobs.engine.stages:run_stage"
GRACE_SECONDS = 3.0  # between asking a stage to stop and killing its worker
WATCH_SECONDS = 5.0  # one call of Worker.watch; renewed while the attempt runs
WARM_SLOTS = 4  # workers made at once, so that their imports run side by side
LOOK_SECONDS = 2.0  # between looks whether our own head lives
GREET_SECONDS = 60.0  # between asking after idle workers
ASK_SECONDS = 5.0  # for a worker's answer
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """Room for one attempt."""

    name: str
    cost: Cost  # device type and cores it gives


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over; `lost`: its worker died, so there may be no result."""

    key: str
    number: int
    lost: bool
    reason: str = ""


@dataclass(slots=True)
class _Busy:
    slot: str
    watch: Any  # reference to the pending Worker.watch
    kill_at: float | None = None


class RayExecutor:
    """Runs attempts on a Ray cluster: our own head, or the one at DIGPT_RAY_ADDRESS."""

    def __init__(
        self,
        settings: Settings,
        runner: str = RUNNER,
        met: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        """met: is told what a cluster that is not ours has (see `layout.met_cluster`)."""
        self.settings, self.runner, self.met = settings, runner, met
        self.problem: UserError | None = None
        self._slots: dict[str, Slot] = {}
        self._actors: dict[str, Any] = {}
        self._busy: dict[tuple[str, int], _Busy] = {}
        self._namespace = ""
        self._layout = Layout(0, 0)
        self._connecting: threading.Thread | None = None
        self._ready = threading.Event()
        self._looked = self._greeted = 0.0

    def adopt(self) -> set[tuple[str, int]]:
        """Attempts that still run from before, now watched by this process."""
        if attach(self.settings) is None:
            return set()
        self._connect(adopt=True)
        if self.problem:
            raise self.problem
        return set(self._busy)

    def free(self) -> list[Slot]:
        """Slots that can take an attempt now; none while Ray is starting."""
        if not self._ready.is_set():
            self._connect_aside()
            return []
        taken = {busy.slot for busy in self._busy.values()}
        return [slot for name, slot in self._slots.items() if name not in taken]

    def slots(self) -> int:
        """How many attempts run side by side; 0 while not connected."""
        return len(self._slots)

    def submit(self, slot: Slot, task: Task) -> None:
        """Start an attempt in a free slot."""
        actor = self._actor(slot.name)
        started = actor.start.remote(task)  # the watch waits for it: calls may overtake each other
        watch = self._watch(actor, task.key, task.number, started)
        self._busy[task.key, task.number] = _Busy(slot.name, watch)

    def poll(self, seconds: float = 0.0) -> list[Ended]:
        """Attempts that ended; waits for the first one, at most `seconds`."""
        if lost := self._lost_head():
            return lost
        if not self._busy:
            time.sleep(seconds)
            return []
        import ray  # noqa: PLC0415 (0.6 s; see the head of this file)

        owners = {busy.watch: attempt for attempt, busy in self._busy.items()}
        ready, _ = ray.wait(list(owners), num_returns=1, timeout=seconds)
        if ready:  # whatever else is over by now
            ready, _ = ray.wait(list(owners), num_returns=len(owners), timeout=0)
        ended = [self._see(*owners[reference]) for reference in ready]
        ended += [self.kill(*attempt) for attempt in self._overdue()]
        return [e for e in ended if e is not None]

    def cancel(self, key: str, number: int) -> None:
        """Ask an attempt to stop; it is killed if it has not within the grace period."""
        busy = self._busy.get((key, number))
        if busy and busy.kill_at is None:
            busy.kill_at = time.monotonic() + GRACE_SECONDS
            self._actor(busy.slot).cancel.remote(key, number)

    def kill(self, key: str, number: int) -> Ended | None:
        """End an attempt's worker at once; a fresh one takes its slot."""
        busy = self._busy.pop((key, number), None)
        if busy is None:
            return None
        self._kill_actor(busy.slot)
        return Ended(key, number, lost=True, reason="its worker was stopped")

    def rest(self) -> None:
        """Let go of idle workers, so that they keep no memory."""
        taken = {busy.slot for busy in self._busy.values()}
        for name in [n for n in self._actors if n not in taken]:
            self._kill_actor(name)

    def close(self) -> None:
        """Leave Ray; what runs goes on. A head that is starting is written down first, or nobody
        could end it."""
        if self._connecting is not None:
            self._connecting.join(START_SECONDS)
        if self._ready.is_set():
            import ray  # noqa: PLC0415

            ray.shutdown()
            self._ready.clear()
            self._slots, self._actors, self._busy = {}, {}, {}

    def _lost_head(self) -> list[Ended]:
        """Every attempt, if our own head has died; the next stage starts a new one."""
        now = time.monotonic()
        if not self._ready.is_set() or now - self._looked < LOOK_SECONDS:
            return []
        self._looked = now
        if attach(self.settings) is not None:
            self._greet(now)
            return []
        lost = [Ended(*attempt, lost=True, reason="Ray was gone") for attempt in self._busy]
        self.close()  # Ray would end this process after a minute without its head
        return lost

    def _greet(self, now: float) -> None:
        """Ask after idle workers, or they would end themselves while others work for long."""
        if now - self._greeted > GREET_SECONDS:
            self._greeted = now
            for actor in self._actors.values():
                actor.status.remote()

    def _see(self, key: str, number: int) -> Ended | None:
        """What a finished watch means: over, worker dead, or only the time of one look."""
        import ray  # noqa: PLC0415
        from ray.exceptions import RayError  # noqa: PLC0415

        busy = self._busy[key, number]
        try:
            is_over = ray.get(busy.watch, timeout=ASK_SECONDS)
        except RayError as error:
            del self._busy[key, number]
            self._kill_actor(busy.slot)
            return Ended(key, number, lost=True, reason=_first_line(error))
        if is_over:
            del self._busy[key, number]
            return Ended(key, number, lost=False)
        busy.watch = self._watch(self._actor(busy.slot), key, number)
        return None

    def _overdue(self) -> list[tuple[str, int]]:
        now = time.monotonic()
        return [a for a, b in self._busy.items() if b.kill_at is not None and now > b.kill_at]

    def _sweep(self, adopt: bool) -> None:
        """Adopt workers of a former supervisor that are busy; end the others.

        An idle one may have been started with older code.
        """
        import ray  # noqa: PLC0415
        from ray.exceptions import RayError  # noqa: PLC0415

        for name in ray.util.list_named_actors():
            running = None
            with contextlib.suppress(ValueError, RayError):
                actor = ray.get_actor(name, namespace=self._namespace)
                running = ray.get(actor.status.remote(), timeout=ASK_SECONDS) if adopt else None
                if running is None:
                    ray.kill(actor)
                    continue
                slot, (key, number) = name.partition(".")[0], running
                self._actors[slot] = actor
                self._busy[key, number] = _Busy(slot, self._watch(actor, key, number))

    def _watch(self, actor: Any, key: str, number: int, after: Any = None) -> Any:
        return actor.watch.remote(key, number, WATCH_SECONDS, after)

    def _actor(self, name: str) -> Any:
        if name not in self._actors:
            self._actors[name] = self._new_actor(name)
        return self._actors[name]

    def _new_actor(self, name: str) -> Any:
        import ray  # noqa: PLC0415

        actor = ray.remote(Worker).options(
            name=f"{name}.{secrets.token_hex(4)}",  # the former worker of the slot may be dying
            namespace=self._namespace,
            lifetime="detached",
            max_concurrency=8,
            max_restarts=0,
            max_task_retries=0,
            num_cpus=self._layout.threads,
            num_gpus=self._layout.gpu,
        )
        return actor.remote(
            self.settings,
            self.runner,
            self._layout.threads,
            self._layout.gpu,
            owns_process=True,
        )

    def _kill_actor(self, name: str) -> None:
        import ray  # noqa: PLC0415
        from ray.exceptions import RayError  # noqa: PLC0415

        actor = self._actors.pop(name, None)
        if actor is not None:
            with contextlib.suppress(ValueError, RayError):
                ray.kill(actor)

    def _connect_aside(self) -> None:
        is_idle = self._connecting is None or not self._connecting.is_alive()
        if is_idle and not self.problem:
            self._connecting = threading.Thread(target=self._connect, daemon=True)
            self._connecting.start()

    def _connect(self, adopt: bool = False) -> None:
        """Attach to Ray (starting our own head where needed) and lay out the slots."""
        if self._ready.is_set():
            return
        try:
            found = ensure_head(self.settings)
            authenticate(self.settings)
            self._namespace = found.namespace
            resources = _join(found.address, found.namespace)
            cpus, gpus = (int(resources.get(kind, 0)) for kind in ("CPU", "GPU"))
            self._layout = lay_out(self.settings.slots, cpus, gpus)
        except UserError as error:
            self.problem = error
            return
        except Exception as error:
            self.problem = UserError(
                f'Ray cannot be reached: {_first_line(error)}. Try "digpt stop", then again; with '
                "DIGPT_RAY_ADDRESS check the address and the token.",
                code="ray-unreachable",
                field="ray_address",
            )
            return
        device = "cuda" if self._layout.gpu else "cpu"
        cost = Cost(device_type=device, cores=self._layout.held)
        names = (f"slot-{n + 1}" for n in range(self._layout.slots))
        self._slots = {name: Slot(name, cost) for name in names}
        self._sweep(adopt)
        for name in list(self._slots)[:WARM_SLOTS]:
            self._actor(name)
        self._ready.set()
        if self.met and self.settings.ray_address and not adopt:
            self._meet(self.met, cpus, gpus)

    def _meet(self, tell: Callable[[Mapping[str, Any]], None], cpus: int, gpus: int) -> None:
        """Tell what a cluster has, and how fast one of its workers is."""
        import ray  # noqa: PLC0415
        from ray.exceptions import RayError  # noqa: PLC0415

        actor = self._actor(next(iter(self._slots)))
        try:
            calibration = ray.get(actor.calibration.remote())
        except RayError as error:
            logger.warning("estimates stay those of this machine: %s", _first_line(error))
            return
        address = self.settings.ray_address
        tell({"address": address, "cpus": cpus, "gpus": gpus, "calibration": calibration})


def _join(address: str, namespace: str) -> Mapping[str, float]:
    """Attach this process to Ray; returns what the cluster has."""
    import ray  # noqa: PLC0415

    logging.getLogger("ray").setLevel(logging.ERROR)
    if ray.is_initialized():
        ray.shutdown()
    _forget_token()
    ray.init(
        address=address,
        namespace=namespace,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=False,
    )
    return dict(ray.cluster_resources())


def _forget_token() -> None:
    """Let Ray read the token again: it keeps the first one, and a process may see two homes."""
    with contextlib.suppress(ImportError, AttributeError):  # private: may move with a version
        from ray._raylet import (  # noqa: PLC0415
            AuthenticationTokenLoader,  # pyright: ignore[reportAttributeAccessIssue] (compiled)
        )

        AuthenticationTokenLoader.instance().reset_cache()


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
