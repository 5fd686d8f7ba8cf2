"""The supervisor process: one leader per home runs the reconcile loop.

`python -m jobs.engine.supervisor --home DIR` is started by `ensure_supervisor`; without one,
`digpt pilot run` leads by itself (`run_in_process`). Leading takes a lock on the home and a lease
in the store: the lock ends with its process, the lease also binds homes on other machines that
share the database.
"""

import argparse
import contextlib
import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path

from digpt.errors import UserError
from jobs.engine.artifacts import open_artifacts
from jobs.engine.executor import RUNNER, RayExecutor
from jobs.engine.head import attach, stop_head
from jobs.engine.layout import CLUSTER_KEY
from jobs.engine.reconcile import Price, Supervisor
from jobs.engine.states import PILOT_LIVE
from jobs.settings import Settings, ensure_home, load_settings
from jobs.store import Store

TICK_SECONDS = 0.25
LEASE, LEASE_SECONDS = "supervisor", 15.0
REST_SECONDS = 300.0  # without a live pilot: workers are let go
IDLE_SECONDS = 1800.0  # without a live pilot: the process ends, and Ray with it
START_SECONDS = 30.0
LOCK_SECONDS = 0.3  # longer than `is_led` holds the lock to look
LOCK, LOG = "supervisor.lock", "supervisor.log"
logger = logging.getLogger(__name__)


def is_led(settings: Settings) -> bool:
    """Whether some process leads this home now."""
    if not (settings.home / LOCK).exists():
        return False
    with (settings.home / LOCK).open("a") as file:
        return not _lock(file.fileno())


def ensure_supervisor(settings: Settings, *, runner: str = RUNNER) -> int | None:
    """Start a supervisor of its own if nobody leads; its pid, or None where there was a leader."""
    ensure_home(settings)
    if is_led(settings):
        return None
    log = settings.home / "logs" / LOG
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "jobs.engine.supervisor", "--home", str(settings.home)]
    with log.open("a") as output:
        process = subprocess.Popen(
            [*command, "--runner", runner],
            env=os.environ | _variables(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # no zombie while we live
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if is_led(settings):
            return process.pid
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise UserError(
        f"The supervisor did not start; its log is {log}.",
        code="supervisor-start",
        field="home",
        log=str(log),
    )


def run_in_process(
    settings: Settings,
    until: str,
    *,
    runner: str = RUNNER,
    on_tick: Callable[[], None] | None = None,
) -> bool:
    """Lead until that pilot has ended; False (at once) if another process leads.

    `on_tick` is called at every look, e.g. to show progress. Ctrl-C is the caller's: it may cancel
    the pilot and call again. Our own head is ended afterwards if it was started here and no pilot
    needs it.
    """
    ensure_home(settings)
    store = Store(settings.database)
    with contextlib.closing(store), _leading(settings, store) as leads:
        if not leads:
            return False
        executor = RayExecutor(settings, runner, partial(store.set_value, CLUSTER_KEY))
        supervisor = Supervisor(
            settings, store, open_artifacts(settings), executor, price=_price(settings)
        )
        try:
            supervisor.take_over()
            while store.pilot(until).status in PILOT_LIVE:
                supervisor.tick(TICK_SECONDS)
                if on_tick:
                    on_tick()
        finally:
            executor.close()
            head = attach(settings)
            if head and head.starter == os.getpid() and not store.live_marks():
                stop_head(settings)
    return True


def run_forever(settings: Settings, *, runner: str = RUNNER) -> None:
    """Lead until told to stop (SIGTERM: stages go on) or nothing was asked for a long time."""
    stop = threading.Event()
    store = Store(settings.database)
    with contextlib.closing(store), _leading(settings, store) as leads:
        if not leads:
            logger.info("another process leads")
            return
        executor = RayExecutor(settings, runner, partial(store.set_value, CLUSTER_KEY))
        supervisor = Supervisor(
            settings, store, open_artifacts(settings), executor, price=_price(settings)
        )
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        logger.info("leading %s, pid %s", settings.home, os.getpid())
        supervisor.take_over()
        while _loop(supervisor, executor, stop):  # nothing to do for long
            executor.close()
            stop_head(settings)
            if not store.live_marks():  # submitted while Ray was ending
                break
        executor.close()
        logger.info("stopped")


def stop_all(settings: Settings) -> list[str]:
    """End the supervisor and our own Ray, and all stages with them; says what was ended."""
    ended = []
    if is_led(settings) and (pid := _leader_pid(settings)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGTERM)
            ended.append("supervisor")
        deadline = time.monotonic() + START_SECONDS
        while is_led(settings) and time.monotonic() < deadline:
            time.sleep(0.05)
    if stop_head(settings):
        ended.append("ray")
    return ended


def reindex(settings: Settings) -> int:
    """Adopt every complete artifact whose stage the store does not know as done; how many."""
    store, artifacts = Store(settings.database), open_artifacts(settings)
    with contextlib.closing(store):
        keys = list(artifacts.keys())
        states = store.states(keys)
        open_keys = [k for k in keys if k in states and states[k] not in ("done", "running")]
        return sum(store.adopt(key, artifacts.summary(key)) for key in open_keys)


def main() -> int:
    """The command line of the process."""
    parser = argparse.ArgumentParser(prog="jobs.engine.supervisor", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--runner", default=RUNNER)
    arguments = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel("WARNING")
    settings = load_settings(arguments.home)
    try:
        ensure_home(settings)
        run_forever(settings, runner=arguments.runner)
        return 0
    except UserError as error:
        logger.error("%s", error.message)
        return 2


def _loop(supervisor: Supervisor, executor: RayExecutor, stop: threading.Event) -> bool:
    """Look again and again; True when it ends because there was nothing to do for long."""
    busy_at, is_resting = time.monotonic(), False
    while not stop.is_set():
        try:
            is_busy = supervisor.tick(TICK_SECONDS)
        except Exception:  # one bad look must not end the leader; the next one starts afresh
            logger.exception("a look failed")
            stop.wait(2.0)
            continue
        if is_busy:
            busy_at, is_resting = time.monotonic(), False
            continue
        idle = time.monotonic() - busy_at
        if idle > REST_SECONDS and not is_resting:
            executor.rest()
            is_resting = True
        if idle > IDLE_SECONDS:
            return True
        stop.wait(TICK_SECONDS)
    return False


@contextlib.contextmanager
def _leading(settings: Settings, store: Store) -> Iterator[bool]:
    """Hold lock and lease of the home; yields False where another process has them."""
    host = f"{socket.gethostname()}:{settings.home}:"
    owner = f"{host}{os.getpid()}"
    with (settings.home / LOCK).open("a") as file:
        # With our lock held, a lease of this host and home can only be of a dead process.
        leads = _lock(file.fileno(), LOCK_SECONDS) and store.take_lease(
            LEASE, owner, LEASE_SECONDS, over=host
        )
        if not leads:
            yield False
            return
        done = threading.Event()
        renewal = threading.Thread(target=_renew, args=(store, owner, host, done), daemon=True)
        renewal.start()
        try:
            yield True
        finally:
            done.set()
            renewal.join()
            store.release_lease(LEASE, owner)


def _renew(store: Store, owner: str, host: str, done: threading.Event) -> None:
    while not done.wait(LEASE_SECONDS / 3):
        try:
            store.take_lease(LEASE, owner, LEASE_SECONDS, over=host)
        except Exception:  # a busy database; the next try is in time
            logger.exception("the lease was not renewed")


def _lock(descriptor: int, seconds: float = 0.0) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)


def _leader_pid(settings: Settings) -> int | None:
    """Pid of the leader where it runs on this machine."""
    with contextlib.closing(Store(settings.database)) as store:
        owner = store.lease_owner(LEASE) or ""
    host, _, pid = owner.rpartition(":")
    return int(pid) if host.startswith(f"{socket.gethostname()}:") and pid.isdigit() else None


def _price(settings: Settings) -> Price:
    from jobs.money.pricing import PriceTable  # noqa: PLC0415 (needed by leaders only)

    return PriceTable.load(settings.prices or None).cost


def _variables(settings: Settings) -> dict[str, str]:
    """The settings as the DIGPT_* variables that make them again."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return {f"DIGPT_{name.upper()}": str(value) for name, value in values.items() if value}


if __name__ == "__main__":
    sys.exit(main())
