"""A headless Chromium, and pages that fail their test for any complaint or outside request."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# what Gradio's own client says when the progress of an upload ends
GRADIOS_OWN = ("Method not implemented.",)
# what it says as a page is left while a stream of its own is open: it aborts that stream
GRADIOS_LEAVING = ("AbortError: signal is aborted", "Unexpected error Connection errored out.")
# a page tells when it comes and when it goes, so that those words pass between the two only
ARRIVED, LEAVING = "digpt-test: arrived", "digpt-test: leaving"
TELL = f"""console.debug("{ARRIVED}");
addEventListener("beforeunload", () => console.debug("{LEAVING}"));"""


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[Starlette], str]]:
    """Serves an app from a thread of this process until the module ends; gives its address."""
    begun: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(app: Starlette) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        begun.append((server, thread))
        thread.start()
        while not server.started:
            time.sleep(0.05)
        return f"http://127.0.0.1:{port}"

    yield start
    for server, thread in begun:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def profile(browser):
    """One profile for all tests of a module: scripts are fetched and compiled once."""
    return browser.new_context()


@pytest.fixture
def context(profile) -> Iterator:
    """The module's profile; its pages are closed at the end, and what they stored is gone."""
    profile.set_default_timeout(30_000)
    yield profile
    for page in profile.pages:
        page.evaluate("localStorage.clear()")
        page.close()
    profile.clear_cookies()


@pytest.fixture
def visit(context, url) -> Iterator:
    """Open a page; fails at the end if anything was said in the console or asked elsewhere."""
    complaints: list[str] = []

    def open_page(path: str, language: str = "en", theme: str = "light", width: int = 1440):
        context.add_cookies(
            [
                {"name": "digpt_lang", "value": language, "url": url},
                {"name": "digpt_theme", "value": theme, "url": url},
            ]
        )
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        watch(page, url, complaints)
        page.goto(url + path)
        return page

    yield open_page
    assert complaints == []


def watch(page, url: str, complaints: list[str]) -> None:
    """Note console errors and warnings, scripts that fail, and requests that leave the host."""

    leaving = False

    def said(message) -> None:
        nonlocal leaving
        if message.text in (ARRIVED, LEAVING):
            leaving = message.text == LEAVING
        elif message.type in ("error", "warning") and message.text not in GRADIOS_OWN:
            complain(message.text)

    def complain(words: str) -> None:
        if not (leaving and words.startswith(GRADIOS_LEAVING)):
            complaints.append(words)

    page.add_init_script(TELL)
    page.on("console", said)
    page.on("pageerror", lambda error: complain(str(error)))
    page.on(
        "request",
        lambda r: (
            None
            if r.url.startswith((url, "data:", "blob:"))
            else complaints.append(f"request to {r.url}")
        ),
    )
