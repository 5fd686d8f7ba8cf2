"""A finished pilot without the hours: predictions are made up, everything else is real."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from digpt.data.prepared import load_prepared
from digpt.reporter import Quiet
from digpt.transfer import Run
from digpt.transfer.predictions import Predictions, labelled
from jobs.engine.artifacts import Artifacts, open_artifacts
from jobs.engine.reconcile import Supervisor
from jobs.engine.stages import _write_runs, run_stage
from jobs.estimating import CALIBRATION_KEY
from jobs.money.estimate import Calibration
from jobs.service import PilotService
from jobs.settings import Settings
from jobs.spec import load_spec
from jobs.store import Store
from jobs.store.records import Cost, PilotStage

SPEC = """\
name: handmade
dataset: {name: digits, images: 400}
preset: smoke
arms:
  - {method: frozen, tokenizer: filters}
  - {method: scratch}
  - {method: digpt, tokenizer: filters}
transfer: {bootstrap: 50}
"""
# how much more probable the right class is made, by arm: higher is better
SKILL = {"frozen × filters": 2.0, "scratch": 0.5, "digpt × filters": 4.0}
COST = Cost(device_seconds=60.0, device_type="cpu", cores=1.0, flops=1e9)


def service_in(home: Path, **settings: Any) -> PilotService:
    """A service whose machine was measured already: that takes half a second."""
    service = PilotService(Settings(home=home, currency="USD", **settings))
    service._store.set_value(CALIBRATION_KEY, asdict(Calibration("cpu", 1, 20.0)))
    return service


def finish(service: PilotService, text: str = SPEC, fail: tuple[str, ...] = ()) -> str:
    """Submit a spec and end it at once; stages of the arms in `fail` have failed."""
    pilot = service.submit(load_spec(text), start=False)
    store = Store(service.settings.database)
    artifacts = open_artifacts(service.settings)
    for stage in store.stages(pilot):
        if store.stage(stage.key).state == "done":
            continue
        number = store.start_attempt(stage.key, pilot_id=pilot, worker="test", cost=COST)
        if number is None:  # its input has failed
            continue
        if set(stage.arms) <= set(fail):
            error = {"code": "made-up", "message": "It was made to fail.", "field": None}
            ended: dict[str, Any] = {"stage_state": "failed", "error": error}
            store.finish_attempt(stage.key, number, "failed", cost=COST, **ended)
            continue
        summary = _make(stage, artifacts, number)
        artifacts.commit(stage.key, number, summary)
        store.finish_attempt(
            stage.key, number, "done", stage_state="done", cost=COST, summary=summary
        )
    conclude(service.settings, store, artifacts)
    store.close()
    return pilot


def conclude(settings: Settings, store: Store, artifacts: Artifacts) -> None:
    """Let a supervisor without workers draw the conclusions."""
    price = PilotService(settings)._prices.cost
    supervisor = Supervisor(settings, store, artifacts, _Idle(), price=price)
    for _ in range(3):
        supervisor.tick()


def _make(stage: PilotStage, artifacts: Artifacts, number: int) -> dict[str, Any]:
    work = artifacts.open(stage.key, number)
    inputs = {role: artifacts.folder(key) for role, key in stage.inputs.items()}
    if stage.kind in ("prepare", "evaluate"):
        return run_stage(
            stage.kind,
            stage.params,
            inputs,
            work,
            source=stage.source,
            device=torch.device("cpu"),
            reporter=Quiet(),
        )
    if stage.kind in ("probe", "knn", "finetune"):
        _predict(stage, inputs, work)
    return {}


def _predict(stage: PilotStage, inputs: Mapping[str, Path], work: Path) -> None:
    data = load_prepared(inputs["dataset"])
    transfer = stage.params["transfer"]
    budgets = transfer.get("label_budgets") or transfer["finetune_budgets"]
    runs = []
    for i, budget in enumerate(budgets):
        for seed in range(stage.params["label_seeds"]):
            made = {}
            for split in ("val", "test"):
                labels = data.labels[labelled(data, split)]
                draw = np.random.default_rng((seed, i, len(stage.key)))
                logits = draw.normal(size=(len(labels), len(data.classes)))
                logits[np.arange(len(labels)), labels] += SKILL[stage.arms[0]]
                made[split] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            runs.append(
                Run(
                    protocol=stage.kind,
                    label_budget=budget,
                    label_seed=seed,
                    labels_used=10,
                    predictions=Predictions(**made),
                )
            )
    _write_runs(runs, data, work)


class _Idle:
    """An executor with no room: nothing is ever started."""

    def adopt(self) -> set[tuple[str, int]]:
        return set()

    def free(self) -> list[Any]:
        return []

    def submit(self, slot: Any, task: Any) -> None: ...

    def poll(self, seconds: float = 0.0) -> list[Any]:
        return []

    def cancel(self, key: str, number: int) -> None: ...

    def kill(self, key: str, number: int) -> None:
        return None

    def rest(self) -> None: ...

    def close(self) -> None: ...
