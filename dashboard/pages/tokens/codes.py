"""How many codes a codebook should have: the curve as a table, and the number to take."""

from typing import TYPE_CHECKING

from dashboard.html import NOTHING, Html, h, join, rich, table
from dashboard.pages.tokens.view import View
from dashboard.text import Viewer

if TYPE_CHECKING:
    from digpt.tokenizers.code_curve import CodePoint

COLUMNS = ("codes", "nmi", "chance", "perplexity", "coverage", "explained")


def curve(shown: View, me: Viewer) -> Html:
    """What was measured before of the chosen base."""
    found = shown.curve
    if found is None:
        return NOTHING
    advice = me.text(
        "tokens.curve.none" if found.suggested is None else "tokens.curve.take",
        name=f"codebook:{found.suggested}({found.base})",
        images=me.number(found.images, "count"),
    )
    heads = [me.text(f"tokens.curve.col.{c}") for c in COLUMNS]
    rows = [_row(p, me) for p in found.points]
    return join(
        [
            h('<p id="tokens-curve-advice">{a}</p>', a=rich(advice)),
            h('<div id="tokens-curve-table">{t}</div>',
              t=table(heads, rows, numeric=range(len(heads)))),
        ]
    )  # fmt: skip


def _row(point: "CodePoint", me: Viewer) -> list[str]:
    shares = [
        "–" if value is None else f"{value:.3f}" for value in (point.nmi, point.nmi_by_chance)
    ]
    return [
        me.number(point.codes, "count"),
        *shares,
        me.number(round(point.perplexity), "count"),
        me.number(point.coverage, "share"),
        me.number(point.explained, "share"),
    ]
