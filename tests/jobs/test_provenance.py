"""Where a pilot's figures come from: data as used, price table, exchange rates."""

import pytest

from jobs.roi.case import currencies, parse_case
from jobs.service import PilotService

Finished = tuple[PilotService, str]


def case_for(service: PilotService, pilot: str, **changes: object):
    values = service.default_case(pilot).model_dump(mode="json", exclude_none=True)
    return parse_case(values | {"good_classes": ["0"]} | changes)


def test_it_names_the_data_as_the_pilot_used_it(finished: Finished):
    service, pilot = finished
    found = service.provenance(pilot)
    assert found.dataset is not None
    assert found.dataset.images == service.pilot(pilot).card.images == 400
    assert found.fingerprint == found.dataset.fingerprint
    assert found.dataset_version is None  # built in
    assert found.rates == ()


def test_it_lists_each_exchange_rate_that_was_used_and_no_other(finished: Finished):
    service, pilot = finished
    case = case_for(service, pilot, currency="JPY", cost_miss="80 EUR")
    rates = {r.source: r for r in service.provenance(pilot, case).rates}
    assert set(rates) == {"EUR", "USD"}  # the case's own price, and what the pilot cost
    assert {r.target for r in rates.values()} == {"JPY"}
    converted = service.in_own_currency(case)
    assert converted.cost_miss == pytest.approx(80 * rates["EUR"].rate)


def test_the_currencies_of_a_case_are_its_own_and_those_of_its_amounts(finished: Finished):
    service, pilot = finished
    case = case_for(service, pilot, review={"cost_per_item": "3 GBP"}, stage_budget="1 JPY")
    assert currencies(case) == {"USD", "GBP", "JPY"}
