"""Results of finished pilots side by side: a part of the service."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from digpt.errors import UserError
from jobs import reading
from jobs.casework import Casework
from jobs.settings import Settings
from jobs.store.records import PilotRecord
from jobs.views import TokenMaps

if TYPE_CHECKING:
    import pandas as pd


class Comparing(Casework):
    """What the arms of pilots reached, and how they differ."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        super().__init__(settings, clock)
        self._outcomes = threading.Lock()

    def compare(self, pilot_ids: list[str]) -> "pd.DataFrame":
        """Arms of one or more pilots: one row for each protocol, label budget and metric."""
        import pandas as pd  # noqa: PLC0415 - start-up time

        from jobs.compare import tidy  # noqa: PLC0415 - torch

        frames = [tidy("", "", [], [], {})]
        for pilot_id in dict.fromkeys(pilot_ids):
            record, arms = self._store.pilot(pilot_id), self._store.arms(pilot_id)
            stages = self._store.stages(pilot_id)
            costs = {a.name: reading.arm_costs(a.name, stages, self._tariff) for a in arms}
            rows = self._store.results([pilot_id])
            frames.append(tidy(pilot_id, record.currency, arms, rows, costs))
        filled = [f for f in frames if len(f)]
        return pd.concat(filled, ignore_index=True) if filled else frames[0]

    def differences(
        self, pilot_id: str, *, protocol: str, label_budget: str, metric: str
    ) -> "pd.DataFrame":
        """Paired differences of every two finished arms, with Holm's correction."""
        from jobs.compare import differences  # noqa: PLC0415 - torch

        arms = self._finished(pilot_id)
        return differences(arms, protocol=protocol, label_budget=str(label_budget), metric=metric)

    def gains(
        self, pilot_id: str, *, protocol: str, label_budget: str, metric: str
    ) -> "pd.DataFrame":
        """Each arm against the references that are fair for the protocol."""
        from jobs.compare import gains  # noqa: PLC0415 - torch

        arms = self._finished(pilot_id)
        return gains(arms, protocol=protocol, label_budget=str(label_budget), metric=metric)

    def token_maps(self, pilot_id: str, n: int = 4) -> TokenMaps | None:
        """What the pilot's tokenizers see in the same test images; None until one is fitted."""
        from jobs.tokenizing import maps  # noqa: PLC0415 - torch

        stages = [s for s in self._store.stages(pilot_id) if s.state == "done"]
        return maps(stages, self._store.arms(pilot_id), self._artifacts, n)

    def summary(self, pilot_id: str) -> dict[str, Any]:
        """What `digpt pilot run --json` ends with."""
        record = self._store.pilot(pilot_id)
        stages, results = self._store.stages(pilot_id), self._store.results([pilot_id])
        arms = []
        for arm in self._store.arms(pilot_id):
            cost = reading.arm_costs(arm.name, stages, self._tariff)
            own = [r for r in results if r.arm == arm.name]
            arms.append(
                {
                    "arm": arm.name,
                    "method": arm.method,
                    "tokenizer": arm.tokenizer,
                    "status": arm.status,
                    "images_seen": int(cost["images_seen"]),
                    "metrics": reading.metric_rows(own),
                    "cost": {
                        "device_seconds": cost["device_seconds"],
                        "flops": cost["flops"],
                        "energy_kwh": cost["energy_kwh"],
                        "money": cost["money"],
                        "currency": record.currency,
                    },
                }
            )
        return {
            "pilot": pilot_id,
            "status": record.status,
            "arms": arms,
            "decision": self._decision(record),
            "error": record.error,
        }

    def _with_outcome(self, record: PilotRecord) -> PilotRecord:
        """The record with its outcome, worked out once after the pilot has ended."""
        if record.card or record.status not in ("done", "partial"):
            return record
        with self._outcomes:  # several viewers ask at once
            record = self._store.pilot(record.id)
            if not record.card and record.status in ("done", "partial"):
                self._store.set_card(record.id, self._outcome(record))
        return self._store.pilot(record.id)

    def _outcome(self, record: PilotRecord) -> dict[str, Any]:
        """Best arm, its gain and the verdict; nothing where results were taken away since."""
        from jobs.compare import outcome  # noqa: PLC0415 - torch

        try:
            best, gain = outcome(self._finished(record.id))
        except UserError as error:
            return {"best_arm": None, "gain": None, "verdict": None, "error": error.message}
        decision = self._decision(record)
        return {
            "best_arm": best,
            "gain": reading.to_json(gain) if gain else None,
            "verdict": decision["verdict"] if decision else None,
        }
