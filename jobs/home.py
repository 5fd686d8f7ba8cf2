"""A home with its parts opened at first use: store, catalogue, artifacts, prices."""

import os
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.money.pricing import PriceTable, Tariff
from jobs.settings import Settings, ensure_home
from jobs.store import Store

if TYPE_CHECKING:
    from jobs.catalogue import Catalogue
    from jobs.compare import ArmResults


class Home:
    """What every part of the service works with. Cheap to make."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._clock = clock

    @cached_property
    def currency(self) -> str:
        """The one reporting currency of this home: as set, else by the host's language at first."""
        if self.settings.currency:
            return self.settings.currency
        kept = self._store.get_value("currency")
        if kept is None:
            kept = "JPY" if os.environ.get("LANG", "").startswith("ja") else "USD"
            self._store.set_value("currency", kept)
        return kept

    @cached_property
    def _store(self) -> Store:
        ensure_home(self.settings)
        return Store(self.settings.database)

    @cached_property
    def _catalogue(self) -> "Catalogue":
        from jobs.catalogue import Catalogue  # noqa: PLC0415 - start-up time

        return Catalogue(self.settings, self._store)

    @cached_property
    def _prices(self) -> PriceTable:
        return PriceTable.load(self.settings.prices or None)

    @cached_property
    def _artifacts(self) -> Any:
        from jobs.engine.artifacts import open_artifacts  # noqa: PLC0415 - start-up time

        return open_artifacts(self.settings)

    @cached_property
    def _tariff(self) -> Tariff:
        return Tariff(self._prices, self.currency)

    def _finished(self, pilot_id: str) -> "list[ArmResults]":
        """Arms whose evaluation is done, with the folders of their predictions."""
        from jobs.compare import ArmResults  # noqa: PLC0415 - torch

        self._store.pilot(pilot_id)
        stages = self._store.stages(pilot_id)
        known = {a.name: a for a in self._store.arms(pilot_id)}
        found: list[ArmResults] = []
        for stage in stages:
            if stage.kind != "evaluate" or stage.state != "done":
                continue
            folders = {r: self._artifacts.folder(k) for r, k in stage.inputs.items()}
            dataset = folders.pop("dataset")
            found += [
                ArmResults(arm=known[name], evaluation=stage, dataset=dataset, predictions=folders)
                for name in stage.arms
            ]
        return found
