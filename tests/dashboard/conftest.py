"""The fake service for all dashboard tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode: the fakes stand beside the tests

from fakes import FakeService


@pytest.fixture
def service() -> FakeService:
    return FakeService()
