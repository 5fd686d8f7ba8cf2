"""Costs by class: decisions of least expected cost, carried through to the figures."""

from typing import Any

import numpy as np
import pytest

from digpt.errors import UserError
from jobs.roi import ArmEvidence, Case, evaluate_case
from jobs.roi.evidence import setting_of, validation_cost
from jobs.roi.inputs import inputs_of
from tests.jobs.roi.cases import DRAWS, case, figures

CLASSES = ("good", "crack", "stain")
COSTS: dict[str, Any] = {
    "good": {"good": 0, "crack": 8, "stain": 2},
    "crack": {"good": 5000, "crack": 20, "stain": 900},
    "stain": {"good": 300, "crack": 15, "stain": 5},
}
SHARES = {"crack": 0.01, "stain": 0.03}


def arm(**changes: Any) -> ArmEvidence:
    """Two seeds of a model that is right three times in four; learned on a balanced mix."""
    rng = np.random.default_rng(3)
    true = np.tile(np.arange(3), 60)

    def probabilities() -> np.ndarray:
        raw = rng.dirichlet(np.ones(3), len(true))
        raw[np.arange(len(true)), true] += 0.5
        return raw / raw.sum(axis=1, keepdims=True)

    names = np.array(CLASSES)[true]
    given: dict[str, Any] = {
        "arm": "a",
        "method": "digpt",
        "tokenizer": None,
        "protocol": "probe",
        "label_budget": 20,
        "labels_used": 60,
        "val_positive": true > 0,
        "test_positive": true > 0,
        "val_class": names,
        "test_class": names,
        "val_probabilities": [probabilities(), probabilities()],
        "test_probabilities": [probabilities(), probabilities()],
        "classes": CLASSES,
        "prior": (1 / 3,) * 3,
    }
    given["val_scores"] = [1 - p[:, 0] for p in given["val_probabilities"]]
    given["test_scores"] = [1 - p[:, 0] for p in given["test_probabilities"]]
    return ArmEvidence(**given | changes)


def by_class(**changes: Any) -> Case:
    """The case with costs by class."""
    return case(**{"costs": COSTS, "prevalence": SHARES, "good_classes": ["good"]} | changes)


def by_hand(given: ArmEvidence) -> float:
    """k summed item by item: shift each posterior, decide, charge, weigh by prevalence."""
    prevalence = {"good": 0.96, **SHARES}
    total = 0.0
    assert given.test_class is not None
    for p in given.test_probabilities:
        for name in CLASSES:
            rows = np.flatnonzero(given.test_class == name)
            charged = 0.0
            for row in rows:
                moved = [x * prevalence[c] / (1 / 3) for c, x in zip(CLASSES, p[row], strict=True)]
                expected = {
                    j: sum(m * COSTS[i][j] for i, m in zip(CLASSES, moved, strict=True))
                    for j in CLASSES
                }
                charged += COSTS[name][min(expected, key=lambda j: expected[j])]
            total += prevalence[name] * charged / len(rows)
    return total / len(given.test_probabilities)


def test_cost_per_item_is_the_one_reckoned_item_by_item():
    given = arm()
    found = figures(evaluate_case(by_class(), [given]))
    assert found.cost_per_item == pytest.approx(by_hand(given))
    assert found.economics.decision_cost == found.cost_per_item
    assert found.cuts == ()
    # today's process is still charged by its two rates
    assert found.cost_today == pytest.approx(0.04 * 0.2 * 5000 + 0.96 * 0.03 * 80 + 12)


def test_bootstrap_of_the_cost_scatters_around_it():
    found = figures(evaluate_case(by_class(), [arm()]))
    assert found.npv_spread.mean == pytest.approx(found.npv, abs=0.2 * found.npv_spread.sd)
    assert found.npv_spread.sd > 0
    assert {b.name for b in found.tornado} == {"model.decision_cost"}
    there = found.break_evens["model.decision_cost"]
    assert there.positive_side == "below"
    assert "model.miss_rate" not in found.break_evens


def test_a_class_without_an_error_is_not_certain():
    perfect = np.eye(3)[np.tile(np.arange(3), 60)]
    clean = arm(test_probabilities=[perfect], val_probabilities=[perfect])
    result = evaluate_case(by_class(), [clean], draws=DRAWS)
    found = figures(result)
    assert found.miss_rate == 0
    assert found.miss_rate_interval[1] > 0
    assert found.npv_spread.mean < found.npv


def test_a_cell_of_the_matrix_may_be_uncertain():
    unsure = {**COSTS, "crack": COSTS["crack"] | {"good": [2000, 5000, 9000]}}
    result = evaluate_case(by_class(costs=unsure), [arm()], draws=DRAWS)
    found = figures(result)
    assert set(result.inputs) == {"costs.crack.good"}
    (bar,) = (b for b in found.tornado if b.name == "costs.crack.good")
    high = {**COSTS, "crack": COSTS["crack"] | {"good": 9000}}
    decided = found.economics.decision_cost  # decisions stay as at likely, so only the sum moves
    assert decided is not None
    missed = found.miss_rate  # of cracks and stains together, so at most this share of cracks
    annuity = (1 - 1.08**-5) / 0.08
    assert 0 <= bar.npv_low - bar.npv_high <= 7000 * 0.04 * missed * 200_000 * annuity
    assert high != unsure


def test_the_protocol_is_chosen_by_the_matrix_too():
    setting = setting_of(inputs_of(by_class()))
    sharp = np.eye(3)[np.tile(np.arange(3), 60)]
    assert validation_cost(setting, arm(val_probabilities=[sharp])) < validation_cost(
        setting, arm()
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"costs": {"good": {"good": 0}, "crack": {"good": 1, "crack": 0}}}, "costs.good"),
        ({"prevalence": 0.1}, "prevalence"),
        ({"prevalence": {"crack": 0.1}}, "costs"),
        ({"good_classes": ["fine"]}, "good_classes"),
        ({"review": {"cost_per_item": 1}}, "review"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused_at_its_field(changes: dict[str, Any], field: str):
    given = {"costs": COSTS, "prevalence": SHARES, "good_classes": []} | changes
    with pytest.raises(UserError) as caught:
        case(**given)
    assert caught.value.field == field


def test_a_matrix_for_other_classes_than_the_data_is_refused():
    other = arm(classes=("good", "crack", "hole"))
    with pytest.raises(UserError, match="exactly the classes of the data") as caught:
        evaluate_case(by_class(), [other])
    assert caught.value.field == "costs"
