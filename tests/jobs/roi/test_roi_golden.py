"""The worked cases, run through the real functions by the benchmark's own command."""

import importlib
import json
import os
from pathlib import Path
from types import ModuleType

import pytest

REPO = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("DIGPT_TEST_GOLDEN", REPO.parent / "shared" / "golden"))
CASES = FOLDER / "roi_cases.json"


@pytest.fixture
def golden(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPO))
    return importlib.import_module("benchmarks.roi_golden")


@pytest.mark.skipif(not CASES.is_file(), reason=f"no {CASES}; set DIGPT_TEST_GOLDEN to its folder")
def test_all_worked_cases_agree(golden: ModuleType, capsys: pytest.CaptureFixture[str]):
    count = len(json.loads(CASES.read_text("utf-8"))["cases"])
    status = golden.main([str(CASES)])
    assert capsys.readouterr().out == f"{count} of {count} cases agree\n"
    assert status == 0


def test_a_wrong_figure_is_named_and_fails(
    golden: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    wrong = {
        "name": "two flows",
        "kind": "flows",
        "inputs": {"cash_flow_money_by_year": [-100.0, 110.0], "discount_rate_per_year": 0.0},
        "outputs": {"npv_money": 11.0, "irr_reason": "unique"},
        "tolerance": {"npv_money": {"rel": 1e-9}, "irr_reason": {"exact": True}},
    }
    file = tmp_path / "cases.json"
    file.write_text(json.dumps({"format": 1, "cases": [wrong]}))
    assert golden.main([str(file)]) == 1
    out = capsys.readouterr().out
    assert "two flows: npv_money: got 10.0, expected 11.0" in out
    assert out.endswith("0 of 1 cases agree\n")


def test_text_and_null_are_compared_exactly(golden: ModuleType):
    assert golden.differences(None, 1.0, {"abs": 9.0}, "x")
    assert golden.differences({"input": "a"}, {"input": "b"}, {"rel": 1.0}, "x")
    assert not golden.differences([1.0, None], [1.05, None], {"abs": 0.1}, "x")
