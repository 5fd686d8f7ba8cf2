"""The commands of `digpt`, each a few lines over the service."""

import sys
from typing import Annotated, Any

import typer

import digpt
from dashboard.cli import data, pilots, report, roi, serving, tokens
from dashboard.cli.common import BAD_INPUT, INTERRUPTED, fail
from digpt.errors import UserError

app = typer.Typer(
    name="digpt",
    help="Find out whether semantic-token pretraining pays off on your own images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.add_typer(tokens.app, name="tokens")
app.add_typer(pilots.app, name="pilot")
app.command("demo")(serving.demo)
app.command("serve")(serving.serve)
app.command("doctor")(serving.doctor)
app.command("stop")(serving.stop)
app.command("supervise")(serving.supervise)
app.command("reindex")(serving.reindex)
app.command("case")(roi.case)
app.command("roi")(roi.roi)
app.command("report")(report.report)
app.command("decisions")(roi.decisions)
app.command("actual")(roi.actual)


def _version(show: bool) -> None:
    if show:
        print(digpt.__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find out whether semantic-token pretraining (D-iGPT) pays off on your own images."""


def main() -> None:
    """Entry point of the `digpt` script."""
    if "--json" not in sys.argv:
        app()
    try:
        sys.exit(app(standalone_mode=False))
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except Exception as error:
        if not hasattr(error, "format_message"):  # only what Typer says of the command line
            raise
        fail(_usage(error), as_json=True)
        sys.exit(BAD_INPUT)


def _usage(error: Any) -> UserError:
    """A wrong command line; "no such option" and the like."""
    parameter = getattr(error, "param", None)
    field = getattr(parameter, "name", None) or getattr(error, "option_name", None)
    text = error.format_message().rstrip(".")
    return UserError(f'{text}. "--help" shows what there is.', code="usage", field=field)
