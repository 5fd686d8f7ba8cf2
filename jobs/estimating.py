"""Time and money of a pilot before launch, as the pages show it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import groupby

from digpt.recipe import Recipe, without_off
from jobs import equal, looks
from jobs.engine.layout import layout, met_cluster
from jobs.engine.plan import DatasetFacts, Plan, Stage, arm_seeds
from jobs.money.estimate import Calibration, Estimate, History, StageWork, expected_seconds
from jobs.money.estimate import Range as MoneyRange
from jobs.money.estimate import estimate as estimate_work
from jobs.money.pricing import PriceTable
from jobs.settings import Settings
from jobs.spec import Arm, PilotSpec
from jobs.store import Store
from jobs.views import ArmEstimateView, EstimateView, Range, StageEstimateView

CALIBRATION_KEY = "calibration"
PACE_KEY = "pace"  # of training steps
DEAR_SECONDS, DEAR_SHARE = 1800.0, 0.5  # of device time: an arm that takes more of both is named
COARSE = 8  # pixels of a picture's longer side that become one
# images seen in pretraining (benchmarks.budget_fidelity): below the first, arms come in no lasting
# order; below the second, the first arm lasts and the order of the others does not
FEWEST_SEEN, SETTLED_SEEN = 40_000, 320_000
KINDS = (
    *("prepare", "fit", "tokenize", "init", "pretrain"),
    *("features", "probe", "knn", "finetune", "evaluate"),
)


def estimate(
    spec: PilotSpec,
    plan: Plan,
    data: DatasetFacts,
    store: Store,
    prices: PriceTable,
    settings: Settings,
    currency: str,
) -> EstimateView:
    """What the plan will take from here, with 80% intervals; done stages cost nothing."""
    states = store.states([s.key for s in plan.stages])
    done = {key for key, state in states.items() if state == "done"}
    place = layout(settings, store)
    calibration, history = calibrated(settings, store), past(store, place.held)

    def work_out(stages: Sequence[Stage], reused: set[str]) -> Estimate:
        return estimate_work(
            [_work(s, reused) for s in stages],
            calibration=calibration,
            history=history,
            prices=prices,
            currency=currency,
            slots=place.slots,
            cores_per_slot=place.held,
        )

    whole = work_out(plan.stages, done)
    per_second = prices.cost(calibration.device, 1.0, currency, place.held)
    seen = {s.kind for s in whole.stages if s.observations}
    limit, given = spec.limits.money, looks.assign(spec.arms)
    return EstimateView(
        stages=tuple(_by_kind(plan, whole, done, per_second)),
        arms=tuple(
            ArmEstimateView(
                name=arm.name,
                method=arm.method,
                tokenizer=arm.tokenizer,
                look=given[arm.name],
                seeds=len(arm_seeds(arm, spec.resolved)),
                images_seen=plan.images_seen.get(arm.name),
                money=work_out(plan.of_arm(arm.name), set()).money.likely,
            )
            for arm in spec.arms
        ),
        wall_seconds=_range(whole.wall_seconds),
        device_seconds=_range(whole.device_seconds),
        money=_range(whole.money),
        currency=currency,
        energy_kwh=_range(whole.energy_kwh),
        reused_stages=len(done),
        total_stages=len(plan.stages),
        saved_by_reuse=whole.saved_by_reuse.likely * per_second,
        basis="history" if {s.kind for s in plan.stages} <= seen else "calibration",
        rate_shown=_rate(whole),
        limit_money=prices.convert(*limit, currency) if limit else None,
        limit_hours=spec.limits.hours,
        warnings=tuple(_warnings(spec, plan, whole, prices, currency) + _coarse(spec, data)),
    )


def calibrated(settings: Settings, store: Store) -> Calibration:
    """The matrix rate that a stage has: of the cluster's worker, else of this machine, measured
    once for each home and number of threads, and kept."""
    if met := met_cluster(settings, store):
        return Calibration(**met["calibration"])
    kept, place = store.get_value(CALIBRATION_KEY), layout(settings, store)
    if kept and (kept["threads"], kept["device"] == "cpu") == (place.threads, place.gpu == 0):
        return Calibration(**kept)
    from jobs.money.calibrate import calibrate  # noqa: PLC0415 - torch, until the first measurement

    found = calibrate("cuda" if place.gpu else "cpu", place.threads)
    store.set_value(CALIBRATION_KEY, asdict(found))
    return found


def likely_seconds(
    kind: str, units: float, cost_hint: float, settings: Settings, store: Store
) -> float:
    """Device-seconds to be expected of a stage of that kind, on this home's device."""
    work = StageWork("", kind, units, cost_hint, False)
    return expected_seconds(
        work,
        calibration=calibrated(settings, store),
        history=past(store, layout(settings, store).held),
    )


def pace(arm: Arm, recipe: Recipe, settings: Settings, store: Store) -> float:
    """Device-seconds of one image in an arm's training steps; measured once for each home and kept,
    so that the plan of a spec stays what it was."""
    here = calibrated(settings, store)
    width, codes = equal.token_shape(arm, recipe)
    values = without_off(asdict(replace(recipe, images_seen=1)))
    facts = [arm.method, width, codes, here.device, here.threads, values]
    key = f"{PACE_KEY}.{hashlib.sha256(json.dumps(facts).encode()).hexdigest()}"
    kept = store.get_value(key)
    if kept:
        return kept["seconds_per_image"]
    import torch  # noqa: PLC0415 - seconds to import, and only until it has been measured

    from digpt.models import Target  # noqa: PLC0415 - torch
    from digpt.pretrain.pace import seconds_per_image  # noqa: PLC0415 - torch
    from digpt.threads import threads  # noqa: PLC0415 - torch

    with threads(here.threads):
        seconds = seconds_per_image(
            arm.method,
            recipe,
            Target(width, codes),
            equal.flops_per_image(arm, recipe),
            torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        )
    store.set_value(key, {"seconds_per_image": seconds})
    return seconds


def past(store: Store, held: float) -> list[History]:
    """Finished stages of every kind that had this much of the machine, oldest first."""
    return [
        History(kind, p.seconds, p.units, p.cost_hint, p.device_type)
        for kind in KINDS
        for p in reversed(store.history(kind))
        if p.cores == held
    ]


def _work(stage: Stage, reused: set[str]) -> StageWork:
    return StageWork(
        key=stage.key,
        kind=stage.kind,
        units=stage.units,
        unit_cost_hint=stage.cost_hint,
        reused=stage.key in reused,
        parents=tuple(stage.inputs.values()),
    )


def _by_kind(
    plan: Plan, found: Estimate, done: set[str], per_second: float
) -> list[StageEstimateView]:
    """One row for each kind of stage, in order of running. Bounds of a sum are sums of bounds."""
    order = {kind: n for n, kind in enumerate(KINDS)}
    stages = sorted(found.stages, key=lambda s: order[s.kind])
    rows = []
    for kind, group in groupby(stages, key=lambda s: s.kind):
        own = list(group)
        seconds = Range(
            likely=sum(s.seconds.likely for s in own),
            low=sum(s.seconds.low for s in own),
            high=sum(s.seconds.high for s in own),
        )
        rows.append(
            StageEstimateView(
                kind=kind,
                count=len(own),
                cached=sum(s.key in done for s in own),
                device_seconds=seconds,
                money=_times(seconds, per_second),
            )
        )
    return rows


def _warnings(
    spec: PilotSpec, plan: Plan, found: Estimate, prices: PriceTable, currency: str
) -> list[dict[str, object]]:
    """What a person should know before launch: limits that the estimate does not fit."""
    warnings: list[dict[str, object]] = []
    limit = spec.limits.money
    if limit and found.money.likely > prices.convert(*limit, currency):
        warnings.append({"code": "over-cost-limit", "money": found.money.likely})
    if spec.limits.hours and found.wall_seconds.likely > spec.limits.hours * 3600:
        warnings.append({"code": "over-time-limit", "seconds": found.wall_seconds.likely})
    warnings += _dear(plan, found)
    if not any(a.method == "frozen" for a in spec.arms):
        warnings.append({"code": "no-cheap-baseline"})
    images = min(plan.images_seen.values(), default=SETTLED_SEEN)
    if images < FEWEST_SEEN:
        facts = {"images": f"{images:,}", "least": f"{FEWEST_SEEN:,}"}
        warnings.append({"code": "short-pretraining", **facts})
    elif images < SETTLED_SEEN and len(plan.images_seen) > 1:
        warnings.append({"code": "first-arm-only", "images": f"{images:,}"})
    if spec.resolved.seeds == 1:
        warnings.append({"code": "one-pretraining-seed"})
    return warnings


def _dear(plan: Plan, found: Estimate) -> list[dict[str, object]]:
    """The arm, if any, whose own stages take most of a long pilot."""
    arm_of = {s.key: s.arms[0] for s in plan.stages if len(s.arms) == 1}
    seconds: dict[str, float] = defaultdict(float)
    for stage in found.stages:
        if stage.key in arm_of:
            seconds[arm_of[stage.key]] += stage.seconds.likely
    whole, arms = found.device_seconds.likely, {a for s in plan.stages for a in s.arms}
    return [
        {"code": "dear-arm", "arm": arm, "seconds": own, "share": f"{own / whole:.0%}"}
        for arm, own in seconds.items()
        if own > DEAR_SECONDS and own > DEAR_SHARE * whole and len(arms) > 1
    ]


def _coarse(spec: PilotSpec, data: DatasetFacts) -> list[dict[str, object]]:
    """That small marks of the originals vanish where a picture has the student's size."""
    side, (height, width) = spec.resolved.pretrain.student.image_size, data.image_size
    if max(height, width) < COARSE * side:
        return []
    facts = {
        "original": f"{width} × {height}",
        "pixels": f"{width / side:.0f} × {height / side:.0f}",
    }
    return [{"code": "coarse", "side": side, **facts}]


def _rate(found: Estimate) -> str:
    rate = found.rate_shown
    if rate.source == rate.target:
        return ""
    return f"1 {rate.source} = {rate.rate:g} {rate.target} ({rate.date}, {rate.note})"


def _range(value: MoneyRange) -> Range:
    return Range(likely=value.likely, low=value.low, high=value.high)


def _times(value: Range, factor: float) -> Range:
    low, high = value.low or 0.0, value.high or 0.0
    return Range(likely=value.likely * factor, low=low * factor, high=high * factor)
