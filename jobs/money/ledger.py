"""What a pilot has cost: incrementally (reused stages free) and stand-alone. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jobs.money.pricing import PriceTable


@dataclass(frozen=True, slots=True)
class AttemptCost:
    """One attempt of a stage as metered. `device` is cpu or the accelerator's name."""

    stage: str  # the stage's key
    pilot: str  # the pilot that ran it
    device: str
    device_seconds: float  # occupied, failed attempts too
    cores: float = 1.0  # CPU cores held, or accelerators
    flops: float = 0.0
    energy_kwh: float | None = None  # None: not measured, estimated from the device's power
    succeeded: bool = True


@dataclass(frozen=True, slots=True)
class Cost:
    """A sum. `energy_estimated_kwh` is the part of the energy that was not measured."""

    device_seconds: float
    flops: float
    energy_kwh: float
    energy_estimated_kwh: float
    money: float
    currency: str


@dataclass(frozen=True, slots=True)
class Costs:
    """Both ways to count. Stand-alone shares a stage's cost with nobody."""

    incremental: Cost
    standalone: Cost


def attempt_cost(attempt: AttemptCost, prices: PriceTable, currency: str) -> Cost:
    """Money and energy of one attempt in the reporting currency."""
    seconds, cores = attempt.device_seconds, attempt.cores
    guessed = 0.0
    if attempt.energy_kwh is None:
        guessed = prices.energy_kwh(attempt.device, seconds, cores)
    return Cost(
        device_seconds=seconds,
        flops=attempt.flops,
        energy_kwh=guessed if attempt.energy_kwh is None else attempt.energy_kwh,
        energy_estimated_kwh=guessed,
        money=prices.cost(attempt.device, seconds, currency, cores),
        currency=currency,
    )


def total(costs: Iterable[Cost], currency: str) -> Cost:
    """The sum of costs, all in `currency`; nothing sums to zero."""
    parts = list(costs)
    assert all(part.currency == currency for part in parts)
    return Cost(
        device_seconds=sum(part.device_seconds for part in parts),
        flops=sum(part.flops for part in parts),
        energy_kwh=sum(part.energy_kwh for part in parts),
        energy_estimated_kwh=sum(part.energy_estimated_kwh for part in parts),
        money=sum(part.money for part in parts),
        currency=currency,
    )


def with_ancestors(stages: Iterable[str], parents: Mapping[str, Sequence[str]]) -> set[str]:
    """The given stages and everything they rest on."""
    found: set[str] = set()
    waiting = list(stages)
    while waiting:
        stage = waiting.pop()
        if stage not in found:
            found.add(stage)
            waiting += parents.get(stage, ())
    return found


def cost_of(
    stages: Iterable[str],
    attempts: Sequence[AttemptCost],
    parents: Mapping[str, Sequence[str]],
    *,
    pilot: str,
    prices: PriceTable,
    currency: str,
) -> Costs:
    """Cost of some stages (an arm's, or a pilot's) with all they rest on.

    Incremental: every attempt this pilot made, failed ones too. Stand-alone: of each stage the
    attempt that succeeded, whoever ran it.
    """
    needed = with_ancestors(stages, parents)
    own = [a for a in attempts if a.stage in needed and a.pilot == pilot]
    good = {a.stage: a for a in attempts if a.stage in needed and a.succeeded}
    return Costs(
        incremental=total((attempt_cost(a, prices, currency) for a in own), currency),
        standalone=total((attempt_cost(a, prices, currency) for a in good.values()), currency),
    )


def cost_by_arm(
    arms: Mapping[str, Iterable[str]],
    attempts: Sequence[AttemptCost],
    parents: Mapping[str, Sequence[str]],
    *,
    pilot: str,
    prices: PriceTable,
    currency: str,
) -> dict[str, Costs]:
    """Each arm's costs. A stage that several arms share counts in each, so arms do not add up."""
    return {
        arm: cost_of(stages, attempts, parents, pilot=pilot, prices=prices, currency=currency)
        for arm, stages in arms.items()
    }
