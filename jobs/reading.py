"""Records of the store become the read models that pages and the command line show. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from jobs.engine.plan import EARLIER
from jobs.money.pricing import Tariff
from jobs.store.records import (
    ArmRecord,
    LogRecord,
    PilotRecord,
    PilotStage,
    PointRecord,
    ResultRecord,
    Tally,
)
from jobs.views import (
    ArmEstimateView,
    ArmView,
    Curve,
    EstimateView,
    GainView,
    LogLine,
    PilotCard,
    Progress,
    Range,
    StageEstimateView,
    StageView,
)

LIVE = ("queued", "running")
LEAST_SHARE_FOR_ETA = 0.05
ETA_SPREAD = 0.3  # until history says better, what is left may take 30% more or less


def progress(
    tallies: Sequence[Tally], status: str, started_at: float | None, now: float
) -> Progress:
    """Share of the estimated work that is done, and how long the rest may take."""
    total = sum(t.work for t in tallies) or 1.0
    share = min(sum(t.work_done for t in tallies) / total, 1.0)
    reused = sum(t.work for t in tallies if t.reused) / total
    return Progress(
        share=share,
        stages_done=sum(t.stages for t in tallies if t.state == "done"),
        stages_reused=sum(t.stages for t in tallies if t.reused),
        stages_failed=sum(t.stages for t in tallies if t.state == "failed"),
        stages_total=sum(t.stages for t in tallies),
        eta_seconds=_eta(share - reused, 1 - share, status, started_at, now),
    )


def card(
    pilot: PilotRecord,
    tallies: Sequence[Tally],
    arms: int,
    spent: float,
    now: float,
) -> PilotCard:
    """A pilot as the overview shows it; the outcome is what was worked out when it ended."""
    outcome = pilot.card or {}
    gain = outcome.get("gain")
    return PilotCard(
        id=pilot.id,
        name=pilot.name,
        status=pilot.status,
        archived=pilot.archived,
        dataset=pilot.dataset,
        images=pilot.images,
        classes=pilot.classes,
        created_at=moment(pilot.created_at),
        ended_at=moment(pilot.ended_at) if pilot.ended_at else None,
        progress=progress(tallies, pilot.status, pilot.started_at, now),
        spent=spent,
        limit=pilot.limit_money,
        currency=pilot.currency,
        arms=arms,
        seeds=pilot.seeds,
        gain=GainView(**gain) if gain else None,
        best_arm=outcome.get("best_arm"),
        verdict=outcome.get("verdict"),
    )


def arm_view(arm: ArmRecord) -> ArmView:
    return ArmView(
        name=arm.name,
        method=arm.method,
        tokenizer=arm.tokenizer,
        look=arm.look,
        status=arm.status,
        is_cheap_baseline=arm.method == "frozen",
        sees_labels=arm.sees_labels,
    )


def stage_view(stage: PilotStage, tariff: Tariff, now: float) -> StageView:
    state = "reused" if stage.reused and stage.state == "done" else stage.state
    share = _share(stage)
    return StageView(
        key=stage.key,
        kind=stage.kind,
        arms=stage.arms,
        label=stage.label,
        state=state,
        done=stage.done,
        total=stage.total,
        device_seconds=stage.device_seconds,
        money=0.0 if stage.reused else stage_money(stage, tariff),
        started_at=moment(stage.started_at) if stage.started_at else None,
        ended_at=moment(stage.ended_at) if stage.ended_at else None,
        attempts=stage.attempts,
        eta_seconds=_eta(share, 1 - share, stage.state, stage.started_at, now),
        error=stage.error,
    )


def stage_money(stage: PilotStage, tariff: Tariff) -> float:
    """What the finished or running work of a stage costs, whoever pays."""
    if not stage.device_seconds:
        return 0.0
    return tariff.money(stage.device_type or "cpu", stage.device_seconds, stage.cores or 1.0)


def stage_energy(stage: PilotStage, tariff: Tariff) -> float:
    """kWh of a stage as measured, else from the power of its device in the price table."""
    if stage.energy_kwh is not None or not stage.device_seconds:
        return stage.energy_kwh or 0.0
    return tariff.energy_kwh(stage.device_type or "cpu", stage.device_seconds, stage.cores or 1.0)


def log_lines(logs: Sequence[LogRecord], stages: Sequence[PilotStage]) -> list[LogLine]:
    names = {s.key: f"{s.kind} {s.label}".strip() for s in stages}
    return [
        LogLine(at=moment(r.at), level=r.level, stage=names.get(r.stage_key, ""), text=r.text)
        for r in logs
    ]


def curves(
    stages: Sequence[PilotStage], arms: Sequence[ArmRecord], points: Sequence[PointRecord]
) -> list[Curve]:
    """Pretraining losses, one curve for each arm and seed."""
    looks = {a.name: a.look for a in arms}
    found = []
    for stage in stages:
        own = sorted((p.step, p.value) for p in points if p.stage_key == stage.key)
        if stage.kind != "pretrain" or stage.label == EARLIER or not own:
            continue
        found.append(
            Curve(
                arm=stage.arms[0],
                look=looks.get(stage.arms[0], -1),
                seed=int(stage.params["seed"]),
                state=stage.state,
                steps=tuple(step for step, _ in own),
                values=tuple(value for _, value in own),
            )
        )
    return found


def arm_costs(arm: str, stages: Sequence[PilotStage], tariff: Tariff) -> dict[str, float]:
    """Stand-alone figures of an arm (nothing reused) and its share of what this pilot paid.

    A stage that several arms need is split evenly among them in `money_now`, and counts whole in
    the stand-alone figures. `images_seen`: in pretraining; 0 without.
    """
    own = [s for s in stages if arm in s.arms]
    return {
        "images_seen": _images_seen(own),
        "device_seconds": sum(s.device_seconds for s in own),
        "flops": sum(s.flops or 0.0 for s in own),
        "energy_kwh": sum(stage_energy(s, tariff) for s in own),
        "money": sum(stage_money(s, tariff) for s in own),
        "money_now": sum(stage_money(s, tariff) / len(s.arms) for s in own if not s.reused),
    }


def metric_rows(results: Sequence[ResultRecord]) -> list[dict[str, Any]]:
    """Results as the plain rows of `digpt pilot run --json`."""
    names = ("task", "protocol", "label_budget", "metric", "value", "low", "high", "n_seeds")
    return [{n: getattr(r, n) for n in names} for r in results]


def to_json(record: Any) -> dict[str, Any]:
    """A frozen record as plain JSON values."""
    return json.loads(json.dumps(asdict(record)))


def estimate_from_json(content: Mapping[str, Any] | None) -> EstimateView | None:
    """The estimate as it was stored at submission."""
    if content is None:
        return None
    ranges = ("wall_seconds", "device_seconds", "money", "energy_kwh")
    stages = [
        StageEstimateView(
            **{**s, "device_seconds": Range(**s["device_seconds"]), "money": Range(**s["money"])}
        )
        for s in content["stages"]
    ]
    return EstimateView(
        **{
            **content,
            **{name: Range(**content[name]) for name in ranges},
            "stages": tuple(stages),
            "arms": tuple(ArmEstimateView(**a) for a in content["arms"]),
            "warnings": tuple(content["warnings"]),
        }
    )


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def _images_seen(stages: Sequence[PilotStage]) -> float:
    """Of an arm's own pretraining, which follows those that it starts from."""
    own = (s for s in reversed(stages) if s.kind == "pretrain" and s.label != EARLIER)
    return next((s.units for s in own), 0.0)


def _share(stage: PilotStage) -> float:
    if stage.state == "done":
        return 1.0
    return min(stage.done / stage.total, 1.0) if stage.total else 0.0


def _eta(
    done: float, left: float, status: str, started_at: float | None, now: float
) -> Range | None:
    """Seconds left if the rest goes as fast as what was done since the start."""
    if status != "running" or started_at is None or done < LEAST_SHARE_FOR_ETA:
        return None
    likely = (now - started_at) * left / done
    return Range(likely=likely, low=likely * (1 - ETA_SPREAD), high=likely * (1 + ETA_SPREAD))
