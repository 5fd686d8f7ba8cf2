"""`digpt tokens`: which tokenizers there are, and how good their tokens are for a dataset."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.advice import advice, advice_text
from dashboard.cli.common import (
    Home,
    Json,
    Lang,
    command,
    emit,
    language_of,
    open_service,
    say,
    table,
)
from dashboard.cli.pilots import Accepted, drive, exit_code
from dashboard.cli.progress import TerminalReporter
from dashboard.ranges import in_brackets, ranged
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:  # torch: seconds
    from digpt.tokenizers.code_curve import CodeCurve
    from jobs.deep import DeepView
    from jobs.views import EstimateView, Range

app = typer.Typer(help="Tokenizers: list, check, deep, codes.", no_args_is_help=True)


@app.command("list")
@command
def list_tokenizers(
    dataset: Annotated[str | None, typer.Option(help="Say which are ready for this one.")] = None,
    lang: Lang = "en",
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
    accept: Accepted = None,
    lang: Lang = "en",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Token quality on a sample of the dataset, before any pretraining."""
    me = Viewer(language_of(lang))
    found = open_service(home).check_tokens(
        dataset, _names(tokenizers), TerminalReporter("checking"), accept or ()
    )
    if as_json:
        emit(
            {
                "dataset": dataset,
                "tokenizers": [{k: v for k, v in q.items() if k != "pictures"} for q in found],
                "recommendation": advice(found),
            }
        )
        return
    rows = [
        (
            q["tokenizer"],
            _range(q["index"], 0),
            _range(q["decodability"], 3),
            _range(q["token_decodability"], 3),
            _range(q["stability"], 2),
            _range(q["effective_rank"], 0),
            f"{q['cost_per_1000']:.2g}",
        )
        for q in found
    ]
    cost = f"{found[0]['currency']} per 1,000 images"
    table(("tokenizer", "index (95%)", "decodability", "single tokens", "stability", "rank", cost),
          rows)  # fmt: skip
    say(advice_text(found, me).replace("**", ""))
    say(me.text("tokens.trust"))


def _names(text: str) -> list[str]:
    names = [n.strip() for n in text.split(",") if n.strip()]
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
    lang: Lang = "en",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """About a minute of pretraining for each tokenizer, fine-tuned and probed, as a small pilot."""
    service = open_service(home)
    spec = service.deep_spec(dataset, _names(tokenizers), accept or ())
    estimate = service.estimate(spec)
    if price:
        emit(estimate) if as_json else print(_price(estimate))
        return
    say(_price(estimate))
    if not yes and estimate.device_seconds.likely:
        typer.confirm("Start?", abort=True, err=True)
    pilot = service.submit(spec, start=False)
    drive(service, pilot)
    found = service.deep_view(pilot)
    emit(found) if as_json else _show_deep(found)
    raise typer.Exit(exit_code(found.status))


def _price(found: "EstimateView") -> str:
    time, money = (
        _span(value, kind, found.currency)
        for value, kind in ((found.wall_seconds, "duration"), (found.money, "money"))
    )
    return f"Deep check: {time}, {money} (80% ranges, from {found.basis})"


def _show_deep(found: "DeepView") -> None:
    rows = [
        (
            arm.tokenizer or "scratch",
            arm.protocol,
            _span(arm.accuracy, "accuracy"),
            _span(arm.over_scratch, "points"),
            _span(arm.over_random, "points"),
        )
        for arm in found.arms
    ]
    accuracy = f"{found.labels} labels per class"
    table(
        ("tokenizer", "protocol", accuracy, "minus scratch, points", "minus random, points"), rows
    )
    say(Viewer("en").text("tokens.deep.trust"))


def _span(value: "Range | None", kind: str, currency: str = "") -> str:
    """A figure with its interval; a dash where there is none."""
    return in_brackets(*ranged(value, kind, Viewer("en"), currency))


def _range(measure: Mapping[str, float | None], digits: int) -> str:
    """A measure with its interval; a dash where it is not known."""
    if measure["value"] is None:
        return "–"
    value, low, high = (measure[k] for k in ("value", "low", "high"))
    ends = f" ({low:.{digits}f}–{high:.{digits}f})" if low is not None else ""
    return f"{value:.{digits}f}{ends}"


@app.command("codes")
@command
def codes(
    dataset: Annotated[str, typer.Option(help="Name of the dataset.")],
    tokenizer: Annotated[str, typer.Option(help="The one that codes are made of.")] = "filters",
    numbers: Annotated[
        str, typer.Option("--codes", help="Comma-separated numbers of codes.")
    ] = "16,64,256,1024",
    accept: Accepted = None,
    lang: Lang = "en",
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
    found = open_service(home).code_curve(
        dataset,
        tokenizer,
        [int(part) for part in wanted],
        TerminalReporter("measuring"),
        accept or (),
    )
    if as_json:
        emit({"dataset": dataset} | asdict(found))
        return
    rows = [
        (
            f"{p.codes:,}",
            "–" if p.nmi is None else f"{p.nmi:.3f} ({p.nmi_by_chance:.3f} by chance)",
            f"{p.perplexity:,.0f}",
            f"{p.coverage:.0%}",
            f"{p.explained:.0%}",
        )
        for p in found.points
    ]
    table(("codes", "NMI with labels", "perplexity", "codes in use", "variance explained"), rows)
    typer.echo(_advice(found))


def _advice(found: "CodeCurve") -> str:
    if found.suggested is None:
        return "No number of codes is both well used and tells labels better than chance."
    return f"Take codebook:{found.suggested}({found.base}), measured on {found.images:,} images."
