"""How many codes a codebook should have: the curve as a table, and the number to take."""

from dashboard.html import NOTHING, Html, h, join, rich, table
from dashboard.pages.tokens.view import View
from dashboard.quality import CURVE, curve_advice, curve_rows
from dashboard.text import Viewer


def curve(shown: View, me: Viewer) -> Html:
    """What was measured before of the chosen base."""
    found = shown.curve
    if found is None:
        return NOTHING
    heads = [me.text(f"tokens.curve.col.{c}") for c in CURVE]
    body = table(heads, curve_rows(found, me), numeric=range(len(heads)))
    return join(
        [
            h('<p id="tokens-curve-advice">{a}</p>', a=rich(curve_advice(found, me))),
            h('<div id="tokens-curve-table">{t}</div>', t=body),
        ]
    )
