"""A file on its way from a real browser: pieces, a lost connection, a reload, and removal."""

import io
import os
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dashboard.server import create_app
from jobs.service import PilotService
from jobs.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PIECE = 2 * 2**20  # as in static/upload.js


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def url(serve, home: Path) -> str:
    (home / "allowed" / "photos").mkdir(parents=True)
    settings = Settings(home=home, data_roots=str(home / "allowed"))
    app = create_app(settings, PilotService(settings))
    return serve(app)


@pytest.fixture
def page(context, url, home):
    """A page that may complain: a lost connection is written to the console."""
    shutil.rmtree(home / "uploads", ignore_errors=True)
    page = context.new_page()
    page.goto(f"{url}/new?add=1")
    page.wait_for_selector("#new-zip-box")
    return page


def packed(path: Path, side: int, count: int = 24) -> Path:
    """A ZIP of two classes of pictures that do not compress."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as file:
        for i in range(count):
            picture = io.BytesIO()
            pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(picture, "PNG")
            file.writestr(f"{('good', 'bent')[i % 2]}/{i:02}.png", picture.getvalue())
    return path


def uploads(home: Path) -> list[Path]:
    folder = home / "uploads"
    return sorted(folder.iterdir()) if folder.exists() else []


def state(page, word: str) -> None:
    page.wait_for_selector(f'#new-zip-box[data-state="{word}"]')


def test_a_lost_connection_is_waited_out_and_the_file_is_imported(page, home, tmp_path):
    archive = packed(tmp_path / "Big bolts.zip", 300)
    assert archive.stat().st_size > 3 * PIECE
    sent: list[int] = []

    def flaky(route) -> None:
        offset = int(route.request.headers["upload-offset"])
        sent.append(offset)
        if len(sent) in (2, 3):
            route.abort("connectionfailed")
        else:
            route.continue_()

    page.route("**/uploads/*", lambda r: flaky(r) if r.request.method == "PATCH" else r.continue_())
    page.set_input_files("#new-zip-file", archive)
    state(page, "lost")
    state(page, "done")
    assert sent[:4] == [0, PIECE, PIECE, PIECE]  # it went on where the server stood
    page.wait_for_function(
        "document.querySelector('#new-set-name :is(input, textarea)').value === 'big-bolts'"
    )
    (folder,) = uploads(home)
    assert (folder / "Big bolts.zip").read_bytes() == archive.read_bytes()
    page.click("#new-check")
    page.wait_for_selector("#new-import:not([disabled])")
    assert page.get_attribute("#new-problems-csv", "download") == "problems.csv"
    page.click("#new-import")
    page.wait_for_selector('#new-datasets .d-selected[data-value="big-bolts"]')
    assert uploads(home) == []  # imported, so the upload is gone
    assert page.get_attribute("#new-zip-box", "data-state") is None  # ready for another


def test_after_a_reload_the_same_file_goes_on_where_it_was(page, home, tmp_path):
    archive = packed(tmp_path / "again.zip", 300)
    offsets: list[int] = []
    page.route("**/uploads/*", lambda r: first_only(r, offsets))
    page.set_input_files("#new-zip-file", archive)
    state(page, "lost")
    page.unroute("**/uploads/*")
    page.reload()
    page.wait_for_selector("#new-zip-box")
    page.on("request", lambda r: offsets.append(int(r.headers.get("upload-offset", -1))))
    page.set_input_files("#new-zip-file", archive)
    state(page, "done")
    again = [n for n in offsets if n >= 0]
    assert again[0] == 0
    assert again[-3:] == sorted(again[-3:])
    assert again.count(0) == 1
    (folder,) = uploads(home)
    assert (folder / "again.zip").read_bytes() == archive.read_bytes()
    page.click("[data-upload-cancel]")
    state(page, "cancelled")


def first_only(route, offsets: list[int]) -> None:
    """Lets one piece through."""
    if route.request.method != "PATCH":
        route.continue_()
    elif offsets:
        route.abort("connectionfailed")
    else:
        offsets.append(int(route.request.headers["upload-offset"]))
        route.continue_()


def test_a_removed_file_leaves_no_trace(page, home, tmp_path):
    archive = packed(tmp_path / "gone.zip", 300)
    page.route(
        "**/uploads/*", lambda r: slowly(r) if r.request.method == "PATCH" else r.continue_()
    )
    page.set_input_files("#new-zip-file", archive)
    state(page, "sending")
    page.click("[data-upload-cancel]")
    state(page, "cancelled")
    for _ in range(100):
        if uploads(home) == []:
            break
        time.sleep(0.05)
    assert uploads(home) == []
    assert page.evaluate("localStorage.getItem('digpt_uploads')") == "{}"


def slowly(route) -> None:
    time.sleep(0.2)
    route.continue_()


def test_a_stopped_import_leaves_no_trace(page, url, home):
    page.goto(f"{url}/data?add=1")  # the Data page takes data too
    photos = home / "allowed" / "slow bolts"
    for i in range(20):
        place = photos / ("good", "bent")[i % 2] / f"{i:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (40, 30), 5 * i).save(place)
    page.fill("#new-path input", str(photos))
    page.keyboard.press("Enter")
    page.click("#new-check")
    page.wait_for_selector("#new-import:not([disabled])")
    large = io.BytesIO()
    Image.new("L", (3000, 3000)).save(large, "PNG")
    for i in range(300):  # half a minute to read
        (photos / "bent" / f"large{i}.png").write_bytes(large.getvalue())
    before = sorted((home / "datasets").glob("*"))
    page.click("#new-import")
    page.click("#new-stop")
    page.wait_for_selector("#new-import-stopped")
    page.wait_for_selector("#new-stop", state="hidden")
    assert sorted((home / "datasets").glob("*")) == before  # nor any .importing- folder
    assert "slow-bolts" not in {d.name for d in PilotService(Settings(home=home)).datasets()}


def test_what_is_no_archive_is_refused_before_it_is_sent(page, home, tmp_path):
    picture = tmp_path / "photo.png"
    picture.write_bytes(os.urandom(1000))
    page.set_input_files("#new-zip-file", picture)
    state(page, "refused")
    assert "photo.png is no archive" in page.inner_text("#new-zip-box [role=status]")
    assert uploads(home) == []


def test_folders_of_the_server_are_offered_below_the_roots_only(page, home):
    page.click("#new-path input")
    page.get_by_role("option", name=str(home / "allowed"), exact=True).click()
    page.click("#new-path input")
    page.get_by_role("option", name=str(home / "allowed" / "photos"), exact=True).wait_for()
    page.fill("#new-path input", "/etc")
    page.keyboard.press("Enter")
    page.click("#new-check")
    page.wait_for_selector("#new-import-error")
    assert "is not below the folders" in page.inner_text("#new-import-error")
