"""Facts of invented pilots: what a report is made of, in every combination that words depend on."""

from collections.abc import Callable
from typing import Any

import pytest
from fakes import FakeService, case

from dashboard.report.facts import Facts, gather

Make = Callable[..., Facts]


@pytest.fixture(scope="session")
def facts_of() -> Make:
    """Facts of the fake pilot p1 with a case that differs from the example in some fields."""

    def make(service: FakeService | None = None, pilot: str = "p1", **changes: Any) -> Facts:
        return gather(service or FakeService(), pilot, case(**changes))  # type: ignore[arg-type]

    return make
