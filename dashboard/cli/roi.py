"""`digpt roi`, `digpt decisions`, `digpt actual`: the case, what was decided, what came of it."""

import getpass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dashboard.cli.common import (
    Home,
    Json,
    Lang,
    Language,
    command,
    emit,
    open_service,
    plain,
    table,
)
from dashboard.decisions import change_text, outcome_text
from dashboard.grounds import grounds
from dashboard.names import arm_name_of
from dashboard.reasons import reason_text
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.deciding import DecisionView
    from jobs.roi.changes import Change
    from jobs.roi.evaluate import ArmResult, CaseResult


class Choice(StrEnum):
    """What can be decided."""

    GO = "GO"
    NO_GO = "NO-GO"
    COLLECT = "COLLECT MORE"


Who = Annotated[str | None, typer.Option("--who", help="Who it is; default: who is signed in.")]


@command
def roi(
    pilot: Annotated[str, typer.Argument(help="Id of the pilot.")],
    case: Annotated[Path, typer.Option("--case", help="Business case as YAML.")],
    decide: Annotated[
        bool, typer.Option("--decide", help="Record the decision, for good, with all it rests on.")
    ] = False,
    choice: Annotated[
        Choice | None, typer.Option("--choice", help="Decide otherwise than the verdict.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Why; kept with the decision.")] = "",
    who: Who = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure on this machine what one item takes.")
    ] = False,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Return on investment of every arm, a verdict, and with --decide the decision."""
    from jobs.computing import as_plain as plain_compute  # noqa: PLC0415 - start-up time of --help
    from jobs.roi.case import load_case  # noqa: PLC0415 - start-up time of --help
    from jobs.roi.export import as_plain  # noqa: PLC0415 - start-up time of --help

    service, given, me = open_service(home), load_case(case), Viewer(lang)
    result, changed = service.roi(pilot, given), service.case_changes(pilot, given)
    compute = service.compute(pilot, measure=measure) if as_json or measure else None
    decided = None
    if decide:
        name = who or getpass.getuser()
        decided = service.decide(pilot, given, note, name, choice.value if choice else None)
    if as_json:
        fixed = {"before_launch": changed is not None, "changes": plain(changed or ())}
        emit(
            as_plain(result)
            | {"fixed": fixed, "compute": plain_compute(compute) if compute else None}
            | {"decision": {**decided.content, "id": decided.id} if decided else None}
        )
        return
    _show(result, me)
    _show_changes(changed, result.currency, me)
    if compute:
        print()
        table(*_per_item_table(compute, me))
    if decided:
        choice_words = me.text(f"verdict.{decided.choice}")
        print(f"\n{me.text('decision.recorded', id=decided.id, choice=choice_words)}")


@command
def case(
    name: Annotated[str, typer.Argument(help="A template; without one, all are listed.")] = "",
    lang: Lang = Language.EN,
    as_json: Json = False,
) -> None:
    """A business case to start from, as YAML; every number in it is to be replaced."""
    from jobs.roi.templates import TEMPLATES, template_text  # noqa: PLC0415 - start-up time of --help

    me = Viewer(lang)
    if name:
        text = template_text(name)
        emit({"name": name, "yaml": text}) if as_json else print(text, end="")
        return
    rows = [(n, me.text(f"template.{n}"), me.text(f"template.{n}.note")) for n in TEMPLATES]
    if as_json:
        emit([{"name": n, "title": title, "note": note} for n, title, note in rows])
        return
    table([me.text(f"template.column.{c}") for c in ("name", "use", "note")], rows)


@command
def decisions(
    pilot: Annotated[str, typer.Argument(help="Id of the pilot.")],
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """What was decided about a pilot, by whom, and what came of it."""
    found = open_service(home).decisions(pilot)
    if as_json:
        emit([_decision_json(d) for d in found])
        return
    me = Viewer(lang)
    if not found:
        print(me.text("decision.none"))
        return
    names = ("id", "when", "who", "decision", "verdict", "arm", "npv", "note")
    table([me.text(f"decision.column.{n}") for n in names], [_decision_row(d, me) for d in found])
    for decision in found:
        for line in _below(decision, me):
            print(line)


@command
def actual(
    decision: Annotated[int, typer.Argument(help="Number of the decision, see `decisions`.")],
    year: Annotated[int, typer.Option(help="Year after the start, from 1.")] = 1,
    saving: Annotated[
        float | None, typer.Option(help="Saving in that year after running costs.")
    ] = None,
    miss_rate: Annotated[
        float | None, typer.Option(help="Share of defects missed, 0 to 1.")
    ] = None,
    false_alarm_rate: Annotated[
        float | None, typer.Option(help="Share of good items stopped, 0 to 1.")
    ] = None,
    items: Annotated[float | None, typer.Option(help="Items inspected in that year.")] = None,
    note: Annotated[str, typer.Option("--note", help="Where the figures come from.")] = "",
    who: Who = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Enter what came of a decision, and see how far the forecast was off."""
    values = {"year": year, "saving": saving, "miss_rate": miss_rate, "items": items, "note": note}
    values["false_alarm_rate"] = false_alarm_rate
    service = open_service(home)
    found = service.enter_actual(decision, values, who or getpass.getuser())
    if as_json:
        emit(_decision_json(found))
        return
    for line in _below(found, Viewer(lang)):
        print(line)


def _decision_json(decision: "DecisionView") -> dict[str, Any]:
    return plain(decision)


def _decision_row(d: "DecisionView", me: Viewer) -> tuple[str, ...]:
    return (
        str(d.id),
        f"{d.at.astimezone():%Y-%m-%d %H:%M}",
        d.who,
        me.text(f"verdict.{d.choice}"),
        me.text(f"verdict.{d.verdict}") if d.verdict else "–",
        arm_name_of(d.arm, me) if d.arm else "–",
        me.number(d.npv, "money", d.currency),
        d.note.splitlines()[0][:60] if d.note else "",
    )


def _below(d: "DecisionView", me: Viewer) -> list[str]:
    """What stands under a decision: changes since launch, what came of it, whether it is intact."""
    lines = []
    if not d.is_intact:
        lines.append(me.text("decision.altered", id=d.id))
    lines += [f"#{d.id} {change_text(c, d.currency, me)}" for c in d.changes]
    for entered in d.actuals:
        lines += [f"#{d.id} {outcome_text(o, d.currency, me)}" for o in entered.outcomes]
    return lines


def _show_changes(changed: "tuple[Change, ...] | None", currency: str, me: Viewer) -> None:
    print()
    if changed is None:
        print(me.text("fixed.not"))
    elif not changed:
        print(me.text("fixed.same"))
    for change in changed or ():
        print(change_text(change, currency, me))


def _per_item_table(compute: Any, me: Viewer) -> tuple[list[str], list[tuple[str, ...]]]:
    heads = [me.text(f"compute.column.{n}") for n in ("arm", "protocol", "time", "cost", "device")]
    rows = [
        (
            arm_name_of(x.arm, me),
            me.text(f"protocol.{x.protocol}"),
            me.number(1000 * x.here.seconds.likely, "plain") + " ms",
            me.number(1e6 * x.here.money.likely, "money", compute.currency),
            x.here.device,
        )
        for x in compute.per_item
    ]
    return heads, rows


def _show(result: "CaseResult", me: Viewer) -> None:
    names = ("name", "verdict", "npv", "p", "miss", "false-alarm")
    arms = sorted(result.arms.values(), key=lambda a: -a.figures.npv if a.figures else 0.0)
    table([me.text(f"roi.column.{n}") for n in names], [_row(a, result.currency, me) for a in arms])
    print()
    verdict = me.text(f"verdict.{result.verdict}") if result.verdict else me.text("roi.no-verdict")
    print(f"{me.text('roi.verdict')}{me.text('colon')}{verdict}")
    for line in _reasons(result, me):
        print(f"- {line}")
    _show_grounds(result, me)


def _show_grounds(result: "CaseResult", me: Viewer) -> None:
    """What the result of the chosen arm, or else of the foremost, rests on."""
    from jobs.roi.headline import foremost  # noqa: PLC0415 - start-up time of --help

    found = foremost(result)
    if found is None or found.figures is None:
        return
    print(f"\n{me.text('ground.title', arm=arm_name_of(found.arm, me))}{me.text('colon')}")
    for line in grounds(found.figures, result, me):
        print(f"- {line}")


def _row(arm: "ArmResult", currency: str, me: Viewer) -> tuple[str, ...]:
    verdict = me.text(f"verdict.{arm.verdict}") if arm.verdict else "–"
    f = arm.figures
    if f is None:
        return (arm_name_of(arm.arm, me), verdict, "–", "–", "–", "–")
    return (
        arm_name_of(arm.arm, me),
        verdict,
        me.number(f.npv, "money", currency),
        me.number(f.p_positive, "share"),
        me.number(f.miss_rate, "accuracy"),
        me.number(f.false_alarm_rate, "accuracy"),
    )


def _reasons(result: "CaseResult", me: Viewer) -> list[str]:
    """The project's reasons, then each arm's, every sentence once."""
    found = [*result.reasons, *(r for a in result.arms.values() for r in a.reasons)]
    lines = [reason_text(r, result.currency, me).replace("**", "") for r in found]
    return list(dict.fromkeys(lines))
