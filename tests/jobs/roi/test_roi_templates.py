"""Cases to start from."""

import pytest

from digpt.errors import UserError
from jobs.money import PriceTable
from jobs.roi import case_from_yaml, evaluate_case
from jobs.roi.templates import TEMPLATES, case_template, template_text
from tests.jobs.roi.cases import DRAWS, evidence, figures

PRICES = PriceTable.load()


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("currency", ["USD", "JPY", "EUR"])
def test_every_template_gives_figures_in_every_currency(name: str, currency: str):
    case = case_template(name, currency=currency, prices=PRICES, good_classes=("normal",))
    assert case.currency == currency
    result = evaluate_case(case, [evidence()], draws=DRAWS)
    assert result.verdict is not None
    assert len(figures(result).tornado) > 5


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_says_where_its_numbers_come_from(name: str):
    text = template_text(name)
    assert "Where the numbers come from" in text
    assert "Replace every" in text
    assert case_from_yaml(text).currency == "USD"


def test_an_unknown_template_names_those_there_are():
    with pytest.raises(UserError, match="surface"):
        case_template("surfaces", currency="USD", prices=PRICES)
