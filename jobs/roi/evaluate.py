"""A case and the arms' scores in, figures and verdicts out: the whole of ROI.md for one pilot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from digpt.errors import UserError
from jobs.roi import decision, risk
from jobs.roi.arm import Measured, World, figures_of, measure, minimum_missed
from jobs.roi.case import amount
from jobs.roi.decision import ArmFigures, Experiment, Gate, Reason, RepeatedChoice
from jobs.roi.evidence import ArmEvidence, unusable
from jobs.roi.figures import Figures
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


def evaluate_case(
    case: Case, arms: Sequence[ArmEvidence], *, draws: int = 10_000, seed: int = 0
) -> CaseResult:
    """Figures and verdict of every arm and of the project; the same inputs give the same answer."""
    _check_names(arms)
    world = World(case, draws, seed)
    blocked = _blocked(case)
    measured: dict[str, Measured] = {}
    failed: dict[str, Reason] = {}
    for evidence in arms:
        reason = blocked or unusable(evidence)
        if reason is None:
            measured[evidence.arm] = measure(world, evidence)
        else:
            failed[evidence.arm] = reason
    gate = _gate(case)
    figures = {name: m.gate_figures() for name, m in measured.items()}
    baseline = decision.find_baseline(figures)
    base = figures[baseline] if baseline is not None else None
    results: dict[str, ArmResult] = {}
    for evidence in arms:
        name = evidence.arm
        if name in failed:
            results[name] = _result(evidence, None, [failed[name]], None)
            continue
        gain = decision.increment(figures[name], base)
        verdict, reasons = decision.arm_verdict(name, figures[name], gate, baseline, gain)
        shown = figures_of(measured[name], gain, measured[baseline] if baseline else None)
        missed = minimum_missed(case, name, shown)
        results[name] = _result(evidence, verdict, [*reasons, *missed], shown)
    return _project(case, results, figures, measured, blocked, (baseline, draws, seed))


def _project(
    case: Case,
    results: dict[str, ArmResult],
    figures: Mapping[str, ArmFigures],
    measured: Mapping[str, Measured],
    blocked: Reason | None,
    run: tuple[str | None, int, int],
) -> CaseResult:
    baseline, draws, seed = run
    value = risk.evpi(np.stack([f.npv_draws for f in figures.values()])) if figures else None
    repeated = decision.repeat_choice(figures) if figures else None
    verdict, chosen, reasons = decision.project_verdict(
        {name: result.verdict for name, result in results.items()},
        {name: float(f.npv_draws.mean()) for name, f in figures.items()},
        experiments=_experiments(case, figures, measured),
        evpi=value or 0.0,
        gate=_gate(case),
    )
    if verdict is None:
        reasons = [blocked] if blocked else decision.missing_inputs(_gate(case)) or reasons
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
        draws=draws,
        seed=seed,
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


def _experiments(
    case: Case, figures: Mapping[str, ArmFigures], measured: Mapping[str, Measured]
) -> list[Experiment]:
    """Knowing one arm's rates better: its price is that of labelling as many test items again."""
    if not figures:
        return []
    npv_draws = np.stack([f.npv_draws for f in figures.values()])
    price = amount(case.labels.price_per_label)
    return [
        Experiment(
            "test-rates",
            name,
            risk.evppi(np.stack(list(m.rate_inputs().values())), npv_draws),
            price * len(m.evidence.test_positive) if price > 0 else None,
        )
        for name, m in measured.items()
    ]


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


def _blocked(case: Case) -> Reason | None:
    """What keeps the whole case from having figures."""
    has_classes = case.good_classes or case.positive_classes or isinstance(case.prevalence, dict)
    return None if has_classes else Reason("no-good-class")


def _gate(case: Case) -> Gate:
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
