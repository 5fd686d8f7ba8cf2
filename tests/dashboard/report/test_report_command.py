"""`digpt report` over a finished pilot: files, exit codes, one sentence for each mistake."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dashboard.cli import app
from tests.handmade import finish, service_in

EXAMPLES = Path(__file__).parents[3] / "examples"


def digpt(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    service = service_in(tmp_path_factory.mktemp("home"))
    return service.settings.home, finish(service)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    path = tmp_path / "case.yaml"
    text = (EXAMPLES / "case.yaml").read_text("utf-8")
    path.write_text(text.replace("[normal]", '["0"]'))
    return path


def error_of(result: Result) -> dict[str, Any]:
    assert result.exit_code == 2, result.output
    return json.loads(result.stdout)["error"]


@pytest.mark.parametrize("suffix", [".html", ".md", ".pptx", ".xlsx"])
def test_it_writes_the_format_of_the_suffix(
    finished: tuple[Path, str], case: Path, tmp_path: Path, suffix: str
) -> None:
    home, pilot = finished
    out = tmp_path / f"report{suffix}"
    result = digpt("report", pilot, "--out", out, "--case", case, "--home", home, "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["report"] == str(out)
    assert said["verdict"] in ("GO", "NO-GO", "COLLECT MORE")
    assert out.stat().st_size > 1000


def test_a_japanese_report_is_japanese_and_needs_no_case(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    home, pilot = finished
    out = tmp_path / "report.html"
    assert digpt("report", pilot, "--out", out, "--lang", "ja", "--home", home).exit_code == 0
    page = out.read_text("utf-8")
    assert '<html lang="ja">' in page
    assert "判定はまだありません" in page


def test_mistakes_are_one_sentence_with_its_field(
    finished: tuple[Path, str], case: Path, tmp_path: Path
) -> None:
    home, pilot = finished
    ends = ("--home", home, "--json")
    wrong = error_of(digpt("report", pilot, "--out", tmp_path / "report.doc", *ends))
    assert (wrong["code"], wrong["field"]) == ("report-format", "out")
    wrong = error_of(digpt("report", pilot, "--out", tmp_path / "no" / "report.pdf", *ends))
    assert (wrong["code"], wrong["field"]) == ("report-folder", "out")
    wrong = error_of(digpt("report", "nope", "--out", tmp_path / "report.html", *ends))
    assert "nope" in wrong["message"]
    case.write_text(case.read_text("utf-8").replace('["0"]', '["fine"]'))
    wrong = error_of(
        digpt("report", pilot, "--out", tmp_path / "report.html", "--case", case, *ends)
    )
    assert wrong["code"] == "case-class"
    assert not (tmp_path / "report.html").exists()


def test_a_pilot_without_results_is_refused(tmp_path: Path) -> None:
    service = service_in(tmp_path / "home")
    pilot = finish(service, fail=("frozen × filters", "scratch", "digpt × filters"))
    out = tmp_path / "report.html"
    home = service.settings.home
    wrong = error_of(digpt("report", pilot, "--out", out, "--home", home, "--json"))
    assert (wrong["code"], wrong["field"]) == ("no-results", "pilot")


BAD = {  # what a case must not say -> the line in its place, and the field that is named
    "negative": ("cost_miss: 60", "cost_miss: -60", "cost_miss"),
    "absurd": ("cost_miss: 60", "cost_miss: 1e20", "cost_miss"),
    "low above high": ("cost_miss: 60", "cost_miss: [90, 60, 30]", "cost_miss"),
    "prevalence 0": ("prevalence: 0.008", "prevalence: 0", "prevalence"),
    "prevalence 1": ("prevalence: 0.008", "prevalence: 1", "prevalence"),
    "percent for a share": ("miss_rate: 0.06", "miss_rate: 6", "today.miss_rate"),
    "horizon 0": ("horizon_years: 3", "horizon_years: 0", "horizon_years"),
    "discount -100%": ("discount_rate: 0.08", "discount_rate: -1", "discount_rate"),
    "no exchange rate": ("cost_miss: 60", "cost_miss: 60 CHF", "cost_miss"),
    "bars the wrong way": ("horizon_years: 3", "horizon_years: 3\np_no: 0.95", "p_no"),
    "unknown": ("cost_miss: 60", "cost_miss: 60\ncost_mis: 1", "cost_mis"),
    "missing": ("horizon_years: 3", "ramp: [1]", "horizon_years"),
    "no YAML": ("horizon_years: 3", "horizon_years: [", "case"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_in_the_readers_language(
    finished: tuple[Path, str], case: Path, name: str
) -> None:
    home, pilot = finished
    good, bad, field = BAD[name]
    text = case.read_text("utf-8")
    assert re.search(rf"^ *{re.escape(good)}\b", text, re.MULTILINE), text
    case.write_text(
        re.sub(rf"^( *){re.escape(good)}\b.*", rf"\g<1>{bad}", text, flags=re.MULTILINE)
    )
    for language, start in (("en", "Error: "), ("ja", "エラー：")):
        given = ("roi", pilot, "--case", case, "--home", home, "--lang", language)
        error = error_of(digpt(*given, "--json"))
        assert error["field"] == field
        assert "Traceback" not in error["message"]
        shown = digpt(*given)
        assert shown.exit_code == 2
        assert f"{start}{error['message']}" in shown.output
        if language == "ja":
            assert re.search("[ぁ-ん]", error["message"]), error
            assert not re.search("[{}]|allowed|Case field|missing|case-", error["message"]), error
