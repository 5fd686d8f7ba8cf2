"""`digpt data`: what images there are, and how new ones come in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.cli.common import (
    BAD_INPUT,
    Home,
    Json,
    command,
    emit,
    open_service,
    plain,
    say,
    table,
)
from dashboard.cli.progress import TerminalReporter

if TYPE_CHECKING:
    from digpt.data.importers import Problem

app = typer.Typer(help="Datasets: list, add, check, show, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
Source = Annotated[Path, typer.Argument(help="Folder, archive, table, COCO json or YOLO yaml.")]
Task = Annotated[
    str, typer.Option("--task", help="classification, detection (boxes) or segmentation (masks).")
]


@app.command("list")
@command
def list_datasets(home: Home = None, as_json: Json = False) -> None:
    """All datasets, built in and added."""
    found = open_service(home).datasets()
    if as_json:
        emit({"datasets": found})
        return
    rows = [(d.name, d.version or "built in", d.images, len(d.classes), d.licence) for d in found]
    table(("name", "version", "images", "classes", "licence"), rows)


@app.command("add")
@command
def add(
    source: Source,
    name: Annotated[str | None, typer.Option("--name", help="Default: the folder's name.")] = None,
    task: Task = "classification",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report problems.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad items out.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Import a dataset. Originals are copied, never changed; errors store nothing."""
    result = open_service(home).import_dataset(
        source,
        name=name or source.absolute().stem.lower().replace("_", "-").replace(" ", "-"),
        task=task,
        dry_run=dry_run,
        skip_bad=skip_bad,
        reporter=TerminalReporter("reading images"),
    )
    errors = [p for p in result.problems if p.severity == "error"]
    is_refused = bool(errors) and not (skip_bad and (result.dataset or dry_run))
    if as_json:
        facts = {"code": "bad-data", "message": _line(errors[0]), "field": "source"}
        emit(({"error": facts} if is_refused else {}) | plain(result))
    else:
        for problem in result.problems:
            say(f"{problem.severity}: {_line(problem)}")
        counts = ", ".join(f"{sum(n.values())} {split}" for split, n in result.counts.items())
        if result.dataset:
            print(f"{result.dataset} version {result.version}: {counts} ({result.format})")
        else:
            say(f"{'Dry run: n' if dry_run else 'N'}othing stored. {counts}".rstrip())
    if is_refused:
        raise typer.Exit(BAD_INPUT)


def _line(problem: "Problem") -> str:
    """One problem with its file, unless it names the file itself."""
    is_named = not problem.file or problem.file in problem.what
    return f"{'' if is_named else f'{problem.file}: '}{problem.what} {problem.fix}".rstrip()


@app.command("check")
@command
def check(
    source: Source, task: Task = "classification", home: Home = None, as_json: Json = False
) -> None:
    """Report what an import would find, without storing anything."""
    add(source, task=task, dry_run=True, home=home, as_json=as_json)


@app.command("show")
@command
def show(name: Name, home: Home = None, as_json: Json = False) -> None:
    """Counts, splits, licence and notes of one dataset."""
    view = open_service(home).dataset(name)
    if as_json:
        emit(view)
        return
    licence = f", {view.licence}" if view.licence else ""
    print(f"{view.name}: {view.images} images, {len(view.classes)} classes{licence}")
    rows = [
        (split, label or "(no label)", n)
        for split, by_class in view.counts.items()
        for label, n in by_class.items()
    ]
    table(("split", "class", "images"), rows)
    for note in (*view.notes, *view.warnings):
        print(f"- {note}")


@app.command("remove")
@command
def remove(name: Name, home: Home = None, as_json: Json = False) -> None:
    """Remove an added dataset from the list; results made with it stay."""
    open_service(home).remove_dataset(name)
    emit({"removed": name}) if as_json else say(f"Removed {name}.")
