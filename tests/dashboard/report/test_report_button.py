"""The report as the page makes it: a link that holds the file, or what is wrong."""

import base64
import re
from typing import Any

import pytest
from fakes import FakeService, case

from dashboard.pages.roi.report import FORMATS, file_name, made
from dashboard.pages.roi.view import view
from dashboard.text import Viewer

EN, JA = Viewer("en"), Viewer("ja")


@pytest.mark.parametrize(
    "suffix", [f for f in FORMATS if f != ".pdf"]
)  # which needs Pango: test_formats
def test_the_link_holds_the_whole_file(suffix: str) -> None:
    service: Any = FakeService()
    link = made(service, view(service, "p1", case()), suffix, "ja", JA)
    found = re.search(r'download="([^"]+)" href="data:[^"]+;base64,([^"]+)"', link)
    assert found
    assert found[1] == f"Surface-inspection-line-2-report-ja{suffix}"
    content = base64.b64decode(found[2])
    assert content.startswith({".html": b"<!doctype", ".md": b"# "}.get(suffix, b"PK"))


def test_example_values_are_marked_in_the_report() -> None:
    service: Any = FakeService()
    link = made(service, view(service, "p1"), ".html", "en", EN)
    page = base64.b64decode(re.findall(r"base64,([^\"]+)", link)[0]).decode()
    assert "Example values" in page


def test_what_cannot_be_made_is_said_where_the_link_would_be() -> None:
    class Empty(FakeService):
        def compare(self, ids: list[str]) -> Any:
            return super().compare([])

    service: Any = Empty()
    said = made(service, view(service, "p1"), ".html", "ja", JA)
    assert 'role="alert"' in said
    assert "報告書を作成できません" in said


def test_a_file_name_is_one_that_every_system_takes() -> None:
    assert file_name("A/B: <c>?", "p1", "en", ".pdf") == "A-B-c-report-en.pdf"
    assert file_name("基板検査 第2ライン", "p1", "ja", ".pdf") == "基板検査-第2ライン-report-ja.pdf"
    assert file_name("///", "p1", "en", ".pdf") == "p1-report-en.pdf"
