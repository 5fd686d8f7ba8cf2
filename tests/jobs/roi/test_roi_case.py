"""The case: what is refused, and how it is said."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from digpt.errors import UserError
from jobs.money import PriceTable
from jobs.roi import case_from_yaml, case_to_yaml, converted, load_case, parse_case
from jobs.roi.case import MONEY_FIELDS, amount
from jobs.roi.fields import ALLOWED, BUDGET_RANGE, MONEY_RANGE
from jobs.roi.schema import PARTS, Case
from tests.jobs.roi.cases import VALUES


def changed(**changes: object) -> dict[str, Any]:
    """VALUES with `group__field=value`."""
    values = deepcopy(VALUES)
    for name, value in changes.items():
        *outer, last = name.split("__")
        part = values
        for group in outer:
            part = part.setdefault(group, {})
        part[last] = value
    return values


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cost_miss": -1}, "cost_miss"),
        ({"cost_miss": "abc"}, "cost_miss"),
        ({"cost_miss": "-3 USD"}, "cost_miss"),
        ({"cost_miss": "1e20"}, "cost_miss"),
        ({"one_off": float("nan")}, "one_off"),
        ({"one_off": float("inf")}, "one_off"),
        ({"one_off": True}, "one_off"),
        ({"prevalence": 0}, "prevalence"),
        ({"prevalence": 1}, "prevalence"),
        ({"prevalence": "often"}, "prevalence"),
        ({"prevalence": {"crack": 0.6, "stain": 0.5}}, "prevalence"),
        ({"prevalence": {"crack": 0}}, "prevalence"),
        ({"prevalence": {"crack": 0.1}, "positive_classes": ["stain"]}, "prevalence"),
        ({"prevalence": {"normal": 0.1}}, "good_classes"),
        ({"items_per_year": 0}, "items_per_year"),
        ({"items_per_year": [1, 2]}, "items_per_year"),
        ({"horizon_years": 0}, "horizon_years"),
        ({"horizon_years": 2.5}, "horizon_years"),
        ({"discount_rate": -1}, "discount_rate"),
        ({"ramp": [0.5] * 6}, "ramp"),
        ({"ramp": [1.2]}, "ramp"),
        ({"p_no": 0.9}, "p_no"),
        ({"tax": 1.5}, "tax"),
        ({"today__miss_rate": 1.2}, "today.miss_rate"),
        ({"today": None}, "today"),
        ({"review__overflow": "wait", "review__cost_per_item": 1}, "review.overflow"),
        ({"minimum__precision": 2}, "minimum.precision"),
        ({"label_budget": "some"}, "label_budget"),
        ({"next_stage_cost": -1}, "next_stage_cost"),
        ({"currency": "yen"}, "currency"),
    ],
)
def test_absurd_values_are_refused_at_their_field(change: dict[str, Any], field: str):
    with pytest.raises(UserError) as caught:
        parse_case(changed(**change))
    assert caught.value.field == field
    assert repr(field) in caught.value.message
    assert "allowed: " in caught.value.message


def test_the_message_names_value_range_and_line(tmp_path: Path):
    file = tmp_path / "case.yaml"
    file.write_text("currency: JPY\ntoday:\n  process_per_item: 1\n  miss_rate: 7\n")
    with pytest.raises(UserError) as caught:
        load_case(file)
    assert caught.value.message == (
        "Case field 'today.miss_rate' (line 4) is 7; allowed: 0 to 1, or {low, likely, high} of "
        "such."
    )


def test_a_rule_over_two_fields_names_the_line_too():
    text = case_to_yaml(parse_case(VALUES)).replace("p_no: 0.1\n", "")
    with pytest.raises(UserError, match=r"'p_no' \(line 1\) is 0.95; allowed: below p_go \(0.9\)"):
        case_from_yaml(f"p_no: 0.95\n{text}")


def test_an_unknown_field_suggests_the_nearest():
    with pytest.raises(UserError, match=r"'cost_mis'. Did you mean 'cost_miss'"):
        parse_case(changed(cost_mis=1))
    with pytest.raises(UserError, match=r"'today.miss'. Did you mean 'miss_rate'"):
        parse_case(changed(today__miss=1))


def test_a_missing_field_says_what_it_takes():
    values = deepcopy(VALUES)
    del values["horizon_years"]
    with pytest.raises(UserError, match="'horizon_years' is missing; it takes a whole number"):
        parse_case(values)


@pytest.mark.parametrize("text", ["a: [", "5", "", "- 1\n- 2\n"])
def test_what_is_no_case_at_all_is_one_sentence(text: str):
    with pytest.raises(UserError) as caught:
        case_from_yaml(text)
    assert caught.value.code == "case-format"


def test_a_missing_file_is_a_user_error(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        load_case(tmp_path / "none.yaml")


def test_yaml_round_trip():
    case = parse_case(
        changed(
            prevalence={"crack": 0.01, "stain": 0.002},
            cost_miss="1,250.5 usd",
            review__cost_per_item=3,
            ramp=[0.25, 0.6],
            label_budget="all",
        )
    )
    assert case.cost_miss == "1250.5 USD"
    assert case_from_yaml(case_to_yaml(case)) == case


def test_other_currencies_are_converted_at_the_stored_rate():
    prices = PriceTable.load()
    case = parse_case(
        changed(cost_miss="20 USD", today__process_per_item="3 JPY", next_stage_cost=5)
    )
    plain = converted(case, prices)
    assert plain.cost_miss == 20 * prices.rate("USD", "JPY").rate
    assert plain.today.process_per_item == 3
    assert plain.one_off == case.one_off
    with pytest.raises(UserError, match="Convert the case first"):
        amount(case.cost_miss)


def test_a_missing_exchange_rate_is_said_at_the_field():
    case = parse_case(changed(one_off="5 CHF"))
    with pytest.raises(UserError, match="no exchange rate for CHF") as caught:
        converted(case, PriceTable.load())
    assert caught.value.field == "one_off"


def test_every_field_has_its_range_and_every_amount_is_listed():
    names = [(n, f) for n, f in Case.model_fields.items() if n not in PARTS]
    names += [(f"{p}.{n}", f) for p, part in PARTS.items() for n, f in part.model_fields.items()]
    assert {name.split(".")[-1] for name, _ in names} | set(PARTS) <= set(ALLOWED)
    of_money = (MONEY_RANGE, BUDGET_RANGE)
    money = {name for name, _ in names if ALLOWED[name.split(".")[-1]] in of_money}
    assert money == set(MONEY_FIELDS)


def test_volume_by_year_is_a_share_of_the_largest():
    case = parse_case(changed(items_per_year=[50, 100, 100, 100, 80]))
    assert case.volume == 100
    assert case.volume_by_year == (0.5, 1, 1, 1, 0.8)
