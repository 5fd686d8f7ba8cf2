"""Cases, scenarios, decisions and the compute side: the money part of the service."""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from digpt.errors import UserError
from digpt.reporter import Quiet
from jobs import reading
from jobs.engine.states import PILOT_LIVE
from jobs.home import Home
from jobs.spec import DatasetRef, load_spec
from jobs.store.records import PilotRecord, PilotStage
from jobs.views import Provenance, RateUsed

if TYPE_CHECKING:
    from jobs.compare import ArmResults
    from jobs.computing import ComputeView, Wish
    from jobs.deciding import DecisionView
    from jobs.evidence import Read
    from jobs.roi.case import Case
    from jobs.roi.changes import Change
    from jobs.roi.evaluate import CaseResult
    from jobs.roi.headline import Headline
    from jobs.store.records import ArmRecord

MAX_DECISIONS = 500  # of one pilot
MAX_SCENARIO_NAME = 60
MONEY_DIGITS = 6  # of an amount in another currency
MOST_CASES = 8  # of one pilot whose whole results are kept; each holds every arm's draws


class Casework(Home):
    """What finished pilots are worth, and what was decided about them."""

    def roi(self, pilot_id: str, case: "Case") -> "CaseResult":
        """The business case over every arm of the pilot."""
        from jobs.evidence import decide  # noqa: PLC0415 - torch

        results = self._results(pilot_id)
        key = case.model_dump_json()
        if key not in results.known:
            given = self._given(results, case)
            results.keep(key, decide(*given, results.read))
        return results.known[key]

    def headline(self, pilot_id: str, case: "Case") -> "Headline | None":
        """The first figures of `roi`, in a fraction of its time; None where no arm has any."""
        from jobs.evidence import first_look  # noqa: PLC0415 - torch

        results = self._results(pilot_id)
        return first_look(*self._given(results, case), results.read)

    def _given(
        self, results: "_Results", case: "Case"
    ) -> "tuple[Case, list[ArmRecord], list[ArmResults], dict[str, float]]":
        """The case in one currency at its stage, and what every arm did and cost."""
        from jobs.roi.case import converted  # noqa: PLC0415 - start-up time
        from jobs.roi.stages import at_stage  # noqa: PLC0415 - start-up time

        case = at_stage(case)
        spent = {
            name: self._prices.convert(money, results.currency, case.currency)
            for name, money in results.money.items()
        }
        return converted(case, self._prices), results.arms, results.finished, spent

    def _results(self, pilot_id: str) -> "_Results":
        """What a pilot found, read once as long as it does not run again."""
        record = self._store.pilot(pilot_id)
        state = (record.status, record.ended_at)
        kept = self._read.get(pilot_id)
        if kept is None or kept.state != state or record.status in PILOT_LIVE:
            arms, stages = self._store.arms(pilot_id), self._store.stages(pilot_id)
            kept = _Results(
                state=state,
                currency=record.currency,
                arms=arms,
                finished=self._finished(pilot_id),
                money={
                    a.name: reading.arm_costs(a.name, stages, self._tariff)["money_now"]
                    for a in arms
                },
                read=kept.read if kept else {},
            )
            self._read[pilot_id] = kept
        return kept

    def case_template(self, pilot_id: str, name: str, currency: str = "") -> "Case":
        """A template for a kind of use, with the pilot's good classes, in a currency."""
        from jobs.roi.templates import case_template  # noqa: PLC0415 - start-up time

        found = case_template(name, currency=currency or self.currency, prices=self._prices)
        return self._with_good(pilot_id, found)

    def currencies(self) -> list[str]:
        """The currencies that the price table has a rate for."""
        return sorted({"USD", *self._prices.rates.per_usd})

    def in_currency(self, case: "Case", currency: str) -> "Case":
        """The case reckoned in another currency, at the price table's rates."""
        from jobs.roi.case import in_currency  # noqa: PLC0415 - start-up time

        return in_currency(case, currency, self._prices, digits=MONEY_DIGITS)

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

    def label_table(self, pilot_id: str, count: int, split: str) -> str:
        """CSV of the pilot's data with `count` unlabelled images to label for a split first."""
        from jobs.labelling import label_table  # noqa: PLC0415 - start-up time

        record = self._store.pilot(pilot_id)
        ref = DatasetRef(name=record.dataset, version=record.dataset_version)
        if self._catalogue.dataset(ref.name, ref.version).builtin:
            raise UserError(
                f"Dataset {ref.name!r} is drawn by the program: there are no files to label. "
                "Prepare a pilot on more of its images.",
                code="no-files",
                field="dataset",
                name=ref.name,
            )
        return label_table(self._catalogue.open(ref, Quiet()), count, split)

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
            calibration=calibrated(self.settings, self._store),
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
            good = self._catalogue.dataset(record.dataset, record.dataset_version).good_classes
        except UserError:  # removed since; its results know their good classes
            good = ()
        return example_case(good, self.currency, self._prices)

    @cached_property
    def _read(self) -> "dict[str, _Results]":
        """What pilots found: a case that is typed asks for the same again and again."""
        return {}

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
            good = self._catalogue.dataset(record.dataset, record.dataset_version).good_classes
        except UserError:  # removed since
            return case
        return case.model_copy(update={"good_classes": tuple(good)})

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


@dataclass(frozen=True, kw_only=True)
class _Results:
    """What a pilot found and spent, with the results of the cases tried on it last."""

    state: tuple[str, float | None]
    currency: str
    arms: "list[ArmRecord]"
    finished: "list[ArmResults]"
    money: dict[str, float]  # by arm, in `currency`
    read: "Read"
    known: "dict[str, CaseResult]" = field(default_factory=dict)

    def keep(self, case: str, result: "CaseResult") -> None:
        self.known[case] = result
        if len(self.known) > MOST_CASES:
            self.known.pop(next(iter(self.known)), None)


def _scenario_name(name: str) -> str:
    if len(name) > MAX_SCENARIO_NAME:
        raise UserError(
            f"The scenario's name has {len(name)} characters; at most {MAX_SCENARIO_NAME} fit.",
            code="name-too-long",
            field="name",
        )
    return name.strip()
