"""A case and invented scores that the tests of several modules share."""

from typing import Any

import numpy as np

from jobs.roi import ArmEvidence, Case, parse_case
from jobs.roi.evaluate import ArmResult, CaseResult
from jobs.roi.figures import Figures

VALUES: dict[str, Any] = {
    "currency": "JPY",
    "items_per_year": 200_000,
    "prevalence": 0.01,
    "good_classes": ["normal"],
    "cost_miss": 5000,
    "cost_false_alarm": 80,
    "today": {"miss_rate": 0.2, "false_alarm_rate": 0.03, "process_per_item": 12},
    "inference_per_item": 0.5,
    "one_off": 4e6,
    "run_per_year": 6e5,
    "horizon_years": 5,
    "discount_rate": 0.08,
    "labels": {"price_per_label": 30},
    "next_stage_cost": 1e6,
    "stage_budget": 2e6,
}
DRAWS = 2000


def case(**changes: object) -> Case:
    """VALUES with some fields changed."""
    return parse_case({**VALUES, **changes})


def evidence(name: str = "a", *, gap: float = 3.0, seeds: int = 2, **changes: Any) -> ArmEvidence:
    """Scores of good and bad items `gap` standard deviations apart."""
    rng = np.random.default_rng(int(gap * 100) + seeds)
    val, test = np.arange(300) % 3 == 0, np.arange(400) % 4 == 0
    known: dict[str, Any] = {
        "arm": name,
        "method": "digpt",
        "tokenizer": "filters",
        "protocol": "probe",
        "label_budget": 20,
        "labels_used": 160,
        "val_scores": [rng.normal(gap * val, 1) for _ in range(seeds)],
        "val_positive": val,
        "test_scores": [rng.normal(gap * test, 1) for _ in range(seeds)],
        "test_positive": test,
    }
    return ArmEvidence(**{**known, **changes})


def only(result: CaseResult) -> ArmResult:
    """The one arm of a result."""
    (arm,) = result.arms.values()
    return arm


def figures(result: CaseResult, name: str = "a") -> Figures:
    """The figures of an arm that has some."""
    found = result.arms[name].figures
    assert found is not None
    return found
