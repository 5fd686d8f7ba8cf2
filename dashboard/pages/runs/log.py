"""The log: what the engine wrote, and when each stage began and ended."""

from dashboard.html import Html, h, join, note
from dashboard.names import arm_name_of
from dashboard.pages.runs.view import LOG_LINES, View
from dashboard.text import Viewer, has_text


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
            stage=_stage_name(line.stage, me),
            text=me.text(f"runs.log.{line.text}") if line.level == "stage" else line.text,
        )
        for line in newest[:LOG_LINES]
    )
    return h('<div class="d-log" tabindex="0" id="runs-log-lines">{lines}</div>', lines=lines)


def _stage_name(stage: str, me: Viewer) -> str:
    """ "pretrain filters" in the reader's words."""
    kind, _, label = stage.partition(" ")
    if not has_text(f"kind.{kind}"):
        return stage
    if " × " in label or has_text(f"method.{label}"):
        label = arm_name_of(label, me)
    return f"{me.text(f'kind.{kind}')} {label}".strip()
