"""Which class's labels to buy first, from each class's own part of the cost (ROI.md §3.8).

The cost of decisions k is a sum over the classes. Each class's part is followed over the label
budgets by the number of its own labels, and only that part moves when only its labels grow. The
pilot raised all classes together, so that a class's errors hang on its own labels alone is assumed:
what comes out says where to begin, and is told with that assumption.

Legend: R label budgets, n test items, D draws.
"""

from collections.abc import Sequence

import numpy as np

from jobs.roi import cashflow
from jobs.roi.arm import Measured
from jobs.roi.bootstrap import unit_counts
from jobs.roi.evidence import ArmEvidence
from jobs.roi.figures import ClassLabels
from jobs.roi.labels import fit_power_law, value_of_labels
from jobs.roi.slices import ItemOutcomes, item_outcomes

DRAWS = 500
SURE = 0.95  # of the draws: a class whose cost did not fall so surely is not forecast
STEPS = (0.25, 0.5, 1.0, 2.0, 3.0)  # more labels, as multiples of those of now: never far


def worth_by_class(rungs: Sequence[Measured], m: Measured) -> tuple[ClassLabels, ...]:
    """The best number of labels of every class alone that can be forecast, best value first.

    `rungs` are the arm at growing label budgets, `m` among them; costs of errors are those at
    likely values.
    """
    if m.evidence.test_class is None or not all(r.evidence.labels_by_class for r in rungs):
        return ()
    seen = [item_outcomes(r.world.setting, r.evidence, r.behaviour.cuts) for r in rungs]
    now = next(n for n, r in enumerate(rungs) if r is m)
    found = [
        best
        for name, costs in _parts(m.evidence, seen).items()
        if (best := _best(name, costs, rungs, now)) is not None
    ]
    return tuple(sorted(found, key=lambda x: (-x.value, x.name)))


def _parts(evidence: ArmEvidence, seen: Sequence[ItemOutcomes]) -> dict[str, np.ndarray]:
    """What each class's errors cost per item produced, in every draw at every budget (D, R)."""
    rows, kind = seen[0].rows, seen[0].kind
    names = np.asarray(evidence.test_class)[rows]
    units = rows if evidence.groups is None else np.asarray(evidence.groups)[rows]
    costs = np.stack([s.cost for s in seen])  # (R, n)
    parts = {}
    for name in np.unique(names):
        of = names == name
        k = kind[of][0]
        occurs = seen[0].prevalence[k] * of.sum() / (kind == k).sum()
        parts[str(name)] = occurs * _resampled(costs[:, of], units[of])
    return parts


def _resampled(costs: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Mean cost (D, R) of a class's items (R, n) in draws of them, or of whole groups."""
    names, place = np.unique(units, return_inverse=True)
    sums = np.stack([np.bincount(place, row, len(names)) for row in costs], axis=1)  # (U, R)
    sizes = np.bincount(place, minlength=len(names))
    counts = unit_counts((len(names),), 0, 0, DRAWS)  # (D, U)
    return (counts @ sums) / (counts @ sizes)[:, None]


def _best(name: str, costs: np.ndarray, rungs: Sequence[Measured], now: int) -> ClassLabels | None:
    """None where too few budgets differ in this class's labels, or its cost did not surely fall."""
    m = rungs[now]
    labels = np.array([float(r.evidence.labels_by_class.get(name, 0)) for r in rungs])
    if labels.min() == 0 or (costs[:, 0] > costs[:, now]).mean() < SURE:
        return None
    errors = costs.std(axis=0)
    laws = fit_power_law(labels, costs, errors if np.all(errors > 0) else None)
    if laws is None:
        return None
    per_label = float(np.mean(m.world.drawn.price_per_label))
    steps = [
        value_of_labels(
            laws,
            labels_now=labels[now],
            labels_more=more,
            price_per_label=per_label,
            cost_now=costs[:, now],
            npv_now=float(m.npv_draws.mean()),
            discounted_items=float(np.mean(cashflow.discounted_items(m.drawn))),
        )
        for more in sorted({max(1, round(labels[now] * step)) for step in STEPS})
    ]
    best = max(steps, key=lambda s: s.value)
    price = per_label * best.labels
    return ClassLabels(
        name=name,
        labels=int(best.labels),
        labels_now=int(labels[now]),
        price=price if per_label > 0 else None,
        worth=best.value + price,
        value=best.value,
    )
