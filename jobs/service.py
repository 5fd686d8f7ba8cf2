"""PilotService: the only door for dashboard, command line and API.

It reads the store, writes intents and computes what is asked about finished pilots; the work itself
is done by workers that the supervisor starts.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digpt.errors import UserError
from digpt.reporter import Quiet, Reporter
from digpt.tokenizers.names import parse
from jobs import earlier, families, looks, reading, weights
from jobs.engine.plan import DatasetFacts, Plan, make_plan
from jobs.engine.states import PILOT_LIVE
from jobs.money.pricing import PriceTable, Tariff
from jobs.settings import Settings, ensure_home
from jobs.spec import Arm, DatasetRef, PilotSpec, load_spec, to_yaml, with_more_seeds
from jobs.store import Store
from jobs.store.records import ArmRecord, NewPilot, PilotRecord, PilotStage
from jobs.views import (
    Cluster,
    Curve,
    DatasetVersion,
    DatasetView,
    EstimateView,
    LogLine,
    Page,
    PilotCard,
    PilotView,
    Provenance,
    RateUsed,
    TokenizerView,
    TokenMaps,
)

if TYPE_CHECKING:
    import pandas as pd

    from digpt.data.difference import Difference
    from digpt.data.health import Health
    from jobs.catalogue import Catalogue, ImportResult
    from jobs.compare import ArmResults
    from jobs.computing import ComputeView, Wish
    from jobs.deciding import DecisionView
    from jobs.doctor import Check
    from jobs.roi.case import Case
    from jobs.roi.changes import Change
    from jobs.roi.evaluate import CaseResult

POLL_SECONDS = 1.0
MAX_LINES = 20_000  # of a log that are looked through
MAX_DECISIONS = 500  # of one pilot
MAX_SCENARIO_NAME = 60


class PilotService:
    """Everything a person can ask for or about. Cheap to make; opens the store at first use."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._clock = clock
        self._outcomes = threading.Lock()

    # -- what there is ---------------------------------------------------------------------

    def datasets(self) -> list[DatasetView]:
        return self._catalogue.datasets()

    def dataset(self, name: str, version: int | None = None) -> DatasetView:
        return self._catalogue.dataset(name, version)

    def thumbnails(self, name: str, n: int = 24) -> list[tuple[str, bytes]]:
        """(class or "", PNG) of some images of the dataset."""
        return self._catalogue.thumbnails(name, n)

    def import_dataset(
        self,
        source: Path,
        *,
        name: str,
        task: str = "classification",
        dry_run: bool = False,
        skip_bad: bool = False,
        origin: str = "",
        licence: str = "",
        roots: Sequence[Path] = (),
        reporter: Reporter | None = None,
    ) -> "ImportResult":
        """Read a folder, table or archive; nothing is stored on a dry run or an error.

        `roots`: the folders that links in it may lead into; none trusts them all.
        """
        found = self._catalogue.add(
            source,
            name=name,
            task=task,
            dry_run=dry_run,
            skip_bad=skip_bad,
            origin=origin,
            licence=licence,
            roots=roots,
            reporter=reporter,
        )
        if found.dataset:
            self._store.audit("local", "import dataset", found.dataset, {"source": str(source)})
        return found

    def import_from_server(self, path: str, **options: Any) -> "ImportResult":
        """The same for a folder of the server that a person in the browser named."""
        from jobs.arrivals import on_server  # noqa: PLC0415 - numpy and Pillow

        roots = self.settings.roots
        return self.import_dataset(on_server(path, roots), roots=roots, **options)

    def remove_dataset(self, name: str) -> None:
        self._catalogue.remove(name)
        self._store.audit("local", "remove dataset", name)

    def dataset_versions(self, name: str) -> list[DatasetVersion]:
        """The imports under a name, newest first, and the pilots that used each."""
        return self._catalogue.versions(name)

    def dataset_difference(
        self, name: str, before: int, after: int, reporter: Reporter | None = None
    ) -> "Difference":
        """What changed from one version of a dataset to another."""
        from digpt.data.difference import difference  # noqa: PLC0415 - start-up time

        told = reporter or Quiet()
        first, second = (
            self._catalogue.open(DatasetRef(name=name, version=v), told) for v in (before, after)
        )
        return difference(first, second, reporter=told)

    def health(
        self, name: str, version: int | None = None, reporter: Reporter | None = None
    ) -> "Health":
        """Duplicates, leaks, bad pictures and doubtful labels; looked for once for each version."""
        from jobs.health import health  # noqa: PLC0415 - torch

        known = self.known_health(name, version)
        if known is not None:
            return known
        told = reporter or Quiet()
        data = self._catalogue.open(DatasetRef(name=name, version=version), told)
        found = health(data, told)
        self._store.set_value(self._health_key(name, version), asdict(found))
        return found

    def known_health(self, name: str, version: int | None = None) -> "Health | None":
        """The health of a dataset that was looked at before."""
        from digpt.data.health import from_json  # noqa: PLC0415 - start-up time

        kept = self._store.get_value(self._health_key(name, version))
        return from_json(kept) if kept else None

    def pictures(self, name: str, files: Sequence[str]) -> dict[str, bytes]:
        """PNG of the named images of a dataset; empty for built-in sets."""
        return self._catalogue.pictures(name, files)

    def _health_key(self, name: str, version: int | None) -> str:
        from jobs.catalogue import data_code  # noqa: PLC0415 - start-up time

        return f"health:{self.dataset(name, version).fingerprint}:{data_code()}"

    def tokenizers(self, dataset: str | None = None) -> list[TokenizerView]:
        """Families that need nothing, and how the others are named; readiness for a dataset."""
        return families.tokenizers(self.dataset(dataset) if dataset else None)

    def check_tokens(
        self, dataset: str, names: list[str], reporter: Reporter | None = None
    ) -> list[dict[str, Any]]:
        """Token quality on a sample of the dataset."""
        from jobs.tokenizing import check  # noqa: PLC0415 - torch

        known = [parse(n).canonical for n in names]
        return check(self._catalogue.facts(DatasetRef(name=dataset)), known, reporter or Quiet())

    # -- pilots ----------------------------------------------------------------------------

    def estimate(self, spec: PilotSpec) -> EstimateView:
        """Time and money before launch, from history where there is some."""
        return self._estimate(spec, self._plan(spec))

    def submit(self, spec: PilotSpec, *, start: bool = True) -> str:
        """Store a pilot and its plan; with `start` a supervisor takes it up. Returns its id."""
        ref, data = spec.dataset, self._catalogue.facts(spec.dataset)
        view = self.dataset(ref.name, ref.version)
        plan = self._plan(spec)
        limit = spec.limits.money
        money = self._prices.convert(*limit, self.currency) if limit else None
        pilot = self._store.create_pilot(
            NewPilot(
                name=spec.name,
                spec=spec.model_dump(mode="json"),
                dataset=ref.name,
                dataset_version=view.version,
                fingerprint=data.identity,
                images=data.images,
                classes=data.classes,
                seeds=spec.resolved.seeds,
                currency=self.currency,
                estimate=reading.to_json(self._estimate(spec, plan)),
                limit_money=money,
                limit_hours=spec.limits.hours,
                case_hash=self._case_hash(spec),
            ),
            _arms(spec, view),
            plan.stages,
        )
        self._store.audit("local", "submit pilot", pilot.id, {"name": spec.name})
        if start:
            self.start()
        return pilot.id

    def submit_tour(self) -> str:
        """The tour pilot: the one that is there already, or a new one."""
        with as_file(files("jobs") / "tour.yaml") as path:
            spec = load_spec(path)
        wanted = spec.model_dump(mode="json")
        for pilot in self._store.pilots(search=spec.name).rows:
            if pilot.spec == wanted and pilot.status in (*PILOT_LIVE, "done"):
                self.start()
                return pilot.id
        return self.submit(spec)

    def pilots(
        self,
        *,
        status: str | None = None,
        search: str = "",
        page: int = 1,
        size: int = 20,
        archived: bool = False,
    ) -> Page[PilotCard]:
        """Pilots as cards, newest first."""
        found = self._store.pilots(status, search, page, size, archived=archived)
        return Page(items=self._cards(found.rows), total=found.total, page=page, size=size)

    def pilot(self, pilot_id: str) -> PilotView:
        """One pilot with its arms and stages."""
        record = self._store.pilot(pilot_id)
        stages, now = self._store.stages(pilot_id), self._clock()
        arms = self._store.arms(pilot_id)
        costs = [reading.arm_costs(a.name, stages, self._tariff) for a in arms]
        ended = record.ended_at or now
        return PilotView(
            card=self._cards([record])[0],
            spec_yaml=to_yaml(load_spec(record.spec)),
            arms=tuple(reading.arm_view(a) for a in arms),
            stages=tuple(reading.stage_view(s, self._tariff, now) for s in stages),
            estimate=reading.estimate_from_json(record.estimate),
            elapsed_seconds=max(ended - (record.started_at or ended), 0.0),
            device_seconds=sum(s.device_seconds for s in stages if not s.reused),
            money=sum(reading.stage_money(s, self._tariff) for s in stages if not s.reused),
            money_stand_alone=sum(c["money"] for c in costs),
            energy_kwh=sum(reading.stage_energy(s, self._tariff) for s in stages if not s.reused),
            error=record.error,
            restarts=sum(max(s.attempts - 1, 0) for s in stages if not s.reused),
        )

    def curves(self, pilot_id: str) -> list[Curve]:
        """Pretraining losses by arm and seed."""
        self._store.pilot(pilot_id)
        stages = [s for s in self._store.stages(pilot_id) if s.kind == "pretrain"]
        points = self._store.points([s.key for s in stages], ["loss"])
        return reading.curves(stages, self._store.arms(pilot_id), points)

    def logs(self, pilot_id: str, *, level: str | None = None, limit: int = 200) -> list[LogLine]:
        """The newest lines of all stages, oldest first."""
        self._store.pilot(pilot_id)
        stages = self._store.stages(pilot_id)
        found = self._store.logs(
            [s.key for s in stages], limit=limit if level is None else MAX_LINES
        )
        return reading.log_lines([r for r in found if level in (None, r.level)][-limit:], stages)

    def cancel(self, pilot_id: str) -> bool:
        """Ask a pilot to stop; what is finished is kept. False if it was over or asked before."""
        self._store.pilot(pilot_id)
        asked = self._store.request_cancel(pilot_id)
        if asked:
            self._store.audit("local", "cancel pilot", pilot_id)
        return asked

    def retry(self, pilot_id: str, *, start: bool = True) -> None:
        """Run what failed or was cancelled again."""
        if not self._store.request_retry(pilot_id):
            status = self._store.pilot(pilot_id).status
            raise UserError(
                f"Pilot {pilot_id} is {status}; only a failed, partial or cancelled one can be "
                "tried again.",
                code="not-retryable",
                field="pilot",
                status=status,
            )
        self._store.set_card(pilot_id, {})
        self._store.audit("local", "retry pilot", pilot_id)
        if start:
            self.start()

    def clone(self, pilot_id: str) -> PilotSpec:
        """The spec of a pilot, to start another from."""
        return load_spec(self._store.pilot(pilot_id).spec)

    def price_of_seeds(self, pilot_id: str, more: int, currency: str) -> float:
        """What the same pilot with more seeds would cost beyond what it has already done."""
        found = self.estimate(with_more_seeds(self.clone(pilot_id), more))
        return self._prices.convert(found.money.likely, found.currency, currency)

    def archive(self, pilot_id: str, archived: bool = True) -> None:
        self._store.pilot(pilot_id)
        self._store.archive(pilot_id, archived)

    # -- results ---------------------------------------------------------------------------

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
        }

    # -- money -----------------------------------------------------------------------------

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

    def roi(self, pilot_id: str, case: "Case") -> "CaseResult":
        """The business case over every arm of the pilot."""
        from jobs.evidence import decide  # noqa: PLC0415 - torch
        from jobs.roi.case import converted  # noqa: PLC0415 - start-up time
        from jobs.roi.stages import at_stage  # noqa: PLC0415 - start-up time

        case = at_stage(case)
        record, arms = self._store.pilot(pilot_id), self._store.arms(pilot_id)
        stages = self._store.stages(pilot_id)
        spent = {
            a.name: self._prices.convert(
                reading.arm_costs(a.name, stages, self._tariff)["money_now"],
                record.currency,
                case.currency,
            )
            for a in arms
        }
        finished = self._finished(pilot_id)
        return decide(converted(case, self._prices), arms, finished, spent)

    def in_own_currency(self, case: "Case") -> "Case":
        """The case with every amount in its currency, at the price table's rates."""
        from jobs.roi.case import converted  # noqa: PLC0415 - start-up time

        return converted(case, self._prices)

    def provenance(self, pilot_id: str, case: "Case | None" = None) -> Provenance:
        """Data, price table and exchange rates behind a pilot's figures and a case's."""
        from jobs.roi.case import currencies  # noqa: PLC0415 - start-up time

        record, prices = self._store.pilot(pilot_id), self._prices
        ref = load_spec(record.spec).dataset
        try:
            data = self._catalogue.dataset(ref.name, record.dataset_version, ref.images)
        except UserError:  # removed since
            data = None
        target = case.currency if case else record.currency
        others = {record.currency, *(currencies(case) if case else ())} - {target}
        return Provenance(
            dataset=data,
            dataset_version=record.dataset_version,
            fingerprint=record.fingerprint,
            prices_date=prices.date,
            rates_date=prices.rates.date,
            rates_source=prices.rates.source,
            rates=tuple(
                RateUsed(source=c, target=target, rate=prices.rate(c, target).rate)
                for c in sorted(others)
            ),
        )

    def saved_case(self, pilot_id: str) -> "Case | None":
        """The newest case that was saved with the pilot, or the one in its spec."""
        saved = self._store.cases(pilot_id, limit=1)
        content = saved[0].case if saved else self._store.pilot(pilot_id).spec.get("case")
        if not content:
            return None
        from jobs.roi.case import parse_case  # noqa: PLC0415 - start-up time

        return parse_case(content)

    def save_case(self, pilot_id: str, case: "Case", name: str = "") -> None:
        """Keep a case with the pilot: as its own, or under a name as a scenario beside it."""
        self._store.pilot(pilot_id)
        self._store.put_case(pilot_id, case.model_dump(mode="json"), name=_scenario_name(name))
        if not name:
            self._store.set_card(pilot_id, {})  # the verdict is worked out anew

    def scenarios(self, pilot_id: str) -> "dict[str, Case]":
        """The newest case of every scenario, by name, in the order of their first saving."""
        from jobs.roi.case import parse_case  # noqa: PLC0415 - start-up time

        self._store.pilot(pilot_id)
        return {r.name: parse_case(r.case) for r in self._store.scenarios(pilot_id)}

    def remove_scenario(self, pilot_id: str, name: str) -> None:
        """Take a scenario off the list; what was saved stays in the database."""
        if name not in self.scenarios(pilot_id):
            raise UserError(
                f"Pilot {pilot_id} has no scenario {name!r}.", code="unknown-scenario", field="name"
            )
        self._store.put_case(pilot_id, {}, name=name)

    def fixed_case(self, pilot_id: str) -> "Case | None":
        """The rule and case that were fixed when the pilot was submitted, if any were."""
        content = self._store.pilot(pilot_id).spec.get("case")
        if not content:
            return None
        from jobs.roi.case import parse_case  # noqa: PLC0415 - start-up time

        return parse_case(content)

    def case_changes(self, pilot_id: str, case: "Case") -> "tuple[Change, ...] | None":
        """What is not as it was fixed at submission; None where nothing was fixed."""
        from jobs.roi.changes import changes  # noqa: PLC0415 - start-up time

        fixed = self.fixed_case(pilot_id)
        if fixed is None:
            return None
        return changes(self._with_good(pilot_id, fixed), self._with_good(pilot_id, case))

    def decide(
        self, pilot_id: str, case: "Case", note: str, who: str, choice: str | None = None
    ) -> "DecisionView":
        """Record a decision for good, with all it rests on; without a choice, the verdict's."""
        from jobs.deciding import record  # noqa: PLC0415 - start-up time

        pilot, fixed = self._store.pilot(pilot_id), self.fixed_case(pilot_id)
        before = self._store.decisions(pilot_id, limit=1)
        content = record(
            pilot,
            self._with_good(pilot_id, case),
            self.roi(pilot_id, case),
            fixed=self._with_good(pilot_id, fixed) if fixed else None,
            prices=self._prices,
            choice=choice,
            note=note,
            who=who,
            previous=before[0].decision["digest"] if before else "",
        )
        case_id = self._store.put_case(pilot_id, content["case"]).id
        self._store.set_card(pilot_id, {})
        stored = self._store.put_decision(pilot_id, content, who=who, case_id=case_id)
        self._store.audit(who, "decide", pilot_id, {"decision": stored.id})
        return next(d for d in self.decisions(pilot_id) if d.id == stored.id)

    def decisions(self, pilot_id: str) -> "list[DecisionView]":
        """All decisions about a pilot, newest first, each with what came of it."""
        from jobs.deciding import decision_views  # noqa: PLC0415 - start-up time

        self._store.pilot(pilot_id)
        found = self._store.decisions(pilot_id, limit=MAX_DECISIONS)
        return decision_views(found, self._store.actuals([d.id for d in found]))

    def enter_actual(self, decision_id: int, values: dict[str, Any], who: str) -> "DecisionView":
        """Write down what came of a decision; returns it with its forecast's error."""
        from jobs.deciding import parse_actual  # noqa: PLC0415 - start-up time

        decision = self._store.decision(decision_id)
        actual = parse_actual(values)
        self._store.put_actual(decision_id, actual.model_dump(mode="json"), who=who)
        self._store.audit(who, "enter actual", decision.pilot_id, {"decision": decision_id})
        return next(d for d in self.decisions(decision.pilot_id) if d.id == decision_id)

    def compute(
        self,
        pilot_id: str,
        wish: "Wish | None" = None,
        *,
        arm: str | None = None,
        measure: bool = False,
        currency: str | None = None,
    ) -> "ComputeView":
        """What the pilot used, what a larger pretraining would, and what an item costs.

        Latencies are measured here once (`measure`: now, if they have not been), which takes about
        half a second for each arm and protocol; `arm` is whose pretraining is scaled.
        """
        from jobs.computing import Wish, compute_view  # noqa: PLC0415 - start-up time
        from jobs.estimating import calibrated  # noqa: PLC0415 - start-up time

        record, stages = self._store.pilot(pilot_id), self._store.stages(pilot_id)
        return compute_view(
            self._store.arms(pilot_id),
            stages,
            load_spec(record.spec).resolved,
            self._latencies(pilot_id, stages, measure=measure),
            wish=wish or Wish(),
            calibration=calibrated(self._store),
            prices=self._prices,
            currency=currency or record.currency,
            arm=arm,
        )

    def compute_devices(self) -> list[str]:
        """Entries of the price table that measured work can be carried over to."""
        from jobs.money.scale import devices  # noqa: PLC0415 - scipy

        return devices(self._prices)

    def default_case(self, pilot_id: str) -> "Case":
        """An example to start the form from; every value in it is to be replaced."""
        from jobs.evidence import example_case  # noqa: PLC0415 - start-up time

        record = self._store.pilot(pilot_id)
        try:
            good = self.dataset(record.dataset, record.dataset_version).good_classes
        except UserError:  # removed since; its results know their good classes
            good = ()
        return example_case(good, self.currency, self._prices)

    # -- processes -------------------------------------------------------------------------

    def start(self) -> None:
        """Make sure that a supervisor runs."""
        from jobs.engine.supervisor import ensure_supervisor  # noqa: PLC0415 - start-up time

        ensure_home(self.settings)
        ensure_supervisor(self.settings)

    def drive(self, pilot_id: str, on_change: Callable[[PilotView], None] | None = None) -> None:
        """Return when the pilot has ended: be its supervisor if there is none, else watch."""
        from jobs.engine.supervisor import run_in_process  # noqa: PLC0415 - start-up time

        told = -math.inf

        def tell() -> None:
            nonlocal told
            if on_change and time.monotonic() - told >= POLL_SECONDS:
                on_change(self.pilot(pilot_id))
                told = time.monotonic()

        while self._store.pilot(pilot_id).status in PILOT_LIVE:
            if not run_in_process(self.settings, until=pilot_id, on_tick=tell):
                tell()
                time.sleep(POLL_SECONDS)
        if on_change:
            on_change(self.pilot(pilot_id))

    def supervise(self) -> None:
        """Be the supervisor until stopped."""
        from jobs.engine.supervisor import run_forever  # noqa: PLC0415 - start-up time

        ensure_home(self.settings)
        run_forever(self.settings)

    def stop(self) -> list[str]:
        """End the supervisor and our own Ray node; returns what was stopped."""
        from jobs.engine.supervisor import stop_all  # noqa: PLC0415 - start-up time

        return stop_all(self.settings)

    def reindex(self) -> int:
        """Adopt every complete artifact that the store does not know as done."""
        from jobs.engine.supervisor import reindex  # noqa: PLC0415 - start-up time

        return reindex(self.settings)

    def cluster(self) -> Cluster:
        from jobs.doctor import cluster  # noqa: PLC0415 - start-up time

        return cluster(self.settings, self._store)

    def doctor(self) -> "list[Check]":
        """Checks of this machine, each with what to do."""
        from jobs.doctor import examine  # noqa: PLC0415 - start-up time

        return examine(self.settings)

    # -- inside ----------------------------------------------------------------------------

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

    def _latencies(
        self, pilot_id: str, stages: list[PilotStage], *, measure: bool
    ) -> list[dict[str, Any]]:
        """Latencies as they were measured on this home's machine, the first time somebody asked."""
        key = f"latency:{pilot_id}"
        kept = self._store.get_value(key)
        if kept is None and measure:
            from jobs.latency import measure as measure_latency  # noqa: PLC0415 - torch

            kept = [asdict(x) for x in measure_latency(stages, self._artifacts, Quiet())]
            self._store.set_value(key, kept)
        return kept or []

    def _with_good(self, pilot_id: str, case: "Case") -> "Case":
        """The case with the dataset's own good classes where it names none itself."""
        record = self._store.pilot(pilot_id)
        if case.good_classes or case.positive_classes or isinstance(case.prevalence, dict):
            return case
        try:
            good = self.dataset(record.dataset, record.dataset_version).good_classes
        except UserError:  # removed since
            return case
        return case.model_copy(update={"good_classes": tuple(good)})

    def _case_hash(self, spec: PilotSpec) -> str:
        """What fixes the rule and the case from here on; "" where the spec has none."""
        if not spec.case:
            return ""
        from jobs.roi.case import parse_case  # noqa: PLC0415 - start-up time
        from jobs.roi.changes import case_hash  # noqa: PLC0415 - start-up time

        return case_hash(parse_case(spec.case))

    def _plan(self, spec: PilotSpec) -> Plan:
        """The checked plan: what could only fail later is refused now."""
        data = self._catalogue.facts(spec.dataset)
        _check_fit(spec, data)
        if spec.case:
            from jobs.evidence import check_classes  # noqa: PLC0415 - torch
            from jobs.roi.case import converted, parse_case  # noqa: PLC0415 - start-up time

            case = converted(parse_case(spec.case), self._prices)
            check_classes(case, self.dataset(spec.dataset.name, spec.dataset.version).classes)
        digests = weights.digests(spec)
        weights.check_inits(spec)
        if not self.settings.ray_address:  # the workers of a cluster may have what we have not
            weights.check_published(spec)
        return make_plan(
            spec,
            data,
            digests,
            earlier=earlier.stages_of(spec, self._store),
            seconds=self._pretrain_seconds if spec.equalise == "device_seconds" else None,
        )

    def _pretrain_seconds(self, images: float, flops: float) -> float:
        """Device-seconds to be expected of a pretraining, for specs that equalise these."""
        from jobs.estimating import likely_seconds  # noqa: PLC0415 - start-up time

        return likely_seconds("pretrain", images, flops, self._store)

    def _estimate(self, spec: PilotSpec, plan: Plan) -> EstimateView:
        from jobs.estimating import estimate  # noqa: PLC0415 - start-up time

        return estimate(spec, plan, self._store, self._prices, self.settings, self.currency)

    def _cards(self, records: list[PilotRecord]) -> list[PilotCard]:
        ids, now = [r.id for r in records], self._clock()
        tallies, spending = self._store.tallies(ids), self._store.spending(ids)
        arms = self._store.arms_of(ids)
        return [
            reading.card(
                self._with_outcome(record),
                [t for t in tallies if t.pilot_id == record.id],
                len(arms[record.id]),
                sum(
                    self._tariff.money(s.device_type, s.device_seconds, s.cores)
                    for s in spending
                    if s.pilot_id == record.id
                ),
                now,
            )
            for record in records
        ]

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

    def _decision(self, record: PilotRecord) -> dict[str, Any] | None:
        """The verdict for the saved case, or None where there is no case or no result yet."""
        if record.status not in ("done", "partial"):
            return None
        try:
            case = self.saved_case(record.id)
            if case is None:
                return None
            result = self.roi(record.id, case)
        except UserError as error:  # e.g. a class of the case without test images
            reason = {"code": error.code, "facts": {"message": error.message}}
            return {"verdict": None, "arm": None, "reasons": [reason]}
        return {
            "verdict": result.verdict,
            "arm": result.chosen_arm,
            "reasons": [{"code": r.code, "facts": dict(r.facts)} for r in result.reasons],
        }

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


def _scenario_name(name: str) -> str:
    if len(name) > MAX_SCENARIO_NAME:
        raise UserError(
            f"The scenario's name has {len(name)} characters; at most {MAX_SCENARIO_NAME} fit.",
            code="name-too-long",
            field="name",
        )
    return name.strip()


def _arms(spec: PilotSpec, data: DatasetView) -> list[ArmRecord]:
    given = looks.assign(spec.arms)
    return [
        ArmRecord(
            name=arm.name,
            method=arm.method,
            tokenizer=arm.tokenizer,
            look=given[arm.name],
            sees_labels=looks.sees_labels(arm, data),
        )
        for arm in spec.arms
    ]


def _check_fit(spec: PilotSpec, data: DatasetFacts) -> None:
    """Refuse a pilot that could only fail later."""
    if data.task != spec.dataset.task:
        raise UserError(
            f"Dataset {spec.dataset.name!r} was imported for {data.task}; this pilot is for "
            f"{spec.dataset.task}. Import it again with --task {spec.dataset.task}.",
            code="wrong-task",
            field="dataset",
            task=data.task,
        )
    for split in ("train", "val", "test"):
        if not getattr(data, split):
            raise UserError(
                f"Dataset {spec.dataset.name!r} has no labelled {split} images; a pilot needs "
                "labelled train, val and test images. Import it again with a split.",
                code="empty-split",
                field="dataset",
                split=split,
            )
    if data.classes < 2:
        raise UserError(
            f"Dataset {spec.dataset.name!r} has one class only; classification needs two or more.",
            code="one-class",
            field="dataset",
        )
    for arm in spec.arms:
        _check_captions(arm, data)


def _check_captions(arm: Arm, data: DatasetFacts) -> None:
    name = parse(arm.tokenizer) if arm.tokenizer else None
    while name is not None:
        if name.needs_captions and name.argument and name.argument not in data.captions:
            there = ", ".join(data.captions) or "none"
            raise UserError(
                f"{arm.name}: the dataset has no caption column {name.argument!r} (it has: "
                f"{there}).",
                code="unknown-caption",
                field="tokenizer",
            )
        name = name.base
