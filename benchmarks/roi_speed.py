"""How long a business case takes: `python -m benchmarks.roi_speed`.

10,000 draws over 1,000 test items and three seeds, item resamples cached as they are when a money
input moves. The bars: one arm in 100 ms, twelve arms in 300 ms.
"""

import time

import numpy as np

from jobs.roi import ArmEvidence, Case, evaluate_case, parse_case

ITEMS, SEEDS, REPEATS = 1_000, 3, 7
CASE = {
    "currency": "USD",
    "items_per_year": 1_200_000,
    "prevalence": 0.01,
    "good_classes": ["good"],
    "cost_miss": 60,
    "cost_false_alarm": 0.5,
    "today": {"miss_rate": 0.06, "false_alarm_rate": 0.02, "process_per_item": 0.05},
    "one_off": 50_000,
    "run_per_year": 18_000,
    "horizon_years": 3,
    "discount_rate": 0.08,
    "next_stage_cost": 8_000,
    "stage_budget": 15_000,
}


def main() -> int:
    case, arms = parse_case(CASE), [evidence(n) for n in range(12)]
    evaluate_case(case, arms)
    print("arms | median ms | bar ms")
    for count, bar in ((1, 100), (12, 300)):
        print(f"{count} | {1000 * median_seconds(case, arms[:count]):.0f} | {bar}")
    return 0


def median_seconds(case: Case, arms: list[ArmEvidence]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        evaluate_case(case, arms)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def evidence(n: int) -> ArmEvidence:
    """An invented arm; arms differ in how far defects score above good items."""
    rng = np.random.default_rng(n)
    positive = np.arange(ITEMS) % 2 == 0

    def scores() -> list[np.ndarray]:
        return [rng.normal(positive * (1.5 + n / 10)) for _ in range(SEEDS)]

    return ArmEvidence(
        arm=f"arm-{n}",
        method="digpt",
        tokenizer="filters",
        protocol="finetune",
        label_budget=20,
        labels_used=160,
        val_scores=scores(),
        val_positive=positive,
        test_scores=scores(),
        test_positive=positive,
    )


if __name__ == "__main__":
    raise SystemExit(main())
