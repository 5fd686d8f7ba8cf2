"""The log: what the engine wrote, and when each stage began and ended."""

from dashboard.html import Html, h, join, note
from dashboard.names import stage_name
from dashboard.pages.runs.view import LOG_LINES, View
from dashboard.text import Viewer


def log_lines(shown: View, me: Viewer) -> Html:
    """The newest lines, newest first."""
    if not shown.logs:
        return note(me.text("runs.log.none"))
    newest = sorted(shown.logs, key=lambda line: line.at, reverse=True)
    lines = join(
        h(
            '<div class="d-log-{level}">{at} <span>{stage}</span> {text}</div>',
            level=line.level,
            at=f"{line.at.astimezone():%H:%M:%S}",
            stage=_stage(line.stage, me),
            text=me.text(f"runs.log.{line.text}") if line.level == "stage" else line.text,
        )
        for line in newest[:LOG_LINES]
    )
    return h('<div class="d-log" tabindex="0" id="runs-log-lines">{lines}</div>', lines=lines)


def _stage(stage: str, me: Viewer) -> str:
    kind, _, label = stage.partition(" ")
    return stage_name(kind, label, me)
