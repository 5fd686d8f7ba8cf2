"""`digpt tokens`: which tokenizers there are, and how good their tokens are for a dataset."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dashboard.advice import advice, advice_text
from dashboard.cli.common import (
    Home,
    Json,
    Lang,
    Language,
    command,
    emit,
    open_service,
    say,
    table,
)
from dashboard.cli.pilots import Accepted, drive, exit_code
from dashboard.cli.progress import TerminalReporter
from dashboard.quality import (
    CURVE,
    DEEP,
    TUNED,
    WEAK,
    curve_advice,
    curve_rows,
    deep_caption,
    deep_offer,
    deep_rows,
    heads,
    measured,
    speed,
    tuning_rows,
    weak_rows,
)
from dashboard.ranges import in_brackets
from dashboard.text import Viewer
from digpt.errors import UserError
from digpt.tokenizers.names import split_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.deep import DeepView

app = typer.Typer(help="Tokenizers: list, check, deep, codes.", no_args_is_help=True)
MEASURES = {
    "index": "plain",
    "decodability": "accuracy",
    "token_decodability": "accuracy",
    "stability": "accuracy",
    "effective_rank": "plain",
}


@app.command("list")
@command
def list_tokenizers(
    dataset: Annotated[str | None, typer.Option(help="Say which are ready for this one.")] = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Tokenizer families with licence and readiness."""
    found = open_service(home).tokenizers(dataset)
    if as_json:
        emit({"tokenizers": found})
        return
    me = Viewer(lang)
    rows = [
        (
            t.name,
            me.fact(t.licence),
            me.text(f"commercial.{t.commercial}"),
            me.text(f"cli.state.{t.remark or 'ready'}"),
            me.text(f"tokenizer.{t.family}"),
        )
        for t in found
    ]
    table([me.text(f"cli.tokens.{c}") for c in ("name", "licence", "use", "state", "what")], rows)
    for t in found:
        if t.source:
            trained = me.text("governance.trained-on", data=me.fact(t.training_data))
            terms = f"{me.text('governance.source')}{me.text('colon')}{t.source}"
            notes = [me.text(f"governance.concern.{c}") for c in t.concerns]
            say(f"{t.name}{me.text('colon')}{' '.join([trained, *notes, terms])}")


@app.command("check")
@command
def check(
    dataset: Annotated[str, typer.Option(help="Name of the dataset.")],
    tokenizers: Annotated[str, typer.Option(help="Comma-separated names.")],
    accept: Accepted = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Token quality on a sample of the dataset, before any pretraining."""
    me = Viewer(lang)
    found = open_service(home).check_tokens(
        dataset, _names(tokenizers), TerminalReporter(me.text("tokens.checking"), me), accept or ()
    )
    if as_json:
        emit(
            {
                "dataset": dataset,
                "tokenizers": [{k: v for k, v in q.items() if k != "pictures"} for q in found],
                "recommendation": advice(found) | {"caution": me.text("tokens.trust")},
            }
        )
        return
    _show_quality(found, me)


def _show_quality(found: "Sequence[Mapping[str, Any]]", me: Viewer) -> None:
    rows = [
        [
            q["tokenizer"],
            *(in_brackets(*measured(q[m], kind, me)) for m, kind in MEASURES.items()),
            speed(q["images_per_second"], me),
            me.number(q["cost_per_1000"], "price", q["currency"]),
        ]
        for q in found
    ]
    table([me.text(f"tokens.col.{c}") for c in ("name", *MEASURES, "speed", "cost")], rows)
    chance = me.text("tokens.chance", chance=me.number(found[0]["chance"], "accuracy"))
    say(f"{me.text('tokens.table.caption')} {chance}")
    if tuned := tuning_rows(found, me):
        print(f"\n{me.text('tokens.tuned')} {me.text('tokens.tuned.caption')}")
        table(heads(TUNED, "tuned.col.", me), tuned)
    print(f"\n{me.text('tokens.weak')} {me.text('tokens.weak.caption')}")
    if weak := weak_rows(found, me, in_brackets):
        table(heads(WEAK, "weak.", me), weak)
    else:
        print(me.text("tokens.weak.none"))
    say(f"\n{_bare(advice_text(found, me))}")
    say(me.text("tokens.trust"))


def _bare(words: str) -> str:
    """Without the signs that make words bold on a page."""
    return words.replace("**", "")


def _names(text: str) -> list[str]:
    names = split_names(text)
    if not names:
        raise UserError(
            'Name at least one tokenizer, e.g. "pixels,filters".',
            code="names-missing",
            field="tokenizers",
        )
    return names


@app.command("deep")
@command
def deep(
    dataset: Annotated[str, typer.Option(help="Name of the dataset.")],
    tokenizers: Annotated[str, typer.Option(help="Comma-separated names.")],
    price: Annotated[bool, typer.Option("--price", help="Say what it takes, run nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it starts.")] = False,
    accept: Accepted = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """About a minute of pretraining for each tokenizer, fine-tuned and probed, as a small pilot."""
    service, me = open_service(home), Viewer(lang)
    spec = service.deep_spec(dataset, _names(tokenizers), accept or ())
    estimate = service.estimate(spec)
    if price:
        emit(estimate) if as_json else print(deep_offer(estimate, me))
        return
    say(deep_offer(estimate, me))
    if not yes and estimate.device_seconds.likely:
        typer.confirm(me.text("cli.start"), abort=True, err=True)
    pilot = service.submit(spec, start=False)
    drive(service, pilot, me)
    found = service.deep_view(pilot)
    emit(found) if as_json else _show_deep(found, me)
    raise typer.Exit(exit_code(found.status))


def _show_deep(found: "DeepView", me: Viewer) -> None:
    table(heads(DEEP, "deep.col.", me), deep_rows(found, me, in_brackets))
    say(deep_caption(found, me))
    say(me.text("tokens.deep.trust"))


@app.command("codes")
@command
def codes(
    dataset: Annotated[str, typer.Option(help="Name of the dataset.")],
    tokenizer: Annotated[str, typer.Option(help="The one that codes are made of.")] = "filters",
    numbers: Annotated[
        str, typer.Option("--codes", help="Comma-separated numbers of codes.")
    ] = "16,64,256,1024",
    accept: Accepted = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """How many codes `codebook:k(...)` should have, measured on images it has not seen."""
    wanted = [part.strip() for part in numbers.split(",") if part.strip()]
    wrong = [part for part in wanted if not part.isdecimal()]
    if wrong or not wanted:
        raise UserError(
            f"--codes takes whole numbers such as 64,256, not {numbers!r}.",
            code="whole-codes",
            field="codes",
            value=numbers,
        )
    me = Viewer(lang)
    found = open_service(home).code_curve(
        dataset,
        tokenizer,
        [int(part) for part in wanted],
        TerminalReporter(me.text("tokens.curve.measuring"), me),
        accept or (),
    )
    if as_json:
        emit({"dataset": dataset} | asdict(found))
        return
    table([me.text(f"tokens.curve.col.{c}") for c in CURVE], curve_rows(found, me))
    print(_bare(curve_advice(found, me)))
