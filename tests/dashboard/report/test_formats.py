"""Each format holds the whole story, refers to nothing outside itself, and says what it lacks."""

import io
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fakes import FakeService, gain

from dashboard.report import check_target, write
from dashboard.report.facts import Facts
from dashboard.report.figures import draw
from dashboard.report.markdown import markdown
from dashboard.report.page import html_page
from dashboard.report.pdf import pdf, weasyprint
from dashboard.report.slides import slides
from dashboard.report.story import Story
from dashboard.report.words import tell
from dashboard.text import Viewer
from digpt.errors import UserError

LANGUAGES = ("en", "ja")


@pytest.fixture(scope="module")
def facts(facts_of: Any) -> Facts:
    return facts_of()


@pytest.fixture(scope="module")
def stories(facts: Facts) -> dict[str, Story]:
    return {language: tell(facts, language) for language in LANGUAGES}


def has_pango() -> bool:
    try:
        weasyprint()
    except OSError:
        return False
    return True


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


@pytest.mark.parametrize("language", LANGUAGES)
def test_html_asks_for_nothing_outside_itself(stories: dict[str, Story], language: str) -> None:
    page = html_page(stories[language])
    outside = re.findall(r"(?:src|href)=|url\(|@import|<script|<link", page)
    assert outside == []
    addresses = set(re.findall(r"https?://[^\s\"'<]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a request
    assert f'<html lang="{language}">' in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_format_says_answer_verdict_and_each_question(
    stories: dict[str, Story], language: str
) -> None:
    story = stories[language]
    wanted = [story.title, story.verdict.word, *(s.title for s in story.sections)]
    wanted += [m.value for m in story.metrics]
    page, text, deck = plain(html_page(story)), markdown(story), " ".join(slide_texts(story))
    for words in wanted:
        assert words in page
        assert words in text
        assert words in deck


def slide_texts(story: Story) -> list[str]:
    from pptx import Presentation  # noqa: PLC0415 - only where slides are made

    found = []
    for slide in Presentation(io.BytesIO(slides(story))).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                found.append(shape.text_frame.text)  # type: ignore[attr-defined]
            if shape.has_table:
                cells = shape.table.iter_cells()  # type: ignore[attr-defined]
                found += [cell.text_frame.text for cell in cells]
    return found


def test_slides_are_few_and_have_native_charts(stories: dict[str, Story]) -> None:
    from pptx import Presentation  # noqa: PLC0415 - only where slides are made

    for story in stories.values():
        deck = Presentation(io.BytesIO(slides(story)))
        charts = [s for slide in deck.slides for s in slide.shapes if s.has_chart]
        assert len(charts) == 3
        assert 8 <= len(deck.slides) <= 11


def test_nothing_on_a_slide_stands_outside_it(stories: dict[str, Story]) -> None:
    from pptx import Presentation  # noqa: PLC0415 - only where slides are made

    deck = Presentation(io.BytesIO(slides(stories["en"])))
    width, height = deck.slide_width, deck.slide_height
    assert width is not None
    assert height is not None
    for slide in deck.slides:
        for shape in slide.shapes:
            assert 0 <= shape.left <= shape.left + shape.width <= width
            assert 0 <= shape.top <= shape.top + shape.height <= height


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_are_drawings_with_their_finding(stories: dict[str, Story], language: str) -> None:
    charts = [c for s in stories[language].sections for c in s.charts]
    assert len(charts) == 3
    for chart in charts:
        drawn = draw(chart, Viewer(language))
        root = ElementTree.fromstring(drawn)
        assert root.get("aria-label") == chart.finding
        assert "nan" not in drawn


def test_names_are_escaped(facts: Facts) -> None:
    named = replace(facts, card=replace(facts.card, name="<b>Line & 2</b>"))
    page = html_page(tell(named, "en"))
    assert "&lt;b&gt;Line &amp; 2&lt;/b&gt;" in page
    assert "<b>Line" not in page


def test_colours_are_those_of_the_house(stories: dict[str, Story]) -> None:
    page = html_page(stories["en"])
    style = page[page.index("<style>") : page.index("</style>")]
    house = (Path("dashboard") / "static" / "house.css").resolve()
    light = house.read_text("utf-8").partition("}")[0]
    assert set(re.findall(r"#[0-9A-Fa-f]{6}", style)) <= set(re.findall(r"#[0-9A-Fa-f]{6}", light))


@pytest.mark.slow
@pytest.mark.skipif(
    not has_pango(), reason="the system has no Pango: see the message of --out x.pdf"
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pdf_has_two_to_four_pages(stories: dict[str, Story], language: str) -> None:
    page = html_page(stories[language])
    assert pdf(page).startswith(b"%PDF")
    assert 2 <= len(weasyprint().HTML(string=page).render().pages) <= 4


@pytest.mark.slow
@pytest.mark.skipif(
    not has_pango(), reason="the system has no Pango: see the message of --out x.pdf"
)
def test_making_a_pdf_leaves_pillow_strict_about_truncated_images() -> None:
    code = (
        "from PIL import ImageFile; from dashboard.report.pdf import pdf; pdf('<p>'); "
        "assert ImageFile.LOAD_TRUNCATED_IMAGES is False"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_system_without_pango_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "weasyprint.py").write_text("raise OSError('cannot load library libpango')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    with pytest.raises(UserError, match="apt-get install") as caught:
        pdf("<p>")
    assert caught.value.code == "no-pango"
    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)


def test_the_suffix_decides_and_an_unknown_one_is_refused(tmp_path: Path, facts: Facts) -> None:
    for suffix in (".html", ".pptx", ".md"):
        out = write(facts, "en", tmp_path / f"report{suffix}")
        assert out.stat().st_size > 1000
    with pytest.raises(UserError, match=r"\.html, \.pdf, \.pptx, \.xlsx, \.md"):
        check_target(tmp_path / "report.doc")


def test_folders_that_are_not_there_or_not_ours_are_refused(tmp_path: Path, facts: Facts) -> None:
    with pytest.raises(UserError, match="no folder"):
        check_target(tmp_path / "nowhere" / "report.html")
    (tmp_path / "report.html").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        check_target(tmp_path / "report.html")
    with pytest.raises(UserError, match="cannot be written"):
        write(facts, "en", Path("/proc/report.html"))


def test_a_long_list_of_arms_goes_on_on_the_next_slide(stories: dict[str, Story]) -> None:
    from dashboard.report.slides.pieces import parts  # noqa: PLC0415 - loads python-pptx

    table = stories["en"].section("money").table  # type: ignore[union-attr]
    assert table is not None
    long = replace(table, rows=table.rows * 6)
    pieces = list(parts(long, 12.0, 3.0, 12.0))
    assert len(pieces) > 1
    counts = [len(p.rows) for p in pieces]
    assert max(counts) - min(counts) <= 2  # no row stands alone on the last slide
    assert sum(len(p.rows) for p in pieces) == len(long.rows)
    assert all(p.heads == long.heads for p in pieces)


def test_what_follows_a_full_table_goes_on_a_slide_of_its_own(stories: dict[str, Story]) -> None:
    from pptx import Presentation  # noqa: PLC0415
    from pptx.util import Inches  # noqa: PLC0415

    from dashboard.report.slides.deck import BODY, END  # noqa: PLC0415 - loads python-pptx
    from dashboard.report.slides.pieces import text_height  # noqa: PLC0415 - loads python-pptx

    story = stories["ja"]
    money = story.section("money")
    points = ("採算が合う手法の中で最も安く、判定の基準そのものです。" * 3,) * 4
    for count in range(8, 14):
        rows = tuple(tuple([*row]) for row in (money.table.rows * 10)[:count])
        long = replace(money, charts=(), points=points, table=replace(money.table, rows=rows))
        deck = Presentation(io.BytesIO(slides(replace(story, sections=(long,)))))
        shapes = [s for slide in deck.slides for s in slide.shapes if s.has_text_frame]
        (told,) = (s for s in shapes if s.text_frame.text.startswith(points[0]))
        assert told.top + Inches(text_height(points, BODY, 13)) <= Inches(END)


def test_a_table_too_long_to_stand_beside_its_chart_has_slides_of_its_own(
    stories: dict[str, Story],
) -> None:
    from pptx import Presentation  # noqa: PLC0415 - only where slides are made

    story = stories["ja"]
    i, accuracy = next((i, s) for i, s in enumerate(story.sections) if s.key == "accuracy")
    assert accuracy.table is not None

    def slides_with(rows: int) -> list[list[bool]]:
        cells = accuracy.table.rows[:1] * rows  # type: ignore[union-attr]
        long = replace(accuracy, table=replace(accuracy.table, rows=cells))
        parts = (*story.sections[:i], long, *story.sections[i + 1 :])
        deck = Presentation(io.BytesIO(slides(replace(story, sections=parts))))
        found = ([s.has_chart for s in d.shapes if s.has_chart or s.has_table] for d in deck.slides)
        return [kinds for kinds in found if kinds]

    assert slides_with(3)[0] == [True, False]
    assert slides_with(12)[:2] == [[True], [False]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pilot_without_gain_or_case_still_makes_every_format(language: str) -> None:
    from dashboard.report import gather  # noqa: PLC0415 - with the fake service only here

    service = FakeService()
    service.shown = [replace(c, gain=gain() if c.id == "p2" else None) for c in service.shown]
    story = tell(gather(service, "p1"), language)  # type: ignore[arg-type]
    assert plain(html_page(story))
    assert markdown(story)
    assert slide_texts(story)
