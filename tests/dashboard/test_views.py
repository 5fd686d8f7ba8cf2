"""Pages are plain functions first: what they show for what the service says."""

import json
import re
import time
import unicodedata
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import fakes
import gradio as gr
import pytest
from fakes import EXAMPLE_CASE, NOW, RANGED_CASE, FakeService, card, gain, running, spread

from dashboard.advice import advice, advice_text
from dashboard.datacard import as_json, as_markdown
from dashboard.names import name_for
from dashboard.numbers import day
from dashboard.pages import compare, data, new, overview, roi, runs, tokens
from dashboard.pages.background import Background, progress_box
from dashboard.pages.compare.arms import arms_card
from dashboard.pages.compare.charts import cost_card, curves_card, data_of, differences_card
from dashboard.pages.compare.page import without_results
from dashboard.pages.compare.view import named
from dashboard.pages.compare.words import sentence
from dashboard.pages.data.card import card as data_card
from dashboard.pages.data.health import health_list
from dashboard.pages.data.versions import difference_box, version_table
from dashboard.pages.data.view import head as data_head
from dashboard.pages.data.view import sentence as data_words
from dashboard.pages.data_in import problems
from dashboard.pages.data_in.problems import problem_rows
from dashboard.pages.new.draft import (
    Draft,
    candidates,
    for_dataset,
    from_json,
    from_spec,
    to_spec,
    with_choice,
)
from dashboard.pages.new.page import _Page as NewPage
from dashboard.pages.new.plan import before_launch, plan
from dashboard.pages.new.tokenizers import tokenizer_cards
from dashboard.pages.new.view import begin
from dashboard.pages.pilots import no_pilot, progress_words
from dashboard.pages.roi.compute import item_of, larger_html, per_item_html, spent_html
from dashboard.pages.roi.decided import decisions_html
from dashboard.pages.roi.following import steps
from dashboard.pages.roi.form import (
    FIELDS,
    GROUPS,
    case_of,
    group_html,
    read,
    shown_values,
    to_text,
)
from dashboard.pages.roi.inputs import tornado_card, tornado_rows, turning_points
from dashboard.pages.roi.money import flow_rows, key_figures
from dashboard.pages.roi.scenarios import extremes, of_result, scenarios, scenarios_card
from dashboard.pages.roi.threshold import curve_rows, threshold_card
from dashboard.pages.roi.verdict import verdict_card
from dashboard.pages.roi.view import with_case
from dashboard.pages.runs.log import log_lines
from dashboard.pages.runs.loss import loss_rows
from dashboard.pages.runs.page import drawn_again
from dashboard.pages.runs.stages import cell, stage_table
from dashboard.pages.runs.view import stage_lines
from dashboard.pages.tokens.codes import curve as code_curve
from dashboard.pages.tokens.deep import deep_card, offer
from dashboard.pages.tokens.families import families
from dashboard.pages.tokens.licences import forbidden
from dashboard.pages.tokens.licences import licences as token_licences
from dashboard.pages.tokens.parts import cards as token_cards
from dashboard.pages.tokens.view import CODES, FIRST, is_offered, offered, price
from dashboard.pages.tokens.view import head as tokens_head
from dashboard.text import Viewer
from digpt.data.problems import problem
from digpt.errors import Cancelled, UserError
from digpt.tokenizers.names import split_names
from jobs.computing import Wish
from jobs.roi.case import parse_case
from jobs.spec import load_spec
from jobs.views import LicenceAccepted

EN, JA = Viewer("en"), Viewer("ja", dark=True)
EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(p for p in EXAMPLES.glob("*.yaml") if p.name != "case.yaml")  # not a spec
EXAMPLES = [f for f in FILES if "\narms:" in f.read_text("utf-8")]  # pilots, not business cases


class TestOverview:
    def test_the_sentence_counts_verdicts_and_runs(self, service):
        words = overview.sentence(overview.view(service).everything, EN)
        assert words == (
            "**1 of 3 decided pilots are worth scaling;** one is not, one needs more data. "
            "One pilot is running."
        )

    def test_names_are_escaped(self, service):
        shown = overview.grid(overview.view(service), EN)
        assert "Kansai &lt;b&gt;" in shown
        assert "Kansai <b>" not in shown

    def test_without_pilots_it_invites_to_the_first(self):
        shown = overview.view(FakeService([]))
        assert 'id="overview-empty"' in overview.grid(shown, EN)
        assert "No pilot yet" in overview.head(shown, EN)

    def test_filters(self, service):
        assert [c.id for c in overview.view(service, "running").cards] == ["p4"]
        assert {c.id for c in overview.view(service, "decided").cards} == {"p1", "p2", "p3"}

    def test_an_interval_with_zero_shows_no_clear_difference(self):
        open_case = card(verdict=None, gain=gain(0.02, -0.01, 0.05))
        assert "No clear difference" in overview.remark(open_case, EN)

    def test_no_estimate_of_time_is_said_so(self):
        young = running()
        young = replace(young, progress=replace(young.progress, eta_seconds=None))
        assert "estimating" in progress_words(young, EN)


@pytest.mark.parametrize("page", ["runs", "compare", "roi"])
@pytest.mark.parametrize("me", [EN, JA])
def test_without_pilots_every_page_leads_to_the_first(page, me):
    assert f'id="{page}-empty"' in no_pilot(page, me)


class TestRuns:
    def test_the_newest_pilot_is_shown_unless_one_is_asked_for(self, service):
        assert runs.view(service).pilot.card.id == "p4"
        assert runs.view(service, "p1").pilot.card.id == "p1"

    def test_cells_join_their_stages(self, service):
        stages = service.pilot("p4").stages
        own = [s for s in stages if "digpt × filters" in s.arms]
        assert cell([s for s in own if s.kind == "pretrain"]).state == "running"
        assert cell([s for s in own if s.kind == "probe"]).state == "waiting"
        assert cell([]).state == "none"

    def test_one_failed_stage_marks_the_cell(self, service):
        good = service.pilot("p1").stages[1]
        assert cell([good, replace(good, state="failed")]).state == "failed"

    def test_losses_start_at_one(self, service):
        rows = loss_rows(service.curves("p4"), EN)
        assert rows.groupby("name").value.first().round(6).eq(1).all()

    def test_log_lines_are_escaped(self, service):
        assert "&lt;resumed&gt;" in log_lines(runs.view(service), EN)

    def test_an_unknown_pilot_is_an_error_with_its_name(self, service):
        with pytest.raises(UserError, match="nope"):
            runs.view(service, "nope")

    def test_unchanged_sections_are_skipped(self, service):
        shown = runs.view(service)
        first = drawn_again(shown, {}, EN)
        again = drawn_again(shown, first[0], EN)
        assert all(
            isinstance(part, dict) and part.get("__type__") == "update" for part in again[1:]
        )
        assert isinstance(first[1], str)


class TestCompare:
    def test_open_choices_are_completed(self, service):
        shown = compare.view(service, compare.Choice(("p1",)))
        assert shown.choice == compare.Choice(("p1",), "probe", "balanced_accuracy", "20")

    def test_best_arm_comes_first(self, service):
        rows = compare.view(service, compare.Choice(("p1",))).at_budget
        assert next(iter(rows.arm)) == "digpt × domain-clip"
        assert rows.value.is_monotonic_decreasing

    def test_arms_of_several_pilots_keep_apart(self, service):
        shown = compare.view(service, compare.Choice(("p1", "p2")))
        assert named(shown.at_budget, shown, EN).name.is_unique

    def test_arms_that_saw_different_numbers_of_images_say_so(self, service):
        def table(seen: dict[str, int]) -> str:
            images = [seen.get(arm, 0) for arm in shown.rows.arm]
            card = arms_card(replace(shown, rows=shown.rows.assign(images_seen=images)), EN)
            assert ("under equal load" in card) == (len(set(seen.values())) > 1)
            return card.split("compare-arms-rows")[1].split("</table>")[0]

        shown = compare.view(service, compare.Choice(("p1",)))
        first, second, *_ = shown.at_budget.arm
        assert "Images seen" not in table({first: 40_000, second: 40_000})
        assert "Images seen" in table({first: 40_000, second: 56_064})
        assert "56,064" in table({first: 40_000, second: 56_064})

    def test_the_sentence_names_the_doubt(self, service):
        service.shown = [card(gain=gain(0.01, -0.02, 0.04))]
        words = sentence(compare.view(service, compare.Choice(("p1",))), EN)
        assert words.startswith("**No clear difference**")

    def test_without_results_the_page_says_what_will_come(self, monkeypatch, service):
        full = service.compare
        monkeypatch.setattr(service, "compare", lambda ids: full(ids).iloc[:0])
        shown = compare.view(service, compare.Choice(("p4",)))
        assert shown.rows.empty
        assert 'id="compare-empty"' in without_results(shown, EN, 5)[2]

    @pytest.mark.parametrize("me", [EN, JA])
    def test_every_card_can_be_made(self, service, me):
        shown = compare.view(service, compare.Choice(("p1",)))
        for made in (curves_card, cost_card, differences_card):
            head, plot, data = made(shown, me)
            assert "CSV" in head
            assert "<table>" in data
            assert plot.visible

    def test_csv_opens_in_excel_with_japanese(self, service):
        shown = compare.view(service, compare.Choice(("p1",)))
        link = data_of(named(shown.at_budget, shown, JA), "arms", JA).csv_link()
        assert link.startswith("data:text/csv;charset=utf-8;base64,77u/")  # the BOM


class TestLog:
    def test_every_stage_says_when_it_began_and_ended(self, service):
        stages = service.pilot("p1").stages
        lines = stage_lines(stages)
        begun = [s for s in stages if s.started_at and s.state != "reused"]
        assert sum(line.text == "started" for line in lines) == len(begun)

    def test_warnings_alone_hold_no_stage_lines(self, service):
        assert all(line.level != "stage" for line in runs.view(service, "p1", "warning").logs)


class TestDraft:
    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
    def test_an_example_survives_the_form_and_the_browser(self, path):
        spec = load_spec(path)
        again = to_spec(from_json(from_spec(spec).to_json()))
        assert again.resolved == spec.resolved
        assert again.model_dump(exclude={"transfer", "pretrain"}) == spec.model_dump(
            exclude={"transfer", "pretrain"}
        )

    def test_baselines_are_always_chosen_at_first(self):
        draft = with_choice(Draft(), tokenizers=["domain-clip", "filters"], methods=("digpt",))
        assert draft.arms == (
            "digpt × domain-clip", "digpt × filters", "scratch", "frozen × domain-clip",
        )  # fmt: skip

    def test_another_dataset_takes_what_its_images_are_too_few_for_and_gives_it_back(self, service):
        many = service.tokenizers()
        few = [replace(t, ready=False, remark="few-images") if t.name == "domain-clip" else t
               for t in many]  # fmt: skip
        first = with_choice(
            Draft(), tokenizers=["domain-clip", "filters", "pixels"], methods=("digpt",)
        )
        small = for_dataset(first, few)
        assert small.tokenizers == ("filters", "pixels")
        assert "frozen × filters" in small.arms
        assert not any("domain-clip" in arm for arm in small.arms)
        assert for_dataset(small, many).tokenizers == first.tokenizers
        own = replace(small, tokenizers=("hog", "domain-clip"))
        assert for_dataset(own, many).tokenizers == own.tokenizers
        assert for_dataset(own, few).tokenizers == ("hog",)

    def test_an_arm_that_was_unticked_stays_so(self):
        draft = with_choice(Draft(), tokenizers=["filters"], methods=("digpt",))
        draft = replace(draft, arms=tuple(a for a in draft.arms if a != "scratch"))
        draft = with_choice(draft, tokenizers=["filters", "pixels"], methods=("digpt",))
        assert "scratch" not in draft.arms
        assert "digpt × pixels" in draft.arms

    def test_only_networks_can_be_fine_tuned_directly(self):
        names = candidates(("direct",), ["filters", "domain-clip"])
        assert "direct × domain-clip" in names
        assert "direct × filters" not in names

    def test_a_draft_without_arms_is_an_error_at_its_field(self):
        with pytest.raises(UserError) as caught:
            to_spec(Draft(name="x", dataset="surfaces"))
        assert caught.value.field == "arms"

    def test_a_broken_memory_is_an_empty_draft(self):
        assert from_json("nonsense") == Draft()


class TestNew:
    def test_arms_that_will_see_different_numbers_of_images_say_so(self):
        found = fakes.estimate()
        assert "Images seen" not in plan(found, EN)
        seen = (40_000, 56_064, *[None] * (len(found.arms) - 2))
        arms = tuple(replace(a, images_seen=n) for a, n in zip(found.arms, seen, strict=True))
        shown = plan(replace(found, arms=arms), EN)
        assert "Images seen" in shown
        assert "56,064" in shown
        assert "under equal load" in shown

    def test_usual_values_are_filled_in(self, service):
        shown = new.view(service, Draft())
        assert shown.draft.dataset == "surfaces"
        assert shown.draft.tokenizers == ("domain-clip", "filters", "pixels")
        assert "scratch" in shown.draft.arms

    def test_a_clone_starts_from_the_pilots_spec(self, service):
        draft = begin(service, None, "p1")
        assert draft.name == "Surface inspection, line 2 (2)"
        assert to_spec(draft).arms == service.clone("p1").arms

    def test_a_dataset_that_another_page_sent_along_is_the_drafts(self, service):
        before = replace(Draft(), dataset="another", name="mine", seeds=2).to_json()
        made = data_head(data.view(service, "surfaces"), EN)
        asked = re.search(r'id="data-to-new" href="/new\?dataset=(\w+)"', made)
        assert asked is not None
        draft = begin(service, before, dataset=asked[1])
        assert (draft.dataset, draft.name, draft.seeds) == ("surfaces", "", 2)
        named = replace(draft, name="mine").to_json()
        assert begin(service, named, dataset="surfaces").name == "mine"  # the page read again

    def test_problems_are_listed_with_what_to_do(self, service):
        found = service.import_dataset(Path("x"), name="x", dry_run=True)
        shown = problems(found, EN, stored=False)
        assert "crack/007.png" in shown
        assert "Re-export it" in shown
        assert "ファイルが途中で切れています" in problems(found, JA, stored=False)

    def test_places_and_what_a_terminal_calls_an_option_are_in_the_readers_words(self):
        found = fakes.ImportResult(None, None, "COCO", {}, (
            problem("row-no-class", "a.csv, row 14", path="x.png"),
            *(replace(problem("more", "", count=129), severity="error"),),
            problem("class-of-objects", ""),
            problem("no-boxes", "a", format="x"),
        ))  # fmt: skip
        rows = problem_rows(found, JA)
        assert rows[0][1] == "a.csv、14行目"
        assert rows[2][3] == "枠を残すには「学習する課題」で「検出」を指定してください。"
        assert not any("--task" in cell for me in (EN, JA) for r in problem_rows(found, me)
                       for cell in r)  # fmt: skip
        assert "131 errors" in problems(found, EN, stored=False)  # one line stands for 129

    def test_a_set_with_boxes_is_stored_to_be_looked_at_and_says_that_no_pilot_learns_it(self):
        found = fakes.ImportResult("bolts & co", 1, "COCO", {"train": {"": 9}}, (), "detection")
        stored = problems(found, EN, stored=True)
        assert 'href="/data?dataset=bolts+%26+co"' in stored
        assert EN.text("new.import.no-pilot") in stored
        assert "href" not in problems(found._replace(task="classification"), EN, stored=True)

    def test_a_pilot_cannot_be_prepared_for_a_set_with_boxes(self, service):
        service.sets.append(fakes.dataset("boxes", builtin=False, version=1, task="detection"))
        assert "boxes" not in [d.name for d in new.view(service, Draft()).datasets]

    def test_the_plan_gives_ranges(self, service):
        found = service.estimate(to_spec(begin(service, None, "p1")))
        assert "28–46 min" in before_launch(found, EN)
        assert "28〜46分" in before_launch(found, JA)

    @pytest.mark.parametrize("me", [EN, JA])
    def test_every_tokenizer_says_whether_it_may_be_used_commercially(self, service, me):
        draft = Draft(tokenizers=("filters", "clip:ViT-B-32@metaclip_400m"))
        shown = tokenizer_cards(new.view(service, draft), me)
        assert me.text("commercial.no") in shown
        assert me.text("governance.concern.non-commercial") in shown
        assert 'rel="noopener noreferrer"' in shown

    def test_a_licence_accepted_in_yaml_survives_the_form(self):
        spec = to_spec(Draft(name="x", dataset="surfaces", arms=("frozen × filters",)))
        spec = spec.model_copy(update={"licence_accepted": ("clip:ViT-B-32@metaclip_400m",)})
        assert to_spec(from_json(from_spec(spec).to_json())).licence_accepted == (
            "clip:ViT-B-32@metaclip_400m",
        )

    def test_a_name_is_made_from_a_path(self):
        assert name_for("/data/Deep PCB_crops.zip") == "deep-pcb-crops"
        taken_apart = unicodedata.normalize("NFD", "検査データ（ロット 3）.tar.gz")
        assert name_for(taken_apart) == "検査データ-ロット-3"


class TestRoi:
    def test_the_form_gives_the_case_back(self):
        for values in (EXAMPLE_CASE, RANGED_CASE):
            case = parse_case(values)
            assert case_of(shown_values(case), case.model_dump(mode="json")) == case

    def test_what_the_form_cannot_show_is_kept(self):
        odd = {"items_per_year": [1e5, 2e5, 3e5], "ramp": [0.5], "cost_miss": "9000 JPY",
               "one_off": spread(1, 2, 3) | {"distribution": "triangular"}}  # fmt: skip
        case = parse_case({**EXAMPLE_CASE, **odd})
        values = shown_values(case)
        assert "items_per_year" not in values
        assert case_of(values, case.model_dump(mode="json")) == case

    def test_a_range_lacks_no_end_that_was_left_out(self):
        case = parse_case(EXAMPLE_CASE)
        values = shown_values(case) | {"cost_miss": [40, 60, None], "one_off": [None, 52_000, None]}
        found = case_of(values, case.model_dump(mode="json"))
        assert (found.cost_miss.low, found.cost_miss.high) == (40, 60)
        assert found.one_off == 52_000

    @pytest.mark.parametrize(
        ("field", "entered"),
        [
            ("cost_miss", [None, None, None]),
            ("today.miss_rate", [None, 600, None]),
            ("cost_miss", [80, 60, 100]),
            ("items_per_year", [1, None, 3]),
            ("cost_miss", ["sixty", 60, 60]),
        ],
    )
    def test_what_cannot_be_is_refused_at_its_field(self, field, entered):
        case = parse_case(EXAMPLE_CASE)
        values = shown_values(case) | {field: entered}
        with pytest.raises(UserError) as caught:
            case_of(values, case.model_dump(mode="json"))
        assert caught.value.field == field

    def test_a_form_that_sends_nonsense_is_refused(self):
        for text in ("[]", "{"):
            with pytest.raises(UserError):
                read(text)
        assert read(to_text({"stage": "pilot"})) == {"stage": "pilot"}

    def test_every_field_has_boxes_a_label_and_a_place_for_its_problem(self):
        case = parse_case(RANGED_CASE)
        for me in (EN, JA):
            made = group_html(list(GROUPS), case, me)
            for field in FIELDS:
                assert f'id="{field.elem_id}-likely"' in made
                assert f'data-field="{field.name}"' in made
            assert made.count("d-problem") == len(FIELDS)

    def test_later_stages_have_their_own_rule(self):
        case = parse_case(EXAMPLE_CASE)
        values = shown_values(case) | {
            "stage": "validation",
            "gates.validation.stage_budget": 90_000,
            "gates.validation.p_go": 95,
        }
        found = case_of(values, case.model_dump(mode="json"))
        assert found.stage == "validation"
        assert found.gates["validation"].stage_budget == 90_000
        assert found.gates["validation"].p_go == 0.95
        assert found.p_go == case.p_go

    @pytest.mark.parametrize("me", [EN, JA])
    def test_the_verdict_comes_with_its_reasons_and_where_they_come_from(self, service, me):
        shown = roi.view(service, "p1", parse_case(EXAMPLE_CASE))
        made = verdict_card(shown, me)
        assert 'data-verdict="GO"' in made
        assert 'data-reason="probability-high"' in made
        assert 'href="#roi-sure-head"' in made

    def test_no_verdict_without_the_next_stages_cost_and_the_reason(self, service):
        case = parse_case({k: v for k, v in EXAMPLE_CASE.items() if k != "next_stage_cost"})
        made = verdict_card(roi.view(service, "p1", case), EN)
        assert 'data-verdict=""' in made
        assert 'data-reason="no-next-stage-cost"' in made

    def test_a_change_after_launch_is_shown_as_one(self, service):
        assert 'data-fixed="fixed.not"' in verdict_card(roi.view(service, "p1"), EN)
        service.fixed["p1"] = parse_case(EXAMPLE_CASE)
        same = roi.view(service, "p1", parse_case(EXAMPLE_CASE))
        assert 'data-fixed="fixed.same"' in verdict_card(same, EN)
        moved = roi.view(service, "p1", parse_case({**EXAMPLE_CASE, "cost_miss": 80, "p_go": 0.8}))
        made = verdict_card(moved, EN)
        assert "Cost of a miss $60.00 → $80.00" in made
        assert "GO from 90.0% → 80.0%" in made
        assert "the rule among them" in made

    def test_an_example_is_marked_until_a_case_is_saved(self, service):
        assert roi.view(service, "p1").is_example
        service.save_case("p1", parse_case(EXAMPLE_CASE))
        assert not roi.view(service, "p1").is_example

    def test_flows_add_up(self, service):
        rows = flow_rows(roi.view(service, "p1").shown_arm)
        assert rows.cumulative.iloc[-1] == pytest.approx(rows.flow.sum())

    def test_only_what_hangs_on_the_case_is_worked_out_again(self, service, monkeypatch):
        shown = roi.view(service, "p1")
        monkeypatch.delattr(FakeService, "datasets")
        dearer = with_case(service, shown, parse_case({**RANGED_CASE, "one_off": 1e9}))
        assert dearer.result.verdict == "NO-GO"
        assert dearer.card == shown.card

    @pytest.mark.parametrize("me", [EN, JA])
    def test_every_card_can_be_made(self, service, me):
        shown = roi.view(service, "p1")
        for made in (tornado_card, threshold_card):
            head, plot, data = made(shown, me)
            assert "CSV" in head
            assert "<table>" in data
            assert plot.visible
        assert 'id="roi-turn"' in turning_points(shown, me)
        assert "d-metric" in key_figures(shown.headline, shown.case, me)

    def test_the_tornado_has_a_bar_for_every_range_and_none_without(self, service):
        bars = tornado_rows(roi.view(service, "p1").shown_arm, "USD", EN)
        assert set(bars.name) >= {"Items per year", "Cost of a miss", "Missed with the model"}
        assert (bars.npv_low != bars.npv_high).all()

    def test_the_chosen_threshold_is_on_its_curve(self, service):
        curve = roi.view(service, "p1").shown_arm.figures.threshold_curves[0]
        rows = curve_rows(curve)
        assert (rows.threshold == curve.chosen).sum() == 1
        chosen = rows.loc[rows.threshold == curve.chosen].iloc[0]
        assert chosen.validation == pytest.approx(rows.validation.min())

    def test_the_ends_of_all_ranges_frame_the_case(self, service):
        shown = roi.view(service, "p1")
        ends = extremes(shown.case, shown.result)
        npv = {n: of_result(n, c, service.roi("p1", c)).npv for n, c in ends.items()}
        assert npv["worst"] < of_result("", shown.case, shown.result).npv < npv["best"]
        point = roi.view(service, "p1", parse_case(EXAMPLE_CASE))
        assert extremes(point.case, point.result) == {}

    def test_scenarios_say_what_is_different(self, service):
        service.save_case("p1", parse_case({**RANGED_CASE, "one_off": 90_000}), "Dear <b>")
        shown = roi.view(service, "p1")
        made = scenarios_card(shown, scenarios(service, "p1"), EN)
        assert "Dear &lt;b&gt;" in made
        assert "One-off cost: $90k (here $48k / $62k / $105k)" in made

    def test_the_next_step_is_named_with_worth_price_and_a_way(self, service):
        found = steps(roi.view(service, "p1"), 0.01, EN)
        assert found
        assert [s.order for s in found] == sorted(s.order for s in found)
        assert any("more_seeds=3" in s.how for s in found)

    @pytest.mark.parametrize("me", [EN, JA])
    def test_the_compute_side_states_what_it_rests_on(self, service, me):
        shown = roi.view(service, "p1")
        found = service.compute("p1", Wish(images_factor=10, device="h100"), measure=True)
        assert "445" in spent_html(found, me)
        assert "h100" in larger_html(found, me)
        assert "cpu-own" in larger_html(found, me)
        assert "<table>" in per_item_html(found, shown, me)
        assert item_of(found, shown).arm == shown.shown_arm.arm

    def test_a_decision_is_listed_with_what_came_of_it(self, service):
        made = service.decide("p1", parse_case(EXAMPLE_CASE), "<i>why</i>", "Ana", "NO-GO")
        service.enter_actual(made.id, {"miss_rate": 0.5}, "Ben")
        shown = decisions_html(service.decisions("p1"), EN)
        assert "&lt;i&gt;why&lt;/i&gt;" in shown
        assert "The rule said GO." in shown
        assert "actual 50.0%" in shown


def test_a_clone_can_ask_for_more_seeds(service):
    plain, more = begin(service, None, "p1"), begin(service, None, "p1", "3")
    assert more.seeds == plain.seeds + 3
    assert begin(service, None, "p1", "many").seeds == plain.seeds


def test_a_proposed_experiment_opens_at_its_plan_and_a_plain_clone_at_its_data(service):
    with gr.Blocks():
        page = NewPage(service, JA)
    draft = replace(begin(service, None, "p1", labels="13000"), dataset="surfaces")
    proposed = SimpleNamespace(query_params={"clone": "p1", "labels": "13000"})
    steps, title, table, *_ = page.open_plan(draft.to_json(), proposed)
    assert steps.constructor_args["selected"] == 3
    assert "13,000枚の画像を使います" in title
    assert "new-plan" in table
    plain = SimpleNamespace(query_params={"clone": "p1"})
    assert all(part == gr.skip() for part in page.open_plan(draft.to_json(), plain))


class TestData:
    def test_before_anybody_looked_it_says_so(self, service):
        shown = data.view(service)
        assert "Nobody has looked" in data_words(shown, EN)
        assert "Nobody has looked" in as_markdown(shown.card, None, shown.versions, EN)

    @pytest.mark.parametrize("me", [EN, JA])
    def test_the_gravest_finding_comes_first_and_names_are_escaped(self, service, me):
        service.healths["surfaces"] = fakes.health()
        shown = data.view(service, "surfaces")
        assert me.text("severity.error") in health_list(shown, me)
        listed = health_list(shown, me)
        assert listed.index("exact-leak") < listed.index("label-suspects")
        assert "<i>0.png" not in listed
        assert "&lt;i&gt;0.png" in listed
        assert "39" in data_words(shown, me)

    @pytest.mark.parametrize("me", [EN, JA])
    def test_the_card_holds_counts_columns_and_downloads(self, service, me):
        made = data_card(data.view(service, "surfaces"), me)
        assert 'download="surfaces-card.md"' in made
        assert 'download="surfaces-card.json"' in made
        assert "&lt;b&gt;glass" in made

    def test_the_json_card_holds_health_and_versions(self, service):
        service.sets.append(fakes.dataset("parts", builtin=False, version=2))
        service.healths["parts"] = fakes.health()
        shown = data.view(service)  # the newest that was added
        content = json.loads(as_json(shown.card, shown.health, shown.versions))
        assert content["card"]["name"] == "parts"
        assert content["health"]["findings"][0]["code"] == "exact-leak"
        assert [v["version"] for v in content["versions"]] == [2, 1]

    @pytest.mark.parametrize("me", [EN, JA])
    def test_versions_lead_to_their_pilots_and_differences_are_listed(self, service, me):
        service.sets.append(fakes.dataset("parts", builtin=False, version=2))
        shown = data.view(service, "parts")
        assert 'href="/runs?pilot=p1"' in version_table(shown, me, fakes.NOW)
        found = difference_box(service.dataset_difference("parts", 1, 2), 1, 2, me)
        assert "dent/&lt;9&gt;.png" in found
        assert me.text("data.diff.labels") in found


class TestTokens:
    @pytest.mark.parametrize("me", [EN, JA])
    def test_work_tells_what_is_left_once_that_can_be_told(self, me):
        left = me.text("progress.left", time=me.number(90, "duration"))
        assert left in progress_box((25, 100), "x", me, 30)
        assert left not in progress_box((25, 100), "x", me)
        about = me.text("progress.left", time="|").partition("|")[0]
        assert about not in progress_box((1, 100), "x", me, 30)
        assert f">x{me.text('colon')}25%" in progress_box((25, 100), "x", me)  # parts of one work
        assert "25%" not in progress_box((250, 1000), "x", me)

    @pytest.mark.parametrize("me", [EN, JA])
    def test_every_family_and_the_grammar_of_names_can_be_looked_up(self, service, me):
        made = families(tokens.view(service), me)
        assert all(one.name in made for one in service.tokenizers())
        assert me.text("cli.state.needs-weights") in made
        assert "domain-clip:" + me.text("tokens.families.template") in made

    @pytest.mark.parametrize(
        ("train", "codes"),
        [(400, "codebook:128(filters)"), (10, "codebook:16(filters)"), (7, None)],
    )
    def test_no_more_codes_are_offered_than_the_images_allow(self, train: int, codes: str | None):
        counts = {"train": {"ok": train}, "test": {"ok": 1000}}
        names = offered(replace(fakes.dataset("parts"), counts=counts))
        assert names == (*FIRST, *([codes] if codes else []))
        assert is_offered(names)
        assert not is_offered(["filters", "codebook:64(domain-clip)"])

    def test_before_a_check_it_says_that_nobody_has_looked(self, service):
        assert "Nobody has looked" in tokens_head(tokens.view(service), EN)
        assert 'id="tokens-none"' in token_cards(tokens.view(service), EN)

    @pytest.mark.parametrize("me", [EN, JA])
    def test_a_check_fills_every_card_and_names_are_escaped(self, service, me):
        service.check_tokens("surfaces", ["filters"])
        shown = tokens.view(service, "surfaces")
        made = token_cards(shown, me)
        for part in ("table", "trust", "maps", "near", "codes", "weak"):
            assert f'id="tokens-{part}"' in made
        assert "&lt;i&gt;dent" in made
        assert "&lt;b&gt;B" in made
        assert any(n in tokens_head(shown, me) for n in shown.names)
        assert me.text("tokens.advice.caution") in tokens_head(shown, me)

    def test_names_that_were_not_checked_yet_are_said_and_slow_ones_told_apart(self, service):
        service.check_tokens("surfaces", [])
        shown = tokens.view(service, "surfaces", ["pixels", "timm:a@/models/b.pt"])
        assert "tokens-pending" not in token_cards(shown, EN)
        some = replace(shown, found=[shown.found[0] | {"images_per_second": 1.44}])
        made = token_cards(some, EN)
        assert "Not checked yet: timm:a@b." in made
        assert ">1.4<" in made

    @pytest.mark.parametrize("me", [EN, JA])
    def test_what_tuning_bought_and_the_code_curve_are_shown(self, service, me):
        service.check_tokens("surfaces", [])
        service.code_curve("surfaces", "filters", CODES)
        shown = tokens.view(service, "surfaces", ["domain-clip(clip:ViT-B-32@openai)", "pixels"])
        made = token_cards(shown, me)
        assert f"{me.number(0.61 - 0.05, 'points')} ({me.interval(0.48, 0.63, 'points')})" in made
        assert made.count(me.text("tokens.tuned.zero_shot")) == 1  # pixels are not tuned
        assert "<b>codebook:64(filters)</b>" in code_curve(shown, me)

    @pytest.mark.parametrize("me", [EN, JA])
    def test_a_deep_check_is_priced_before_it_runs_and_says_how_far_to_trust_it(self, service, me):
        found = price(service, "surfaces", ())
        assert me.number(found.money.likely, "money", "USD") in offer(found, me)
        assert deep_card(tokens.view(service, "surfaces"), me) == ""
        service.deep_check("surfaces", ["filters"])
        made = deep_card(tokens.view(service, "surfaces"), me)
        assert me.text("tokens.deep.trust") in made
        assert me.text("tokens.deep.none") in made
        assert 'href="/runs?pilot=p1"' in made

    @pytest.mark.parametrize("me", [EN, JA])
    def test_licences_are_told_and_those_that_forbid_commercial_use_ask_for_a_click(
        self, service, me
    ):
        shown = tokens.view(service, "surfaces", ["clip:ViT-B-16@dfn2b", "filters", "wrong("])
        assert forbidden(shown) == ["clip:ViT-B-16@dfn2b"]
        told = token_licences(shown, me)
        assert me.text("commercial.no") in told
        assert 'target="_blank"' in told
        assert token_licences(tokens.view(service, "surfaces", ["pixels"], ""), me) == ""
        terms = {"tokenizer": shown.names[0], "licence": "<ASL>", "who": "ana", "at": NOW}
        service.accepted = (LicenceAccepted(**terms),)
        said = {"name": "clip:ViT-B-16@dfn2b", "licence": "&lt;ASL&gt;", "who": "ana"}
        known = me.text("governance.accepted", **said, day=day(NOW, me.language))
        assert known in token_licences(tokens.view(service, "surfaces", ["pixels"], ""), me)
        assert known in stage_table(runs.view(service, "p1"), me)

    @pytest.mark.parametrize("me", [EN, JA])
    def test_neither_one_tokenizer_alone_nor_the_untrained_control_is_advised(self, me):
        names = ("filters", "random", "random(clip:ViT-B-32)")
        filters, *controls = (fakes.token_quality(name) for name in names)
        assert advice([filters]) == {"tokenizer": None, "reason": "only"}
        assert me.text("tokens.advice.caution") in advice_text([filters], me)
        for control in controls:
            control["index"] = {"value": 84.0, "low": 78.0, "high": 89.0}
            assert advice([filters, control]) == {"tokenizer": None, "reason": "control"}
            assert advice_text([filters, control], me) == me.text("tokens.advice.control")

    def test_an_image_without_a_label_says_so(self, service):
        service.check_tokens("surfaces", [])
        shown = tokens.view(service, "surfaces", ["filters"])
        shown.found[0]["pictures"]["neighbours"][0]["labels"][0] = ""
        assert '<figcaption class="d-note">unlabelled</figcaption>' in token_cards(shown, EN)

    def test_names_come_apart_at_commas(self):
        assert split_names(" filters, codebook:8(filters) ,") == [
            "filters",
            "codebook:8(filters)",
        ]


class TestBackground:
    def test_it_says_how_far_it_is_and_gives_what_was_found(self):
        def work(reporter):
            reporter.progress(3, 4)
            time.sleep(0.1)
            return "found"

        running_work = Background(work)
        assert list(running_work)[-1] == (3, 4)
        assert running_work.result() == "found"

    def test_a_part_that_counts_anew_has_a_time_of_its_own(self):
        def work(reporter):
            reporter.progress(4, 4)
            time.sleep(0.1)
            reporter.progress(1, 4)

        begun = time.monotonic()
        running_work = Background(work)
        running_work.result()
        assert running_work.part == 1
        assert running_work.seconds < time.monotonic() - begun - 0.09

    def test_it_stops_when_asked(self):
        def work(reporter):
            while True:
                reporter.check()
                time.sleep(0.01)

        running_work = Background(work)
        running_work.stop()
        with pytest.raises(Cancelled):
            running_work.result()
