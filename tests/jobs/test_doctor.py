"""The doctor: every finding with what to do, and never an exception."""

import dataclasses
from pathlib import Path

import pytest

from jobs import doctor
from jobs.service import PilotService


def states(service: PilotService) -> dict[str, str]:
    return {c.name: c.state for c in service.doctor()}


def test_a_healthy_home_passes_and_every_check_says_something(service: PilotService):
    checks = service.doctor()
    assert {c.name for c in checks} >= {"home", "disk", "database", "ray", "device", "fonts"}
    assert all(c.advice for c in checks)
    assert states(service)["database"] == "ok"


def test_a_home_that_is_a_file_fails_and_ends_the_examination(tmp_path: Path):
    home = tmp_path / "file"
    home.touch()
    found = doctor.examine(doctor.Settings(home=home))
    assert found[-1].name == "home"
    assert found[-1].state == "failed"
    assert "--home" in found[-1].advice


def test_a_database_that_cannot_be_opened_is_a_finding(service: PilotService):
    settings = dataclasses.replace(service.settings, database_url="nonsense")
    assert states(PilotService(settings))["database"] == "failed"


def test_a_full_disk_is_a_finding(service: PilotService, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 10**18)
    assert states(service)["disk"] == "failed"


def test_the_cluster_of_a_fresh_home_is_idle(service: PilotService):
    found = service.cluster()
    assert (found.alive, found.supervisor, found.busy, found.queue) == (False, False, 0, 0)
    assert found.slots >= 1
    assert found.disk_free_bytes > 0
