"""Licence facts of a tokenizer as tags and sentences, wherever one is chosen. No Gradio here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from dashboard.html import NOTHING, Html, h, join, tag
from dashboard.names import short_tokenizer
from dashboard.numbers import day
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.views import LicenceAccepted

_TONES = {"yes": ("go", "✓"), "no": ("no", "✕"), "unknown": ("more", "?")}


class Facts(Protocol):
    """What `jobs.governance` and a tokenizer's card both say."""

    @property
    def licence(self) -> str: ...
    @property
    def training_data(self) -> str: ...
    @property
    def commercial(self) -> str: ...
    @property
    def concerns(self) -> tuple[str, ...]: ...
    @property
    def source(self) -> str: ...


def accepted_text(accepted: Sequence["LicenceAccepted"], me: Viewer) -> list[str]:
    """Who said when that a licence which forbids commercial use is known, one line for each."""
    return [
        me.text(
            "governance.accepted",
            name=short_tokenizer(one.tokenizer, me),
            licence=me.fact(one.licence),
            who=one.who,
            day=day(one.at, me.language),
        )
        for one in accepted
    ]


def accepted_notes(accepted: Sequence["LicenceAccepted"], me: Viewer) -> Html:
    """The same as lines of a page."""
    return join(h('<p class="d-note">{t}</p>', t=line) for line in accepted_text(accepted, me))


def commercial_tag(facts: Facts, me: Viewer) -> Html:
    """Whether commercial use is allowed, by word, sign and colour."""
    tone, sign = _TONES[facts.commercial]
    return tag(f"{sign} {me.text(f'commercial.{facts.commercial}')}", tone)


def licence_notes(facts: Facts, me: Viewer) -> Html:
    """Licence, training data, what to know, and where the terms stand."""
    lines = [
        me.text("new.licence", licence=me.fact(facts.licence)),
        me.text("governance.trained-on", data=me.fact(facts.training_data)),
        *(me.text(f"governance.concern.{code}") for code in facts.concerns),
    ]
    # a link leaves the host only where a person follows it
    terms = h(
        '<li><a href="{url}" target="_blank" rel="noopener noreferrer">{word}</a></li>',
        url=facts.source,
        word=me.text("governance.source"),
    )
    items = join(h("<li>{line}</li>", line=line) for line in lines if line)
    return h(
        '<ul class="d-note d-facts">{items}{terms}</ul>',
        items=items,
        terms=terms if facts.source else NOTHING,
    )
