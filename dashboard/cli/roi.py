"""`digpt roi`: the business case of a finished pilot."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.cli.common import Home, Json, command, emit, open_service, table
from dashboard.reasons import reason_text
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.roi.evaluate import ArmResult, CaseResult


class Language(StrEnum):
    """The languages that reasons are written in."""

    EN = "en"
    JA = "ja"


@command
def roi(
    pilot: Annotated[str, typer.Argument(help="Id of the pilot.")],
    case: Annotated[Path, typer.Option("--case", help="Business case as YAML.")],
    lang: Annotated[Language, typer.Option(help="Language of the reasons.")] = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Return on investment of every arm, and a decision."""
    from jobs.roi.case import load_case  # noqa: PLC0415 - start-up time of --help
    from jobs.roi.export import as_plain  # noqa: PLC0415 - start-up time of --help

    result = open_service(home).roi(pilot, load_case(case))
    if as_json:
        emit(as_plain(result))
    else:
        _show(result, Viewer(lang.value))


def _show(result: "CaseResult", me: Viewer) -> None:
    names = ("name", "verdict", "npv", "p", "miss", "false-alarm")
    arms = sorted(result.arms.values(), key=lambda a: -a.figures.npv if a.figures else 0.0)
    table([me.text(f"roi.column.{n}") for n in names], [_row(a, result.currency, me) for a in arms])
    print()
    verdict = me.text(f"verdict.{result.verdict}") if result.verdict else me.text("roi.no-verdict")
    print(f"{me.text('roi.verdict')}{me.text('colon')}{verdict}")
    for line in _reasons(result, me):
        print(f"- {line}")


def _row(arm: "ArmResult", currency: str, me: Viewer) -> tuple[str, ...]:
    verdict = me.text(f"verdict.{arm.verdict}") if arm.verdict else "–"
    f = arm.figures
    if f is None:
        return (arm.arm, verdict, "–", "–", "–", "–")
    return (
        arm.arm,
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
