"""Sentences and tones of a verdict's reasons."""

from dashboard.reasons import lead_key, reason_text, tone_of
from dashboard.text import Viewer, stored_error
from jobs.roi import evaluate_case
from tests.jobs.roi.cases import DRAWS, case, evidence, only


def test_a_go_that_a_rule_without_a_model_beats_is_no_plain_yes():
    plain = evaluate_case(case(), [evidence("digpt × filters")], draws=DRAWS)
    beaten = evaluate_case(case(cost_false_alarm=4), [evidence("digpt × filters")], draws=DRAWS)
    assert (plain.verdict, lead_key(plain)) == ("GO", "roi.lead.GO")
    assert (beaten.verdict, lead_key(beaten)) == ("GO", "roi.lead.no-model")
    (reason,) = [r for r in only(beaten).reasons if r.code == "worse-than-no-model"]
    assert tone_of(reason.code) == "no"
    words = reason_text(reason, "JPY", Viewer("en"))
    assert words.startswith("Without any model, treating every item as defective would bring ¥")
    assert "全数を不良として扱う" in reason_text(reason, "JPY", Viewer("ja"))


def test_an_error_kept_without_its_facts_is_shown_as_it_came():
    kept = {"code": "diverged", "message": "The loss is no number.", "field": "lr"}
    assert stored_error(kept, Viewer("ja")) == "The loss is no number."
