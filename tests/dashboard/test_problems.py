"""Problems of an import in the reader's language: every kind and every reason has its Japanese."""

import string
from dataclasses import asdict
from io import BytesIO
from json import dumps, loads
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dashboard.problems import format_words, problem_words, remark_words, translations
from dashboard.text import Viewer
from digpt.data.card import card
from digpt.data.importers import read
from digpt.data.problem_kinds import KINDS
from digpt.data.problems import Problem, problem
from digpt.data.reasons import REASONS, reason
from digpt.data.remarks import REMARKS, Remark, as_remark


def tiny(seed: int) -> bytes:
    """A PNG that no other seed gives."""
    out = BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


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
    assert set(translations("ja")["remarks"]) == set(REMARKS)


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


@pytest.mark.parametrize("code", sorted(REMARKS))
def test_every_remark_speaks_both_languages_with_the_same_facts(code: str):
    japanese = translations("ja")["remarks"][code]
    assert set(named(japanese)) == set(named(REMARKS[code]))
    assert not japanese.isascii()


def test_a_card_tells_in_japanese_how_the_data_came_in_and_what_to_know(tmp_path: Path):
    for n, label in enumerate(("dent", "ok", "ok2")):
        for k in range(8):
            path = tmp_path / "train" / label / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tiny(100 * n + k))
    found = read(tmp_path, name="x")
    assert format_words(found, EN) == found.format == "class folders in split folders (folder)"
    assert format_words(found, JA) == "分割ごとのクラス別フォルダー（フォルダー）"
    assert found.dataset is not None
    content = loads(dumps(card(found.dataset)))
    notes, warnings = ([as_remark(r) for r in content[part]] for part in ("notes", "warnings"))
    assert [remark_words(note, EN) for note in notes] == [n.words for n in notes]
    assert "trainの20%" in remark_words(notes[0], JA)
    few = next(w for w in warnings if w.code == "few-tests")
    assert remark_words(few, JA).startswith("試験画像が20枚未満のクラスがあります：dent、ok、ok2")


def test_a_sets_own_words_stay_as_they_are():
    assert remark_words(as_remark("Taken on line 2."), JA) == "Taken on line 2."
    assert as_remark({"words": "x", "code": "no-split", "facts": {"split": "val"}}) == Remark(
        "x", "no-split", {"split": "val"}
    )


def test_what_a_real_import_finds_is_said_in_japanese(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.png").write_bytes(b"no picture")
    (unreadable,) = read(tmp_path, name="x").problems
    assert problem_words(unreadable, JA) == (
        "画像1枚中の1枚目を読み込めません（対応している画像形式ではありません）。",
        "書き出し直すか、--skip-badで除外してください。",
    )
