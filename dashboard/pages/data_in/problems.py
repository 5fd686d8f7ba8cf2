"""What an import found, as a sentence, a table of problems and the same as a file."""

from typing import Any

import pandas as pd

from dashboard.html import Data, Html, h, join, note, table, tag
from dashboard.pages.shell import link
from dashboard.problems import format_words, place_words, problem_words
from dashboard.text import Viewer

COLUMNS = ("severity", "file", "what", "fix")


def problems(found: Any, me: Viewer, *, stored: bool) -> Html:
    """How an import went or would go, and what stands in its way."""
    total = sum(sum(c.values()) if isinstance(c, dict) else int(c) for c in found.counts.values())
    errors = sum(_times(p) for p in found.problems if p.severity == "error")
    key = "new.import.stored" if stored else "new.import.errors" if errors else "new.import.ready"
    tone = "go" if stored else "no" if errors else "info"
    words = me.text(
        key,
        images=me.number(total, "count"),
        format=format_words(found, me),
        count=errors,
        name=found.dataset or "",
    )
    if stored and found.task != "classification":
        there = h(
            '{words} <a href="{url}">{go}</a>',
            words=me.text("new.import.no-pilot"),
            url=link("data", dataset=found.dataset),
            go=me.text("new.import.look"),
        )
        words = join([h("{w}", w=words), there], " ")
    box = note(words, tone, "new-import-result")
    return join([box, _listed(found, me)]) if found.problems else box


def _listed(found: Any, me: Viewer) -> Html:
    rows = problem_rows(found, me)
    heads = [me.text(f"new.problem.{c}") for c in COLUMNS]
    cells = [
        [_tagged(p.severity, words[0]), *words[1:]]
        for p, words in zip(found.problems, rows, strict=True)
    ]
    data = Data(pd.DataFrame(rows, columns=heads), "problems.csv")
    return h(
        '<div id="new-problems"><p class="d-links"><a id="new-problems-csv" download="{file}" '
        'href="{href}">{label}</a></p>{t}</div>',
        file=data.file,
        href=data.csv_link(),
        label=me.text("new.problem.csv"),
        t=h('<div class="d-tall" tabindex="0">{t}</div>', t=table(heads, cells)),
    )


def problem_rows(found: Any, me: Viewer) -> list[list[str]]:
    """Severity, file, what and fix of each problem in the viewer's words."""
    box = me.text(
        "new.add.quoted", words=me.text("new.add.skip")
    )  # what a terminal calls --skip-bad
    words = [problem_words(p, me) for p in found.problems]
    return [
        [me.text(f"severity.{p.severity}"), place_words(p.file, me), what,
         _here(fix.replace("--skip-bad", box), me)]
        for p, (what, fix) in zip(found.problems, words, strict=True)
    ]  # fmt: skip


def _times(problem: Any) -> int:
    """How many a line stands for: beyond so many, one counts the rest."""
    return problem.facts["count"] if problem.code == "more" else 1


def _here(fix: str, me: Viewer) -> str:
    """The panel's own words for what a terminal calls --task."""
    label = me.text("new.add.quoted", words=me.text("new.add.task"))
    for task in ("detection", "segmentation"):
        choice = me.text("new.add.quoted", words=me.text(f"data.task.{task}"))
        fix = fix.replace(f"--task {task}", me.text("new.add.as", label=label, choice=choice))
    return fix.replace("--task", label)


def _tagged(severity: str, words: str) -> Html:
    tone, symbol = {"error": ("no", "✕"), "warning": ("more", "!")}.get(severity, ("info", "i"))
    return tag(f"{symbol} {words}", tone)
