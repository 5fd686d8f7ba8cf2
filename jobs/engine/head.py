"""Our own Ray head: one per home, in its own session, found through `ray.json`.

`ray.init()` without an address would take every running stage down with its driver, so the head is
started apart and every process attaches to it. It is ended by its pids, never by `ray stop`, which
would stop every Ray on the machine.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

import jobs
from digpt.errors import UserError
from jobs.engine.events import read_json, write_json
from jobs.engine.layout import cpu_count
from jobs.settings import Settings, ensure_home

OBJECT_STORE_BYTES = 128 * 2**20  # results travel through files; Ray wants at least 75 MB
START_SECONDS, STOP_SECONDS = 90.0, 2.0
KNOCK_SECONDS = 5.0  # for a cluster to take a connection
# A head started from a script with `&` or nohup would ignore SIGINT, and so would its workers.
_START = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "from ray.scripts.scripts import main; main()"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where Ray is and how to recognise our own processes."""

    address: str
    namespace: str
    session: int  # session id of the head's processes; 0: not our own head
    pids: dict[str, float]  # pid -> time of its start
    temp: str
    starter: int  # pid of the process that started it

    @property
    def is_own(self) -> bool:
        return self.session != 0


def ensure_head(settings: Settings) -> Address:
    """The address of this home's Ray, started if it is not there."""
    ensure_home(settings)
    if settings.ray_address:
        knock(settings.ray_address)
        return _foreign(settings)
    with _locked(settings.home):
        found = _read(settings.home)
        if found and _is_alive(found) and Path(found.temp).is_dir():  # its sockets are in there
            return found
        if found:
            _end(found)
        return _start(settings)


def attach(settings: Settings) -> Address | None:
    """The address if Ray runs already; nothing is started."""
    if settings.ray_address:
        return _foreign(settings)
    found = _read(settings.home)
    return found if found and _is_alive(found) else None


def stop_head(settings: Settings) -> bool:
    """End our own head and everything in it; False if there was none."""
    if not settings.home.is_dir():
        return False
    with _locked(settings.home):
        found = _read(settings.home)
        if not found:
            return False
        _end(found)
        (settings.home / "ray.json").unlink(missing_ok=True)
        shutil.rmtree(found.temp, ignore_errors=True)
    return True


def authenticate(settings: Settings) -> None:
    """Let this process's Ray talk to our own head. Ray reads these only from the environment."""
    if not settings.ray_address:
        os.environ.update(_environment(settings))


def _environment(settings: Settings) -> dict[str, str]:
    token = settings.home / "ray.token"
    if not token.exists():
        descriptor = os.open(token, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def _start(settings: Settings) -> Address:
    temp = (
        Path(tempfile.gettempdir()) / f"digpt-{_digest(settings.home)}"
    )  # socket paths: 107 bytes
    command = [sys.executable, "-c", _START, "start", "--head", "--port=0"]
    command += ["--include-dashboard=false", "--include-log-monitor=false", "--disable-usage-stats"]
    command += [f"--num-cpus={max(settings.slots, cpu_count())}", f"--temp-dir={temp}"]
    command += [f"--object-store-memory={OBJECT_STORE_BYTES}", "--log-color=false"]
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [Path(jobs.__file__).parents[1], *(Path(p).absolute() for p in given if p)]
    environment = {
        n: v for n, v in os.environ.items() if n not in ("RAY_ADDRESS", "OMP_NUM_THREADS")
    }
    environment |= _environment(settings) | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    log = settings.home / "logs" / "ray-start.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=settings.home,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(START_SECONDS)
    found = re.search(r"--address='([^']+)'", log.read_text(errors="replace"))
    address = Address(
        address=found[1] if found else "",
        namespace=f"digpt-{_digest(settings.home)}",
        session=process.pid,
        pids=_session(process.pid),
        temp=str(temp),
        starter=os.getpid(),
    )
    if process.returncode != 0 or not found:
        _end(address)
        raise UserError(
            f"Ray did not start; its output is in {log}. Free some memory, or give a running "
            "cluster in DIGPT_RAY_ADDRESS.",
            code="ray-start",
            field="ray_address",
            log=str(log),
        )
    write_json(settings.home / "ray.json", asdict(address), durable=True)
    return address


def _end(address: Address) -> None:
    """SIGTERM, then SIGKILL, to what is still the process we started."""
    processes = [p for p in _alive(address) if p.pid != os.getpid()]
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGTERM)
    _, stubborn = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=STOP_SECONDS)


def _alive(address: Address) -> list[psutil.Process]:
    """The head's first processes that still run, and all of their session (workers too)."""
    started = {int(pid): at for pid, at in address.pids.items()}
    known = [p for p in map(_process, started) if p and _same(p, started[p.pid])]
    if not known:
        return []
    found = {p.pid: p for p in known}
    found |= {int(pid): p for pid in _session(address.session) if (p := _process(int(pid)))}
    return list(found.values())


def _is_alive(address: Address) -> bool:
    """Every process of the start is there and the port answers."""
    started = {int(pid): at for pid, at in address.pids.items()}
    processes = [_process(pid) for pid in started]
    if not all(p and _same(p, started[p.pid]) for p in processes):
        return False
    host, port = address.address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True


def _session(session: int) -> dict[str, float]:
    """Processes of a session, with the time of their start."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            is_zombie = process.status() == psutil.STATUS_ZOMBIE
            if os.getsid(process.pid) == session and not is_zombie:
                found[str(process.pid)] = process.create_time()
    return found


def _process(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def _same(process: psutil.Process, started: float) -> bool:
    try:
        return abs(process.create_time() - started) < 1.0
    except psutil.Error:
        return False


def _read(home: Path) -> Address | None:
    content = read_json(home / "ray.json")
    return Address(**content) if content else None


def knock(address: str) -> None:
    """Errors: UserError where nobody listens at the address, which Ray itself finds out by trying
    for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        return  # such as "auto", which Ray looks up
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
    except OSError as error:
        raise UserError(
            f"Nobody answers at the Ray cluster {address} ({error}). Check DIGPT_RAY_ADDRESS, and "
            "that the cluster runs and lets this machine in.",
            code="ray-silent",
            field="ray_address",
            address=address,
            problem=str(error),
        ) from None


def _foreign(settings: Settings) -> Address:
    namespace = f"digpt-{_digest(settings.home)}"
    return Address(
        address=settings.ray_address, namespace=namespace, session=0, pids={}, temp="", starter=0
    )


def _digest(home: Path) -> str:
    return hashlib.sha256(str(home).encode()).hexdigest()[:10]


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / "ray.lock").open("w") as file:
        _wait_for_lock(file.fileno(), time.monotonic() + START_SECONDS + 2 * STOP_SECONDS)
        yield


def _wait_for_lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UserError(
                    "Another process has been starting or stopping Ray for too long; "
                    'end it, or run "digpt stop".',
                    code="ray-locked",
                ) from None
            time.sleep(0.05)
