"""`digpt data`: what images there are, and how new ones come in."""

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.cli.common import (
    BAD_INPUT,
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
from dashboard.cli.progress import TerminalReporter
from dashboard.datacard import as_json as as_json_card
from dashboard.datacard import as_markdown
from dashboard.findings import found_and_fix, health_text, move_text, remark_text
from dashboard.names import name_for
from dashboard.problems import dataset_notes, format_words, place_words, problem_words, remark_words
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from digpt.data.problems import Problem
    from jobs.catalogue import ImportResult
    from jobs.views import DatasetVersion

app = typer.Typer(
    help="Datasets: list, add, check, show, health, card, diff, remove.", no_args_is_help=True
)
SHOWN = 10  # files of a finding at the terminal
UNFOLDED = 200  # columns of a table that goes to a file or another program
COLOURS = {"error": "bold red", "warning": "yellow", "note": "dim"}

Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
Version = Annotated[int | None, typer.Option("--version", help="Default: the newest.")]
Source = Annotated[Path, typer.Argument(help="Folder, archive, table, COCO json or YOLO yaml.")]
Task = Annotated[
    str, typer.Option("--task", help="classification, detection (boxes) or segmentation (masks).")
]


@app.command("list")
@command
def list_datasets(lang: Lang = Language.EN, home: Home = None, as_json: Json = False) -> None:
    """All datasets, built in and added."""
    found = open_service(home).datasets()
    if as_json:
        emit({"datasets": found})
        return
    me = Viewer(lang)
    rows = [
        (
            d.name,
            d.version or me.text("new.builtin"),
            me.number(d.images, "count"),
            len(d.classes),
            me.fact(d.licence),
        )
        for d in found
    ]
    columns = ("name", "version", "images", "classes", "licence")
    table([me.text(f"cli.data.{c}") for c in columns], rows)


@app.command("add")
@command
def add(
    source: Source,
    name: Annotated[str | None, typer.Option("--name", help="Default: the folder's name.")] = None,
    task: Task = "classification",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report problems.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad items out.")] = False,
    origin: Annotated[str, typer.Option("--origin", help="Where the images come from.")] = "",
    licence: Annotated[str, typer.Option("--licence", help="Their licence or owner.")] = "",
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Import a dataset. Originals are copied, never changed; errors store nothing."""
    me = Viewer(lang)
    later = me.text("new.add.cutting" if dry_run else "new.add.storing")
    result = open_service(home).import_dataset(
        source,
        name=name or name_for(str(source.absolute())),
        task=task,
        dry_run=dry_run,
        skip_bad=skip_bad,
        origin=origin,
        licence=licence,
        reporter=TerminalReporter(me.text("cli.reading"), me, later),
    )
    errors = [p for p in result.problems if p.severity == "error"]
    is_refused = bool(errors) and not (skip_bad and (result.dataset or dry_run))
    if as_json:
        emit((_refusal(errors[0]) if is_refused else {}) | plain(result))
    else:
        if result.problems:
            _show(result.problems, me)
        words = _outcome(result, me, dry_run=dry_run)
        print(words) if result.dataset else say(words)
        if is_refused and not skip_bad:
            count = sum(p.facts["count"] if p.code == "more" else 1 for p in errors)
            say(me.text("cli.import.errors", count=count))
    if is_refused:
        raise typer.Exit(BAD_INPUT)


def _outcome(result: "ImportResult", me: Viewer, *, dry_run: bool) -> str:
    """What came of it, in one line."""
    counts = [
        me.text("cli.import.count", count=sum(by_class.values()), split=_split(split, me))
        for split, by_class in result.counts.items()
    ]
    said = me.text(
        f"cli.import.{'stored' if result.dataset else 'dry' if dry_run else 'refused'}",
        name=result.dataset or "",
        version=result.version or "",
    )
    return me.text(
        "cli.import.line" if counts else "cli.import.line.empty",
        said=said,
        counts=me.text("list.separator").join(counts),
        format=format_words(result, me),
    )


def _split(name: str, me: Viewer) -> str:
    """A split as the terminal calls it: by its own word in English."""
    return name if me.language == "en" else me.text(f"split.{name}")


def _refusal(first: "Problem") -> dict[str, object]:
    return {"error": {"code": "bad-data", "message": _line(first), "field": "source"}}


def _show(problems: "Sequence[Problem]", me: Viewer) -> None:
    """The problems as a table as wide as the terminal, on stderr."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - start-up time of --help
    from rich.console import Console  # noqa: PLC0415 - start-up time of --help
    from rich.table import Table  # noqa: PLC0415 - start-up time of --help
    from rich.text import Text  # noqa: PLC0415 - start-up time of --help

    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column, share in (("severity", None), ("file", 3), ("what", 5), ("fix", 5)):
        shown.add_column(me.text(f"new.problem.{column}"), ratio=share, overflow="fold")
    for one in problems:
        what, fix = problem_words(one, me)
        severity = Text(me.text(f"severity.{one.severity}"), style=COLOURS[one.severity])
        shown.add_row(severity, Text(place_words(one.file, me)), Text(what), Text(fix))
    screen = Console(stderr=True)
    if not screen.is_terminal:
        screen.width = UNFOLDED
    screen.print(shown)


def _line(problem: "Problem") -> str:
    """One problem with its file, unless it names the file itself."""
    is_named = not problem.file or problem.file in problem.what
    return f"{'' if is_named else f'{problem.file}: '}{problem.what} {problem.fix}".rstrip()


@app.command("check")
@command
def check(
    source: Source,
    task: Task = "classification",
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Report what an import would find, without storing anything."""
    add(source, task=task, dry_run=True, lang=lang, home=home, as_json=as_json)


@app.command("show")
@command
def show(
    name: Name,
    version: Version = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Counts, splits, licence and notes of one dataset."""
    view = open_service(home).dataset(name, version)
    if as_json:
        emit(view)
        return
    me = Viewer(lang)
    licence = f"{me.text('list.separator')}{me.fact(view.licence)}" if view.licence else ""
    facts = {"name": view.name, "images": view.images, "classes": len(view.classes)}
    print(me.text("cli.show.line", **facts, licence=licence))
    rows = [
        (_split(split, me), label or me.text("cli.show.none"), n)
        for split, by_class in view.counts.items()
        for label, n in by_class.items()
    ]
    table([me.text(f"cli.show.{c}") for c in ("split", "class", "images")], rows)
    for note in (*dataset_notes(view, me), *(remark_words(w, me) for w in view.warnings)):
        print(f"- {note}")


@app.command("health")
@command
def health(
    name: Name,
    version: Version = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Duplicates, leaks across splits, bad pictures, doubtful labels, balance."""
    me = Viewer(lang)
    found = open_service(home).health(name, version, TerminalReporter(me.text("cli.looking"), me))
    if as_json:
        emit({"dataset": name, "worst": found.worst()} | plain(found))
        return
    colon = me.text("colon")
    print(f"{name}{colon}{health_text(found, me)}")
    for finding in found.findings:
        severity = me.text(f"severity.{finding.severity}") if lang == "ja" else finding.severity
        print(f"\n{severity}{colon}{found_and_fix(finding, me)}")
        for file, remark in list(zip_longest(finding.files, finding.remarks, fillvalue=""))[:SHOWN]:
            print(f"  {file}{f'  ({remark_text(remark, me)})' if remark else ''}")
        if len(finding.files) > SHOWN:
            print(f"  {me.text('health.more', count=finding.count - SHOWN)} (--json)")


@app.command("card")
@command
def card(
    name: Name,
    version: Version = None,
    out: Annotated[Path | None, typer.Option("--out", help="A .md or .json file.")] = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """The data card: origin, licence, counts, columns, health, versions."""
    service = open_service(home)
    parts = (
        service.dataset_card(name, version),
        service.known_health(name, version),
        service.dataset_versions(name),
    )
    wants_json = as_json or (out is not None and out.suffix == ".json")
    me = Viewer(lang)
    text = as_json_card(*parts) if wants_json else as_markdown(*parts, me)
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")
        say(me.text("cli.written", path=out))


@app.command("diff")
@command
def diff(
    name: Name,
    before: Annotated[int | None, typer.Option("--from", help="Default: the one before.")] = None,
    after: Annotated[int | None, typer.Option("--to", help="Default: the newest.")] = None,
    lang: Lang = Language.EN,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """What changed between two versions: images added, removed, altered; labels; splits."""
    service, me = open_service(home), Viewer(lang)
    first, second = _two_versions(service.dataset_versions(name), name, before, after)
    found = service.dataset_difference(
        name, first, second, TerminalReporter(me.text("cli.comparing"), me)
    )
    if as_json:
        emit({"dataset": name, "from": first, "to": second} | plain(found))
        return
    print(me.text("cli.diff.line", name=name, first=first, second=second))
    print(
        f"{me.text('data.diff.unchanged')}{me.text('colon')}{me.number(found.unchanged, 'count')}"
    )
    for word in ("added", "removed", "pictures", "labels", "splits"):
        part = getattr(found, word)
        print(f"{me.text(f'data.diff.{word}')}{me.text('colon')}{me.number(part.count, 'count')}")
        for file, remark in list(zip_longest(part.files, part.remarks, fillvalue=""))[:SHOWN]:
            said = move_text(remark, me) if word == "splits" else remark
            print(f"  {file}{f'  ({said})' if said else ''}")
        if part.count > SHOWN:
            print(f"  {me.text('health.more', count=part.count - SHOWN)} (--json)")


def _two_versions(
    known: "Sequence[DatasetVersion]", name: str, before: int | None, after: int | None
) -> tuple[int, int]:
    """The two to compare; a sentence where there is only one."""
    numbers = [v.version for v in known]
    second = after or max(numbers, default=0)
    first = before or max((n for n in numbers if n < second), default=0)
    if not first or not second:
        raise UserError(
            f"Dataset {name!r} has no two versions to compare. Importing again under its name "
            "makes another.",
            code="one-version",
            field="dataset",
        )
    return first, second


@app.command("remove")
@command
def remove(name: Name, lang: Lang = Language.EN, home: Home = None, as_json: Json = False) -> None:
    """Remove an added dataset from the list; results made with it stay."""
    open_service(home).remove_dataset(name)
    emit({"removed": name}) if as_json else say(Viewer(lang).text("cli.removed", name=name))
