"""The data card as a file: Markdown for people, JSON for programs. No Gradio here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dashboard.findings import found_and_fix, health_text
from dashboard.problems import builtin_notes, remark_words
from dashboard.text import Viewer
from digpt.data.remarks import as_remark

if TYPE_CHECKING:
    from digpt.data.health import Health
    from jobs.views import DatasetVersion

Card = Mapping[str, Any]
MANY_VALUES, EXAMPLES = 50, 3  # of a column with more values than that, a few are shown
Lines = Sequence[tuple[str, str]]


def as_json(card: Card, health: "Health | None", versions: "Sequence[DatasetVersion]") -> str:
    """Card, health and versions as one JSON object."""
    content = {
        "card": dict(card),
        "health": None if health is None else asdict(health),
        "versions": [asdict(v) | {"created_at": v.created_at.isoformat()} for v in versions],
    }
    return json.dumps(content, ensure_ascii=False, indent=1)


def as_markdown(
    card: Card, health: "Health | None", versions: "Sequence[DatasetVersion]", me: Viewer
) -> str:
    """The card in the reader's language, after the questions of Gebru et al. 2018."""
    parts = [
        f"# {me.text('data.card.of', name=card['name'])}",
        "\n".join(
            f"- **{label}**{me.text('colon')}{value}" for label, value in fact_lines(card, me)
        ),
        f"## {me.text('data.counts')}",
        _counts(card, me),
    ]
    columns = column_lines(card, me)
    if columns:
        parts += [
            f"## {me.text('data.columns')}",
            "\n".join(f"- **{n}** ({kind}): {holds}" for n, kind, holds in columns),
        ]
    parts += [f"## {me.text('data.health')}", _health(health, me)]
    notes = [as_remark(r) for r in card["notes"]]
    remarks = [remark_words(as_remark(r), me) for r in card["warnings"]]
    remarks += (
        [remark_words(n, me) for n in notes]
        if versions
        else builtin_notes(card["name"], notes, me)  # only a built-in set has none
    )
    if remarks:
        parts += [f"## {me.text('data.notes')}", "\n".join(f"- {r}" for r in remarks)]
    if versions:
        lines = [
            f"- {me.text('new.version', n=v.version)}{me.text('colon')}{v.created_at:%Y-%m-%d}, "
            f"{me.text('data.fact.images')} {me.number(v.images, 'count')}, `{v.fingerprint[:12]}`"
            for v in versions
        ]
        parts += [f"## {me.text('data.versions')}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def fact_lines(card: Card, me: Viewer) -> Lines:
    """Label and value of what is known of the whole."""
    height, width = card["image_size"]
    groups = card["groups"]
    good = ", ".join(card["good_classes"])
    return [
        (me.text("data.fact.images"), me.number(card["images"], "count")),
        (me.text("data.fact.classes"), me.number(len(card["classes"]), "count")),
        (me.text("data.fact.task"), me.text(f"data.task.{card['task']}")),
        (me.text("data.fact.size"), f"{width} × {height}"),
        (me.text("data.fact.origin"), me.fact(card["source"]) or me.text("data.not-told")),
        (me.text("data.fact.licence"), me.fact(card["licence"]) or me.text("data.not-told")),
        (
            me.text("data.fact.groups"),
            me.text("data.no-groups") if groups is None else me.number(groups, "count"),
        ),
        (me.text("data.fact.good"), good or me.text("data.not-told")),
        (me.text("data.fact.fingerprint"), card["fingerprint"][:16]),
    ]


def column_lines(card: Card, me: Viewer) -> Sequence[tuple[str, str, str]]:
    """Name, kind and content of each caption and attribute column."""
    captions = [
        (
            name,
            me.text("data.caption"),
            me.text(
                "data.caption.holds",
                share=me.number(facts["share"], "share"),
                distinct=me.number(facts["distinct"], "count"),
                named=me.number(card["caption_names_class"].get(name, 0.0), "share"),
            ),
        )
        for name, facts in card.get("captions", {}).items()
    ]
    attributes = [
        (name, me.text("data.attribute"), _values(facts, me))
        for name, facts in card.get("attribute_values", {}).items()
    ]
    return [*captions, *attributes]


def _values(facts: Mapping[str, Any], me: Viewer) -> str:
    """The range of a number, or the commonest values of a text."""
    if "min" in facts:
        return f"{facts['min']:.4g} … {facts['max']:.4g}"
    empty = me.text("data.empty")
    named = [f"{v or empty} ({me.number(n, 'count')})" for v, n in facts.get("values", {}).items()]
    distinct = facts.get("distinct", 0)
    if distinct > MANY_VALUES:
        count = me.number(distinct, "count")
        return me.text("data.values.many", count=count, examples=_listed(named[:EXAMPLES], me))
    if distinct > len(named):
        named.append(me.text("health.more", count=distinct - len(named)))
    return _listed(named, me)


def _listed(words: Sequence[str], me: Viewer) -> str:
    return ("、" if me.language == "ja" else ", ").join(words)


def _counts(card: Card, me: Viewer) -> str:
    splits = list(card["counts"])
    heads = [me.text("data.class"), *(me.text(f"split.{s}") for s in splits)]
    unlabelled = any("" in c for c in card["counts"].values())
    rows = [
        [
            name or me.text("new.unlabelled"),
            *(str(card["counts"][s].get(name, 0)) for s in splits),
        ]
        for name in [*card["classes"], *([""] if unlabelled else [])]
    ]
    rule = ["---", *("---:" for _ in splits)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, rule, *rows])


def _health(health: "Health | None", me: Viewer) -> str:
    if health is None:
        return me.text("data.health.unknown")
    lines = [
        f"- **{me.text(f'severity.{f.severity}')}**{me.text('colon')}{found_and_fix(f, me)}"
        for f in health.findings
    ]
    return "\n".join([health_text(health, me), "", *lines]).rstrip()
