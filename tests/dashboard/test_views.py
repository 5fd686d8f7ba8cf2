"""Pages are plain functions first: what they show for what the service says."""

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import EXAMPLE_CASE, FakeService, card, gain, running

from dashboard.pages import compare, new, overview, roi, runs
from dashboard.pages.compare.charts import cost_card, curves_card, data_of, differences_card
from dashboard.pages.compare.page import without_results
from dashboard.pages.compare.view import named
from dashboard.pages.compare.words import sentence
from dashboard.pages.new.draft import Draft, candidates, from_json, from_spec, to_spec, with_choice
from dashboard.pages.new.imports import name_for, problems
from dashboard.pages.new.plan import before_launch
from dashboard.pages.new.view import begin
from dashboard.pages.pilots import no_pilot, progress_words
from dashboard.pages.roi.form import FIELDS, case_of, shown_values
from dashboard.pages.roi.money import flow_rows
from dashboard.pages.roi.verdict import verdict_card
from dashboard.pages.runs.log import log_lines
from dashboard.pages.runs.loss import loss_rows
from dashboard.pages.runs.page import drawn_again
from dashboard.pages.runs.stages import cell
from dashboard.pages.runs.view import stage_lines
from dashboard.text import Viewer
from digpt.errors import UserError
from jobs.roi.case import parse_case
from jobs.spec import load_spec

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
    def test_usual_values_are_filled_in(self, service):
        shown = new.view(service, Draft())
        assert shown.draft.dataset == "surfaces"
        assert shown.draft.tokenizers == ("domain-clip", "filters", "pixels")
        assert "scratch" in shown.draft.arms

    def test_a_clone_starts_from_the_pilots_spec(self, service):
        draft = begin(service, None, "p1")
        assert draft.name == "Surface inspection, line 2 (2)"
        assert to_spec(draft).arms == service.clone("p1").arms

    def test_problems_are_listed_with_what_to_do(self, service):
        found = service.import_dataset(Path("x"), name="x", dry_run=True)
        shown = problems(found, EN, stored=False)
        assert "crack/007.png" in shown
        assert "export it again" in shown

    def test_the_plan_gives_ranges(self, service):
        found = service.estimate(to_spec(begin(service, None, "p1")))
        assert "28–46 min" in before_launch(found, EN)
        assert "28〜46分" in before_launch(found, JA)

    def test_a_name_is_made_from_a_path(self):
        assert name_for("/data/Deep PCB_crops.zip") == "deep-pcb-crops"


class TestRoi:
    def test_the_form_gives_the_case_back(self):
        case = parse_case(EXAMPLE_CASE)
        assert case_of(shown_values(case), [], case.model_dump(mode="json")) == case

    def test_what_the_form_cannot_show_is_kept(self):
        case = parse_case({**EXAMPLE_CASE, "items_per_year": [1e5, 2e5, 3e5], "ramp": [0.5]})
        assert case_of(shown_values(case), ["normal"], case.model_dump(mode="json")) == case

    def test_a_missing_value_is_named(self):
        case = parse_case(EXAMPLE_CASE)
        values = shown_values(case)
        values[[f.name for f in FIELDS].index("cost_miss")] = None
        with pytest.raises(UserError) as caught:
            case_of(values, [], case.model_dump(mode="json"))
        assert caught.value.field == "cost_miss"

    def test_a_rate_above_100_percent_is_refused_at_its_field(self):
        case = parse_case(EXAMPLE_CASE)
        values = shown_values(case)
        values[[f.name for f in FIELDS].index("today.miss_rate")] = 600
        with pytest.raises(UserError) as caught:
            case_of(values, [], case.model_dump(mode="json"))
        assert caught.value.field == "today.miss_rate"

    @pytest.mark.parametrize("me", [EN, JA])
    def test_the_verdict_comes_with_its_reasons(self, service, me):
        shown = roi.view(service, "p1")
        made = verdict_card(shown, me)
        assert 'data-verdict="GO"' in made
        assert 'data-reason="probability-high"' in made

    def test_no_verdict_without_the_next_stages_cost_and_the_reason(self, service):
        case = parse_case({k: v for k, v in EXAMPLE_CASE.items() if k != "next_stage_cost"})
        made = verdict_card(roi.view(service, "p1", case), EN)
        assert 'data-verdict=""' in made
        assert 'data-reason="no-next-stage-cost"' in made

    def test_an_example_is_marked_until_a_case_is_saved(self, service):
        assert roi.view(service, "p1").is_example
        service.save_case("p1", parse_case(EXAMPLE_CASE))
        assert not roi.view(service, "p1").is_example

    def test_flows_add_up(self, service):
        rows = flow_rows(roi.view(service, "p1").shown_arm)
        assert rows.cumulative.iloc[-1] == pytest.approx(rows.flow.sum())
