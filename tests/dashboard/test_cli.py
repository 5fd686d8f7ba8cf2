"""The command line as people and scripts use it: exit codes, one sentence, plain JSON."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeService
from PIL import Image
from typer.testing import CliRunner, Result

from dashboard.cli import app, common, pilots
from dashboard.cli.ticker import Ticker
from dashboard.text import Viewer
from jobs.views import PilotView
from tests.handmade import SPEC, finish, service_in
from tests.jobs.test_catalogue import photos

ROOT = Path(__file__).parents[2]


def digpt(*arguments: object, home: Path | None = None) -> Result:
    """Run a command in this process."""
    where = ["--home", str(home)] if home else []
    return CliRunner().invoke(app, [*map(str, arguments), *where])


def error_of(result: Result) -> dict[str, Any]:
    """The error object of a refused command; nothing else may stand on stdout."""
    assert result.exit_code == 2, result.output
    assert result.stderr == "" or "Traceback" not in result.stderr
    return json.loads(result.stdout)["error"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    service = service_in(tmp_path_factory.mktemp("home"))
    return service.settings.home, finish(service)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    service_in(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """The example case, for the digits."""
    path = tmp_path / "case.yaml"
    text = (ROOT / "examples" / "case.yaml").read_text("utf-8")
    path.write_text(text.replace("[normal]", '["0"]'))
    return path


def test_help_imports_neither_torch_nor_ray_nor_gradio():
    code = (
        "import sys; sys.argv = ['digpt', '--help']\n"
        "from dashboard.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'ray', 'gradio', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_roi_needs_neither_gradio_nor_plotly_for_its_sentences():
    code = (
        "import sys\n"
        "from dashboard.cli.roi import _show\n"
        "from dashboard.text import Viewer\n"
        "from jobs.roi import CaseResult, Reason\n"
        "why = [Reason('no-next-stage-cost')]\n"
        "blank = dict.fromkeys(('baseline', 'verdict', 'chosen_arm', 'evpi', 'repeated'))\n"
        "found = CaseResult(currency='USD', arms={}, reasons=why, draws=1, seed=0, **blank)\n"
        "_show(found, Viewer())\n"
        "print(sorted({'gradio', 'plotly'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    *shown, loaded = ran.stdout.splitlines()
    assert shown[-1].startswith("- ")
    assert loaded == "[]"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["pilot", "list", "--nope"], "--nope"),
        (["pilot", "list", "--page", "0"], "page"),
        (["pilot", "shwo"], None),
        (["roi", "x"], "case"),
    ],
)
def test_a_wrong_command_line_is_json_too_where_json_was_asked_for(
    arguments: list[str], field: str | None, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.setattr(sys, "argv", ["digpt", *arguments, "--json"])
    with pytest.raises(SystemExit) as ended:
        common_main()
    assert ended.value.code == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "usage"
    assert field is None or error["field"] == field


def common_main() -> None:
    from dashboard.cli.app import main  # noqa: PLC0415 - reads sys.argv when called

    main()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pilot", "show", "nope"], "no pilot 'nope'"),
        (["pilot", "cancel", "nope"], "no pilot 'nope'"),
        (["pilot", "compare", "nope"], "no pilot 'nope'"),
        (["pilot", "watch", "nope"], "no pilot 'nope'"),
        (["pilot", "run", "nope.yaml"], "no file nope.yaml"),
        (["roi", "nope", "--case", "nope.yaml"], "nope.yaml cannot be read"),
        (["data", "show", "digit"], "Did you mean 'digits'?"),
        (["data", "remove", "nope"], "no dataset 'nope'"),
        (["data", "add", "/nope/photos", "--name", "x"], "/nope/photos does not exist"),
        (["tokens", "check", "--dataset", "digits", "--tokenizers", "filtres"], "'filters'?"),
        (["tokens", "check", "--dataset", "digits", "--tokenizers", ","], "at least one"),
        (["tokens", "codes", "--dataset", "digits", "--codes", "many"], "whole numbers such as"),
        (["tokens", "codes", "--dataset", "digits", "--codes", "1"], "must be from 2 to"),
        (["tokens", "codes", "--dataset", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(home: Path, arguments: list[str], words: str):
    assert words in error_of(digpt(*arguments, "--json", home=home))["message"]
    plain = digpt(*arguments, home=home)
    assert plain.exit_code == 2
    assert words in plain.stderr
    assert "Traceback" not in plain.output


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/nowhere"])
def test_a_home_that_cannot_be_written_names_the_way_out(tmp_path: Path, where: str):
    (tmp_path / "file").touch()
    error = error_of(digpt("pilot", "list", "--json", home=tmp_path / where))
    assert (error["code"], error["field"]) == ("home-unwritable", "home")
    assert "--home" in error["message"]


@pytest.mark.parametrize(
    "text", ["x = [", 'currrency = "USD"', "slots = 1.5", "currency = 3", 'prices = "/nope.yaml"']
)
def test_a_broken_settings_file_is_named(home: Path, spec: Path, text: str):
    (home / "digpt.toml").write_text(text)
    assert error_of(digpt("pilot", "estimate", spec, "--json", home=home))["message"]


def test_a_mistake_of_ours_is_a_sentence_a_log_and_exit_code_1(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("jobs.service.PilotService.doctor", broken)
    result = digpt("doctor", home=home)
    assert result.exit_code == 1
    assert "ZeroDivisionError: division by zero" in result.stderr
    log = home / "logs" / "digpt.log"
    assert str(log) in result.stderr
    assert "Traceback" in log.read_text("utf-8")
    monkeypatch.setenv("DIGPT_DEBUG", "1")
    assert isinstance(digpt("doctor", home=home).exception, ZeroDivisionError)


@pytest.mark.slow  # imports Gradio
def test_a_port_in_use_names_a_free_one_and_submits_nothing(home: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = digpt("demo", "--port", taken.getsockname()[1], home=home)
    assert result.exit_code == 2
    assert "add --port" in result.stderr
    assert json.loads(digpt("pilot", "list", "--json", home=home).stdout)["total"] == 0


def test_the_template_is_a_spec_that_can_be_estimated(home: Path, tmp_path: Path):
    template = tmp_path / "template.yaml"
    template.write_text(digpt("pilot", "template").stdout.replace("surfaces}", "digits}"))
    found = json.loads(digpt("pilot", "estimate", template, "--json", home=home).stdout)
    assert found["device_seconds"]["likely"] > 0
    assert "properties" in json.loads(digpt("pilot", "template", "--schema").stdout)


def test_pilots_are_listed_shown_and_compared(finished: tuple[Path, str]):
    home, pilot = finished
    listed = json.loads(digpt("pilot", "list", "--json", home=home).stdout)
    assert [p["id"] for p in listed["pilots"]] == [pilot]
    shown = json.loads(digpt("pilot", "show", pilot, "--json", home=home).stdout)
    assert shown["card"]["status"] == "done"
    rows = json.loads(digpt("pilot", "compare", pilot, "--json", home=home).stdout)["rows"]
    assert {r["metric"] for r in rows} == {"balanced_accuracy"}
    for command in (["list"], ["show", pilot], ["compare", pilot], ["compare", pilot, pilot]):
        result = digpt("pilot", *command, home=home)
        assert result.exit_code == 0
        assert "nan" not in result.stdout


def test_the_fake_service_compares_in_the_columns_of_the_real_one():
    from jobs.compare import COLUMNS  # noqa: PLC0415 - torch takes seconds

    assert tuple(FakeService().compare(["p1"]).columns) == COLUMNS


def test_an_unknown_metric_names_those_there_are(finished: tuple[Path, str]):
    home, pilot = finished
    error = error_of(digpt("pilot", "compare", pilot, "--metric", "f1", "--json", home=home))
    assert "macro_f1" in error["message"]


def test_cancelling_what_is_over_says_so(finished: tuple[Path, str]):
    home, pilot = finished
    result = digpt("pilot", "cancel", pilot, "--json", home=home)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"pilot": pilot, "cancel": "none", "status": "done"}
    assert digpt("pilot", "retry", pilot, home=home).exit_code == 2


def test_a_pilot_whose_process_is_told_to_end_is_cancelled_and_others_at_work_are_named(
    capsys: pytest.CaptureFixture[str],
):
    class Service(FakeService):
        def drive(self, pilot: str, on_change: Callable[[PilotView], None] | None = None) -> None:
            if on_change is None:
                return  # cancelled: until it has ended
            on_change(self.pilot(pilot))
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
            pytest.fail("the signal was not heard")

    service = Service()
    mine = next(c for c in service.shown if c.status == "running")
    other = replace(mine, id="p8", name="Night run")
    service.shown.append(other)
    before = signal.getsignal(signal.SIGTERM)
    assert pilots.drive(service, mine.id, Viewer("en"))  # type: ignore[arg-type]
    assert service.called == [("cancel", mine.id)]
    assert signal.getsignal(signal.SIGTERM) == before
    told = capsys.readouterr().err
    assert "Night run (p8)" in told
    assert mine.name not in told


def test_a_stage_that_takes_long_says_how_far_it_is(capsys: pytest.CaptureFixture[str]):
    now = [0.0]
    service = FakeService()
    pilot = next(c.id for c in service.shown if c.status == "running")
    view, ticker = service.pilot(pilot), Ticker(Viewer("en"), clock=lambda: now[0])
    ticker(view)
    begun = capsys.readouterr().err
    assert "Running, 412 of 625" in begun
    now[0] = 29.0
    ticker(view)
    assert not capsys.readouterr().err
    now[0] = 31.0
    running = tuple(replace(s, done=500) for s in view.stages if s.state == "running")
    ticker(replace(view, stages=running))
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(running)
    assert all("Running, 500 of 625" in line for line in told)


def test_roi_gives_figures_a_verdict_and_plain_json(finished: tuple[Path, str], case: Path):
    home, pilot = finished
    result = digpt("roi", pilot, "--case", case, "--json", home=home)
    found = json.loads(result.stdout, parse_constant=pytest.fail)
    assert found["verdict"] in ("GO", "NO-GO", "COLLECT MORE")
    assert set(found["arms"]) == {"frozen × filters", "scratch", "digpt × filters"}


def test_a_decision_is_recorded_listed_and_met_with_reality(finished: tuple[Path, str], case: Path):
    home, pilot = finished
    asked = ["roi", pilot, "--case", case, "--decide", "--note", "as agreed", "--who", "Ana"]
    made = json.loads(digpt(*asked, "--json", home=home).stdout)
    assert made["fixed"] == {"before_launch": False, "changes": []}
    assert made["compute"]["grid"]["kg_per_kwh"] > 0
    decided = made["decision"]
    assert (decided["who"], decided["note"], decided["choice"]) == (
        "Ana", "as agreed", made["verdict"]
    )  # fmt: skip
    listed = json.loads(digpt("decisions", pilot, "--json", home=home).stdout)
    assert [d["id"] for d in listed] == [decided["id"]]
    assert "Ana" in digpt("decisions", pilot, "--lang", "ja", home=home).stdout
    came = digpt("actual", decided["id"], "--miss-rate", "0.5", "--who", "Ben", home=home)
    assert "actual 50.0%" in came.stdout
    error = error_of(digpt("actual", decided["id"], "--json", home=home))
    assert error["code"] == "actual-empty"


def test_deciding_otherwise_than_the_verdict_is_kept_as_such(
    finished: tuple[Path, str], case: Path
):
    home, pilot = finished
    shown = digpt("roi", pilot, "--case", case, "--decide", "--choice", "NO-GO", home=home)
    assert shown.exit_code == 0
    assert "is recorded: NO-GO" in shown.stdout
    assert "before the pilot was launched" in shown.stdout


def test_roi_tells_its_reasons_as_sentences_in_both_languages(
    finished: tuple[Path, str], case: Path
):
    home, pilot = finished
    english = digpt("roi", pilot, "--case", case, home=home).stdout
    japanese = digpt("roi", pilot, "--case", case, "--lang", "ja", home=home).stdout
    assert "of the draws" in english
    assert "**" not in english
    assert "判定：" in japanese


def test_the_example_case_is_complete_and_says_that_it_is_an_example():
    from jobs.roi import load_case  # noqa: PLC0415 - scipy takes a second

    path = ROOT / "examples" / "case.yaml"
    case = load_case(path)
    assert case.next_stage_cost is not None
    assert case.good_classes == ("normal",)
    assert "replace" in path.read_text("utf-8")


def test_wrong_case_values_name_field_line_and_range(finished: tuple[Path, str], case: Path):
    home, pilot = finished
    case.write_text(case.read_text().replace("prevalence: 0.008", "prevalence: 8"))
    error = error_of(digpt("roi", pilot, "--case", case, "--json", home=home))
    assert error["field"] == "prevalence"
    assert "line 5" in error["message"]


def test_figures_that_are_no_numbers_become_null():
    assert common.plain({"a": float("nan"), "b": [float("inf"), 1.5]}) == {
        "a": None,
        "b": [None, 1.5],
    }


def test_columns_line_up_with_japanese_words(capsys: pytest.CaptureFixture[str]):
    common.table(("名前", "n"), [("表面", 1), ("abcdef", 2)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "名前    n"
    assert lines[2] == "abcdef  2"


def test_health_names_the_copies_on_both_sides_and_diff_what_came(home: Path, tmp_path: Path):
    source = tmp_path / "set"
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, 2, 12, 24, 24, 3), np.uint8)
    pixels[1, 0, 0] = np.clip(pixels[0, 0, 0] * 0.95, 0, 255)  # a darker copy, in the test split
    for s, split in enumerate(("train", "test")):
        for c, label in enumerate(("good", "bad")):
            (source / split / label).mkdir(parents=True)
            for i, picture in enumerate(pixels[s, c]):
                Image.fromarray(picture).save(source / split / label / f"{split[:2]}{i}.png")
    assert digpt("data", "add", source, "--name", "parts", home=home).exit_code == 0
    shown = digpt("data", "health", "parts", home=home)
    assert shown.exit_code == 0, shown.output
    assert "warning: 2 images look nearly the same" in shown.stdout
    assert "test/good/te0.png" in shown.stdout
    assert error_of(digpt("data", "diff", "parts", "--json", home=home))["code"] == "one-version"
    (source / "test" / "bad" / "te3.png").unlink()
    assert digpt("data", "add", source, "--name", "parts", home=home).exit_code == 0
    found = json.loads(digpt("data", "diff", "parts", "--json", home=home).stdout)
    assert (found["from"], found["to"]) == (1, 2)
    assert found["removed"]["files"] == ["test/bad/te3.png"]


def test_an_import_is_one_object_that_names_format_task_counts_and_problems(
    tmp_path: Path, home: Path
):
    source = photos(tmp_path / "photos", n=10)
    result = digpt("data", "add", source, "--name", "parts", "--json", home=home)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["dataset"], found["version"], found["task"]) == ("parts", 1, "classification")
    assert found["format"] == "class folders (folder)"
    assert sum(found["counts"]["train"].values()) == 12
    assert found["problems"][0]["severity"] == "note"


def test_a_refused_import_lists_its_problems_beside_the_error(tmp_path: Path, home: Path):
    source = photos(tmp_path / "photos", n=10)
    (source / "a" / "a0.png").write_bytes(b"no picture")
    result = digpt("data", "add", source, "--name", "parts", "--json", home=home)
    assert error_of(result)["code"] == "bad-data"
    found = json.loads(result.stdout)
    assert found["dataset"] is None
    assert found["problems"][0]["file"] == "a/a0.png"
    shown = digpt("data", "check", source, "--lang", "ja", home=home).stderr
    assert [w in shown for w in ("種別", "エラー", "a/a0.png", "対処", "--skip-bad")] == [True] * 5
    again = digpt("data", "add", source, "--name", "parts", "--skip-bad", "--json", home=home)
    assert again.exit_code == 0


LATIN = re.compile(r"[A-Za-z][a-z]{2,}")
# names of things, as they stand in specs, licences and the product
NAMES = {
    "iGPT", "GPT", "digits", "surfaces", "handmade", "quick", "filters", "pixels", "random",
    "domain", "clip", "codebook", "hog", "batch", "Apache", "generated", "this", "product",
    "camera",
}  # fmt: skip


def test_every_command_speaks_japanese(
    finished: tuple[Path, str], case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home, pilot = finished
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    commands = [
        ["data", "list"],
        ["data", "show", "digits"],
        ["pilot", "list"],
        ["pilot", "show", pilot],
        ["pilot", "compare", pilot],
        ["pilot", "watch", pilot],
        ["pilot", "cancel", pilot],
        ["pilot", "estimate", spec],
        ["roi", pilot, "--case", case],
        ["tokens", "deep", "--dataset", "digits", "--tokenizers", "pixels", "--price"],
    ]
    found = [english_in(command, home, pilot) for command in commands]
    monkeypatch.setattr("dashboard.cli.tokens.open_service", lambda _: FakeService())
    on = ["--dataset", "surfaces"]
    found.append(english_in(["tokens", "check", *on, "--tokenizers", "filters"], home))
    found.append(english_in(["tokens", "codes", *on, "--tokenizer", "filters"], home))
    assert [words for words in found if words] == []


def english_in(command: list[Any], home: Path, ident: str = "") -> set[str]:
    """Words of a command's Japanese output that are neither Japanese nor names."""
    shown = digpt(*command, "--lang", "ja", home=home)
    assert shown.exit_code == 0, shown.output
    return set(LATIN.findall(shown.output.replace(ident, "") if ident else shown.output)) - NAMES
