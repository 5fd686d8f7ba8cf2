"""A case and the arms' scores in, figures and verdicts out: the whole of ROI.md for one pilot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from digpt.errors import UserError
from jobs.roi import decision, no_model, risk
from jobs.roi.arm import (
    RATES,
    Measured,
    World,
    check_and_resample,
    figures_of,
    measure,
    minimum_missed,
)
from jobs.roi.case import amount
from jobs.roi.decision import ArmFigures, Experiment, Gate, Reason, RepeatedChoice
from jobs.roi.evidence import ArmEvidence, unusable
from jobs.roi.figures import Figures, MoreLabels
from jobs.roi.learning import with_forecast
from jobs.roi.ranges import Range
from jobs.roi.schema import Case


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """All figures of one arm. Without a verdict, `reasons` says why; figures may be missing."""

    arm: str
    method: str
    tokenizer: str | None
    protocol: str
    label_budget: int | str | None
    labels_used: int  # priced into the arm's one-off cost
    verdict: str | None
    reasons: list[Reason]
    figures: Figures | None = None


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """The case's answer."""

    currency: str
    arms: dict[str, ArmResult]
    baseline: str | None  # None: do nothing
    verdict: str | None
    chosen_arm: str | None
    reasons: list[Reason]
    evpi: float | None
    repeated: RepeatedChoice | None
    draws: int
    seed: int
    evppi: Mapping[str, float] = field(default_factory=dict)  # by input, and "model.rates:ARM"
    experiments: tuple[Experiment, ...] = ()  # what could be learned, most worthwhile first
    inputs: Mapping[str, Range] = field(default_factory=dict)  # the uncertain ones


def evaluate_case(
    case: Case, arms: Sequence[ArmEvidence], *, draws: int = 10_000, seed: int = 0
) -> CaseResult:
    """Figures and verdict of every arm and of the project; the same inputs give the same answer."""
    _check_names(arms)
    world = World(case, draws, seed)
    against_all = blocked(case)
    reasons_against = {e.arm: against_all or unusable(e) for e in arms}
    failed = {name: reason for name, reason in reasons_against.items() if reason is not None}
    usable = [e for e in arms if e.arm not in failed]
    check_and_resample(world, [rung for e in usable for rung in (e, *e.ladder)])
    measured = {e.arm: measure(world, e) for e in usable}
    gate = gate_of(case)
    figures = {name: m.gate_figures() for name, m in measured.items()}
    baseline = decision.find_baseline(figures)
    base = figures[baseline] if baseline is not None else None
    rule = no_model.best_rule(world) if measured else None
    results: dict[str, ArmResult] = {}
    for evidence in arms:
        name = evidence.arm
        if name in failed:
            results[name] = _result(evidence, None, [failed[name]], None)
            continue
        gain = decision.increment(figures[name], base)
        verdict, reasons = decision.arm_verdict(name, figures[name], gate, baseline, gain)
        shown = figures_of(measured[name], gain, measured[baseline] if baseline else None)
        shown = with_forecast(shown, measured[name])
        reasons = [*reasons, *minimum_missed(case, name, shown)]
        if verdict is not None and rule is not None:
            reasons[1:1] = no_model.against(name, figures[name], rule)
        results[name] = _result(evidence, verdict, reasons, shown)
    return _project(world, results, measured, against_all, baseline)


def _project(
    world: World,
    results: dict[str, ArmResult],
    measured: Mapping[str, Measured],
    against_all: Reason | None,
    baseline: str | None,
) -> CaseResult:
    case, gate = world.case, gate_of(world.case)
    figures = {name: m.gate_figures() for name, m in measured.items()}
    npv_draws = np.stack([f.npv_draws for f in figures.values()]) if figures else None
    evppi = {} if npv_draws is None else _evppi(world, measured, npv_draws)
    value = None if npv_draws is None else risk.evpi(npv_draws)
    repeated = decision.repeat_choice(figures) if figures else None
    experiments = _experiments(world, results, measured, evppi)
    verdict, chosen, reasons = decision.project_verdict(
        {name: result.verdict for name, result in results.items()},
        {name: float(f.npv_draws.mean()) for name, f in figures.items()},
        experiments=experiments,
        evpi=value or 0.0,
        gate=gate,
    )
    if verdict is None:
        reasons = [against_all] if against_all else decision.missing_inputs(gate) or reasons
    if repeated is not None and chosen is not None:
        reasons = [*reasons, _choice_reason(chosen, figures[chosen], repeated)]
    return CaseResult(
        currency=case.currency,
        arms=results,
        baseline=baseline,
        verdict=verdict,
        chosen_arm=chosen,
        reasons=reasons,
        evpi=value,
        repeated=repeated,
        draws=world.draws,
        seed=world.seed,
        evppi=evppi,
        experiments=tuple(decision.by_worth(experiments)),
        inputs=world.inputs.ranges if results and against_all is None else {},
    )


def _choice_reason(chosen: str, arm: ArmFigures, repeated: RepeatedChoice) -> Reason:
    facts: dict[str, float | str] = {
        "arm": chosen,
        "p": risk.share_positive(arm.npv_draws)[0],
        "p_repeated": repeated.p,
        "npv": repeated.npv,
        "npv_corrected": repeated.npv_corrected,
        "chosen_share": repeated.chosen_share[chosen],
    }
    return Reason("choice-repeated", facts)


def _evppi(
    world: World, measured: Mapping[str, Measured], npv_draws: np.ndarray
) -> dict[str, float]:
    """Value of knowing an input, or all rates of one arm, for the choice among all arms."""
    learned = world.learned | {f"{RATES}:{name}": m.learned_rates for name, m in measured.items()}
    ceiling = risk.evpi(npv_draws)
    return {name: min(risk.evpi(x.fit(npv_draws)), ceiling) for name, x in learned.items()}


def _experiments(
    world: World,
    results: Mapping[str, ArmResult],
    measured: Mapping[str, Measured],
    evppi: Mapping[str, float],
) -> list[Experiment]:
    """What could be learned or bought before deciding."""
    case = world.case
    label = float(world.likely.price_per_label)
    studies = [
        Experiment("study", "", evppi[name], _study_price(case, name), name)
        for name in world.inputs.ranges
        if evppi
    ]
    tests = [  # its price is that of labelling as many test items again
        Experiment(
            "test-rates",
            name,
            evppi[f"{RATES}:{name}"],
            label * len(m.evidence.test_positive) if label > 0 else None,
        )
        for name, m in measured.items()
    ]
    more = [
        Experiment("more-labels", name, best.worth, best.price, float(best.labels))
        for name, result in results.items()
        if (best := _best_labels(result.figures)) is not None
    ]
    of_one_class = [
        Experiment("more-labels", name, best.worth, best.price, float(best.labels), best.name)
        for name, result in results.items()
        if result.figures
        for best in result.figures.class_labels[:1]
    ]
    return [*studies, *tests, *more, *of_one_class]


def _best_labels(figures: Figures | None) -> MoreLabels | None:
    """The number of labels of highest value that is no far extrapolation."""
    near = [x for x in figures.more_labels if not x.is_far] if figures else []
    return max(near, key=lambda x: x.value, default=None)


def _study_price(case: Case, name: str) -> float | None:
    return amount(case.study_prices[name]) if name in case.study_prices else None


def _check_names(arms: Sequence[ArmEvidence]) -> None:
    names = [evidence.arm for evidence in arms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"The arm {twice[0]!r} comes with several protocols or label budgets. "
            "Choose one with choose_evidence.",
            code="arm-twice",
            field="arms",
            arm=twice[0],
        )


def blocked(case: Case) -> Reason | None:
    """What keeps the whole case from having figures."""
    has_classes = case.good_classes or case.positive_classes or isinstance(case.prevalence, dict)
    return None if has_classes else Reason("no-good-class")


def gate_of(case: Case) -> Gate:
    """The bars that the manager set."""
    cost, budget = case.next_stage_cost, case.stage_budget
    return Gate(
        None if cost is None else amount(cost),
        None if budget is None else amount(budget),
        case.p_go,
        case.p_no,
    )


def _result(
    evidence: ArmEvidence, verdict: str | None, reasons: list[Reason], figures: Figures | None
) -> ArmResult:
    return ArmResult(
        arm=evidence.arm,
        method=evidence.method,
        tokenizer=evidence.tokenizer,
        protocol=evidence.protocol,
        label_budget=evidence.label_budget,
        labels_used=evidence.labels_used,
        verdict=verdict,
        reasons=reasons,
        figures=figures,
    )
