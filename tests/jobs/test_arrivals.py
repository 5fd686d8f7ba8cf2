"""Data come in from allowed folders only, as a whole or not at all."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from digpt.errors import Cancelled, UserError
from digpt.reporter import Quiet
from jobs import arrivals
from jobs.arrivals import on_server
from jobs.service import PilotService
from jobs.settings import Settings, load_settings
from tests.jobs.test_catalogue import photos


def left_in(service: PilotService) -> list[str]:
    folder = service.settings.datasets
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("where", ["", "a", "a/b", "../allowed/a"])
def test_folders_below_the_roots_may_be_used(tmp_path: Path, where: str):
    (tmp_path / "allowed" / "a" / "b").mkdir(parents=True)
    found = on_server(str(tmp_path / "allowed" / where), [tmp_path / "allowed"])
    assert found.resolve().is_relative_to(tmp_path / "allowed")


@pytest.mark.parametrize(
    "path",
    [
        "{root}/../other",
        "{root}-other",
        "{root}/link",
        "/etc",
        "relative",
        "",
        "torchvision:MNIST@/etc",
        "torchvision:MNIST",
        "{root}/a/../../other",
    ],
)
def test_nothing_else_may_be_used_whether_it_exists_or_not(tmp_path: Path, path: str):
    root = tmp_path / "allowed"
    (root / "a").mkdir(parents=True)
    (root / "link").symlink_to("/etc")
    with pytest.raises(UserError, match="is not below the folders") as refused:
        on_server(path.format(root=root), [root])
    assert refused.value.code == "outside-roots"


def test_without_roots_no_folder_may_be_used(tmp_path: Path):
    with pytest.raises(UserError, match="DIGPT_DATA_ROOTS"):
        on_server(str(tmp_path), [])


def test_roots_are_read_as_a_path_list(tmp_path: Path):
    roots = load_settings(tmp_path, {"DIGPT_DATA_ROOTS": f"/data{os.pathsep}~/photos"}).roots
    assert roots == (Path("/data"), Path.home() / "photos")
    assert load_settings(tmp_path, {}).roots == ()


def test_a_folder_of_the_server_comes_in_and_its_links_stay_inside(tmp_path: Path):
    root = tmp_path / "allowed"
    photos(root / "photos")
    service = PilotService(Settings(home=tmp_path / "home", data_roots=str(root)))
    found = service.import_from_server(str(root / "photos"), name="parts")
    assert found.dataset == "parts"
    (root / "photos" / "a" / "x.png").symlink_to("/etc/hostname")
    refused = service.import_from_server(str(root / "photos"), name="parts")
    assert refused.dataset is None
    assert "leads out of the folders" in refused.problems[0].what


class CancelledAt(Quiet):
    """Cancels after so many looks."""

    def __init__(self, looks: int) -> None:
        self._left = looks

    def check(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Cancelled


@pytest.mark.parametrize("looks", [0, 5, 45, 70, 80])  # while reading, and while copying
def test_a_cancelled_import_leaves_no_trace(service: PilotService, tmp_path: Path, looks: int):
    source = photos(tmp_path / "photos")
    with pytest.raises(Cancelled):
        service.import_dataset(source, name="parts", reporter=CancelledAt(looks))
    assert left_in(service) == []
    assert [d.name for d in service.datasets()] == ["surfaces", "digits"]


def test_what_a_killed_import_left_is_cleared_by_the_next(service: PilotService, tmp_path: Path):
    folder = service.settings.datasets / ".importing-dead"
    folder.mkdir(parents=True)
    (folder / "half.png").write_bytes(b"half")
    service.import_dataset(photos(tmp_path / "photos"), name="parts")
    assert len(left_in(service)) == 1
    assert left_in(service)[0].startswith("parts-")


def test_an_import_that_is_still_at_work_is_left_alone(tmp_path: Path):
    folder = tmp_path / ".importing-alive"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        arrivals.clear_unfinished(tmp_path)
        assert folder.exists()
    arrivals.clear_unfinished(tmp_path)
    assert not folder.exists()


def test_too_little_disk_is_said_before_anything_is_copied(
    service: PilotService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(arrivals, "SPARE", 2**62)
    with pytest.raises(UserError, match="Make room, or choose another home"):
        service.import_dataset(photos(tmp_path / "photos"), name="parts")
    assert left_in(service) == []


@pytest.mark.slow
def test_a_killed_import_stores_nothing_that_counts(tmp_path: Path):
    source, home = photos(tmp_path / "photos", n=400), tmp_path / "home"
    code = (
        "import sys, time; from pathlib import Path; from digpt.data import stored\n"
        "write = Path.write_bytes\n"
        "Path.write_bytes = lambda self, data: (time.sleep(0.02), write(self, data))[1]\n"
        "from jobs.service import PilotService; from jobs.settings import Settings\n"
        "PilotService(Settings(home=Path(sys.argv[1]))).import_dataset(Path(sys.argv[2]), name='p')"
    )
    work = subprocess.Popen([sys.executable, "-c", code, str(home), str(source)])
    service = PilotService(Settings(home=home))
    try:
        end = time.monotonic() + 60
        while not left_in(service) and time.monotonic() < end:
            time.sleep(0.05)
        work.send_signal(signal.SIGKILL)
    finally:
        work.wait(10)
    assert [name for name in left_in(service) if not name.startswith(".importing-")] == []
    assert [d.name for d in service.datasets()] == ["surfaces", "digits"]
    service.import_dataset(source, name="p", skip_bad=True)
    assert [name[:2] for name in left_in(service)] == ["p-"]
