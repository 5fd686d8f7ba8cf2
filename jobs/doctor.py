"""`digpt doctor` and the System facts: what of this machine is ready, and what to do where not."""

import importlib.metadata
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from digpt.errors import UserError
from jobs.engine.head import attach, knock
from jobs.engine.layout import layout
from jobs.engine.supervisor import LEASE
from jobs.settings import Settings, ensure_home
from jobs.store import Store
from jobs.views import Cluster

LEAST_FREE_BYTES = 2 * 10**9
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "fuse.sshfs", "9p")


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: ok, warning or failed, with what to do."""

    name: str
    state: str
    advice: str


def examine(settings: Settings) -> list[Check]:
    """Every check, worst news included; never raises for what it finds."""
    checks = [_system(), _home(settings)]
    if checks[-1].state == "failed":
        return checks
    return [
        *checks,
        _disk(settings),
        _file_system(settings),
        _database(settings),
        _ray(settings),
        _device(),
        _font(),
    ]


def cluster(settings: Settings, store: Store) -> Cluster:
    """Node, supervisor and queue of this home, from the store and the head's own file."""
    states = [need.state for need in store.needs()]
    return Cluster(
        alive=attach(settings) is not None,
        supervisor=store.lease_owner(LEASE) is not None,
        slots=layout(settings, store).slots,
        busy=sum(s == "running" for s in states),
        devices=(platform.processor() or platform.machine(),),
        disk_free_bytes=shutil.disk_usage(settings.home).free,
        home=str(settings.home),
        queue=sum(s in ("waiting", "queued") for s in states),
    )


def _system() -> Check:
    if platform.system() == "Windows":
        return Check("system", "failed", "Use WSL2 or Docker; Ray's workers need Linux or macOS.")
    return Check("system", "ok", f"{platform.system()}, Python {platform.python_version()}")


def _home(settings: Settings) -> Check:
    try:
        ensure_home(settings)
    except UserError as error:
        return Check("home", "failed", error.message)
    return Check("home", "ok", str(settings.home))


def _disk(settings: Settings) -> Check:
    free = shutil.disk_usage(settings.home).free
    if free < LEAST_FREE_BYTES:
        advice = f"Only {free / 1e9:.1f} GB are free; make room or choose another --home."
        return Check("disk", "failed", advice)
    return Check("disk", "ok", f"{free / 1e9:.0f} GB free")


def _file_system(settings: Settings) -> Check:
    kind = _mount_kind(settings.home)
    if kind.startswith(NETWORK_FILE_SYSTEMS) and not settings.database_url:
        advice = f"The home is on {kind}, where SQLite loses data. Use a local --home or Postgres."
        return Check("file system", "failed", advice)
    return Check("file system", "ok", kind or "local")


def _mount_kind(path: Path) -> str:
    """File system type of the mount that holds `path`, "" where the system does not tell."""
    mounts = Path("/proc/mounts")
    if not mounts.is_file():
        return ""
    found = [line.split()[1:3] for line in mounts.read_text().splitlines()]
    holding = [(m, k) for m, k in found if path.is_relative_to(m.replace("\\040", " "))]
    return max(holding, key=lambda f: len(f[0]))[1] if holding else ""


def _database(settings: Settings) -> Check:
    try:
        Store(settings.database).close()
    except UserError as error:
        return Check("database", "failed", error.message)
    return Check("database", "ok", settings.database.split("://")[0])


def _ray(settings: Settings) -> Check:
    """Whether Ray is there; whether it runs is only said, it starts with the first pilot."""
    version = importlib.metadata.version("ray")
    try:
        if settings.ray_address:
            knock(settings.ray_address)
        state = "running" if attach(settings) else "starts with the first pilot"
    except UserError as error:
        return Check("ray", "failed", error.message)
    return Check("ray", "ok", f"Ray {version}, {state}")


def _device() -> Check:
    import torch  # noqa: PLC0415 - seconds to import

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Check("device", "ok", ", ".join(names))
    return Check("device", "ok", f"CPU, {torch.get_num_threads()} threads; no CUDA device")


def _font() -> Check:
    """Japanese needs a CJK font of the host, in the browser's machine as well."""
    if shutil.which("fc-list") is None:
        return Check("fonts", "warning", "fc-list is missing; Japanese fonts cannot be checked.")
    found = subprocess.run(
        ["fc-list", ":lang=ja", "family"], capture_output=True, text=True, check=False
    )
    if not found.stdout.strip():
        return Check("fonts", "warning", "No Japanese font; install fonts-noto-cjk.")
    return Check("fonts", "ok", found.stdout.splitlines()[0])
