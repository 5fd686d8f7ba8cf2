"""Where every figure comes from, so that it can be found again."""

from __future__ import annotations

from dashboard.decisions import change_text
from dashboard.numbers import day
from dashboard.report.facts import Facts
from dashboard.report.story import Section
from dashboard.report.words.phrases import labels, listed, name, protocol_name, two_to_a_row
from dashboard.text import Viewer
from jobs.money.pricing import PriceTable


def trace(facts: Facts, me: Viewer) -> Section:
    colon = me.text("colon")
    short, long = _rows(facts, me), [("fingerprint", facts.provenance.fingerprint)]
    if facts.provenance.rates:
        long.append(("rates", _rates(facts, me)))
    changed = [change_text(c, facts.case.currency, me) for c in facts.changes or () if facts.case]
    return Section(
        key="trace",
        title=me.text("report.trace.title"),
        table=two_to_a_row([(me.text(f"report.trace.{k}"), v) for k, v in short], me),
        points=tuple(changed),
        note=" ".join(f"{me.text(f'report.trace.{k}')}{colon}{v}" for k, v in long),
    )


def _rows(facts: Facts, me: Viewer) -> list[tuple[str, str]]:
    """Key of `report.trace.*` and value, where there is one."""
    card, source = facts.card, facts.provenance
    version = source.dataset_version
    told = {
        "pilot": f"{card.name} ({card.id})",
        "data": me.text(
            "report.trace.data.value",
            name=card.dataset,
            version=me.text("new.builtin")
            if version is None
            else me.text("new.version", n=version),
            images=me.number(card.images, "count"),
        ),
        "arm": _arm(facts, me),
        "draws": _draws(facts, me),
        "product": f"D-iGPT Pilot {facts.version}",
        "rule": _rule(facts, me),
        "dates": me.text(
            "report.trace.dates.value",
            made=day(facts.made_at, me.language),
            started=day(card.created_at, me.language),
        ),
        "prices": source.prices_date.isoformat(),
    }
    return [(key, value) for key, value in told.items() if value]


def _arm(facts: Facts, me: Viewer) -> str:
    arm = facts.shown_arm
    if arm is None or arm.label_budget is None:
        return ""
    parts = [name(arm.arm, me), protocol_name(arm.protocol, me), labels(str(arm.label_budget), me)]
    return listed(parts, me)


def _draws(facts: Facts, me: Viewer) -> str:
    result = facts.result
    if result is None:
        return ""
    draws = me.number(result.draws, "count")
    return me.text("report.trace.draws.value", draws=draws, seed=result.seed)


def _rule(facts: Facts, me: Viewer) -> str:
    """Whether the case and its rule are those that were fixed before the pilot was launched."""
    if facts.case is None:
        return ""
    if facts.changes is None:
        return me.text("report.trace.rule.open")
    return me.text("report.trace.rule.changed" if facts.changes else "report.trace.rule.fixed",
                   count=len(facts.changes))  # fmt: skip


def _rates(facts: Facts, me: Viewer) -> str:
    """The exchange rates that were needed, with their date and source."""
    rates = facts.provenance.rates
    shown = listed([f"1 {r.source} = {me.number(r.rate, 'plain')} {r.target}" for r in rates], me)
    source = facts.provenance.rates_source
    if source == PriceTable.load().rates.source:  # of a table of one's own, in its own words
        source = me.text("report.trace.rates.shipped")
    date = facts.provenance.rates_date.isoformat()
    return me.text("report.trace.rates.value", rates=shown, date=date, source=source)
