"""Token quality as rows and sentences, for the page and the command line. No Gradio here.

`write` joins a figure and its interval ("" where there is none) as the reader's medium does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dashboard.names import short_tokenizer
from dashboard.ranges import in_brackets, ranged
from dashboard.text import Viewer

if TYPE_CHECKING:  # torch: seconds
    from digpt.tokenizers.code_curve import CodeCurve
    from jobs.deep import DeepView
    from jobs.views import EstimateView

T = TypeVar("T")
Write = Callable[[str, str], T]
TUNED = ("score", "before", "after", "bought", "images", "choices", "class")
WEAK = ("slice", "images", "accuracy", "gap")
CURVE = ("codes", "nmi", "chance", "perplexity", "coverage", "explained")
DEEP = ("protocol", "accuracy", "scratch", "random")


def heads(columns: Sequence[str], group: str, me: Viewer) -> list[str]:
    """The headings of a table with a row for each tokenizer."""
    return [me.text("tokens.col.name"), *(me.text(f"tokens.{group}{c}") for c in columns)]


def measured(measure: Mapping[str, float | None] | None, kind: str, me: Viewer) -> tuple[str, str]:
    """A measure and its interval; kind "plain" is without decimals."""
    if measure is None or measure["value"] is None:
        return "–", ""
    value, low, high = (measure[k] for k in ("value", "low", "high"))
    if kind == "plain":
        dash = "〜" if me.language == "ja" else "–"
        return f"{value:.0f}", "" if low is None or high is None else f"{low:.0f}{dash}{high:.0f}"
    ends = "" if low is None or high is None else me.interval(low, high, kind)
    return me.number(value, kind), ends


def speed(images_per_second: float, me: Viewer) -> str:
    """Images per second; of slow ones a decimal, which is most of what tells them apart."""
    slow = images_per_second < 10
    return f"{images_per_second:.1f}" if slow else me.number(round(images_per_second), "count")


def tuning_rows(found: Sequence[Mapping[str, Any]], me: Viewer) -> list[list[str]]:
    """Each score of a tuned recogniser before and after, on images that tuning left out."""
    rows = []
    for q in found:
        facts = q["tuned"]
        for score in ("retrieval", "zero_shot") if facts else ():
            before, after = (facts.get(f"{score}_{when}") for when in ("before", "after"))
            if before is None or after is None:
                continue
            rows.append(
                [
                    short_tokenizer(q["tokenizer"], me),
                    me.text(f"tokens.tuned.{score}"),
                    me.number(before, "accuracy"),
                    me.number(after, "accuracy"),
                    _gain(facts, score, me),
                    me.number(facts["retrieval_images"], "count"),
                    me.number(facts[f"{score}_choices"], "count"),
                    me.number(facts["names_class_share"], "share"),
                ]
            )
    return rows


def _gain(facts: Mapping[str, Any], score: str, me: Viewer) -> str:
    """How much a score grew, with its 95% interval where it was kept."""
    grown = me.number(facts[f"{score}_after"] - facts[f"{score}_before"], "points")
    low, high = facts.get(f"{score}_low"), facts.get(f"{score}_high")
    if low is None or high is None:
        return grown
    return f"{grown} ({me.interval(low, high, 'points')})"


def weak_rows(
    found: Sequence[Mapping[str, Any]], me: Viewer, write: Write[T]
) -> list[list[str | T]]:
    """Slices whose classes are told clearly worse than those of the rest."""
    return [
        [
            short_tokenizer(q["tokenizer"], me),
            f"{s['column'] or me.text('tokens.weak.class')}{me.text('colon')}{s['value']}",
            me.number(s["images"], "count"),
            me.number(s["accuracy"], "accuracy"),
            write(*measured(s["gap"], "points", me)),
        ]
        for q in found
        for s in q["weakest"]
    ]


def curve_advice(found: "CodeCurve", me: Viewer) -> str:
    """How many codes to take and why, and which numbers could not be tried."""
    said = me.text(
        "tokens.curve.none" if found.suggested is None else "tokens.curve.take",
        name=f"codebook:{found.suggested}({found.base})",
        images=me.number(found.images, "count"),
    )
    if not found.left_out:
        return said
    codes = me.text("list.separator").join(me.number(k, "count") for k in found.left_out)
    rest = me.text("tokens.curve.left-out", codes=codes, tokens=me.number(found.fitted, "count"))
    return f"{said}{me.text('overview.lead.space')}{rest}"


def curve_rows(found: "CodeCurve", me: Viewer) -> list[list[str]]:
    """A row for each number of codes, in the order of CURVE."""
    return [
        [
            me.number(p.codes, "count"),
            *("–" if v is None else f"{v:.3f}" for v in (p.nmi, p.nmi_by_chance)),
            me.number(round(p.perplexity), "count"),
            me.number(p.coverage, "share"),
            me.number(p.explained, "share"),
        ]
        for p in found.points
    ]


def deep_offer(price: "EstimateView", me: Viewer) -> str:
    """What a deep check would take."""
    if not price.device_seconds.likely:
        return me.text("tokens.deep.kept")
    time = in_brackets(*ranged(price.wall_seconds, "duration", me))
    money = in_brackets(*ranged(price.money, "money", me, price.currency))
    return me.text("tokens.deep.offer", time=time, money=money)


def deep_caption(found: "DeepView", me: Viewer) -> str:
    """What a deep check pretrained and measured."""
    images = me.number(found.images_seen, "count")
    return me.text("tokens.deep.caption", images=images, labels=found.labels)


def deep_rows(found: "DeepView", me: Viewer, write: Write[T]) -> list[list[str | T]]:
    """What each student tells, and by how much more than the controls."""
    return [
        [
            short_tokenizer(arm.tokenizer, me) if arm.tokenizer else me.text("tokens.deep.none"),
            me.text(f"protocol.{arm.protocol}"),
            write(*ranged(arm.accuracy, "accuracy", me)),
            write(*ranged(arm.over_scratch, "points", me)),
            write(*ranged(arm.over_random, "points", me)),
        ]
        for arm in found.arms
    ]
