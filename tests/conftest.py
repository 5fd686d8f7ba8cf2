"""What all tests share: a clean environment, the folder of real data, skips with their reason."""

import os
import shutil
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REAL_DATA = Path(os.environ.get("DIGPT_TEST_DATA") or ROOT.parent / "shared" / "data")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = "Chromium is not installed: sudo apt-get install -y chromium fonts-noto-cjk"
NO_GPU = "no CUDA device"


def find_chromium() -> str | None:
    """Path of the machine's Chromium, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def has_gpu() -> bool:
    """Whether torch sees a CUDA device; asked only when a GPU test is selected."""
    import torch  # noqa: PLC0415 - takes seconds, and most runs need no answer

    return torch.cuda.is_available()


@pytest.hookimpl(trylast=True)  # after deselection by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run; the longest files come first."""
    _skip(items, "browser", lambda: find_chromium() is not None, NO_BROWSER)
    _skip(items, "gpu", has_gpu, NO_GPU)
    order = {path: number for number, path in enumerate(_longest_first(items))}
    items.sort(key=lambda item: order[item.path])  # stable: else the order stays


def _longest_first(items: list[pytest.Item]) -> list[Path]:
    """Files in an order for two workers: begun last, a long one would leave the other idle. Files
    that wait for Ray or a browser, which takes minutes, come in turn with files that compute."""
    marks: dict[Path, set[str]] = {}
    for item in items:
        marks.setdefault(item.path, set()).update(mark.name for mark in item.iter_markers())
    waiting = [path for path in marks if marks[path] & {"ray", "browser"}]
    slow = [path for path in marks if "slow" in marks[path] and path not in waiting]
    turns = [path for pair in zip_longest(waiting, slow) for path in pair if path]
    return list(dict.fromkeys([*turns, *marks]))


def _skip(items: list[pytest.Item], marker: str, is_met: Callable[[], bool], reason: str) -> None:
    marked = [item for item in items if item.get_closest_marker(marker)]
    if marked and not is_met():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def _clean_environment(tmp_path_factory: pytest.TempPathFactory):
    """No DIGPT_* setting from outside, a home of our own, and nothing that asks the network."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DIGPT_")]:
            patch.delenv(name)
        patch.setenv("DIGPT_TEST_DATA", str(REAL_DATA))
        patch.setenv("DIGPT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # Ray's 15 would starve them beside other tests
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets (DIGPT_TEST_DATA, or shared/data beside the checkout)."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real data sets are not here: name their folder in DIGPT_TEST_DATA")
    return REAL_DATA


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium, for Playwright's executable_path."""
    path = find_chromium()
    if path is None:
        pytest.skip(NO_BROWSER)
    return path
