"""`digpt pilot`: from a template to a comparison."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dashboard.cli.common import (
    DONE,
    FAILED,
    INTERRUPTED,
    Home,
    Json,
    Lang,
    command,
    emit,
    open_service,
    say,
    table,
)
from dashboard.numbers import interval, number
from dashboard.text import text

if TYPE_CHECKING:
    from jobs.service import PilotService
    from jobs.spec import PilotSpec
    from jobs.views import EstimateView, PilotView, Range

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
def estimate(spec: Spec, lang: Lang = "en", home: Home = None, as_json: Json = False) -> None:
    """Time and money before anything runs."""
    from jobs.spec import load_spec  # noqa: PLC0415 - start-up time of --help

    found = open_service(home).estimate(load_spec(spec))
    emit(found) if as_json else _show_estimate(found)


@app.command("submit")
@command
def submit(
    spec: Spec, accept: Accepted = None, lang: Lang = "en", home: Home = None, as_json: Json = False
) -> None:
    """Start a pilot in the background and return its id."""
    pilot = open_service(home).submit(_spec(spec, accept))
    emit({"pilot": pilot}) if as_json else print(pilot)


@app.command("run")
@command
def run(
    spec: Spec, accept: Accepted = None, lang: Lang = "en", home: Home = None, as_json: Json = False
) -> None:
    """Run a pilot in the foreground and end with its results. Ctrl-C cancels it."""
    service = open_service(home)
    pilot = service.submit(_spec(spec, accept), start=False)
    say(f"Pilot {pilot}")
    if drive(service, pilot):
        say("Cancelled.")
    _finish(service, pilot, as_json)


def drive(service: "PilotService", pilot: str) -> bool:
    """Run a pilot to its end, saying what changes; whether Ctrl-C cancelled it."""
    try:
        service.drive(pilot, on_change=_Ticker())
        return False
    except KeyboardInterrupt:
        service.cancel(pilot)
        service.drive(pilot)
        return True


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
def watch(pilot: Id, home: Home = None, as_json: Json = False) -> None:
    """Follow a running pilot until it ends. Ctrl-C stops watching, not the pilot."""
    service, ticker = open_service(home), _Ticker()
    if service.pilot(pilot).card.status not in ENDED:
        service.start()  # whoever led it may be gone
    while (view := service.pilot(pilot)).card.status not in ENDED:
        ticker(view)
        time.sleep(1)
    _finish(service, pilot, as_json)


@app.command("list")
@command
def list_pilots(
    page: Annotated[int, typer.Option(min=1)] = 1,
    search: Annotated[str, typer.Option(help="Part of a name.")] = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Pilots, newest first."""
    found = open_service(home).pilots(page=page, search=search)
    if as_json:
        emit({"pilots": found.items, "total": found.total, "page": page})
        return
    rows = [
        (c.id, c.name, c.status, c.dataset, f"{c.progress.share:.0%}", c.verdict or "-")
        for c in found.items
    ]
    table(("id", "name", "status", "dataset", "progress", "verdict"), rows)


@app.command("show")
@command
def show(pilot: Id, home: Home = None, as_json: Json = False) -> None:
    """Arms, stages, time and money of one pilot."""
    view = open_service(home).pilot(pilot)
    if as_json:
        emit(view)
        return
    card = view.card
    print(f"{card.name} ({card.id}): {card.status}, {card.dataset}, {card.progress.share:.0%}")
    rows = [
        (s.kind, s.label, s.state, number(s.device_seconds, "duration"), _error(s.error))
        for s in view.stages
    ]
    table(("stage", "of", "state", "device time", "error"), rows)
    spent = number(card.spent, "money", currency=card.currency)
    alone = number(view.money_stand_alone, "money", currency=card.currency)
    print(f"Spent {spent}; {alone} if nothing had been reused")
    if view.error:
        print(f"Stopped: {view.error['message']}")


@app.command("cancel")
@command
def cancel(pilot: Id, home: Home = None, as_json: Json = False) -> None:
    """Stop a pilot; what is finished is kept."""
    service = open_service(home)
    asked = service.cancel(pilot)
    status = service.pilot(pilot).card.status
    if as_json:
        emit({"pilot": pilot, "cancel": "requested" if asked else "none", "status": status})
    else:
        say("Cancel requested." if asked else f"Pilot {pilot} is {status}: nothing to cancel.")


@app.command("retry")
@command
def retry(pilot: Id, home: Home = None, as_json: Json = False) -> None:
    """Run what failed or was cancelled again."""
    open_service(home).retry(pilot)
    emit({"pilot": pilot, "retry": "requested"}) if as_json else say("Retry requested.")


@app.command("compare")
@command
def compare(
    pilots: Annotated[list[str], typer.Argument(help="Ids of one or more pilots.")],
    metric: Annotated[str, typer.Option(help="Only this metric; empty: all.")] = HEADLINE,
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
    several = len(pilots) > 1
    rows = [
        (
            *([r["pilot"]] if several else []),
            r["arm"],
            r["protocol"],
            r["label_budget"],
            r["metric"],
            _share(r["value"]),
            _span(r["low"], r["high"]),
            number(r["device_seconds"], "duration"),
            number(r["cost_stand_alone"], "money", currency=r["currency"]),
        )
        for r in found
    ]
    header = ("arm", "protocol", "labels/class", "metric", "value", "95%", "device time", "cost")
    table(("pilot", *header) if several else header, rows)


def _finish(service: "PilotService", pilot: str, as_json: bool) -> None:
    summary = service.summary(pilot)
    if as_json:
        emit(summary)
    else:
        _show_summary(summary)
    code = exit_code(summary["status"])
    raise typer.Exit(code)


def _show_summary(summary: dict[str, Any]) -> None:
    rows = [
        (
            arm["arm"],
            m["protocol"],
            m["label_budget"],
            _share(m["value"]),
            _span(m["low"], m["high"]),
            number(arm["cost"]["device_seconds"], "duration"),
        )
        for arm in summary["arms"]
        for m in arm["metrics"]
        if m["metric"] == HEADLINE
    ]
    if rows:
        table(("arm", "protocol", "labels/class", HEADLINE, "95%", "device time"), rows)
    without = [f"{a['arm']} ({a['status']})" for a in summary["arms"] if not a["metrics"]]
    if without:
        print(f"Without results: {', '.join(without)}")
    if summary["decision"]:
        print(f"Decision: {summary['decision']['verdict'] or 'none yet'}")
    print(f"{summary['pilot']}: {summary['status']}")


def _show_estimate(found: "EstimateView") -> None:
    rows = [
        (
            s.kind,
            s.count,
            s.cached,
            _range(s.device_seconds, "duration"),
            _range(s.money, "money", found.currency),
        )
        for s in found.stages
    ]
    table(("stage", "count", "cached", "device time", "money"), rows)
    time, money = (
        _range(found.wall_seconds, "duration"),
        _range(found.money, "money", found.currency),
    )
    print(f"Time {time}, money {money} (80% ranges, from {found.basis})")
    if found.rate_shown:
        print(found.rate_shown)
    for warning in found.warnings:
        print(f"- {_warning(warning, found.currency)}")


def _warning(warning: Mapping[str, Any], currency: str) -> str:
    facts = {k: v for k, v in warning.items() if k != "code"}
    if "money" in facts:
        facts["money"] = number(facts["money"], "money", currency=currency)
    if "seconds" in facts:
        facts["seconds"] = number(facts["seconds"], "duration")
    return text(f"warning.{warning['code']}", "en", **facts)


def _range(value: "Range", kind: str, currency: str = "") -> str:
    likely = number(value.likely, kind, currency=currency)
    if value.low is None or value.high is None or value.low == value.high:
        return likely
    return f"{likely} ({interval(value.low, value.high, kind, currency=currency)})"


def _share(value: float | None) -> str:
    return "-" if value is None else number(value, "accuracy")


def _span(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else interval(low, high, "accuracy")


def _error(error: Any) -> str:
    return error["message"] if error else ""


class _Ticker:
    """Says what changed: a stage that began or ended."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def __call__(self, view: "PilotView") -> None:
        for stage in view.stages:
            before = self._seen.get(stage.key)
            if stage.state != before and stage.state in ("running", "done", "reused", "failed"):
                which = f"{stage.kind} {stage.label}".strip()
                say(
                    f"[{view.card.progress.share:4.0%}] {which} ({', '.join(stage.arms)}): "
                    f"{stage.state} {_error(stage.error)}".rstrip()
                )
            self._seen[stage.key] = stage.state
