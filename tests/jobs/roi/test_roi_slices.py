"""Who loses: the cost of parts of the test items."""

import numpy as np
import pytest

from jobs.roi import evaluate_case
from jobs.roi.evidence import setting_of
from jobs.roi.inputs import inputs_of
from jobs.roi.rates import Cut
from jobs.roi.slices import slice_costs
from tests.jobs.roi.cases import DRAWS, case, evidence, figures

CAMERA = np.array([("left", "right")[n // 4 % 2] for n in range(400)])


def test_a_part_costs_what_its_own_rates_give():
    # left: 2 of 2 defects missed, 0 of 6 alarms; right: 0 of 2 missed, 3 of 6 alarms
    positive = np.array([1, 1, 0, 0, 0, 0, 0, 0] * 2, dtype=bool)
    left = [0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    right = [0.9, 0.8, 0.7, 0.7, 0.7, 0.1, 0.1, 0.1]
    given = evidence(
        test_scores=[np.array([*left, *right])],
        test_positive=positive,
        slices={"camera": np.repeat(["left", "right"], 8)},
    )
    found = slice_costs(setting_of(inputs_of(case())), given, [Cut(0.5, 0.5, 0.0, 1)])
    left_cost, right_cost = 0.01 * 1.0 * 5000, 0.99 * 0.5 * 80
    assert [(x.value, x.items, x.positives) for x in found] == [("left", 8, 2), ("right", 8, 2)]
    assert [x.cost_per_item for x in found] == pytest.approx([left_cost, right_cost])
    # both together: half the defects missed, a quarter of the good ones alarmed
    whole = 0.01 * 0.5 * 5000 + 0.99 * 0.25 * 80
    assert found[0].difference == pytest.approx(left_cost - whole)
    assert found[0].difference_interval is not None
    low, high = found[0].difference_interval
    assert low < left_cost - whole < high


def test_parts_weighed_by_their_items_make_up_the_whole():
    given = evidence(seeds=2, slices={"camera": CAMERA})
    result = figures(evaluate_case(case(), [given], draws=DRAWS))
    rates = {x.value: x for x in result.slices}
    positive = given.test_positive
    for field, mask in (("miss_rate", positive), ("false_alarm_rate", ~positive)):
        parts = [(getattr(rates[c], field), (mask & (c == CAMERA)).sum()) for c in rates]
        mean = sum(rate * n for rate, n in parts) / mask.sum()
        assert getattr(result, field) == pytest.approx(mean)


def test_review_is_part_of_what_a_part_costs():
    review = {"cost_per_item": 5, "miss_rate": 0.02, "capacity_per_year": 5_000}
    one_part = evidence(gap=2, slices={"camera": CAMERA, "all": np.repeat(["x", "y"], [395, 5])})
    result = figures(evaluate_case(case(review=review), [one_part], draws=DRAWS))
    parts = [x for x in result.slices if x.attribute == "camera"]
    weights = []
    for part in parts:
        assert part.cost_per_item is not None
        weights.append(part.cost_per_item)
    assert min(weights) <= result.cost_per_item <= max(weights)


def test_a_part_without_defects_has_no_cost_and_small_or_unique_values_are_no_parts():
    ids = np.arange(400).astype(str)
    few = np.where(np.arange(400) == 0, "rare", "usual")
    goods = np.where(evidence().test_positive, "mixed", "none")
    given = evidence(slices={"id": ids, "few": few, "kind": goods, "light": np.linspace(0, 1, 400)})
    found = figures(evaluate_case(case(), [given], draws=DRAWS)).slices
    assert {x.attribute for x in found} == {"few", "kind", "light"}
    assert [x.value for x in found if x.attribute == "few"] == ["usual"]
    assert len([x for x in found if x.attribute == "light"]) == 4
    (none,) = (x for x in found if x.value == "none")
    assert (none.miss_rate, none.cost_per_item, none.difference) == (None, None, None)


def test_a_date_is_no_kind_of_item():
    failed = np.where(np.arange(400) % 2 == 0, "2025-12-16", "")
    found = figures(evaluate_case(case(), [evidence(slices={"failure_date": failed})], draws=DRAWS))
    assert found.slices == ()
