"""From predictions to a business case: scores of every arm, and an example case to start from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from digpt.data.dataset import ImageDataset
from digpt.data.prepared import load_prepared
from digpt.errors import UserError
from digpt.transfer.predictions import labelled
from jobs.compare import ArmResults, budget_order
from jobs.money.pricing import PriceTable
from jobs.roi import ArmEvidence, CaseResult, choose_evidence, evaluate_case
from jobs.roi.case import in_currency, parse_case
from jobs.roi.headline import Headline, headline
from jobs.roi.schema import Case
from jobs.store.records import ArmRecord

DRAWS = 10_000
MOST_READ = 60  # arms whose scores are kept between cases
# An invented production line, in USD; what is known of the pilot itself replaces its parts.
EXAMPLE: dict[str, Any] = {
    "currency": "USD",
    "items_per_year": 1_200_000,
    "prevalence": 0.008,
    "cost_miss": 60,
    "cost_false_alarm": 0.5,
    "today": {"miss_rate": 0.06, "false_alarm_rate": 0.02, "process_per_item": 0.05},
    "inference_per_item": 0.0005,
    "one_off": 52_000,
    "labels": {"price_per_label": 3},
    "run_per_year": 18_000,
    "horizon_years": 3,
    "discount_rate": 0.08,
    "ramp": [0.5],
    "next_stage_cost": 8_000,
    "stage_budget": 15_000,
}


Read = dict[object, list[ArmEvidence]]  # what was read from folders of results: they never change


def decide(
    case: Case,
    arms: Sequence[ArmRecord],
    finished: Sequence[ArmResults],
    spent: Mapping[str, float],
    read: Read | None = None,
) -> CaseResult:
    """Every arm with the evidence that ROI.md section 1.0 names; unfinished arms without any.

    `read` keeps what was read for the next case.
    """
    case, chosen = _judged(case, arms, finished, spent, {} if read is None else read)
    return evaluate_case(case, chosen, draws=DRAWS)


def first_look(
    case: Case,
    arms: Sequence[ArmRecord],
    finished: Sequence[ArmResults],
    spent: Mapping[str, float],
    read: Read,
) -> Headline | None:
    """The first figures of what `decide` says, in a fraction of the time; None without an arm."""
    case, chosen = _judged(case, arms, finished, spent, read)
    return headline(case, chosen, draws=DRAWS)


def _judged(
    case: Case,
    arms: Sequence[ArmRecord],
    finished: Sequence[ArmResults],
    spent: Mapping[str, float],
    read: Read,
) -> tuple[Case, list[ArmEvidence]]:
    """The case with its good classes, and the evidence that every arm is judged on."""
    if finished:
        check_classes(case, _prepared(finished[0].dataset).classes)
    case = _with_good_classes(case, finished)
    by_name = {f.arm.name: f for f in finished}
    candidates = []
    for arm in arms:
        found, money = by_name.get(arm.name), spent[arm.name]
        try:
            own = _evidence(found, case, money, read) if found else []
        except UserError as error:
            if error.code != "missing-predictions":
                raise
            # one arm's loss is not the others'
            own = [replace(_without(arm, money), lost=True)]
        candidates += own or [_without(arm, money)]
    return case, choose_evidence(case, candidates)


@lru_cache(maxsize=8)
def _prepared(folder: Path) -> ImageDataset:
    """A prepared dataset, read once: a case that is typed asks for the same again and again."""
    return load_prepared(folder)


def _evidence(found: ArmResults, case: Case, spent: float, read: Read) -> list[ArmEvidence]:
    """`evidence`, read once for all cases that ask the same of the folders."""
    column = case.failure.lead_time_column if case.failure else None
    folders = (found.dataset, *sorted(found.predictions.items()))
    key = (found.arm.name, folders, case.named_defects, case.good_classes, column, spent)
    if key not in read:
        if len(read) >= MOST_READ:
            read.clear()
        read[key] = evidence(found, case, spent)
    return read[key]


def evidence(found: ArmResults, case: Case, spent: float) -> list[ArmEvidence]:
    """Scores of one arm at every protocol and label budget it was tried with.

    A score is 1 - p(good), or the sum of the positives' probabilities where the case names them.
    """
    data = _prepared(found.dataset)
    positive = positive_classes(data, case)
    if not positive:
        return []
    val, test = labelled(data, "val"), labelled(data, "test")
    is_positive = np.isin(data.labels, [data.classes.index(c) for c in positive])
    val_cells, test_cells = found.cells("val"), found.cells("test")
    names = np.array(data.classes)
    slices = {name: column[test] for name, column in data.attributes.items()}
    lead_time = data.attributes.get(case.failure.lead_time_column) if case.failure else None
    return [
        ArmEvidence(
            arm=found.arm.name,
            method=found.arm.method,
            tokenizer=found.arm.tokenizer,
            protocol=protocol,
            label_budget=budget if budget == "all" else int(budget),
            labels_used=_labels_used(data, budget),
            val_scores=_scores(val_cells[protocol, budget], data, positive),
            val_positive=is_positive[val],
            test_scores=_scores(test_cells[protocol, budget], data, positive),
            test_positive=is_positive[test],
            groups=data.groups[test] if data.groups is not None else None,
            test_class=names[data.labels[test]],
            val_class=names[data.labels[val]],
            val_lead_time=None if lead_time is None else lead_time[val],
            test_lead_time=None if lead_time is None else lead_time[test],
            slices=slices,
            labels_by_class=dict(
                zip(data.classes, _labels_by_class(data, budget).tolist(), strict=True)
            ),
            classes=data.classes,
            val_probabilities=_flat(val_cells[protocol, budget]),
            test_probabilities=_flat(test_cells[protocol, budget]),
            prior=_prior(data, budget),
            pilot_cost_money=spent,
            seeds=tuple(
                (p, s)
                for p, row in enumerate(test_cells[protocol, budget])
                for s in range(len(row))
            ),
        )
        for protocol, budget in sorted(test_cells, key=lambda c: (c[0], budget_order(c[1])))
    ]


def positive_classes(data: ImageDataset, case: Case) -> tuple[str, ...]:
    """Classes that count as a defect: as the case names them, else all but the good ones."""
    if case.named_defects:
        return tuple(c for c in data.classes if c in case.named_defects)
    good = case.good_classes or data.good_classes
    return tuple(c for c in data.classes if c not in good) if good else ()


def check_classes(case: Case, classes: Sequence[str]) -> None:
    """Refuse a case that names a class which the dataset does not have."""
    for field, named in (
        ("good_classes", case.good_classes),
        ("positive_classes", case.positive_classes),
        ("prevalence", case.prevalence if isinstance(case.prevalence, dict) else ()),
        ("costs", case.costs or ()),
    ):
        unknown = next((c for c in named if c not in classes), None)
        if unknown is not None:
            raise UserError(
                f"Case field {field!r} names class {unknown!r}, which the dataset does not have. "
                f"Its classes: {', '.join(classes)}.",
                code="case-class",
                field=field,
                value=unknown,
            )


def example_case(good_classes: Sequence[str], currency: str, prices: PriceTable) -> Case:
    """The example in this home's currency, with the dataset's own good classes."""
    case = parse_case(EXAMPLE | {"good_classes": list(good_classes)})
    return in_currency(case, currency, prices)


def _with_good_classes(case: Case, finished: Sequence[ArmResults]) -> Case:
    """A case that names no class takes the dataset's own good ones."""
    if case.good_classes or case.named_defects or not finished:
        return case
    good = _prepared(finished[0].dataset).good_classes
    return case.model_copy(update={"good_classes": good})


def _scores(
    cells: Sequence[Sequence[np.ndarray]], data: ImageDataset, positive: Sequence[str]
) -> list[np.ndarray]:
    columns = [data.classes.index(c) for c in positive]
    return [p[:, columns].sum(axis=1).astype(np.float64) for p in _flat(cells)]


def _flat(cells: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Predictions of all pretraining and label seeds, one after the other."""
    return [p for row in cells for p in row]


def _labels_used(data: ImageDataset, budget: str) -> int:
    return int(_labels_by_class(data, budget).sum())


def _labels_by_class(data: ImageDataset, budget: str) -> np.ndarray:
    """Labels (K,) that a budget takes of each class."""
    train = data.labels[labelled(data, "train")]
    counts = np.bincount(train, minlength=len(data.classes))
    return counts if budget == "all" else np.minimum(counts, int(budget))


def _prior(data: ImageDataset, budget: str) -> tuple[float, ...]:
    """The class mix that a budget's probabilities were learned on."""
    counts = _labels_by_class(data, budget)
    return tuple((counts / counts.sum()).tolist())


def _without(arm: ArmRecord, spent: float) -> ArmEvidence:
    return ArmEvidence(
        arm=arm.name,
        method=arm.method,
        tokenizer=arm.tokenizer,
        protocol="",
        label_budget=None,
        labels_used=0,
        pilot_cost_money=spent,
        failed=arm.status in ("failed", "cancelled"),
    )
