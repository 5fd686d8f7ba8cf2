"""The report's sentences are right for whatever the facts are, in both languages."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pytest
from fakes import FakeService, card, case, dataset, evidence, gain, running

from dashboard.licences import accepted_text
from dashboard.report.facts import Facts, Gain, gather
from dashboard.report.story import Story, sentences
from dashboard.report.words import tell
from dashboard.report.words.risks import risks
from dashboard.text import Viewer
from digpt.errors import UserError
from jobs import governance
from jobs.roi.case import Case
from jobs.roi.changes import Change
from jobs.roi.evaluate import CaseResult, evaluate_case
from jobs.views import LicenceAccepted, RateUsed

LANGUAGES = ("en", "ja")
LEFTOVER = re.compile(r"[{}]|\bNone\b|\bnan\b|\binf\b|report\.\w|roi\.\w")
NEVER = ("−0 ", "+−", "  ", "。。", "、。", "..")


class Service(FakeService):
    """A service whose evidence, data and gains can be told."""

    def __init__(self, arms: Sequence[Any] | None = None, **changes: Any) -> None:
        super().__init__([card(**changes), running()])
        self.arms_given = evidence() if arms is None else arms

    def roi(self, id: str, case: Case) -> CaseResult:
        return evaluate_case(self.in_own_currency(case), self.arms_given, draws=500)


CASES: dict[str, dict[str, Any]] = {
    "go": {},
    "no": {"one_off": 10_000_000},
    "never pays, nothing at the start": {
        "one_off": 0, "labels": None, "run_per_year": 9_000_000},
    "free at the start": {"one_off": 0, "labels": None},
    "only without interest": {"discount_rate": 6.0},
    "collect": {"one_off": 1_000_000, "labels": {"price_per_label": 0.01}},
    "over budget": {"stage_budget": 10},
    "no next stage": {"next_stage_cost": None},
    "no budget": {"stage_budget": None},
    "no good class": {"good_classes": None},
    "yen": {"currency": "JPY", "cost_miss": 9000, "one_off": 7_800_000},
    "euro": {"currency": "EUR"},
    "another currency": {"cost_miss": "80 EUR"},
    "tax, ramp, years": {
        "tax": 0.3, "ramp": [0.4, 0.8], "horizon_years": 7, "depreciation_years": 3},
    "volumes by year": {"items_per_year": [1_000_000, 1_200_000, 900_000]},
    "by class": {"prevalence": {"normal": 0.004}, "good_classes": None},
    "review": {"review": {"cost_per_item": 0.4, "miss_rate": 0.1, "capacity_per_year": 60_000}},
    "minimum": {"minimum": {"detection": 0.9999, "precision": 0.5}},
    "label price": {"labels": {"price_per_label": 1.5}},
}  # fmt: skip


def check(story: Story) -> None:
    """No leftover of a template, no missing value, nothing that is no sentence."""
    for words in sentences(story):
        assert not LEFTOVER.search(words), words
        assert not any(bad in words for bad in NEVER), words
        if story.language == "ja" and "。" in words:
            assert ". " not in words.replace("e.g. ", ""), words  # an English sentence


@cache
def facts_for(name: str) -> Facts:
    """The facts of one of CASES, worked out once for both languages."""
    arms = [_with_classes(e) for e in evidence()] if name == "by class" else evidence()
    return gather(Service(arms), "p1", case(**CASES[name]))  # type: ignore[arg-type]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CASES)
def test_every_case_is_told_without_leftovers(name: str, language: str) -> None:
    story = tell(facts_for(name), language)
    check(story)
    assert [s.key for s in story.sections] == [
        "accuracy", "money", "risks", "roadmap", "method", "assumptions", "trace",
    ]  # fmt: skip


def _with_classes(e: Any) -> Any:
    names = np.where(e.test_positive, "normal", "crack")
    return replace(e, test_class=names, val_class=names)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pilot_without_a_case_has_accuracy_and_says_what_is_missing(language: str) -> None:
    facts = gather(Service(), "p1")  # type: ignore[arg-type]
    story = tell(facts, language)
    check(story)
    assert story.verdict.tone == "mute"
    assert story.metrics == ()
    assert story.section("assumptions") is None
    words = {"en": "no business case", "ja": "事業の前提が未入力"}[language]
    assert words in story.answer


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_case_that_cannot_be_worked_out_says_why(facts_of: Any, language: str) -> None:
    class Broken(Service):
        def roi(self, id: str, case: Case) -> CaseResult:
            raise UserError(
                "Case field 'good_classes' names class 'x'.", code="case-class", value="x"
            )

    story = tell(facts_of(Broken()), language)
    assert story.verdict.tone == "mute"
    assert {"en": "'x'", "ja": "「x」"}[language] in story.answer
    assert not any(LEFTOVER.search(w) for w in sentences(story))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_failed_arm_is_named_with_its_reason_and_the_others_have_figures(
    facts_of: Any, language: str
) -> None:
    arms = evidence()
    arms[1] = replace(arms[1], failed=True, test_scores=(), val_scores=())
    story = tell(facts_of(Service(arms)), language)
    check(story)
    money = story.section("money")
    assert money is not None
    assert money.table is not None
    assert any("domain-clip" in p for p in money.points)
    assert len(money.table.rows) == len(arms)


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_arms_failed_is_no_verdict_but_a_report(facts_of: Any, language: str) -> None:
    arms = [replace(e, failed=True, test_scores=(), val_scores=()) for e in evidence()]
    story = tell(facts_of(Service(arms)), language)
    check(story)
    assert story.verdict.tone == "mute"


def gain_of(arm: str, baseline: str, protocol: str, *ends: float) -> Gain:
    value, low, high = ends
    return Gain(arm=arm, baseline=baseline, protocol=protocol, label_budget="20", value=value,
                low=low, high=high)  # fmt: skip


def words_of(facts: Facts, key: str, language: str = "en") -> str:
    section = tell(facts, language).section(key)
    assert section is not None
    return " ".join([section.lead, *section.points])


@pytest.mark.parametrize(
    ("ends", "english", "japanese"),
    [
        ((0.047, 0.021, 0.072), "4.7 pts** more accurate", "4.7ポイント**高い"),
        ((-0.031, -0.05, -0.012), "3.1 pts** less accurate", "3.1ポイント**低い"),
        ((0.01, -0.02, 0.04), "No clear difference", "明確な差はありません"),
    ],
)
def test_the_sentence_about_accuracy_follows_the_interval(
    facts_of: Any, ends: tuple[float, float, float], english: str, japanese: str
) -> None:
    facts = facts_of()
    g = gain_of("digpt × domain-clip", "frozen × domain-clip", "probe", *ends)
    for language, words in (("en", english), ("ja", japanese)):
        told = words_of(replace(facts, cheap_gains=(g,)), "accuracy", language)
        assert words in told
        assert told.count("−") == sum(end < 0 for end in ends if end != ends[0]) or "clear" in told


def test_the_fair_comparison_names_its_own_protocol_and_baseline(facts_of: Any) -> None:
    ends = (-0.02, -0.03, -0.01)
    fair = gain_of("digpt × filters", "direct × domain-clip", "finetune", *ends)
    told = words_of(replace(facts_of(), fair_gain=fair), "accuracy")
    assert "In fine-tuning with 20 labels per class, D-iGPT · filters is 2.0 pts less" in told


def test_no_cheap_baseline_is_said_and_not_replaced_by_another(facts_of: Any) -> None:
    facts = replace(facts_of(), cheap_gains=(), fair_gain=None)
    assert "It cannot be told" in words_of(facts, "accuracy")


def test_a_pilot_without_pretraining_says_so(facts_of: Any) -> None:
    facts = facts_of()
    arms = tuple(a for a in facts.arms if a.method in ("frozen", "scratch"))
    assert "no arm of this pilot is pretrained" in words_of(replace(facts, arms=arms), "accuracy")


@pytest.mark.parametrize(
    ("name", "verdict", "english", "japanese"),
    [
        ("go", "GO", "Yes, go on", "進めます"),
        ("no", "NO-GO", "does not pay", "採算が合いません"),
        ("no good class", None, "No verdict", "判定はまだありません"),
        ("no next stage", None, "No verdict", "判定はまだありません"),
    ],
)
def test_the_answer_is_that_of_the_verdict(
    name: str, verdict: str | None, english: str, japanese: str
) -> None:
    facts = facts_for(name)
    assert facts.result is not None
    assert facts.result.verdict == verdict
    assert english in tell(facts, "en").answer
    assert japanese in tell(facts, "ja").answer


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("go", "pays"),
        ("no", "never"),
        ("never pays, nothing at the start", "loss"),
        ("free at the start", "at-once"),
        ("only without interest", "undiscounted"),
    ],
)
def test_the_sentence_about_money_follows_payback_and_npv(name: str, code: str) -> None:
    from dashboard.report.words.money import pays_code  # noqa: PLC0415 - only here

    arm = facts_for(name).shown_arm
    assert pays_code(arm.figures) == code


def test_money_lost_has_a_minus_and_money_won_has_none(facts_of: Any) -> None:
    lost = tell(facts_for("no"), "en").metrics[0].value
    won = tell(facts_of(Service()), "en").metrics[0].value
    assert lost.startswith("−$")
    assert won.startswith("$")


def test_an_arm_without_pretraining_is_not_told_as_pretraining(facts_of: Any) -> None:
    arms = [e for e in evidence() if e.method == "frozen"]
    story = tell(facts_of(Service(arms)), "en")
    assert "It needs no pretraining." in story.answer


def test_doing_nothing_is_recommended_in_the_roadmap_of_a_no() -> None:
    roadmap = tell(facts_for("no"), "en").section("roadmap")
    assert roadmap is not None
    assert roadmap.table is not None
    assert "Stop here" in roadmap.lead
    assert [row[2].text for row in roadmap.table.rows[1:]] == ["Not recommended"] * 2


def test_warnings_name_built_in_data_examples_and_what_is_missing(facts_of: Any) -> None:
    facts = replace(facts_of(), is_example=True)
    told = tell(facts, "en").warnings
    assert any("Example values" in w for w in told)
    assert any("Built-in images" in w for w in told)
    without = tuple(s for s in facts.scores if s.arm != "scratch")
    partial = replace(facts, scores=without, card=card(status="partial"))
    assert any("From scratch" in w for w in tell(partial, "en").warnings)
    live = replace(partial, card=card(status="running"))
    assert any("still running" in w for w in tell(live, "en").warnings)


def risk_of(facts: Facts, first: str) -> list[str]:
    table = tell(facts, "en").section("risks").table  # type: ignore[union-attr]
    assert table is not None
    return next((([c.text for c in row]) for row in table.rows if row[0].text == first), [])


@pytest.mark.parametrize("language", ["en", "ja"])
def test_terms_of_outside_weights_and_who_accepted_them_are_told(
    facts_of: Any, language: str
) -> None:
    facts, me = facts_of(), Viewer(language)
    dfn = "clip:ViT-B-16@dfn2b"
    at = datetime(2026, 11, 28, 12, tzinfo=UTC)
    terms = LicenceAccepted(tokenizer=dfn, licence="ASL", who="ana", at=at)
    arms = tuple(replace(a, tokenizer=f"codebook:64({dfn})") for a in facts.arms)
    told = row_of(replace(facts, arms=arms, accepted=(terms,)), me)
    assert me.fact(governance.facts(dfn).licence) in told[1]
    assert me.text("commercial.no") in told[1]
    assert accepted_text((terms,), me)[0] in told[1]
    assert told[2] == me.text("report.advice.licence.forbidden")
    tuned = tuple(replace(a, tokenizer="domain-clip(clip:ViT-B-32@openai)") for a in facts.arms)
    assert "MIT" in row_of(replace(facts, arms=tuned), me)[1]


def row_of(facts: Facts, me: Viewer) -> list[str]:
    """Cells of the row on licences."""
    table = risks(facts, me).table
    assert table is not None
    return next([c.text for c in row] for row in table.rows
                if row[0].text == me.text("report.risk.licence"))  # fmt: skip


def test_a_licence_that_is_not_known_is_said_to_be_unknown(facts_of: Any) -> None:
    facts = facts_of()
    assert "Nothing to do." in risk_of(facts, "Licences")
    outside = replace(facts.arms[0], tokenizer="clip:ViT-B-32@/models/ours.safetensors")
    told = risk_of(replace(facts, arms=(outside, *facts.arms[1:])), "Licences")
    assert "licence is not recorded" in told[1]
    assert "checked before roll-out" in told[2]
    named = replace(facts.arms[0], tokenizer="timm:vit_base_patch16_224.mae@/models/mae.pt")
    told = risk_of(replace(facts, arms=(named, *facts.arms[1:])), "Licences")
    assert "CC-BY-NC-4.0" in told[1]
    assert "not recorded" not in told[1]


def test_a_control_with_random_tokens_is_what_token_quality_is_told_by(facts_of: Any) -> None:
    facts = facts_of()
    assert "No control arm" in risk_of(facts, "Quality of the tokens")[1]
    own = next(s for s in facts.scores if s.arm == "digpt × filters" and s.protocol == "probe"
               and s.label_budget == "all")  # fmt: skip
    control = replace(facts.arms[2], name="digpt × random", tokenizer="random")
    weak = replace(own, arm="digpt × random", value=0.5, low=0.48, high=0.52)
    told = risk_of(
        replace(facts, arms=(*facts.arms, control), scores=(*facts.scores, weak)),
        "Quality of the tokens",
    )
    assert "50.0% (48.0–52.0)" in told[1]
    assert "carry what the classes need" in told[2]


def test_one_pretraining_seed_is_a_doubt_and_several_are_not(facts_of: Any) -> None:
    facts = facts_of()
    one = risk_of(replace(facts, card=card(seeds=1)), "Luck of pretraining")
    many = risk_of(replace(facts, card=card(seeds=3)), "Luck of pretraining")
    assert "three or more" in one[2]
    assert "three or more" not in many[2]


def test_columns_that_tell_images_apart_are_no_kinds_of_them(facts_of: Any) -> None:
    facts = facts_of()
    named = dataset(attributes=("camera", "timestamp", "failure_date", "lighting_unit"))
    known = replace(facts.provenance, dataset=named)
    told = replace(facts, provenance=known, result=None)
    assert "not measured by camera," in risk_of(told, "Groups that do worse")[1]


def test_data_without_groups_or_attributes_is_a_doubt(facts_of: Any) -> None:
    facts = facts_of()
    bare = replace(facts.provenance, dataset=dataset(groups=None, attributes=(), licence=""))
    told = replace(facts, provenance=bare)
    assert "cannot be seen" in risk_of(told, "Groups that do worse")[1]
    assert "may be in both" in risk_of(told, "Copies across splits")[1]
    assert "not recorded" in risk_of(told, "Licences")[1]
    assert risk_of(facts, "Copies across splits") == []


def test_a_dataset_that_is_gone_leaves_the_rest_of_the_report(facts_of: Any) -> None:
    facts = facts_of()
    gone = replace(facts, provenance=replace(facts.provenance, dataset=None))
    for language in LANGUAGES:
        check(tell(gone, language))


def test_exchange_rates_and_changes_since_the_launch_can_be_traced(facts_of: Any) -> None:
    facts = facts_of()
    rates = (RateUsed(source="EUR", target="USD", rate=1.16),)
    changed = (Change("cost_miss", 50, 60),)
    story = tell(
        replace(facts, provenance=replace(facts.provenance, rates=rates), changes=changed), "en"
    )
    trace = story.section("trace")
    assert trace is not None
    assert trace.table is not None
    assert "1 EUR = 1.16 USD" in trace.note
    told = [c.text for row in trace.table.rows for c in row]
    assert "one value changed since the launch" in told
    assert any("$50.00" in p for p in trace.points)


def test_a_pilot_without_results_is_refused() -> None:
    class Empty(Service):
        def compare(self, ids: list[str]) -> Any:
            return super().compare([])

    with pytest.raises(UserError) as caught:
        gather(Empty(), "p4")  # type: ignore[arg-type]
    assert caught.value.code == "no-results"
    assert "running" in caught.value.message


def test_gains_of_the_overview_and_of_the_report_are_the_same(facts_of: Any) -> None:
    assert facts_of(Service(gain=gain(-0.01, -0.03, 0.01))).fair_gain.direction == "unclear"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("line: B (40 images)", "$300 more per 1,000 items", "Missed 20.0%")),
        ("ja", ("line：B（画像40枚）", "1,000個あたり300ドル", "見逃し率20.0%")),
    ],
)
def test_the_part_that_surely_costs_more_is_the_doubt_about_bias(
    facts_of: Any, language: str, words: tuple[str, ...]
) -> None:
    from jobs.roi.figures import SliceCost  # noqa: PLC0415 - only here

    def part(value: str, more: float, low: float) -> SliceCost:
        return SliceCost("line", value, 40, 10, 0.2, 0.1, 1.0, more, (low, more + 0.1))

    def told_with(*parts: SliceCost) -> str:
        facts = facts_of()
        arm = facts.shown_arm
        shown = replace(arm, figures=replace(arm.figures, slices=parts))
        arms = {**facts.result.arms, arm.arm: shown}
        story = tell(replace(facts, result=replace(facts.result, arms=arms)), language)
        return " ".join(sentences(story))

    told = told_with(part("A", 0.4, -0.1), part("B", 0.3, 0.1))
    assert all(w in told for w in words)
    calm = told_with(part("A", 0.4, -0.1), part("B", 0.3, -0.1))
    assert ("none of the 2 parts" if language == "en" else "2区分のいずれでも") in calm


def test_what_one_item_costs_is_written_out_and_a_range_names_its_unit_once() -> None:
    facts = gather(
        Service(), "p1", case(inference_per_item=0.0005, one_off=[30_000, 45_000, 70_000])
    )  # type: ignore[arg-type]
    for language, words in (
        ("en", ("$0.0005", "$45k ($30k–70k)")),
        ("ja", ("0.0005ドル", "4.5万ドル（3〜7万ドル）")),
    ):
        section = tell(facts, language).section("assumptions")
        assert section is not None
        assert section.table is not None
        cells = [cell.text for row in section.table.rows for cell in row]
        assert all(w in cells for w in words), cells
