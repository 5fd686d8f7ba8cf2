"""Strings: both languages say the same things, and every key that is used exists."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.findings import finding_text
from dashboard.text import LANGUAGES, Viewer, stored_error, strings, text
from digpt.data import BUILTIN, builtin
from digpt.data.health import CODES, Finding
from digpt.errors import UserError
from digpt.recipe import PRESETS
from digpt.tokenizers.names import FAMILIES, parse
from jobs import governance
from jobs.engine.states import UPSTREAM_FAILED
from jobs.roi.decision import EXPERIMENTS, REASONS
from jobs.spec import load_spec

PACKAGE = Path(__file__).parents[2] / "dashboard"
# errors whose facts come by **: the tests of wrong names and wrong specs fill their sentences
BY_PARTS = tuple(f"error.{c}" for c in (
    "bad-tokenizer.", "bad-recipe.", "bad-spec", "bad-init.", "unknown-field", "wrong-weights.",
))  # fmt: skip
OF_THE_ENGINE = {
    f"error.{code}"
    for code in ("cancelled", "fault", "limit-hours", "limit-money", "lost", UPSTREAM_FAILED)
}
USED = re.compile(r'\btext\(\s*"([^"]+)"')


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_both_languages_have_the_same_keys():
    """But for errors: their English is what was raised."""
    assert set(strings("en")) == {k for k in strings("ja") if not k.startswith("error.")}


def test_no_string_is_empty_but_for_the_japanese_space():
    empty = {(n, k) for n in LANGUAGES for k, v in strings(n).items() if not v}
    assert empty <= {("ja", "overview.lead.space")}


def test_placeholders_agree():
    wrong = []
    for key, english in strings("en").items():
        odd = placeholders(english) ^ placeholders(strings("ja")[key])
        # one form of a plural may leave its number out
        if odd and not (key.endswith(".one") and odd <= {"count", "go"}):
            wrong.append(key)
    assert wrong == []


def test_every_key_that_the_code_names_exists():
    used = {k for path in PACKAGE.rglob("*.py") for k in USED.findall(path.read_text("utf-8"))}
    assert used
    assert used - set(strings("en")) == set()


@pytest.mark.parametrize("code", sorted(REASONS))
def test_every_reason_has_a_sentence_with_its_facts(code):
    facts = dict.fromkeys(REASONS[code], "x")
    for language in LANGUAGES:
        assert text(f"reason.{code}", language, **facts)


def test_every_name_that_comes_from_the_engine_has_words():
    wanted = [
        *(f"experiment.{e}" for e in EXPERIMENTS),
        *(f"preset.{p}" for p in PRESETS),
        *(f"preset.{p}.about" for p in PRESETS),
        *(f"tokenizer.{f}" for f in FAMILIES),
        *(f"verdict.{v}" for v in ("GO", "NO-GO", "COLLECT MORE")),
        *(f"status.{s}" for s in ("queued", "running", "done", "partial", "failed", "cancelled")),
    ]
    assert [k for k in wanted if k not in strings("en")] == []


def test_one_has_its_own_form():
    assert text("overview.lead.running", "en", count=1) == "One pilot is running."
    assert text("overview.lead.running", "en", count=2) == "2 pilots are running."


def raised() -> Iterator[tuple[str, str, set[str]]]:
    """Code, `why` and facts of every UserError that is raised; what comes by ** is not known."""
    for package in ("digpt", "jobs", "dashboard"):
        for path in (PACKAGE.parent / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "UserError":
                    continue
                given = {k.arg or "**": k.value for k in node.keywords}
                code, why = (getattr(given.get(k), "value", "") for k in ("code", "why"))
                if isinstance(code, str) and "**" not in given:
                    yield code, why if isinstance(why, str) else "", set(given) | {"message"}


def test_every_error_has_the_facts_that_its_japanese_mentions():
    japanese = strings("ja")
    parts = ("error.kind.", "error.place.")
    known = [k for k in japanese if k.startswith("error.") and not k.startswith(parts)]
    found, missing = set(), []
    for code, why, facts in raised():
        key = next((k for k in (f"error.{code}.{why}", f"error.{code}") if k in known), "")
        found.add(key)
        if key and not placeholders(japanese[key]) <= facts:
            missing.append((key, placeholders(japanese[key]) - facts))
    assert missing == []
    by_parts = {k for k in known if k.startswith(BY_PARTS)}
    assert set(known) - found - by_parts - OF_THE_ENGINE == set(), "nobody raises these"


@pytest.mark.parametrize("name", [
    "clip:x(", "clip:", "hog:3", "domain-clip?blocks=last", "codebook:8", "hog(filters)",
    "random(hog)",
    "codebook:8(codebook:8(filters))", "domain-clip(hog)", "clip:a@b?what=1", "clip:a@b?layer=x",
    "codebook:1(filters)", "domain-clip:{class", "domain-clip:{}", "fliters",
])  # fmt: skip
def test_a_wrong_tokenizer_is_explained_in_japanese(name: str):
    with pytest.raises(UserError) as refused:
        parse(name)
    words = Viewer("ja").error(refused.value)
    assert words != refused.value.message
    assert "「" in words


def test_what_lies_in_place_of_weights_is_told_in_japanese(tmp_path: Path):
    from digpt.tokenizers.weights import KINDS, unfit  # noqa: PLC0415 - torch, seconds

    assert {f"error.wrong-weights.{kind}" for kind in KINDS} <= set(strings("ja"))
    (tmp_path / "x.pt").write_bytes(b"<html>")
    error = unfit("clip:ViT-B-32", str(tmp_path / "x.pt"), ValueError("no"))
    assert "Webページ" in Viewer("ja").error(error)


SPEC = """\
name: boards
dataset: {name: digits}
arms: [{method: scratch}, {method: digpt, tokenizer: hog}]
"""


@pytest.mark.parametrize("change", [
    "presett: quick", "preset: smok", "equalise: money", "pretrain: 3", "pretrain: {lrr: 1}",
    "pretrain: {seeds: 0}", "pretrain: {lr: fast}", "pretrain: {lr: 99}", "pretrain: {init: 3}",
    "pretrain: {batch_size: a}", "pretrain: {batch_size: true}", "pretrain: {loss: 3}",
    "pretrain: {compile: 3}", "pretrain: {loss: mae}", "pretrain: {betas: [0.9]}",
    "pretrain: {student: 3}", "pretrain: {student: bas}", "pretrain: {student: {taps: [1]}}",
    "pretrain: {student: {taps: [9]}}", "pretrain: {student: {image_size: 30}}",
    "pretrain: {student: {clusters: [3, 3]}}", "pretrain: {views: [crop1]}",
    "pretrain: {student: {image_size: 4096, patch_size: 1}}", "pretrain: {views: [flip, flip]}",
    "pretrain: {views: [rotate]}", "pretrain: {crops: rois, views: [crop1]}",
    "pretrain: {crop_scale: [0.2, 1]}", "pretrain: {crop_scale: [1, 0.2]}",
    "pretrain: {stored_size: 16}", "pretrain: {init: official}", "pretrain: {init: 'clip:a'}",
    "pretrain: {init: 'timm:a@b'}", "pretrain: {init: 'arm:a'}", "pretrain: {init: 'x:a'}",
    "transfer: {finetune_randaugment: strong}", "transfer: {label_budgets: [0]}",
    "transfer: {protocols: []}", "transfer: {protocols: [probee]}", "transfer: {probes: 1}",
    "limits: {cost: lots}", "limits: {hours: 0}", "limits: {hours: 1e9}", "limits: {hours: a}",
    "limits: 3", "dataset: surfaces", "dataset: {name: digits, images: 3}",
    "dataset: {name: digits, images: 2.5}", "dataset: {task: classification}",
    "dataset: {name: digits, task: detection}", "arms: []", "arms: 3", "arms: [{tokenizer: hog}]",
    "arms: [{method: dig}]", "arms: [{method: digpt}]", "arms: [{method: scratch, tokenizer: hog}]",
    "arms: [{method: scratch}, {method: scratch}]", "arms: [{method: digpt, tokenizer: hogg}]",
    "arms: [{method: frozen, tokenizer: hog, init: 'official:a'}]", "arms: [3]",
    "name: [unclosed", "name: ''", "name: 3",
    pytest.param(f"name: {'a' * 101}", id="long"),
    pytest.param(f"arms: [{', '.join(['{method: scratch}'] * 41)}]", id="many"),
])  # fmt: skip
def test_a_wrong_spec_is_explained_in_japanese_with_its_line(change: str):
    field = change.partition(":")[0]
    kept = [line for line in SPEC.splitlines() if not line.startswith(f"{field}:")]
    with pytest.raises(UserError) as refused:
        load_spec("\n".join([*kept, change]))
    words = Viewer("ja").error(refused.value)
    assert words.startswith(f"{len(kept) + 1}行目："), words
    assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", words), words  # no English sentence
    assert f"line {len(kept) + 1}: " in refused.value.message or "YAML" in words


def test_what_stopped_a_stage_is_said_in_the_readers_language():
    error = {"code": "limit-money", "message": "Stopped.", "used": 5.5, "limit": 5.0}
    assert "（5のうち5.5を使用）" in stored_error(error, Viewer("ja"))
    kept = {"code": "diverged", "message": "No.", "facts": {"step": 3, "steps": 9}}
    kept["facts"] |= {"lr": "0.1", "lower": "0.03"}
    assert "9ステップ中3" in stored_error(kept, Viewer("ja"))
    assert stored_error(kept, Viewer("en")) == "No."


def test_names_of_things_and_lists_are_put_into_the_readers_words():
    error = UserError("x", code="unknown-name", kind="dataset", name="a", available=["b", "c"])
    assert Viewer("ja").error(error) == "データセット「a」はありません。候補：b、c"


def test_an_error_without_a_translation_is_shown_as_it_came():
    assert (
        Viewer("ja").error(UserError("Row 14 has no class.", code="odd")) == "Row 14 has no class."
    )


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_finding_has_a_sentence_and_what_to_do(code):
    assert {f"health.{code}", f"health.{code}.fix"} <= set(strings("en"))


def test_a_finding_is_written_with_its_facts():
    facts = {"least": 20, "classes": {"dent": 3, **{f"c{i}": 1 for i in range(9)}}}
    found = Finding(code="few-images", severity="warning", count=10, facts=facts)
    words = finding_text(found, Viewer("en"))
    assert words.startswith("Fewer than 20 training images of: dent (3), c0 (1)")
    assert words.endswith("and 2 more.")


def test_what_is_known_of_weights_and_built_in_data_is_told_in_japanese():
    known = governance.every_fact()
    words = {f.licence for f in known} | {f.training_data for f in known}
    for name in BUILTIN:
        data = builtin(name, n=200)
        words |= {data.licence, data.source}
    me = Viewer("ja")
    assert [w for w in words if " " in w and me.fact(w) == w] == []
    assert me.fact("CC-BY-4.0") == "CC-BY-4.0"
    assert Viewer("en").fact("unknown") == "unknown"
