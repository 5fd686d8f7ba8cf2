"""`digpt tokens`: which tokenizers there are, and how good their tokens are for a dataset."""

from typing import Annotated

import typer

from dashboard.cli.common import Home, Json, command, emit, open_service, say, table
from dashboard.cli.progress import TerminalReporter
from digpt.errors import UserError

app = typer.Typer(help="Tokenizers: list, check.", no_args_is_help=True)


@app.command("list")
@command
def list_tokenizers(
    dataset: Annotated[str | None, typer.Option(help="Say which are ready for this one.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Tokenizer families with licence and readiness."""
    found = open_service(home).tokenizers(dataset)
    if as_json:
        emit({"tokenizers": found})
        return
    rows = [
        (t.name, t.licence, t.commercial, "ready" if t.ready else t.remark, t.description)
        for t in found
    ]
    table(("name", "licence", "commercial use", "state", "what it is"), rows)
    for t in found:
        if t.source:
            say(f"{t.name}: trained on {t.training_data}. Terms: {t.source}")


@app.command("check")
@command
def check(
    dataset: Annotated[str, typer.Option(help="Name of the dataset.")],
    tokenizers: Annotated[str, typer.Option(help="Comma-separated names.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Token quality on a sample of the dataset, before any pretraining."""
    names = [n.strip() for n in tokenizers.split(",") if n.strip()]
    if not names:
        raise UserError('Name at least one tokenizer, e.g. "pixels,filters".', field="tokenizers")
    found = open_service(home).check_tokens(dataset, names, TerminalReporter("checking"))
    if as_json:
        emit({"dataset": dataset, "tokenizers": found})
        return
    rows = [
        (
            q["tokenizer"],
            f"{q['decodability']:.3f} ({q['decodability_low']:.3f}–{q['decodability_high']:.3f})",
            f"{q['effective_rank']:.1f}",
            f"{q['images_per_second']:.0f}",
        )
        for q in found
    ]
    table(("tokenizer", "decodability (95%)", "effective rank", "images/s"), rows)
