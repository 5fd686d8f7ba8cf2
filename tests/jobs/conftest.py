"""One finished pilot for the tests that only look at it, and a fresh home for the others."""

from pathlib import Path

import pytest

from jobs.service import PilotService
from tests.handmade import finish, service_in


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[PilotService, str]:
    """A service and a pilot that is done. Look, do not change."""
    service = service_in(tmp_path_factory.mktemp("finished"))
    return service, finish(service)


@pytest.fixture
def service(tmp_path: Path) -> PilotService:
    return service_in(tmp_path / "home")
