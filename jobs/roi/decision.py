"""The gate: baseline, increments, verdict per arm and for the project (ROI.md §4).

Verdicts carry reasons as facts, never as text: `REASONS` lists every code with its facts, so that
the sentences of each language can be checked for completeness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jobs.roi.risk import share_positive, spread

GO, NO_GO, COLLECT = "GO", "NO-GO", "COLLECT MORE"

# code -> names of its facts. Money is in the case's currency; shares are in [0, 1].
REASONS: dict[str, tuple[str, ...]] = {
    # why there is no verdict
    "arm-failed": ("arm",),
    "results-lost": ("arm",),
    "no-evidence": ("arm", "protocol", "label_budget"),
    "no-good-class": (),
    "no-positive-items": ("arm",),
    "no-negative-items": ("arm",),
    "no-next-stage-cost": (),
    "no-stage-budget": (),
    "no-arms": (),
    # why an arm's verdict is what it is
    "probability-low": ("arm", "p", "p_error", "p_no"),  # P <= p_no
    "probability-high": ("arm", "p", "p_error", "p_go"),  # P >= p_go
    "probability-between": ("arm", "p", "p_error", "p_no", "p_go"),
    "is-baseline": ("arm", "outlay"),
    "beats-baseline": ("arm", "baseline", "mean", "q05", "q95", "p"),
    "not-surely-better": ("arm", "baseline", "mean", "q05", "q95", "p"),  # 5% quantile <= 0
    "beats-nothing": (
        "arm",
        "mean",
        "q05",
        "q95",
        "p",
    ),  # no arm is adequate: against doing nothing
    "not-surely-better-than-nothing": ("arm", "mean", "q05", "q95", "p"),
    # beside the verdict, where one decision for every item pays; npv: that rule's
    # rule: flag | pass, or the class that every item is taken for
    "beats-no-model": ("arm", "rule", "npv", "mean", "q05", "q95"),
    "not-surely-better-than-no-model": ("arm", "rule", "npv", "mean", "q05", "q95"),
    "worse-than-no-model": ("arm", "rule", "npv", "mean", "q05", "q95"),  # 95% quantile < 0
    "within-budget": ("cost", "budget"),
    "over-budget": ("cost", "budget"),
    "minimum-missed": ("arm", "rate", "measured", "minimum"),  # rate: detection | pass | precision
    # why the project's verdict is what it is
    "best-go-arm": ("arm", "npv_mean"),
    "all-no-go": ("arms",),
    "arms-unknown": ("unknown", "arms"),  # the others are not worth it, these have no verdict
    # experiment: one of EXPERIMENTS; subject: what it is about, as there
    "collect-experiment": ("experiment", "arm", "subject", "of_class", "value", "price", "net"),
    "collect-unpriced": ("experiment", "arm", "subject", "of_class", "value"),
    "no-experiment": ("evpi",),
    "more-data-cannot-pay": ("evpi", "best_value", "best_price"),
    "decided-by-mean": ("arm", "npv_mean"),  # arm "" = do nothing
    "choice-repeated": ("arm", "p", "p_repeated", "npv", "npv_corrected", "chosen_share"),
}

EXPERIMENTS = (
    "test-rates",  # know an arm's rates better; no subject
    "more-labels",  # buy labels for an arm, of one class or of all; subject: how many
    "study",  # find an input of the case out; subject: its name
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact behind a verdict; `code` is a key of REASONS and `facts` holds what it lists."""

    code: str
    facts: dict[str, float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert set(self.facts) == set(REASONS[self.code]), (self.code, self.facts)


@dataclass(frozen=True, slots=True)
class Gate:
    """The manager's rule. None: not given, so there is no verdict."""

    next_stage_cost: float | None
    stage_budget: float | None
    p_go: float = 0.90
    p_no: float = 0.10


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmFigures:
    """What the gate looks at. npv_draws (N,) share inputs and resamples with the other arms."""

    npv: float  # at likely
    npv_draws: np.ndarray
    outlay: float
    is_adequate: bool = True  # every minimum rate is met


@dataclass(frozen=True, slots=True)
class Increment:
    """An arm's gain over the baseline, draw by draw."""

    mean: float
    q05: float
    q95: float
    p: float  # share of draws above 0


def find_baseline(arms: Mapping[str, ArmFigures]) -> str | None:
    """The adequate arm of least outlay (ties: higher E[NPV], then name); None: do nothing."""
    adequate = [name for name, arm in arms.items() if arm.npv > 0 and arm.is_adequate]
    if not adequate:
        return None
    return min(adequate, key=lambda n: (arms[n].outlay, -float(arms[n].npv_draws.mean()), n))


def increment(arm: ArmFigures, baseline: ArmFigures | None) -> Increment:
    """Paired difference to the baseline, or to doing nothing."""
    gain = arm.npv_draws - (baseline.npv_draws if baseline is not None else 0.0)
    seen = spread(gain)
    return Increment(seen.mean, seen.q05, seen.q95, share_positive(gain)[0])


def missing_inputs(gate: Gate) -> list[Reason]:
    """What keeps every arm from having a verdict."""
    missing = []
    if gate.next_stage_cost is None:
        missing.append(Reason("no-next-stage-cost"))
    if gate.stage_budget is None:
        missing.append(Reason("no-stage-budget"))
    return missing


def arm_verdict(
    name: str, arm: ArmFigures, gate: Gate, baseline: str | None, gain: Increment
) -> tuple[str | None, list[Reason]]:
    """GO, NO-GO, COLLECT MORE or None, with the reasons in order of weight."""
    missing = missing_inputs(gate)
    cost, budget = gate.next_stage_cost, gate.stage_budget
    if cost is None or budget is None:
        return None, missing
    p, error = share_positive(arm.npv_draws)
    sure = {"arm": name, "p": p, "p_error": error}
    if p <= gate.p_no:
        return NO_GO, [Reason("probability-low", {**sure, "p_no": gate.p_no})]
    is_better = name == baseline or gain.q05 > 0
    reasons = [
        Reason("probability-high", {**sure, "p_go": gate.p_go})
        if p >= gate.p_go
        else Reason("probability-between", {**sure, "p_no": gate.p_no, "p_go": gate.p_go}),
        _against_baseline(name, arm, baseline, gain),
        Reason(
            "within-budget" if cost <= budget else "over-budget", {"cost": cost, "budget": budget}
        ),
    ]
    return GO if p >= gate.p_go and is_better and cost <= budget else COLLECT, reasons


def _against_baseline(name: str, arm: ArmFigures, baseline: str | None, gain: Increment) -> Reason:
    if name == baseline:
        return Reason("is-baseline", {"arm": name, "outlay": arm.outlay})
    facts = {"arm": name, "mean": gain.mean, "q05": gain.q05, "q95": gain.q95, "p": gain.p}
    if baseline is None:
        return Reason("beats-nothing" if gain.q05 > 0 else "not-surely-better-than-nothing", facts)
    code = "beats-baseline" if gain.q05 > 0 else "not-surely-better"
    return Reason(code, {**facts, "baseline": baseline})


@dataclass(frozen=True, slots=True)
class Experiment:
    """Something that could be learned: its expected value and price (None: not known)."""

    kind: str  # one of EXPERIMENTS
    arm: str  # "" for a study
    value: float  # before its price
    price: float | None
    subject: float | str = ""  # as in EXPERIMENTS
    of_class: str = ""  # whose labels; "" for all classes alike, or where it is not about labels

    @property
    def net(self) -> float | None:
        """Value less price."""
        return None if self.price is None else self.value - self.price

    @property
    def facts(self) -> dict[str, float | str]:
        """What a reason says of it."""
        return {
            "experiment": self.kind,
            "arm": self.arm,
            "subject": self.subject,
            "of_class": self.of_class,
            "value": self.value,
        }


def project_verdict(
    verdicts: Mapping[str, str | None],
    npv_means: Mapping[str, float],
    *,
    experiments: Sequence[Experiment] = (),
    evpi: float = 0.0,
    gate: Gate | None = None,
) -> tuple[str | None, str | None, list[Reason]]:
    """Verdict, chosen arm and reasons over the arms that have a verdict.

    `gate` matters only where no experiment pays: what is over budget cannot be decided by E[NPV].
    NO-GO asks for a verdict on every arm: one that failed may be the one that pays.
    """
    judged = {name: verdict for name, verdict in verdicts.items() if verdict is not None}
    if not judged:
        return None, None, [Reason("no-arms")]
    decided = _judged_verdict(judged, npv_means, experiments, evpi, gate)
    unknown = len(verdicts) - len(judged)
    if decided[0] == NO_GO and unknown:
        facts: dict[str, float | str] = {"unknown": unknown, "arms": len(verdicts)}
        return COLLECT, None, [Reason("arms-unknown", facts)]
    return decided


def _judged_verdict(
    judged: Mapping[str, str],
    npv_means: Mapping[str, float],
    experiments: Sequence[Experiment],
    evpi: float,
    gate: Gate | None,
) -> tuple[str, str | None, list[Reason]]:
    go = [name for name, verdict in judged.items() if verdict == GO]
    if go:
        best = min(go, key=lambda name: (-npv_means[name], name))
        return GO, best, [Reason("best-go-arm", {"arm": best, "npv_mean": npv_means[best]})]
    if all(verdict == NO_GO for verdict in judged.values()):
        return NO_GO, None, [Reason("all-no-go", {"arms": len(judged)})]
    undecided = {name: npv_means[name] for name, verdict in judged.items() if verdict == COLLECT}
    return _collect(undecided, experiments, evpi, gate)


def _collect(
    npv_means: Mapping[str, float],
    experiments: Sequence[Experiment],
    evpi: float,
    gate: Gate | None,
) -> tuple[str, str | None, list[Reason]]:
    """COLLECT MORE and what, or a decision by E[NPV] where no experiment is worth its price.

    What has no price yet may still pay, so it is named where nothing priced does, or where it is
    worth more than the best of those.
    """
    ranked = by_worth(experiments)
    if not ranked:
        return COLLECT, None, [Reason("no-experiment", {"evpi": evpi})]
    priced = next((x for x in ranked if x.price is not None), None)
    unpriced = next((x for x in ranked if x.price is None and x.value > 0), None)
    net = priced.net if priced is not None and priced.net is not None else 0.0
    reasons = []
    if priced is not None and priced.price is not None and net > 0:
        facts = {**priced.facts, "price": priced.price, "net": net}
        reasons.append(Reason("collect-experiment", facts))
    if unpriced is not None and unpriced.value > net:
        reasons.append(Reason("collect-unpriced", unpriced.facts))
    if reasons:
        return COLLECT, None, reasons
    top = priced or ranked[0]
    facts: dict[str, float | str] = {
        "evpi": evpi,
        "best_value": top.value,
        "best_price": top.price or 0.0,
    }
    cannot = Reason("more-data-cannot-pay", facts)
    best = min(npv_means, key=lambda name: (-npv_means[name], name))
    mean = npv_means[best]
    if mean <= 0:
        return NO_GO, None, [cannot, Reason("decided-by-mean", {"arm": "", "npv_mean": 0.0})]
    cost, budget = (gate.next_stage_cost, gate.stage_budget) if gate else (None, None)
    if cost is not None and budget is not None and cost > budget:
        return COLLECT, None, [cannot, Reason("over-budget", {"cost": cost, "budget": budget})]
    return GO, best, [cannot, Reason("decided-by-mean", {"arm": best, "npv_mean": mean})]


def by_worth(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Those with a price by value less price, then those without by value."""
    return sorted(
        experiments,
        key=lambda x: (x.price is None, -(x.value if x.net is None else x.net), x.kind, x.arm),
    )


@dataclass(frozen=True, slots=True)
class RepeatedChoice:
    """The best arm's figures once its choice is made anew in every draw."""

    p: float  # P(NPV > 0) of the arm chosen on one resample, seen on the others
    npv: float  # best arm's NPV at likely
    npv_corrected: float  # the same less what choosing the best flatters it by
    chosen_share: dict[str, float]  # how often each arm is the best


def repeat_choice(arms: Mapping[str, ArmFigures]) -> RepeatedChoice:
    """Optimism of choosing: the chosen arm's NPV in its own draw, less its NPV as measured."""
    names = list(arms)
    draws = np.stack([arms[name].npv_draws for name in names])  # (A, N)
    likely = np.array([arms[name].npv for name in names])
    chosen = draws.argmax(axis=0)  # (N,)
    share = np.bincount(chosen, minlength=len(names)) / draws.shape[1]
    optimism = float((draws.max(axis=0) - likely[chosen]).mean())
    return RepeatedChoice(
        p=float(share @ (draws > 0).mean(axis=1)),
        npv=float(likely.max()),
        npv_corrected=float(likely.max() - optimism),
        chosen_share={name: float(s) for name, s in zip(names, share, strict=True)},
    )
