"""A figure with its interval in words, for pages and the command line. No Gradio here."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dashboard.text import Viewer
    from jobs.views import Range


def ranged(value: "Range | None", kind: str, me: "Viewer", currency: str = "") -> tuple[str, str]:
    """The figure and its interval ("" where there is none); a dash for no figure."""
    if value is None:
        return "–", ""
    likely = me.number(value.likely, kind, currency)
    if value.low is None or value.high is None or value.low == value.high:
        return likely, ""
    ends = me.interval(value.low, value.high, kind, currency)
    return likely, "" if ends == likely else ends  # "under 1 cent" is both


def in_brackets(figure: str, interval: str) -> str:
    """Both in one line of text."""
    return f"{figure} ({interval})" if interval else figure
