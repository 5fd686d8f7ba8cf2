"""Where a case comes from, and how a wrong one is told in the form's own units."""

from dataclasses import replace

import pytest
from fakes import EXAMPLE_CASE, FakeService

from dashboard.mistakes import case_error
from dashboard.pages import roi
from dashboard.pages.roi.following import steps
from dashboard.pages.roi.form import case_of, shown_values
from dashboard.pages.roi.start_box import TEMPLATES
from dashboard.text import Viewer
from digpt.errors import UserError
from jobs.money.pricing import PriceTable
from jobs.roi.case import case_from_yaml, case_to_yaml, converted, parse_case
from jobs.roi.decision import Experiment
from jobs.roi.templates import TEMPLATES as KNOWN

EN, JA = Viewer("en"), Viewer("ja")


def test_the_page_offers_every_template():
    assert set(TEMPLATES) == set(KNOWN)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_goes_through_the_form_and_through_yaml(name):
    case = FakeService().case_template("p1", name, "JPY")
    assert case.currency == "JPY"
    assert case_of(shown_values(case), case.model_dump(mode="json")) == case
    assert case_from_yaml(case_to_yaml(case)) == case


def test_a_part_of_a_case_goes_when_what_makes_it_one_is_cleared():
    review = {"cost_per_item": 2, "miss_rate": 0.1}
    case = parse_case(EXAMPLE_CASE | {"review": review})
    values = shown_values(case) | {"review.cost_per_item": [None, None, None]}
    assert case_of(values, case.model_dump(mode="json")).review is None


@pytest.mark.parametrize(
    ("changes", "english", "japanese"),
    [
        (
            {"today": {"miss_rate": 6.0, "false_alarm_rate": 0, "process_per_item": 1}},
            "Missed today is 600.0%; allowed: 0% to 100%.",
            "現在の見逃し率の値「600.0%」は使えません。0〜100%で入力してください。",
        ),
        (
            {"one_off": {"low": 9, "likely": 5, "high": 6}},
            "One-off cost is $9.00 / $5.00 / $6.00; allowed: low, likely and high in ascending "
            "order.",
            "初期費用の値「9.00ドル / 5.00ドル / 6.00ドル」は使えません。"
            "低・標準・高の順に大きくなる値で入力してください。",
        ),
        (
            {"p_no": 0.95},
            "NO-GO up to is 95.0%; allowed: less than the GO limit (90.0%).",
            "見送りとする確率の値「95.0%」は使えません。"
            "推進の基準（90.0%）より小さい値で入力してください。",
        ),
        (
            {"prevalence": 1.0},
            "Share of defects is 100.0%; allowed: more than 0% and less than 100%.",
            "不良率の値「100.0%」は使えません。0%より大きく100%未満で入力してください。",
        ),
        (
            {"cost_miss": None},
            "Cost of a miss is missing. Enter a number.",
            "見逃し1件の損失が未入力です。数値を入力してください。",
        ),
    ],
)
def test_a_wrong_value_is_told_in_the_forms_own_units(changes, english, japanese):
    values = {k: v for k, v in (EXAMPLE_CASE | changes).items() if v is not None}
    with pytest.raises(UserError) as caught:
        parse_case(values)
    assert case_error(caught.value, "USD", EN) == english
    assert case_error(caught.value, "USD", JA) == japanese


def test_a_step_that_costs_what_it_is_worth_is_not_offered():
    shown = roi.view(FakeService(), "p1")
    worth = max(s.worth for s in steps(shown, 0.01, EN))
    assert not [s for s in steps(shown, worth, EN) if "more_seeds" in s.how]


def test_labels_are_whole_numbers_in_a_step():
    shown = roi.view(FakeService(), "p1")
    one = Experiment("more-labels", shown.shown_arm.arm, 500.0, 120.0, 40.0)
    shown = replace(shown, result=replace(shown.result, experiments=(one,)))
    assert steps(shown, None, EN)[0].what.startswith("Labelling 40 more")


def test_a_currency_without_a_rate_is_said_at_its_field():
    case = parse_case(EXAMPLE_CASE | {"cost_miss": "60 ZZZ"})
    with pytest.raises(UserError) as refused:
        converted(case, PriceTable.load())
    assert refused.value.field == "cost_miss"
    assert case_error(refused.value, "USD", EN).startswith("Cost of a miss is in ZZZ, which has no")
    assert case_error(refused.value, "USD", JA).startswith("見逃し1件の損失の通貨ZZZには")


def test_a_range_without_its_ends_is_not_called_an_absurd_amount():
    with pytest.raises(UserError) as refused:
        parse_case(EXAMPLE_CASE | {"cost_miss": {"likely": 60, "currency": "EUR"}})
    assert "Give low, likely and high" in case_error(refused.value, "USD", EN)


def three(value: float | None) -> list[float | None]:
    return [None, value, None]


WRONG = [  # what is entered, and the field that the page says it at
    ("items_per_year", three(-5)),
    ("items_per_year", three(1e300)),
    ("items_per_year", three(None)),
    ("prevalence", three(0)),
    ("prevalence", three(100)),
    ("prevalence", [0, 1, 2]),
    ("cost_miss", [90, 60, 20]),
    ("cost_miss", [10, None, 20]),
    ("cost_false_alarm", three(-1)),
    ("today.miss_rate", three(101)),
    ("one_off", three(1e308)),
    ("horizon_years", 0),
    ("horizon_years", 2.5),
    ("discount_rate", three(-100)),
    ("p_go", 120),
    ("stage_budget", -1),
    ("labels.price_per_label", three(-3)),
    ("review.capacity_per_year", three(-1)),
    ("minimum.precision", -1),
    ("gates.validation.p_go", 200),
    ("failure.unplanned_stop", three(-1)),
]


@pytest.mark.parametrize(("field", "entered"), WRONG)
def test_what_cannot_be_is_said_at_its_field_in_both_languages(field, entered):
    case = parse_case(EXAMPLE_CASE)
    with pytest.raises(UserError) as refused:
        case_of(shown_values(case) | {field: entered}, case.model_dump(mode="json"))
    assert refused.value.field == field
    english, japanese = (case_error(refused.value, "USD", me) for me in (EN, JA))
    assert EN.text(f"case.{field}") in english
    assert JA.text(f"case.{field}") in japanese
    assert len(english) < 150
