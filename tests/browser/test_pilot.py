"""A pilot from New pilot to its verdict: real server, service, Ray and Chromium."""

import io
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.ray, pytest.mark.slow]

NAME = "Pilot from the browser"
START_SECONDS = 120
RUN_SECONDS = 300  # on a busy machine; a quiet one takes half a minute
DIGPT = (sys.executable, "-m", "dashboard.cli")


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    """A server with a home of its own; whatever happens, everything it started is stopped."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DIGPT_CURRENCY": "USD"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (home / "serve.log").open("w") as log:
        server = subprocess.Popen(
            [*DIGPT, "serve", "--home", str(home), "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, server, home)
        yield address
    finally:
        server.terminate()
        subprocess.run([*DIGPT, "stop", "--home", str(home)], env=environment, check=False)
        server.wait(20)


def _wait_for(address: str, server: subprocess.Popen, home: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"The server did not start: {(home / 'serve.log').read_text()}")


@pytest.fixture(scope="module")
def pilot() -> dict[str, str]:
    """What the first test leaves for the others: the id of the finished pilot."""
    return {}


def fill_in(page) -> None:
    """New pilot: digits, filters, the usual arms, the smoke preset; up to the plan."""
    page.wait_for_selector("#new-datasets")
    page.check('#new-dataset input[value="digits"]')
    page.wait_for_selector('#new-datasets .d-selected[data-value="digits"]')
    page.click("#new-to-tokenizers")
    page.wait_for_selector("#new-tokenizer-cards")
    for box in page.locator("#new-tokenizers label").all():
        name = box.inner_text().strip()
        chosen = page.locator(f'#new-tokenizer-cards .d-selected[data-value="{name}"]')
        if (chosen.count() == 1) != (name == "filters"):
            box.click()
            chosen.wait_for(state="attached" if name == "filters" else "detached")
    page.click("#new-to-arms")
    page.get_by_text("D-iGPT · filters").first.wait_for()
    page.check('#new-preset input[value="smoke"]')
    page.wait_for_selector("#new-preset-about:has-text('A minute')")
    page.fill("#new-name input, #new-name textarea", NAME)
    make_smaller(page)
    page.click("#new-to-plan")
    page.wait_for_selector("#new-plan")


def make_smaller(page) -> None:
    """In the YAML: fewer images, shorter training."""
    page.click("#new-yaml-open")
    page.locator("#new-yaml .cm-line", has_text="name: digits").click()
    page.keyboard.press("End")
    page.keyboard.insert_text("\n  images: 500")
    page.keyboard.press("Control+End")
    page.keyboard.insert_text("\npretrain: {images_seen: 640}")
    page.keyboard.insert_text("\ntransfer: {label_seeds: 1, finetune_epochs: 2}")
    page.click("#new-yaml-use")
    page.locator("#new-yaml").wait_for(state="hidden")


def no_traceback(page) -> None:
    """No page shows the insides of a failure."""
    words = page.inner_text("body")
    assert not re.search(r"Traceback|File \"|\w+Error:|\bNaN\b|\bnan\b|undefined", words), words


def test_a_pilot_runs_from_data_to_done(visit, pilot):
    page = visit("/new")
    fill_in(page)
    no_traceback(page)
    assert page.locator("#new-plan .d-chip").count() == 3
    page.click("#new-launch")
    page.wait_for_url("**/runs?pilot=*")
    page.wait_for_selector("#runs-stages")
    other = visit("/runs")  # a second person sees the same run
    other.get_by_role("heading", name=NAME).wait_for()
    page.wait_for_selector("#runs-head [data-state=done]", timeout=1000 * RUN_SECONDS)
    other.wait_for_selector("#runs-head [data-state=done]")
    assert page.locator(".d-stage-failed").count() == 0
    page.wait_for_selector("#runs-loss .js-plotly-plot")
    assert page.locator("#runs-log-lines > div").count() >= 5
    no_traceback(page)
    pilot["id"] = page.url.split("pilot=")[1]


def test_the_arms_are_compared(visit, pilot):
    page = visit(f"/compare?pilot={pilot['id']}")
    page.wait_for_selector("#compare-arms-rows table")
    for name in ("curves", "cost", "differences"):
        page.wait_for_selector(f"#compare-{name} .js-plotly-plot .main-svg")
    rows = page.locator("#compare-arms-rows tbody tr")
    assert rows.count() == 3
    assert "D-iGPT · filters" in page.inner_text("#compare-arms-rows")
    page.wait_for_selector("#compare-maps img")
    assert page.locator("#compare-maps img").count() >= 4
    page.click("[data-table=compare-differences-table]")
    assert page.locator("#compare-differences-table tbody tr").count() >= 1
    no_traceback(page)


def test_naming_the_good_classes_gives_a_verdict_in_both_languages(visit, pilot):
    page = visit(f"/roi?pilot={pilot['id']}")
    page.wait_for_selector('#roi-verdict li[data-reason="no-good-class"]')
    page.check('#roi-good-classes input[name="0"]')
    page.click("#roi-save")
    page.wait_for_selector('#roi-verdict:not([data-verdict=""])')
    verdict = page.get_attribute("#roi-verdict", "data-verdict")
    assert page.locator("#roi-verdict li[data-reason]").count() >= 1
    page.wait_for_selector("#roi-sure .js-plotly-plot .main-svg")
    no_traceback(page)
    page.click("#language-ja")
    page.wait_for_function("document.documentElement.lang === 'ja'")
    page.wait_for_selector(f'#roi-verdict[data-verdict="{verdict}"]')
    words = {"GO": "推進", "NO-GO": "見送り", "COLLECT MORE": "追加検証"}
    assert words[verdict] in page.inner_text("#roi-verdict")
    no_traceback(page)
    other = visit("/")
    other.wait_for_selector(f"#pilot-{pilot['id']}")
    assert verdict in other.inner_text(f"#pilot-{pilot['id']}")


def test_a_zip_is_checked_imported_and_chosen(visit, tmp_path):
    archive = tmp_path / "Two bolts.zip"
    archive.write_bytes(bolts(broken=True))
    page = visit("/new?add=1")
    page.wait_for_selector("#new-datasets")
    page.set_input_files("#new-zip-file", archive)
    page.wait_for_function("document.querySelector('#new-set-name :is(input, textarea)').value")
    page.click("#new-check")
    page.wait_for_selector("#new-problems table")
    assert "bad.png" in page.inner_text("#new-problems")
    assert page.is_disabled("#new-import")
    page.check("#new-skip-bad input")
    page.click("#new-check")
    page.wait_for_selector("#new-import:not([disabled])")
    page.click("#new-import")
    page.wait_for_selector('#new-datasets .d-selected[data-value="two-bolts"]')
    assert page.is_checked('#new-dataset input[value="two-bolts"]')
    no_traceback(page)


def bolts(*, broken: bool) -> bytes:
    """A ZIP with a folder of images for each of two classes, one of them not an image."""
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for i in range(40):
            label = ("good", "bent")[i % 2]
            pixels = rng.integers(0, 120, (32, 32, 3)).astype(np.uint8)
            pixels[:, 8 + 8 * (i % 2) : 14 + 8 * (i % 2)] = 220
            picture = io.BytesIO()
            Image.fromarray(pixels).save(picture, "PNG")
            file.writestr(f"bolts/{label}/{i:02}.png", picture.getvalue())
        if broken:
            file.writestr("bolts/bent/bad.png", b"not an image")
    return buffer.getvalue()
