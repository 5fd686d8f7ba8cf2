"""Problems of an import in the reader's language: every kind and every reason has its Japanese."""

import string
from dataclasses import asdict
from json import dumps, loads
from pathlib import Path

import pytest

from dashboard.problems import problem_words, translations
from dashboard.text import Viewer
from digpt.data.importers import read
from digpt.data.problem_kinds import KINDS
from digpt.data.problems import Problem, problem
from digpt.data.reasons import REASONS, reason

EN, JA = Viewer("en"), Viewer("ja")


def named(*sentences: str) -> dict[str, str]:
    """The facts that sentences speak of, with how each is written ("" or e.g. ",")."""
    parts = [part for text in sentences for part in string.Formatter().parse(text)]
    return {name: spec or "" for _, name, spec, _ in parts if name}


def of_kind(code: str) -> Problem:
    _, what, fix = KINDS[code]
    facts = {k: 7 if spec else f"<{k}>" for k, spec in named(what, fix).items()}
    if "reason" in facts:
        facts["reason"] = reason("truncated")
    return problem(code, "a.png", **facts)


def test_every_kind_and_reason_is_translated_and_none_beside():
    assert set(translations("ja")["kinds"]) == set(KINDS)
    assert set(translations("ja")["reasons"]) == set(REASONS)


@pytest.mark.parametrize("code", sorted(KINDS))
def test_a_problem_of_every_kind_speaks_both_languages_with_the_same_facts(code: str):
    found = of_kind(code)
    assert problem_words(found, EN) == (found.what, found.fix)
    assert "{" not in found.what + found.fix
    what, fix = problem_words(found, JA)
    assert not what.isascii()
    assert bool(fix) == bool(found.fix)
    told = named(*translations("ja")["kinds"][code])
    assert set(told) <= set(named(*KINDS[code][1:]))
    missing = set(found.facts) - set(told)
    assert missing <= {"format"}, "what English tells, Japanese tells too"
    assert loads(dumps(asdict(found)))["code"] == code


@pytest.mark.parametrize("code", sorted(set(REASONS) - {"told"}))
def test_every_reason_speaks_both_languages_with_the_same_facts(code: str):
    japanese = translations("ja")["reasons"][code]
    assert not japanese.isascii()
    assert named(japanese) == named(REASONS[code])


def test_what_a_real_import_finds_is_said_in_japanese(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.png").write_bytes(b"no picture")
    (unreadable,) = read(tmp_path, name="x").problems
    assert problem_words(unreadable, JA) == (
        "画像1枚中の1枚目を読み込めません（対応している画像形式ではありません）。",
        "書き出し直すか、--skip-badで除外してください。",
    )
