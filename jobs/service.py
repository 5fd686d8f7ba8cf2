"""PilotService: the only door for dashboard, command line and API.

It reads the store, writes intents and computes what is asked about finished pilots; the work itself
is done by workers that the supervisor starts.
"""

import math
import time
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from digpt.errors import Cancelled, UserError
from digpt.recipe import Recipe
from digpt.reporter import Quiet, Reporter
from jobs import deep, earlier, families, governance, looks, reading, weights
from jobs.admission import check_fit
from jobs.comparing import Comparing
from jobs.datawork import Datawork
from jobs.engine.plan import Plan, make_plan
from jobs.engine.states import PILOT_LIVE
from jobs.governance import Facts as LicenceFacts
from jobs.settings import ensure_home
from jobs.spec import Arm, DatasetRef, PilotSpec, load_spec, to_yaml, with_more_seeds
from jobs.store.records import ArmRecord, NewPilot, PilotRecord
from jobs.tokenwork import Tokenwork
from jobs.views import (
    Cluster,
    Curve,
    DatasetView,
    EstimateView,
    LogLine,
    Page,
    PilotCard,
    PilotView,
    TokenizerView,
)

if TYPE_CHECKING:
    from jobs.doctor import Check

POLL_SECONDS = 1.0
MAX_LINES = 20_000  # of a log that are looked through


class PilotService(Datawork, Tokenwork, Comparing):
    """Everything a person can ask for or about. Cheap to make; opens the store at first use."""

    # -- what there is ---------------------------------------------------------------------

    def tokenizers(self, dataset: str | None = None) -> list[TokenizerView]:
        """Families that need nothing, and how the others are named; readiness for a dataset."""
        return families.tokenizers(self.dataset(dataset) if dataset else None)

    def licence_facts(self, tokenizer: str) -> LicenceFacts:
        """Licence, training data and restrictions of the weights a tokenizer rests on."""
        return governance.facts(tokenizer)

    def forbidden(self, spec: PilotSpec) -> list[str]:
        """Recognisers of a spec whose licence forbids commercial use and was not accepted there."""
        named = governance.forbidden(governance.recognisers(spec))
        return [name for name in named if name not in spec.licence_accepted]

    # -- deep checks -----------------------------------------------------------------------

    def deep_spec(
        self, dataset: str, tokenizers: Sequence[str], accepted: Sequence[str] = ()
    ) -> PilotSpec:
        """The small pilot that a deep check is: `estimate` prices it, `submit` starts it.

        All deep checks of one version of a dataset see as many images, so that they compare.
        """
        ref = DatasetRef(name=dataset, version=self.dataset(dataset).version)
        key = f"deep:{self._catalogue.facts(ref).identity}"
        images = self._store.get_value(key)
        if images is None:
            images = deep.images_in_time(self._pretrain_seconds)
            self._store.set_value(key, images)
        return deep.spec_of(ref, tokenizers, images, accepted)

    def deep_check(
        self,
        dataset: str,
        tokenizers: Sequence[str],
        reporter: Reporter | None = None,
        accepted: Sequence[str] = (),
    ) -> deep.DeepView:
        """Run one to its end beside other pilots, or wait for the same one that is on its way. It
        goes on without us, unless the reporter stops it."""
        told, wanted = reporter or Quiet(), self.deep_spec(dataset, tokenizers, accepted)
        pilot = self._same(wanted) or self.submit(wanted, start=False)
        if self.pilot(pilot).card.status in PILOT_LIVE:
            self.start()
        while (card := self.pilot(pilot).card).status in PILOT_LIVE:
            told.progress(round(100 * card.progress.share), 100)
            try:
                told.check()
            except Cancelled:
                self.cancel(pilot)
                raise
            time.sleep(POLL_SECONDS)
        return self.deep_view(pilot)

    def known_deep(self, dataset: str) -> deep.DeepView | None:
        """The newest deep check of the newest version of a dataset."""
        wanted = self.deep_spec(dataset, ())
        found = self._store.pilots(search=wanted.name).rows
        size = ("dataset", "pretrain", "transfer")  # the tokenizers alone may differ
        asked = wanted.model_dump(mode="json", include=set(size))
        mine = [p.id for p in found if {part: p.spec[part] for part in size} == asked]
        return self.deep_view(mine[0]) if mine else None

    def deep_view(self, pilot_id: str) -> deep.DeepView:
        """What a deep check has found so far."""
        card, spec = self.pilot(pilot_id).card, self.clone(pilot_id)
        return deep.DeepView(
            pilot=pilot_id,
            status=card.status,
            progress=card.progress,
            images_seen=spec.resolved.pretrain.images_seen,
            labels=deep.LABELS,
            arms=deep.measured(self._finished(pilot_id)),
        )

    # -- pilots ----------------------------------------------------------------------------

    def estimate(self, spec: PilotSpec) -> EstimateView:
        """Time and money before launch, from history where there is some."""
        return self._estimate(spec, self._plan(spec))

    def submit(self, spec: PilotSpec, *, start: bool = True) -> str:
        """Store a pilot and its plan; with `start` a supervisor takes it up. Returns its id."""
        ref, data = spec.dataset, self._catalogue.facts(spec.dataset)
        view = self.dataset(ref.name, ref.version)
        plan = self._plan(spec)
        accepted = governance.check_consent(spec)
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
        self._audit_licences(pilot.id, accepted)
        if start:
            self.start()
        return pilot.id

    def submit_tour(self) -> str:
        """The tour pilot: the one that is there already, or a new one."""
        with as_file(files("jobs") / "tour.yaml") as path:
            spec = load_spec(path)
        if pilot := self._same(spec):
            self.start()
            return pilot
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

    def _case_hash(self, spec: PilotSpec) -> str:
        """What fixes the rule and the case from here on; "" where the spec has none."""
        if not spec.case:
            return ""
        from jobs.roi.case import parse_case  # noqa: PLC0415 - start-up time
        from jobs.roi.changes import case_hash  # noqa: PLC0415 - start-up time

        return case_hash(parse_case(spec.case))

    def _same(self, spec: PilotSpec) -> str | None:
        """The pilot of an equal spec that is done or on its way."""
        wanted = spec.model_dump(mode="json")
        for pilot in self._store.pilots(search=spec.name).rows:
            if pilot.spec == wanted and pilot.status in (*PILOT_LIVE, "done"):
                return pilot.id
        return None

    def _plan(self, spec: PilotSpec) -> Plan:
        """The checked plan: what could only fail later is refused now."""
        data = self._catalogue.facts(spec.dataset)
        check_fit(spec, data)
        if spec.case:
            from jobs.evidence import check_classes  # noqa: PLC0415 - torch
            from jobs.roi.case import converted, parse_case  # noqa: PLC0415 - start-up time

            case = converted(parse_case(spec.case), self._prices)
            check_classes(case, self.dataset(spec.dataset.name, spec.dataset.version).classes)
        weights.check_inits(spec)
        # the workers of a cluster may have what we have not
        weights.check_published(spec, downloads=not self.settings.ray_address)
        digests = weights.digests(spec)  # last: of large files it takes seconds
        return make_plan(
            spec,
            data,
            digests,
            earlier=earlier.stages_of(spec, self._store),
            seconds=self._seconds_per_image if spec.equalise == "device_seconds" else None,
        )

    def _seconds_per_image(self, arm: Arm, recipe: Recipe) -> float:
        """Device-seconds of an arm's training steps, for specs that equalise these."""
        from jobs.estimating import pace  # noqa: PLC0415 - start-up time

        return pace(arm, recipe, self.settings, self._store)

    def _pretrain_seconds(self, images: float, flops: float) -> float:
        """Device-seconds to be expected of a pretraining."""
        from jobs.estimating import likely_seconds  # noqa: PLC0415 - start-up time

        return likely_seconds("pretrain", images, flops, self.settings, self._store)

    def _estimate(self, spec: PilotSpec, plan: Plan) -> EstimateView:
        from jobs.estimating import estimate  # noqa: PLC0415 - start-up time

        data = self._catalogue.facts(spec.dataset)
        return estimate(spec, plan, data, self._store, self._prices, self.settings, self.currency)

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
