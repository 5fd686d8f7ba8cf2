"""Time, money and energy of a plan before it is launched, with an 80% interval. Pure.

A stage's seconds are `units x unit_cost_hint x seconds per hinted unit`. The last factor comes from
stages of the same kind that ran before; without any, from the device's calibration and a prior
with a wide interval. Reused stages cost nothing.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from scipy.stats import t as student

from digpt.errors import UserError
from jobs.money.pricing import PriceTable, RateShown

COVERAGE = 0.8
DRAWS = 2000
PRIOR_SD = 0.7  # of log seconds where nothing was seen: 80% within a factor of 2.5 either way
PRIOR_WEIGHT = 3.0  # the prior counts as this many observations of PRIOR_SPREAD
PRIOR_SPREAD = 0.25  # of log seconds between like stages
NEWEST = 50  # observations of a kind that count
LIKE_UNIT, LIKE_WORK = 4.0, 16.0  # how far a like stage's unit and whole may be from the planned

# Share of the GEMM rate that a stage of this kind reaches where it has never run, and its fixed
# seconds (start, reading, writing). Only until a like stage of the kind is in the history.
UTILISATION: Mapping[str, float] = {"pretrain": 0.35, "tokenize": 0.5, "finetune": 0.3}
OTHER_UTILISATION = 0.25
LARGE_UNIT, LARGE_UTILISATION = 1e9, 0.6  # networks of that many FLOPs have larger matrices
# Work of a core, whatever the device, and the rate of one where an accelerator was calibrated.
CORE_KINDS, CORE_GFLOPS = ("prepare", "init", "probe", "knn", "evaluate"), 60.0
LAUNCH_SECONDS = 2e-4  # of an image on an accelerator: below, launching kernels takes the time
NETWORKS = ("pretrain", "tokenize", "features", "finetune")
OVERHEAD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one device was seen to do. `gflops`: fp32, a multiply-add counts as two."""

    device: str  # cpu, or the accelerator's name
    threads: int
    gflops: float


@dataclass(frozen=True, slots=True)
class StageWork:
    """One planned stage: `units` (images or fits) of `unit_cost_hint` each (FLOPs, or relative)."""

    key: str
    kind: str
    units: float
    unit_cost_hint: float
    reused: bool
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What a finished stage took. `device` as in Calibration."""

    kind: str
    seconds: float
    units: float
    unit_cost_hint: float
    device: str


@dataclass(frozen=True, slots=True)
class Range:
    """An 80% interval around the likely value."""

    low: float
    likely: float
    high: float


NOTHING = Range(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """One stage's seconds, and what they rest on: past stages of the kind seen on this device."""

    key: str
    kind: str
    seconds: Range
    reused: bool
    observations: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """The whole plan. Money and energy count device-seconds, wall time counts slots."""

    stages: list[StageEstimate]
    wall_seconds: Range
    device_seconds: Range
    money: Range
    currency: str
    rate_shown: RateShown
    energy_kwh: Range
    saved_by_reuse: Range  # device-seconds that reused stages would have taken


def estimate(
    stages: Sequence[StageWork],
    *,
    calibration: Calibration,
    history: Sequence[History] = (),
    prices: PriceTable,
    currency: str,
    slots: int = 1,
    cores_per_slot: float = 1.0,
    seed: int = 0,
) -> Estimate:
    """Seconds, money and energy of a plan on `slots` stages side by side."""
    if slots < 1:
        raise UserError(
            f"The number of stages side by side is {slots}; it must be at least 1.",
            code="bad-slots",
            field="slots",
            value=slots,
        )
    rng = np.random.default_rng(seed)
    speeds = {work.key: _Speed.of(work, calibration, history) for work in stages}
    kinds = sorted({work.kind: speeds[work.key].freedom for work in stages}.items())
    shared = {kind: rng.standard_t(freedom, DRAWS) for kind, freedom in kinds}
    likely = {work.key: speeds[work.key].likely(work) for work in stages}
    drawn = {
        work.key: speeds[work.key].draws(work, shared[work.kind], rng) for work in stages
    }  # (DRAWS,)
    new = [work for work in stages if not work.reused]
    device = _total([work.key for work in new], likely, drawn)
    graph = _Graph.of(stages)
    some = range(0, DRAWS, 20)
    wall_draws = [_wall(graph, stages, {k: v[n] for k, v in drawn.items()}, slots) for n in some]
    _, entry = prices.entry(calibration.device)
    per_second = prices.cost(calibration.device, 1.0, currency, cores_per_slot)
    return Estimate(
        stages=[_stage(work, speeds[work.key], likely, drawn) for work in stages],
        wall_seconds=_range(_wall(graph, stages, likely, slots), np.array(wall_draws)),
        device_seconds=device,
        money=_times(device, per_second),
        currency=currency,
        rate_shown=prices.rate(entry.currency, currency),
        energy_kwh=_times(device, prices.energy_kwh(calibration.device, 1.0, cores_per_slot)),
        saved_by_reuse=_total([work.key for work in stages if work.reused], likely, drawn),
    )


def expected_seconds(
    work: StageWork, *, calibration: Calibration, history: Sequence[History] = ()
) -> float:
    """The likely device-seconds of one stage."""
    return _Speed.of(work, calibration, history).likely(work)


@dataclass(frozen=True, slots=True)
class _Speed:
    """log(seconds per hinted unit) of a kind: centre, its error, the scatter of single stages."""

    centre: float
    error: float
    scatter: float
    freedom: float
    overhead: float
    observations: int

    @staticmethod
    def of(work: StageWork, calibration: Calibration, history: Sequence[History]) -> "_Speed":
        """What the newest like stages on this device say, or the calibrated prior."""
        kind = work.kind
        seen = [
            log(h.seconds / (h.units * h.unit_cost_hint))
            for h in history
            if h.kind == kind and h.device == calibration.device and _is_like(h, work)
        ][-NEWEST:]
        if not seen:
            centre = log(_unit_seconds(work, calibration) / work.unit_cost_hint)
            return _Speed(centre, PRIOR_SD, PRIOR_SPREAD, 30.0, OVERHEAD_SECONDS, 0)
        count = len(seen)
        squares = float(np.sum((np.array(seen) - np.median(seen)) ** 2))
        variance = (PRIOR_WEIGHT * PRIOR_SPREAD**2 + squares) / (PRIOR_WEIGHT + count - 1)
        scatter = sqrt(variance)
        return _Speed(
            float(np.median(seen)), scatter / sqrt(count), scatter, PRIOR_WEIGHT + count, 0.0, count
        )

    def likely(self, work: StageWork) -> float:
        return self.overhead + work.units * work.unit_cost_hint * exp(self.centre)

    def draws(self, work: StageWork, shared: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Seconds (DRAWS,): the kind's error is common to its stages, the scatter is not."""
        own = rng.standard_t(self.freedom, DRAWS)
        factor = np.exp(np.clip(self.error * shared + self.scatter * own, -5, 5))
        return self.overhead + work.units * work.unit_cost_hint * exp(self.centre) * factor

    def interval(self, work: StageWork) -> Range:
        """80% interval in closed form: log seconds are Student t around the centre."""
        sd = sqrt(self.error**2 + self.scatter**2)
        spread = exp(float(student.ppf(0.5 + COVERAGE / 2, self.freedom)) * sd)
        core = self.likely(work) - self.overhead
        return Range(
            self.overhead + core / spread, self.likely(work), self.overhead + core * spread
        )


def _unit_seconds(work: StageWork, calibration: Calibration) -> float:
    """Seconds of one unit, before any like stage was seen."""
    is_cpu = calibration.device == "cpu"
    rate = calibration.gflops if is_cpu or work.kind not in CORE_KINDS else CORE_GFLOPS
    seconds = work.unit_cost_hint / (rate * 1e9 * _utilisation(work))
    return seconds if is_cpu or work.kind not in NETWORKS else max(seconds, LAUNCH_SECONDS)


def _utilisation(work: StageWork) -> float:
    """Share of the GEMM rate."""
    if work.kind in NETWORKS and work.unit_cost_hint >= LARGE_UNIT:
        return LARGE_UTILISATION
    return UTILISATION.get(work.kind, OTHER_UTILISATION)


def _is_like(past: History, work: StageWork) -> bool:
    """Whether a finished stage tells about a planned one: a tiny network reaches a small part of
    the rate of a large one, and start-up time is most of a tiny stage."""
    if min(past.seconds, past.units, past.unit_cost_hint, work.units, work.unit_cost_hint) <= 0:
        return False
    unit = past.unit_cost_hint / work.unit_cost_hint
    whole = unit * past.units / work.units
    return 1 / LIKE_UNIT <= unit <= LIKE_UNIT and 1 / LIKE_WORK <= whole <= LIKE_WORK


def _stage(
    work: StageWork,
    speed: _Speed,
    likely: Mapping[str, float],
    drawn: Mapping[str, np.ndarray],
) -> StageEstimate:
    seconds = NOTHING if work.reused else speed.interval(work)
    return StageEstimate(work.key, work.kind, seconds, work.reused, speed.observations)


def _total(
    keys: Sequence[str], likely: Mapping[str, float], drawn: Mapping[str, np.ndarray]
) -> Range:
    if not keys:
        return NOTHING
    return _range(sum(likely[k] for k in keys), np.sum([drawn[k] for k in keys], axis=0))


def _range(likely: float, draws: np.ndarray) -> Range:
    low, high = np.quantile(draws, [0.5 - COVERAGE / 2, 0.5 + COVERAGE / 2])
    return Range(min(float(low), likely), likely, max(float(high), likely))


def _times(seconds: Range, factor: float) -> Range:
    return Range(seconds.low * factor, seconds.likely * factor, seconds.high * factor)


@dataclass(frozen=True, slots=True)
class _Graph:
    """A plan by position: who waits for whom."""

    waits_for: tuple[int, ...]  # number of parents within the plan
    children: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(stages: Sequence[StageWork]) -> "_Graph":
        place = {work.key: n for n, work in enumerate(stages)}
        children: list[list[int]] = [[] for _ in stages]
        for n, work in enumerate(stages):
            for parent in set(work.parents) & set(place):
                children[place[parent]].append(n)
        count = tuple(len(set(work.parents) & set(place)) for work in stages)
        return _Graph(count, tuple(tuple(c) for c in children))


def _wall(
    graph: _Graph, stages: Sequence[StageWork], seconds: Mapping[str, float], slots: int
) -> float:
    """When the last stage ends: a free slot takes the first stage, in plan order, that is ready."""
    missing = list(graph.waits_for)
    ready = [n for n, count in enumerate(missing) if count == 0]  # a heap of positions
    running: list[tuple[float, int]] = []  # a heap of (end, position)
    now = 0.0
    while ready or running:
        ended = [n for n in ready if stages[n].reused]  # at once, without a slot
        ready = [n for n in ready if not stages[n].reused]
        while ready and len(running) < slots and not ended:
            n = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[stages[n].key], n))
        if not ended:
            now, n = heapq.heappop(running)
            ended = [n]
        for n in ended:
            for child in graph.children[n]:
                missing[child] -= 1
                if missing[child] == 0:
                    ready.append(child)
        ready.sort()  # a sorted list is a heap
    return now
