"""Licences of the tokenizers that are named, and which of them must be accepted first."""

from dashboard.html import Html, h, join
from dashboard.licences import accepted_notes, commercial_tag, licence_notes
from dashboard.names import short_tokenizer
from dashboard.pages.tokens.view import View
from dashboard.text import Viewer


def forbidden(shown: View) -> list[str]:
    """Those whose licence forbids commercial use."""
    return [name for name, facts in shown.licences.items() if facts.needs_consent]


def licences(shown: View, me: Viewer) -> Html:
    """One line for each recogniser; the rest of what is known on demand."""
    told = {name: facts for name, facts in shown.licences.items() if facts.source}
    accepted = accepted_notes(shown.accepted, me)
    if not told:
        return accepted
    tags = join(
        h('<span class="d-row d-left">{n} {t}</span>', n=short_tokenizer(name, me),
          t=commercial_tag(facts, me))
        for name, facts in told.items()
    )  # fmt: skip
    notes = join(
        h("<h3>{n}</h3>{f}", n=short_tokenizer(name, me), f=licence_notes(facts, me))
        for name, facts in told.items()
    )
    return h(
        '<div class="d-stack" id="tokens-licences"><div class="d-row d-left">{tags}</div>'
        "<details><summary>{more}</summary>{notes}</details>{accepted}</div>",
        accepted=accepted,
        tags=tags,
        more=me.text("tokens.licences"),
        notes=notes,
    )
