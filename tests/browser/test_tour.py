"""Every page in a real browser, both languages and themes: no console error, no outside request."""

import importlib.util
import sys
from pathlib import Path

import pytest

from dashboard.server import create_app
from jobs.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = {
    "/": "#overview-grid",
    "/new": "#new-datasets",
    "/runs": "#runs-stages",
    "/compare?pilot=p1": "#compare-arms-rows table",
    "/roi?pilot=p1": "#roi-verdict",
    "/data": "#data-look",
    "/tokens": "#tokens-check",
}


def fakes():
    """The fake service's module, which stands with the dashboard's other tests."""
    path = Path(__file__).parents[1] / "dashboard" / "fakes.py"
    spec = importlib.util.spec_from_file_location("fakes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fakes"] = module
    spec.loader.exec_module(module)
    return module


FORBIDDEN = "clip:ViT-B-16@dfn2b"  # its licence forbids commercial use

FORBIDDEN_SPEC = f"""\
name: forbidden
dataset: {{name: surfaces}}
arms: [{{method: frozen, tokenizer: "{FORBIDDEN}"}}]
"""


@pytest.fixture(scope="module")
def service():
    return fakes().FakeService()


@pytest.fixture(scope="module")
def url(serve, service, tmp_path_factory) -> str:
    return serve(create_app(Settings(home=tmp_path_factory.mktemp("home")), service))


@pytest.mark.parametrize("path", PAGES)
def test_page_is_quiet_in_english_and_light(visit, path):
    page = visit(path)
    page.wait_for_selector(PAGES[path])
    assert in_what(page) == ("en", "Overview", False)
    page.wait_for_timeout(1500)


@pytest.mark.parametrize("path", PAGES)
def test_page_is_quiet_in_japanese_and_dark_and_a_phone_needs_no_sideways_scrolling(visit, path):
    page = visit(path, "ja", "dark", width=390)
    page.wait_for_selector(PAGES[path])
    page.wait_for_timeout(1500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1440, "height": 900})
    assert in_what(page) == ("ja", "概要", True)
    page.wait_for_timeout(500)


def in_what(page) -> tuple[str, str, bool]:
    """Language as the document says it, a word in it, and whether the page is dark."""
    return (
        page.locator("html").get_attribute("lang"),
        page.locator("#nav-overview").inner_text().strip(),
        page.evaluate("document.body.classList.contains('dark')"),
    )


def test_language_and_theme_are_switched_and_last(visit):
    page = visit("/")
    page.wait_for_selector("#overview-grid")
    page.click("#language-ja")
    page.wait_for_function("document.documentElement.lang === 'ja'")
    page.wait_for_selector("#overview-grid")
    page.click("#theme-dark")
    page.wait_for_function("document.body?.classList.contains('dark')")
    page.click("#nav-compare")
    page.wait_for_selector("#compare-arms-rows table")
    assert page.evaluate("document.documentElement.lang + document.body.className").startswith("ja")
    assert page.evaluate("document.body.classList.contains('dark')")


def test_a_pilot_is_made_from_data_to_launch_and_survives_a_reload(visit):
    page = visit("/new")
    page.wait_for_selector("#new-datasets")
    page.click("#new-to-tokenizers")
    page.click('#new-tokenizer-cards [data-value="hog"]')
    page.wait_for_selector('#new-tokenizer-cards .d-selected[data-value="hog"]')
    page.reload()
    page.wait_for_selector("#new-datasets")
    page.click("#new-to-tokenizers")
    page.wait_for_selector('#new-tokenizer-cards .d-selected[data-value="hog"]')
    page.click("#new-to-arms")
    page.get_by_text("D-iGPT · hog").first.wait_for()
    page.fill("#new-name input, #new-name textarea", "From the browser")
    page.click("#new-to-plan")
    page.wait_for_selector("#new-plan")
    page.click("#new-launch")
    page.wait_for_url("**/runs?pilot=p9")
    page.get_by_role("heading", name="From the browser").wait_for()


def test_yaml_with_a_mistake_is_refused_in_place(visit):
    page = visit("/new")
    page.wait_for_selector("#new-datasets")
    page.click("#new-yaml-open")
    page.click("#new-yaml .cm-content")
    page.keyboard.press("Control+A")
    page.keyboard.type("name: x\nnonsense: 1")
    page.click("#new-yaml-use")
    page.wait_for_selector("#new-yaml-problem")


def test_a_licence_is_accepted_by_a_click_before_tokens_are_checked(visit, service):
    page = visit("/tokens")
    page.wait_for_selector("#tokens-deep-price")
    page.fill("#tokens-names textarea, #tokens-names input", f"hog, {FORBIDDEN}")
    page.press("#tokens-names textarea, #tokens-names input", "Tab")
    page.locator("#tokens-consent").get_by_label(FORBIDDEN).check()
    page.click("#tokens-check")
    page.wait_for_selector("#tokens-cards table")
    assert ("check_tokens", (("hog", FORBIDDEN), (FORBIDDEN,))) in service.called


def test_a_licence_is_accepted_by_a_click_before_a_pilot_starts(visit, service):
    page = visit("/new")
    page.wait_for_selector("#new-datasets")
    page.click("#new-yaml-open")
    page.fill("#new-yaml .cm-content", FORBIDDEN_SPEC)
    page.click("#new-yaml-use")
    page.click("#new-to-plan")
    page.locator("#new-consent").get_by_label(FORBIDDEN).check()
    page.click("#new-launch")
    page.wait_for_url("**/runs?pilot=p9")
    assert service.called[-1][1].licence_accepted == (FORBIDDEN,)


def test_a_run_is_cancelled_after_a_second_question(visit):
    page = visit("/runs?pilot=p4")
    page.click("#runs-cancel")
    page.click("#runs-cancel-yes")
    page.wait_for_selector("#runs-retry")
    assert not page.is_visible("#runs-cancel")


def test_tables_open_and_csv_is_offered(visit):
    page = visit("/compare?pilot=p1")
    page.click("[data-table=compare-curves-table]")
    assert page.is_visible("#compare-curves-table table")
    with page.expect_download() as download:
        page.click("#compare-curves-csv")
    saved = Path(download.value.path()).read_bytes()
    assert saved.startswith(b"\xef\xbb\xbf")


def test_a_wrong_figure_is_marked_at_its_field_and_a_right_one_calculated(visit):
    page = visit("/roi?pilot=p1")
    page.wait_for_selector("#roi-verdict")
    page.wait_for_selector("#roi-decisions-card h2")  # everything is loaded
    page.fill("#roi-today-miss-rate-likely", "600")
    page.wait_for_selector("#roi-today-miss-rate.d-wrong .d-problem:has-text('600.0%')")
    for end in ("low", "likely", "high"):
        page.fill(f"#roi-today-miss-rate-{end}", "0.1")
        page.fill(f"#roi-today-process-per-item-{end}", "0")
    page.wait_for_selector('#roi-verdict[data-verdict="NO-GO"]')
    page.wait_for_function("!document.querySelector('.d-wrong')")


def test_a_case_starts_from_a_template_and_is_written_as_yaml(visit):
    page = visit("/roi?pilot=p1", "ja")
    page.wait_for_selector("#roi-decisions-card h2")  # everything is loaded
    page.click("#roi-template input")
    page.get_by_role("option", name="設備の故障予知").click()
    page.wait_for_selector("#roi-template-note")
    page.wait_for_function(
        "document.querySelector('#roi-failure-unplanned-stop-likely').value === '9000'"
    )
    page.click("#roi-yaml button")
    page.wait_for_selector("#roi-yaml-save")
    assert "unplanned_stop" in page.inner_text("#roi-yaml-text")


def test_scenarios_are_saved_compared_and_loaded(visit):
    page = visit("/roi?pilot=p1")
    page.wait_for_selector("#roi-decisions-card h2")
    page.fill("#roi-one-off-high", "400000")
    page.fill("#roi-scenario-name textarea, #roi-scenario-name input", "Dear line")
    page.click("#roi-scenario-save")
    page.wait_for_selector("#roi-scenario-rows :text('Dear line')")
    page.fill("#roi-one-off-high", "105000")
    page.wait_for_selector("#roi-scenario-rows summary:has-text('Dear line')")  # now it differs
    page.click("#roi-scenario-load")
    page.wait_for_function("document.querySelector('#roi-one-off-high').value === '400000'")
    page.click("#roi-scenario-remove")
    page.wait_for_function(
        "!document.querySelector('#roi-scenario-rows').textContent.includes('Dear line')"
    )


def test_a_decision_is_recorded_and_met_with_reality(visit):
    page = visit("/roi?pilot=p1", "ja", "dark")
    page.wait_for_selector("#roi-decisions-card h2")
    page.click("#roi-measure")
    page.wait_for_selector("#roi-item-rows table")
    page.click("#roi-record")
    page.wait_for_selector("#roi-decide-problem")  # nobody has said who
    page.fill("#roi-who textarea, #roi-who input", "山田")
    page.fill("#roi-why textarea", "会議で合意")
    page.click("#roi-record")
    page.wait_for_selector("#roi-decisions :text('会議で合意')")
    page.click("#roi-decide button.label-wrap")
    page.fill("#roi-actual-miss-rate input", "50")
    page.click("#roi-actual-enter")
    page.wait_for_selector("#roi-decisions :text('実績50.0%')")
