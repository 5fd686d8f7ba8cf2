"""Which tokenizers can be named, and how."""

from dashboard.html import Html, h, rich, table
from dashboard.licences import commercial_tag
from dashboard.pages.tokens.view import View
from dashboard.text import Viewer

COLUMNS = ("name", "what", "state", "use")


def families(shown: View, me: Viewer) -> Html:
    """Every family by an example, and the grammar of names; opened on demand."""
    rows = [
        [
            one.name,
            me.text(f"tokenizer.{one.family}"),
            me.text(f"cli.state.{one.remark or 'ready'}"),
            commercial_tag(one, me),
        ]
        for one in shown.families
    ]
    body = table([me.text(f"cli.tokens.{c}") for c in COLUMNS], rows)
    forms = me.text("tokens.families.forms", template=me.text("tokens.families.template"))
    return h(
        '<details id="tokens-families"><summary>{title}</summary>{t}<p class="d-note">{f}</p>'
        "</details>",
        title=me.text("tokens.families"),
        t=body,
        f=rich(forms),
    )
