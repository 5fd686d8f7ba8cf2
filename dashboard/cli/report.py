"""`digpt report`: what a manager lays on the table, as a file."""

from pathlib import Path
from typing import Annotated

import typer

from dashboard.cli.common import Home, Json, Lang, Language, command, emit, open_service, say
from dashboard.text import Viewer


@command
def report(
    pilot: Annotated[str, typer.Argument(help="Id of the pilot.")],
    out: Annotated[
        Path, typer.Option("--out", help="File to write: .html, .pdf, .pptx, .xlsx or .md.")
    ],
    case: Annotated[
        Path | None,
        typer.Option("--case", help="Business case as YAML; default: saved with the pilot."),
    ] = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """The manager's report: answer, money with its risk, doubts, next stage, method."""
    from dashboard.report import (  # noqa: PLC0415 - start-up time of --help
        check_target,
        gather,
        write,
    )
    from jobs.roi.case import load_case  # noqa: PLC0415 - start-up time of --help

    check_target(out)
    given = load_case(case) if case else None
    facts = gather(open_service(home), pilot, given)
    if given is not None and facts.problem is not None:  # a saved one is told in the report
        raise facts.problem
    write(facts, lang, out)
    verdict = facts.result.verdict if facts.result else None
    if as_json:
        emit({"pilot": pilot, "report": out, "language": lang, "verdict": verdict})
    else:
        say(Viewer(lang).text("cli.written", path=out))
