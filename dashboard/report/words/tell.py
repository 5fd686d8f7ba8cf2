"""The whole report in one language."""

from __future__ import annotations

from dashboard.numbers import day
from dashboard.report.facts import Facts
from dashboard.report.story import Section, Story
from dashboard.report.words.accuracy import accuracy
from dashboard.report.words.answer import answer, metrics, verdict, warnings
from dashboard.report.words.assumptions import assumptions
from dashboard.report.words.method import method
from dashboard.report.words.money import money
from dashboard.report.words.risks import risks
from dashboard.report.words.roadmap import roadmap
from dashboard.report.words.trace import trace
from dashboard.text import Viewer

FINGERPRINT = 12  # characters of a fingerprint that tell data apart on paper


def tell(facts: Facts, language: str) -> Story:
    """The report's parts, every sentence assembled from the facts."""
    me, card = Viewer(language), facts.card
    sections: list[Section | None] = [
        accuracy(facts, me),
        money(facts, me),
        risks(facts, me),
        roadmap(facts, me),
        method(facts, me),
        assumptions(facts, me),
        trace(facts, me),
    ]
    return Story(
        language=language,
        kicker=me.text("report.kicker"),
        title=me.text("report.title", pilot=card.name),
        question=me.text("report.question"),
        answer=answer(facts, me),
        date=day(facts.made_at, language),
        subject=me.text(
            "overview.about",
            dataset=card.dataset,
            images=me.number(card.images, "count"),
            classes=card.classes,
        ),
        foot=me.text(
            "report.foot",
            pilot=card.id,
            fingerprint=facts.provenance.fingerprint[:FINGERPRINT],
            version=facts.version,
        ),
        verdict=verdict(facts, me),
        warnings=warnings(facts, me),
        metrics=metrics(facts, me),
        sections=tuple(s for s in sections if s is not None),
    )
