"""Arms side by side: one tidy table, paired differences like with like, and evidence for ROI.

Like with like (METHOD section 4): fine-tuned arms are measured against `direct` and `scratch`,
probed ones against `frozen`. The arm that stands for a pilot is chosen on validation images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from digpt.data.prepared import load_prepared
from digpt.errors import pick
from digpt.evaluate.intervals import Difference, Scores, difference, holm, measure
from digpt.evaluate.metrics import METRICS, score
from digpt.transfer.predictions import labelled
from jobs.engine.stages import Cells, read_cells
from jobs.spec import PRETRAINING
from jobs.store.records import ArmRecord, PilotStage, ResultRecord
from jobs.views import GainView

COLUMNS = (
    "pilot",
    "arm",
    "look",
    "method",
    "tokenizer",
    "task",
    "protocol",
    "label_budget",
    "metric",
    "value",
    "low",
    "high",
    "n_seeds",
    "covers",
    "images_seen",
    "device_seconds",
    "flops",
    "energy_kwh",
    "cost",
    "cost_stand_alone",
    "currency",
)
REFERENCES: Mapping[str, tuple[str, ...]] = {  # protocol -> methods it is fair to compare with
    "finetune": ("direct", "scratch"),
    "probe": ("frozen",),
    "knn": ("frozen",),
}
HEADLINE = ("balanced_accuracy", "finetune")  # metric, and the protocol that is preferred


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmResults:
    """One finished arm: where its predictions are."""

    arm: ArmRecord
    evaluation: PilotStage
    dataset: Path  # the prepared dataset
    predictions: Mapping[str, Path]  # "protocol:seed" -> folder

    def cells(self, split: str) -> Cells:
        return read_cells(self.predictions, split)


def tidy(
    pilot: str,
    currency: str,
    arms: Sequence[ArmRecord],
    results: Sequence[ResultRecord],
    costs: Mapping[str, Mapping[str, float]],
) -> pd.DataFrame:
    """One row for each arm, protocol, label budget and metric, with interval and cost."""
    known = {a.name: a for a in arms}
    order = {a.name: i for i, a in enumerate(arms)}
    rows = []
    for r in sorted(
        results,
        key=lambda r: (order[r.arm], r.protocol, budget_order(r.label_budget), r.metric),
    ):
        arm, cost = known[r.arm], costs[r.arm]
        rows.append(
            {
                "pilot": pilot,
                "arm": r.arm,
                "look": arm.look,
                "method": arm.method,
                "tokenizer": arm.tokenizer,
                "task": r.task,
                "protocol": r.protocol,
                "label_budget": r.label_budget,
                "metric": r.metric,
                "value": r.value,
                "low": r.low,
                "high": r.high,
                "n_seeds": r.n_seeds,
                "covers": ", ".join(r.extra.get("covers", ())),
                "images_seen": int(cost["images_seen"]),
                "device_seconds": cost["device_seconds"],
                "flops": cost["flops"],
                "energy_kwh": cost["energy_kwh"],
                "cost": cost["money_now"],
                "cost_stand_alone": cost["money"],
                "currency": currency,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def differences(
    arms: Sequence[ArmResults], *, protocol: str, label_budget: str, metric: str
) -> pd.DataFrame:
    """Every pair of arms at one protocol and budget: paired difference, p and Holm's p."""
    pick(METRICS, metric, "metric")
    scored = _scored(arms, protocol, label_budget, metric)
    pairs = [(a, b) for i, a in enumerate(scored) for b in list(scored)[i + 1 :]]
    found = [difference(scored[a], scored[b]) for a, b in pairs]
    adjusted = holm([d.p_value for d in found])
    rows = [
        _difference_row(a, b, d, p) for (a, b), d, p in zip(pairs, found, adjusted, strict=True)
    ]
    names = ("arm_a", "arm_b", "difference", "low", "high", "p", "p_holm", "covers")
    return pd.DataFrame(rows, columns=list(names))


def gains(
    arms: Sequence[ArmResults], *, protocol: str, label_budget: str, metric: str
) -> pd.DataFrame:
    """Each arm against the references that are fair for this protocol."""
    pick(METRICS, metric, "metric")
    scored = _scored(arms, protocol, label_budget, metric)
    methods = {a.arm.name: a.arm.method for a in arms}
    rows = []
    for method in pick(REFERENCES, protocol, "protocol"):
        for reference in (n for n in scored if methods[n] == method):
            for name in (n for n in scored if n != reference):
                row = _difference_row(name, reference, difference(scored[name], scored[reference]))
                rows.append(
                    {
                        "arm": name,
                        "baseline": reference,
                        "difference": row["difference"],
                        "low": row["low"],
                        "high": row["high"],
                        "p": row["p"],
                        "kind": method,
                    }
                )
    names = ("arm", "baseline", "difference", "low", "high", "p", "kind")
    return pd.DataFrame(rows, columns=list(names))


def outcome(arms: Sequence[ArmResults]) -> tuple[str | None, GainView | None]:
    """Best arm (chosen on validation), and the gain of the best pretrained one, on test.

    The gain is like with like, and shown even where pretraining loses; fine-tuning at its largest
    budget is preferred, because pretraining seeds move the linear probe far more than fine-tuning.
    """
    for protocol in (HEADLINE[1], "probe", "knn"):
        budget = largest_budget(arms, protocol)
        if budget is None:
            continue
        val = {
            a.arm.name: value
            for a in arms
            if (value := _validation_value(a, protocol, budget, HEADLINE[0])) is not None
        }
        pair = _best_and_reference(arms, val, REFERENCES[protocol])
        if pair is not None:
            return best_arm(arms), _gain(*pair, protocol, budget)
    return best_arm(arms), None


def best_arm(arms: Sequence[ArmResults]) -> str | None:
    """The arm that is best on validation at the largest common budget, each as a whole product:
    with the protocol that suits it best."""
    cells = {a.arm.name: a.cells("val") for a in arms}
    budget = _largest_common([{b for _, b in own} for own in cells.values()])
    if budget is None:
        return None

    def value(arm: ArmResults) -> float:
        protocols = [p for p, b in cells[arm.arm.name] if b == budget]
        found = [_validation_value(arm, p, budget, HEADLINE[0]) for p in protocols]
        return max(v for v in found if v is not None)

    return max(arms, key=value).arm.name


def _best_and_reference(
    arms: Sequence[ArmResults], val: Mapping[str, float], methods: Sequence[str]
) -> tuple[ArmResults, ArmResults] | None:
    """The best pretrained arm and what it is fairly measured against, where there are both."""
    tried = [a for a in arms if a.arm.name in val]
    pretrained = [a for a in tried if a.arm.method in PRETRAINING]
    references = [a for m in methods for a in tried if a.arm.method == m]
    if not pretrained or not references:
        return None
    return max(pretrained, key=lambda a: val[a.arm.name]), references[0]


def _gain(best: ArmResults, against: ArmResults, protocol: str, budget: str) -> GainView:
    scored = _scored([best, against], protocol, budget, HEADLINE[0])
    found = difference(scored[best.arm.name], scored[against.arm.name]).headline
    return GainView(
        arm=best.arm.name,
        look=best.arm.look,
        baseline=against.arm.name,
        metric=HEADLINE[0],
        protocol=protocol,
        label_budget=budget,
        value=found.value,
        low=found.low,
        high=found.high,
    )


def largest_budget(arms: Sequence[ArmResults], protocol: str) -> str | None:
    """The largest label budget that every arm with this protocol has; "all" is the largest."""
    budgets = [{b for p, b in a.cells("test") if p == protocol} for a in arms]
    return _largest_common([b for b in budgets if b])


def _largest_common(budgets: Sequence[set[str]]) -> str | None:
    common = set.intersection(*budgets) if budgets else set()
    return max(common, key=budget_order) if common else None


def budget_order(budget: str) -> float:
    """Sorts label budgets: numbers first, "all" last."""
    return float("inf") if budget == "all" else float(budget)


def _scored(
    arms: Sequence[ArmResults], protocol: str, budget: str, metric: str
) -> dict[str, Scores]:
    return {
        a.arm.name: scores
        for a in arms
        if (scores := _measure(a, protocol, budget, metric)) is not None
    }


def _measure(arm: ArmResults, protocol: str, budget: str, metric: str) -> Scores | None:
    folders = tuple((r, str(p)) for r, p in sorted(arm.predictions.items()))
    draws = int(arm.evaluation.params["bootstrap"])
    return _measured(folders, str(arm.dataset), protocol, budget, metric, draws)


@lru_cache(maxsize=512)  # the costly half; artifacts never change under their path
def _measured(
    folders: tuple[tuple[str, str], ...],
    dataset: str,
    protocol: str,
    budget: str,
    metric: str,
    draws: int,
) -> Scores | None:
    wanted = {r: Path(p) for r, p in folders if r.startswith(f"{protocol}:")}
    probabilities = read_cells(wanted).get((protocol, budget))
    if probabilities is None:
        return None
    data = load_prepared(Path(dataset))
    rows = labelled(data, "test")
    groups = data.groups[rows] if data.groups is not None else None
    return measure(metric, probabilities, data.labels[rows], groups=groups, draws=draws)


def _validation_value(arm: ArmResults, protocol: str, budget: str, metric: str) -> float | None:
    cells = arm.cells("val").get((protocol, budget))
    if cells is None:
        return None
    data = load_prepared(arm.dataset)
    labels = data.labels[labelled(data, "val")]
    return float(np.mean([score(metric, p, labels) for seeds in cells for p in seeds]))


def _difference_row(
    a: str, b: str, found: Difference, adjusted: float | None = None
) -> dict[str, object]:
    interval = found.headline
    return {
        "arm_a": a,
        "arm_b": b,
        "difference": interval.value,
        "low": interval.low,
        "high": interval.high,
        "p": found.p_value,
        "p_holm": adjusted,
        "covers": ", ".join(interval.covers),
    }
