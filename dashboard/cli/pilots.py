"""`digpt pilot`: from a template to a comparison."""

import signal
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dashboard.cautions import caution
from dashboard.cli.common import (
    DONE,
    FAILED,
    INTERRUPTED,
    Home,
    Json,
    Lang,
    Language,
    command,
    emit,
    open_service,
    plain,
    say,
    table,
)
from dashboard.cli.ticker import Ticker, of_arms
from dashboard.licences import accepted_text
from dashboard.names import arm_name_of, budget_name, stage_name
from dashboard.ranges import in_brackets, ranged
from dashboard.text import Viewer, has_text, stored_error

if TYPE_CHECKING:
    from jobs.service import PilotService
    from jobs.spec import PilotSpec
    from jobs.views import EstimateView, PilotView

app = typer.Typer(help="Pilots: plan, run, watch, compare.", no_args_is_help=True)

Spec = Annotated[Path, typer.Argument(help="Pilot spec (YAML).")]
Accepted = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-licence",
        help="A tokenizer to use although its licence forbids commercial use; recorded.",
    ),
]
Id = Annotated[str, typer.Argument(help="Id of the pilot.")]
HEADLINE = "balanced_accuracy"
RESULT = (
    *(f"column.{c}" for c in ("name", "protocol", "label_budget", "metric", "value")),
    "cli.interval",
)
ENDED = ("done", "partial", "failed", "cancelled")

TEMPLATE = """\
name: my-first-pilot
dataset: {name: surfaces}        # "digpt data list" shows what there is
arms:
  - {method: digpt, tokenizer: filters}
  - {method: digpt, tokenizer: domain-clip}
  - {method: scratch}            # no pretraining
  - {method: frozen, tokenizer: domain-clip}  # the cheap baseline
preset: quick                    # smoke | quick | standard | paper
pretrain: {seeds: 1}
transfer: {label_budgets: [5, 10, 20, 50, all], label_seeds: 3}
limits: {cost: 20 USD, hours: 2}
"""


@app.command("template")
@command
def template(
    schema: Annotated[bool, typer.Option("--schema", help="JSON schema for editors.")] = False,
) -> None:
    """Print a spec to start from."""
    if schema:
        from jobs.spec import json_schema  # noqa: PLC0415 - start-up time of --help

        emit(json_schema())
    else:
        print(TEMPLATE, end="")


@app.command("estimate")
@command
def estimate(
    spec: Spec, lang: Lang = Language.EN, home: Home = None, as_json: Json = False
) -> None:
    """Time and money before anything runs."""
    from jobs.spec import load_spec  # noqa: PLC0415 - start-up time of --help

    found = open_service(home).estimate(load_spec(spec))
    emit(found) if as_json else _show_estimate(found, Viewer(lang))


@app.command("submit")
@command
def submit(
    spec: Spec,
    accept: Accepted = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Start a pilot in the background and return its id."""
    service = open_service(home)
    pilot = service.submit(_spec(spec, accept))
    _say_plan(service, pilot, Viewer(lang))
    emit({"pilot": pilot}) if as_json else print(pilot)


@app.command("run")
@command
def run(
    spec: Spec,
    accept: Accepted = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run a pilot in the foreground and end with its results. Ctrl-C cancels it."""
    service, me = open_service(home), Viewer(lang)
    pilot = service.submit(_spec(spec, accept), start=False)
    say(me.text("cli.pilot.started", pilot=pilot))
    _say_plan(service, pilot, me)
    if drive(service, pilot, me):
        say(me.text("cli.pilot.cancelled"))
    _finish(service, pilot, as_json, me)


def drive(service: "PilotService", pilot: str, me: Viewer) -> bool:
    """Run a pilot to its end, saying what changes; whether Ctrl-C or SIGTERM cancelled it."""
    beside = [c for c in service.pilots(size=100).items if c.status not in ENDED and c.id != pilot]
    if beside:
        names = me.text("list.separator").join(f"{c.name} ({c.id})" for c in beside)
        say(me.text("cli.pilot.beside", pilots=names))
    ticker, before = Ticker(me), signal.getsignal(signal.SIGTERM)

    def look(view: "PilotView") -> None:
        # at every look: Ray, once it has started, ends the process with a stack trace instead
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        ticker(view)

    try:
        service.drive(pilot, on_change=look)
        return False
    except KeyboardInterrupt:
        service.cancel(pilot)
        service.drive(pilot)
        return True
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_plan(service: "PilotService", pilot: str, me: Viewer) -> None:
    """What a pilot is going to take, on stderr."""
    planned = service.pilot(pilot).estimate
    if planned is not None:
        say("\n".join(_in_all(planned, me)))


def exit_code(status: str) -> int:
    """Of a command that ends with a pilot."""
    return {"done": DONE, "cancelled": INTERRUPTED}.get(status, FAILED)


def _spec(path: Path, accepted: list[str] | None) -> "PilotSpec":
    """The spec, with licences that were accepted on the command line."""
    from jobs.spec import load_spec  # noqa: PLC0415 - start-up time of --help

    spec = load_spec(path)
    names = (*spec.licence_accepted, *(accepted or ()))
    return spec.model_copy(update={"licence_accepted": names})


@app.command("watch")
@command
def watch(pilot: Id, lang: Lang = Language.EN, home: Home = None, as_json: Json = False) -> None:
    """Follow a running pilot until it ends. Ctrl-C stops watching, not the pilot."""
    service, me = open_service(home), Viewer(lang)
    ticker = Ticker(me)
    if service.pilot(pilot).card.status not in ENDED:
        service.start()  # whoever led it may be gone
    while (view := service.pilot(pilot)).card.status not in ENDED:
        ticker(view)
        time.sleep(1)
    _finish(service, pilot, as_json, me)


@app.command("list")
@command
def list_pilots(
    page: Annotated[int, typer.Option(min=1)] = 1,
    search: Annotated[str, typer.Option(help="Part of a name.")] = "",
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Pilots, newest first."""
    found = open_service(home).pilots(page=page, search=search)
    if as_json:
        emit({"pilots": found.items, "total": found.total, "page": page})
        return
    me = Viewer(lang)
    columns = ("id", "name", "status", "dataset", "share", "verdict")
    rows = [
        (
            c.id,
            c.name,
            me.text(f"status.{c.status}"),
            c.dataset,
            me.number(c.progress.share, "share"),
            me.text(f"verdict.{c.verdict}") if c.verdict else "–",
        )
        for c in found.items
    ]
    table([me.text(f"cli.{c}") for c in columns], rows)


@app.command("show")
@command
def show(pilot: Id, lang: Lang = Language.EN, home: Home = None, as_json: Json = False) -> None:
    """Arms, stages, time and money of one pilot."""
    service = open_service(home)
    view, accepted = service.pilot(pilot), service.licences_accepted(pilot)
    if as_json:
        emit(plain(view) | {"licences_accepted": plain(accepted)})
        return
    card, me = view.card, Viewer(lang)
    facts = {"name": card.name, "pilot": card.id, "dataset": card.dataset}
    share, status = me.number(card.progress.share, "share"), me.text(f"status.{card.status}")
    print(me.text("cli.pilot.line", **facts, status=status, share=share))
    rows = [
        (
            stage_name(s.kind, s.label, me),
            of_arms(s.arms, me),
            me.text(f"stage.{s.state}"),
            me.number(s.device_seconds, "duration"),
            stored_error(s.error, me) if s.error else "",
        )
        for s in view.stages
    ]
    table(_heads(("cli.stage", "cli.of", "cli.state", "column.device", "cli.error"), me), rows)
    spent, alone = (
        me.number(m, "money", card.currency) for m in (card.spent, view.money_stand_alone)
    )
    print(me.text("cli.pilot.spent", spent=spent, alone=alone))
    for line in accepted_text(accepted, me):
        print(line)
    if view.error:
        print(me.text("cli.pilot.stopped", why=stored_error(view.error, me)))


@app.command("cancel")
@command
def cancel(pilot: Id, lang: Lang = Language.EN, home: Home = None, as_json: Json = False) -> None:
    """Stop a pilot; what is finished is kept."""
    service = open_service(home)
    asked = service.cancel(pilot)
    status = service.pilot(pilot).card.status
    if as_json:
        emit({"pilot": pilot, "cancel": "requested" if asked else "none", "status": status})
    else:
        me = Viewer(lang)
        facts = {"pilot": pilot, "status": me.text(f"status.{status}")}
        say(me.text("cli.cancel.asked" if asked else "cli.cancel.none", **facts))


@app.command("retry")
@command
def retry(pilot: Id, lang: Lang = Language.EN, home: Home = None, as_json: Json = False) -> None:
    """Run what failed or was cancelled again."""
    open_service(home).retry(pilot)
    said = Viewer(lang).text("cli.retry.asked")
    emit({"pilot": pilot, "retry": "requested"}) if as_json else say(said)


@app.command("compare")
@command
def compare(
    pilots: Annotated[list[str], typer.Argument(help="Ids of one or more pilots.")],
    metric: Annotated[str, typer.Option(help="Only this metric; empty: all.")] = HEADLINE,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Arms side by side with intervals and cost."""
    from digpt.errors import pick  # noqa: PLC0415 - with numpy
    from digpt.evaluate.metrics import METRICS  # noqa: PLC0415 - start-up time of --help

    if metric:
        pick(METRICS, metric, "metric")
    frame = open_service(home).compare(pilots)
    if metric:
        frame = frame.loc[frame["metric"] == metric]
    found = frame.to_dict("records")
    if as_json:
        emit({"rows": found})
        return
    several, me = len(pilots) > 1, Viewer(lang)
    rows = [
        (
            *([r["pilot"]] if several else []),
            *_result(r["arm"], r, me),
            me.number(r["device_seconds"], "duration"),
            me.number(r["cost_stand_alone"], "money", r["currency"]),
        )
        for r in found
    ]
    header = (*RESULT, "column.device", "column.cost_stand_alone")
    table(_heads(("column.pilot_name", *header) if several else header, me), rows)
    _show_seen({r["arm"]: r["images_seen"] for r in found}, me)


def _heads(keys: Iterable[str], me: Viewer) -> list[str]:
    return [me.text(key) for key in keys]


def _result(arm: str, found: Mapping[Hashable, Any], me: Viewer) -> tuple[str, ...]:
    """Cells of one measured figure, in the order of RESULT."""
    metric = f"metric.{found['metric']}"
    low, high = found["low"], found["high"]
    return (
        arm_name_of(arm, me),
        me.text(f"protocol.{found['protocol']}"),
        budget_name(found["label_budget"], me),
        me.text(metric) if has_text(metric) else str(found["metric"]),
        me.number(found["value"], "accuracy"),
        "–" if low is None or high is None else me.interval(low, high, "accuracy"),
    )


def _finish(service: "PilotService", pilot: str, as_json: bool, me: Viewer) -> None:
    summary = service.summary(pilot)
    if as_json:
        emit(summary)
    else:
        _show_summary(summary, me)
    code = exit_code(summary["status"])
    raise typer.Exit(code)


def _show_summary(summary: dict[str, Any], me: Viewer) -> None:
    rows = [
        (*_result(arm["arm"], m, me), me.number(arm["cost"]["device_seconds"], "duration"))
        for arm in summary["arms"]
        for m in arm["metrics"]
        if m["metric"] == HEADLINE
    ]
    if rows:
        table(_heads((*RESULT, "column.device"), me), rows)
    _show_seen({a["arm"]: a["images_seen"] for a in summary["arms"]}, me)
    without = [
        f"{arm_name_of(a['arm'], me)} ({me.text('stage.' + a['status'])})"
        for a in summary["arms"]
        if not a["metrics"]
    ]
    if without:
        arms = me.text("list.separator").join(without)
        print(me.text("cli.pilot.without", arms=arms))
    if summary["error"]:
        print(me.text("cli.pilot.stopped", why=stored_error(summary["error"], me)))
    if summary["decision"]:
        verdict = summary["decision"]["verdict"]
        said = me.text(f"verdict.{verdict}") if verdict else me.text("roi.no-verdict")
        print(f"{me.text('roi.verdict')}{me.text('colon')}{said}")
    status = me.text(f"status.{summary['status']}")
    print(f"{summary['pilot']}{me.text('colon')}{status}")


def _show_estimate(found: "EstimateView", me: Viewer) -> None:
    rows = [
        (
            me.text(f"kind.{s.kind}"),
            s.count,
            s.cached,
            in_brackets(*ranged(s.device_seconds, "duration", me)),
            in_brackets(*ranged(s.money, "money", me, found.currency)),
        )
        for s in found.stages
    ]
    table(
        _heads(("cli.stage", "cli.count", "cli.cached", "column.device", "column.cost"), me), rows
    )
    _show_seen({a.name: a.images_seen for a in found.arms}, me)
    print("\n".join(_in_all(found, me)))


def _in_all(found: "EstimateView", me: Viewer) -> Iterator[str]:
    """Time and money of a whole pilot, and what to beware of, in lines."""
    time = in_brackets(*ranged(found.wall_seconds, "duration", me))
    money = in_brackets(*ranged(found.money, "money", me, found.currency))
    basis = me.text(f"basis.{found.basis}")
    yield me.text("cli.estimate.total", time=time, money=money, basis=basis)
    if found.rate_shown:
        yield found.rate_shown
    for warning in found.warnings:
        yield f"- {caution(warning, found.currency, me)}"


def _show_seen(images: Mapping[str, int | None], me: Viewer) -> None:
    """How many images each arm is pretrained on, where arms that spend the same see different
    numbers of them."""
    rows = [(arm_name_of(arm, me), me.number(n, "count")) for arm, n in images.items() if n]
    if len({number for _, number in rows}) > 1:
        table(_heads(("column.name", "column.images_seen"), me), rows)
        print(me.text("column.images_seen.note"))
