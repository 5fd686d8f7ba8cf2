"""From predictions to a case: which scores count, and the example to start from."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from jobs import evidence
from jobs.money.pricing import PriceTable
from jobs.roi import parse_case
from jobs.roi.case import MONEY_FIELDS
from jobs.service import PilotService
from tests.handmade import service_in

Finished = tuple[PilotService, str]


def example(**changes: object):
    return parse_case(evidence.EXAMPLE | {"good_classes": ["0"]} | changes)


def test_a_score_is_what_is_not_given_to_the_good_class(finished: Finished):
    service, pilot = finished
    found = next(f for f in service._finished(pilot) if f.arm.name == "scratch")
    ours = evidence.evidence(found, example(), 0.0)
    probe = next(e for e in ours if (e.protocol, e.label_budget) == ("probe", 5))
    cells = found.cells("test")["probe", "5"]
    np.testing.assert_allclose(probe.test_scores[0], 1 - cells[0][0][:, 0], rtol=1e-5)
    assert len(probe.test_scores) == len(cells) * len(cells[0])
    assert probe.test_positive.sum() == (probe.test_class != "0").sum()


def test_positive_classes_win_over_good_ones(finished: Finished):
    service, pilot = finished
    found = service._finished(pilot)[0]
    ours = evidence.evidence(found, example(good_classes=[], positive_classes=["3", "8"]), 0.0)
    assert set(ours[0].test_class[ours[0].test_positive]) == {"3", "8"}


def test_no_good_class_is_a_reason_and_no_figure(finished: Finished):
    service, pilot = finished
    result = service.roi(pilot, example(good_classes=[]))
    assert result.verdict is None
    assert [r.code for r in result.reasons] == ["no-good-class"]


def test_an_arm_whose_predictions_are_gone_has_no_verdict_and_does_not_stop_the_others(
    finished: Finished, tmp_path: Path
):
    shutil.copytree(finished[0].settings.home, tmp_path / "home")
    service, pilot = service_in(tmp_path / "home"), finished[1]
    lost = next(f for f in service._finished(pilot) if f.arm.name == "scratch")
    shutil.rmtree(lost.predictions["probe:0"])
    arms = service.roi(pilot, example()).arms
    assert [(r.code, r.facts) for r in arms["scratch"].reasons] == [
        ("results-lost", {"arm": "scratch"})
    ]
    assert (arms["scratch"].verdict, arms["scratch"].figures) == (None, None)
    assert arms["frozen × filters"].figures is not None


@pytest.mark.parametrize("currency", ["USD", "JPY", "EUR"])
def test_the_example_is_the_same_case_in_every_currency(currency: str):
    prices = PriceTable.load(None)
    case = evidence.example_case(("normal",), currency, prices)
    assert case.currency == currency
    rate = prices.convert(1.0, "USD", currency)
    assert case.cost_miss == pytest.approx(evidence.EXAMPLE["cost_miss"] * rate)
    assert case.today.process_per_item == pytest.approx(0.05 * rate)
    assert case.horizon_years == evidence.EXAMPLE["horizon_years"]


def test_every_amount_of_the_example_is_known_as_money():
    amounts = {"cost_miss", "cost_false_alarm", "one_off", "run_per_year", "inference_per_item"}
    assert amounts <= set(MONEY_FIELDS)
