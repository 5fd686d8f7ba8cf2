"""What could go wrong: each doubt with what is known of it and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.licences import accepted_text
from dashboard.names import short_tokenizer
from dashboard.reasons import reason_text
from dashboard.report.facts import Facts, Score
from dashboard.report.story import Cell, Section, Table
from dashboard.report.words.phrases import listed, name
from dashboard.text import Viewer
from digpt.tokenizers.names import parse
from jobs.governance import OWN_FILE, UNKNOWN
from jobs.governance import facts as licence_facts
from jobs.spec import PRETRAINING
from jobs.views import DatasetView

if TYPE_CHECKING:
    from jobs.roi.figures import SliceCost

# names of columns that say when or which one, not what kind of image it is
TELLS_APART = re.compile(r"time|date|(^|[_ -])(id|uuid|unit|serial)$")
PER = 1000  # items that a part's extra cost is told for: of one item it is a fraction of a cent


@dataclass(frozen=True, slots=True)
class Risk:
    """One line: a key of `report.risk.*`, what is known, and which advice fits."""

    key: str
    known: str
    advice: str  # key of report.advice.*


def risks(facts: Facts, me: Viewer) -> Section:
    found = [
        *_test_images(facts, me),
        *_choice(facts, me),
        *_seeds(facts, me),
        *_tokens(facts, me),
        *_bias(facts, me),
        *_copies(facts, me),
        *_licence(facts, me),
        *_data_size(facts, me),
    ]
    heads = tuple(me.text(f"report.column.{c}") for c in ("risk", "known", "advice"))
    rows = tuple(
        (
            Cell(me.text(f"report.risk.{r.key}")),
            Cell(r.known.replace("**", "")),
            Cell(me.text(f"report.advice.{r.advice}")),
        )
        for r in found
    )
    table = Table(heads, rows, widths=(0.2, 0.46, 0.34))
    return Section(key="risks", title=me.text("report.risks.title"), table=table)


def _test_images(facts: Facts, me: Viewer) -> Iterator[Risk]:
    arm, counts = facts.shown_arm, _test_counts(facts)
    if counts is None:
        return
    defects, good = counts
    numbers = {"defects": me.number(defects, "count"), "good": me.number(good, "count")}
    if arm is None or arm.figures is None:
        yield Risk("test", me.text("report.known.test-count", **numbers), "test")
        return
    f = arm.figures
    known = me.text(
        "report.known.test",
        arm=name(arm.arm, me),
        miss=me.number(f.miss_rate, "accuracy"),
        miss_range=me.interval(*f.miss_rate_interval, "accuracy"),
        alarm=me.number(f.false_alarm_rate, "accuracy"),
        alarm_range=me.interval(*f.false_alarm_rate_interval, "accuracy"),
        **numbers,
    )
    yield Risk("test", known, "test")


def _test_counts(facts: Facts) -> tuple[int, int] | None:
    """Defective and good test images, where the case or the data say which classes are good."""
    data = facts.provenance.dataset
    if data is None or "test" not in data.counts:
        return None
    counts = {c: n for c, n in data.counts["test"].items() if c}
    good = _good_classes(facts, data)
    if not good:
        return None
    fine = sum(n for c, n in counts.items() if c in good)
    return sum(counts.values()) - fine, fine


def _good_classes(facts: Facts, data: DatasetView) -> tuple[str, ...]:
    case = facts.case
    if case is None:
        return data.good_classes
    bad = case.positive_classes or (
        tuple(case.prevalence) if isinstance(case.prevalence, dict) else ()
    )
    if bad:
        return tuple(c for c in data.classes if c not in bad)
    return case.good_classes or data.good_classes


def _choice(facts: Facts, me: Viewer) -> Iterator[Risk]:
    """The best of several arms on one test set flatters itself."""
    for reason in facts.result.reasons if facts.result else ():
        if reason.code == "choice-repeated" and facts.result:
            yield Risk("choice", reason_text(reason, facts.result.currency, me), "choice")


def _seeds(facts: Facts, me: Viewer) -> Iterator[Risk]:
    if any(a.method in PRETRAINING for a in facts.arms):
        many = facts.card.seeds > 1
        known = me.text("report.known.seeds", count=facts.card.seeds)
        yield Risk("seeds", known, "seeds.many" if many else "seeds.one")


def _tokens(facts: Facts, me: Viewer) -> Iterator[Risk]:
    """What a control with random tokens says about the tokens, if there is one."""
    pretrained = [a for a in facts.arms if a.method in PRETRAINING and a.tokenizer]
    if not pretrained:
        return
    controls = {a.name for a in pretrained if "random" in _families(a.tokenizer)}
    pair = _control_pair(facts, controls)
    if pair is None:
        yield Risk("tokens", me.text("report.known.tokens.none"), "tokens.none")
        return
    own, control = pair
    known = me.text(
        "report.known.tokens",
        arm=name(own.arm, me),
        value=me.number(own.value, "accuracy"),
        range=me.interval(own.low, own.high, "accuracy"),
        control=name(control.arm, me),
        control_value=me.number(control.value, "accuracy"),
        control_range=me.interval(control.low, control.high, "accuracy"),
    )
    yield Risk("tokens", known, "tokens.clear" if own.low > control.high else "tokens.unclear")


def _control_pair(facts: Facts, controls: set[str]) -> tuple[Score, Score] | None:
    """The arm of the accuracy section beside its control, under one protocol and budget."""
    gain = facts.cheap_gain or facts.fair_gain
    if gain is None or gain.arm in controls:
        return None
    cell = (gain.protocol, gain.label_budget)
    at = {s.arm: s for s in facts.scores if (s.protocol, s.label_budget) == cell}
    own, control = at.get(gain.arm), next((at[c] for c in sorted(controls) if c in at), None)
    return (own, control) if own and control else None


def _families(tokenizer: str | None) -> set[str]:
    found, part = set(), parse(tokenizer) if tokenizer else None
    while part is not None:
        found.add(part.family)
        part = part.base
    return found


def _bias(facts: Facts, me: Viewer) -> Iterator[Risk]:
    """Groups that do worse: those that surely cost more, or what could be looked at."""
    arm, data = facts.shown_arm, facts.provenance.dataset
    parts = [s for s in arm.figures.slices if s.difference_interval] if arm and arm.figures else []
    if parts and facts.result:
        yield _part(parts, facts.result.currency, me)
        return
    kinds = [a for a in data.attributes if not TELLS_APART.search(a.lower())] if data else []
    if kinds:
        known = me.text("report.known.bias.open", attributes=listed(kinds, me))
        yield Risk("bias", known, "bias.open")
    else:
        yield Risk("bias", me.text("report.known.bias.blind"), "bias.blind")


def _part(parts: list[SliceCost], currency: str, me: Viewer) -> Risk:
    """The part of the test images that costs most more than all, if that is beyond chance."""
    worse = [s for s in parts if s.difference_interval and s.difference_interval[0] > 0]
    if not worse:
        attributes = listed(list(dict.fromkeys(s.attribute for s in parts)), me)
        count = me.number(len(parts), "count")
        return Risk(
            "bias",
            me.text("report.known.bias.even", attributes=attributes, count=count),
            "bias.even",
        )
    worst = max(worse, key=lambda s: s.difference or 0.0)
    low, high = worst.difference_interval or (0.0, 0.0)
    known = me.text(
        "report.known.bias.worst",
        part=f"{worst.attribute}{me.text('colon')}{worst.value}",
        items=me.number(worst.items, "count"),
        per=me.number(PER, "count"),
        more=me.number(PER * (worst.difference or 0.0), "money", currency),
        range=me.interval(PER * low, PER * high, "money", currency),
        miss=me.number(worst.miss_rate, "accuracy"),
        alarm=me.number(worst.false_alarm_rate, "accuracy"),
    )
    return Risk("bias", known, "bias.worst")


def _copies(facts: Facts, me: Viewer) -> Iterator[Risk]:
    data = facts.provenance.dataset
    if data is not None and data.groups is None:
        yield Risk("copies", me.text("report.known.copies"), "copies")
    seen = [a.name for a in facts.arms if a.sees_labels]
    if seen:
        arms = listed([name(a, me) for a in seen], me)
        yield Risk("captions", me.text("report.known.captions", arms=arms), "captions")


def _licence(facts: Facts, me: Viewer) -> Iterator[Risk]:
    """Licences of the recognisers in the pilot, who accepted them, and of the images."""
    tokenizers = list(dict.fromkeys(a.tokenizer for a in facts.arms if a.tokenizer))
    by_kind: dict[str, list[str]] = {}
    for tokenizer in tokenizers:
        by_kind.setdefault(licence_kind(tokenizer), []).append(short_tokenizer(tokenizer, me))
    parts = [
        me.text(f"report.known.licence.{kind}", names=listed(names, me))
        for kind, names in by_kind.items()
        if kind != "outside"
    ]
    outside = [t for t in tokenizers if licence_kind(t) == "outside"]
    parts += [_terms(tokenizer, me) for tokenizer in outside]
    parts += accepted_text(facts.accepted, me)
    data = facts.provenance.dataset
    licence = data.licence if data else ""
    parts.append(
        me.text("report.known.licence.data", licence=me.fact(licence))
        if licence
        else me.text("report.known.licence.data-unknown")
    )
    is_known = "unknown" not in by_kind and licence
    advice = "known" if is_known and not outside else "unknown"
    if facts.accepted or any(licence_facts(t).commercial == "no" for t in tokenizers):
        advice = "forbidden"
    yield Risk("licence", me.text("overview.lead.space").join(parts), f"licence.{advice}")


def _terms(tokenizer: str, me: Viewer) -> str:
    terms = licence_facts(tokenizer)
    return me.text(
        "report.known.licence.outside",
        name=short_tokenizer(tokenizer, me),
        licence=me.fact(terms.licence),
        use=me.text(f"commercial.{terms.commercial}"),
    )


def licence_kind(tokenizer: str) -> str:
    """own: part of this product; trained: on the pilot's own images alone; outside: weights from
    elsewhere, as those that a codebook or a tuned CLIP starts from; unknown: outside weights whose
    terms are not listed."""
    name = parse(tokenizer)
    if name.base is not None and (name.needs_base or name.tunes):
        return licence_kind(name.base.canonical)
    if name.facts.needs_weights:
        return "unknown" if licence_facts(tokenizer) in (UNKNOWN, OWN_FILE) else "outside"
    return "trained" if name.facts.needs_captions else "own"


def _data_size(facts: Facts, me: Viewer) -> Iterator[Risk]:
    data = facts.provenance.dataset
    if data is None:
        return
    counts = {split: sum(by_class.values()) for split, by_class in data.counts.items()}
    known = me.text(
        "report.known.size",
        pool=me.number(counts.get("pool", 0) + counts.get("train", 0), "count"),
        train=me.number(counts.get("train", 0), "count"),
    )
    yield Risk("size", known, "size")
