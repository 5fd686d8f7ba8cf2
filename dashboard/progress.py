"""How far some work is, in words. No Gradio here."""

from dashboard.text import Viewer

TOLD_AFTER, TOLD_FROM = 15.0, 0.02  # seconds and share of the work before the rest is estimated
PERCENT = 100  # work of several parts tells its progress of this many


def progress_text(
    what: str, done: int, total: int, me: Viewer, seconds: float | None = None
) -> str:
    """What is being done, how far it is after so many seconds and, once that can be told, how long
    it still takes."""
    share = done / total
    if total == PERCENT:
        said = me.text("work.percent", what=what, share=me.number(share, "share"))
    else:
        numbers = {"done": me.number(done, "count"), "total": me.number(total, "count")}
        said = me.text("work.at", what=what, **numbers)
    if seconds is None or seconds < TOLD_AFTER or not TOLD_FROM <= share < 1:
        return said
    left = me.number(seconds / share - seconds, "duration")
    return me.text("list.separator").join([said, me.text("progress.left", time=left)])
