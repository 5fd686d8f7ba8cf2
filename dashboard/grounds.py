"""What an arm's result rests on, in sentences: what moves it, where it stops paying, what to learn.

For the command line and wherever there is no room for a chart. No Gradio here.
"""

from typing import TYPE_CHECKING

from dashboard.decisions import value_text
from dashboard.names import input_name
from dashboard.text import Viewer

if TYPE_CHECKING:
    from jobs.roi.breakeven import BreakEven
    from jobs.roi.evaluate import CaseResult
    from jobs.roi.figures import ClassLabels, Figures, MoreLabels, Swing

SHOWN = 5  # sentences of a kind


def grounds(figures: "Figures", result: "CaseResult", me: Viewer) -> list[str]:
    """The most telling sentences about one arm, most telling first."""
    return [
        *(_swing(bar, result, me) for bar in figures.tornado[:SHOWN]),
        *(_break_even(name, at, figures, result, me) for name, at in _nearest(figures)),
        *_worth_knowing(figures, result, me),
        *_labels(figures, result, me),
    ]


def _swing(bar: "Swing", result: "CaseResult", me: Viewer) -> str:
    return me.text(
        "ground.swing",
        input=input_name(bar.name, me),
        low=_value(bar.name, bar.low, result, me),
        high=_value(bar.name, bar.high, result, me),
        npv_low=me.number(bar.npv_low, "money", result.currency),
        npv_high=me.number(bar.npv_high, "money", result.currency),
    )


def _nearest(figures: "Figures") -> list[tuple[str, "BreakEven"]]:
    """The break-evens nearest to their likely values."""
    found = [
        (n, b) for n, b in figures.break_evens.items() if b.value is not None and b.positive_side
    ]

    def distance(pair: tuple[str, "BreakEven"]) -> float:
        likely, value = figures.likely_inputs[pair[0]], pair[1].value
        assert value is not None
        return abs(value - likely) / abs(likely) if likely else float("inf")

    near = sorted(found, key=distance)
    return [pair for pair in near if distance(pair) < float("inf")][:SHOWN]


def _break_even(
    name: str, at: "BreakEven", figures: "Figures", result: "CaseResult", me: Viewer
) -> str:
    assert at.value is not None
    return me.text(
        f"ground.break-even.{at.positive_side}",
        input=input_name(name, me),
        value=_value(name, at.value, result, me),
        likely=_value(name, figures.likely_inputs[name], result, me),
    )


def _worth_knowing(figures: "Figures", result: "CaseResult", me: Viewer) -> list[str]:
    singles = {n: w for n, w in figures.evppi.items() if w > 0 and not n.startswith("model.")}
    if figures.evppi.get("model.rates", 0) > 0:
        singles["model.rates"] = figures.evppi["model.rates"]
    return [
        me.text(
            "ground.evppi",
            input=input_name(name, me),
            value=me.number(worth, "money", result.currency),
        )
        for name, worth in sorted(singles.items(), key=lambda pair: -pair[1])[:SHOWN]
    ]


def _labels(figures: "Figures", result: "CaseResult", me: Viewer) -> list[str]:
    if not figures.more_labels:
        return [me.text("ground.labels.none")]
    steps = [_more(step, result, me) for step in figures.more_labels]
    of_class = [_of_class(x, result, me) for x in figures.class_labels[:SHOWN]]
    return [*steps, *of_class, labels_note(bool(of_class), me)]


def labels_note(by_class: bool, me: Viewer) -> str:
    """What a forecast of labels takes for granted: of one class, or of all alike."""
    return me.text(f"ground.labels.{'one-class' if by_class else 'all-classes'}")


def _of_class(x: "ClassLabels", result: "CaseResult", me: Viewer) -> str:
    key = "ground.labels.of-class" + (".unpriced" if x.price is None else "")
    money = {"worth": x.worth, "price": x.price, "net": x.value}
    shown = {n: me.number(v, "money", result.currency) for n, v in money.items()}
    now = me.number(x.labels_now, "count")
    return me.text(key, labels=me.number(x.labels, "count"), of_class=x.name, now=now, **shown)


def _more(step: "MoreLabels", result: "CaseResult", me: Viewer) -> str:
    key = "ground.labels.far" if step.is_far else "ground.labels"
    if step.price is None:
        key = "ground.labels.unpriced"
    money = {"worth": step.worth, "price": step.price, "net": step.value}
    shown = {n: me.number(x, "money", result.currency) for n, x in money.items()}
    return me.text(key, labels=me.number(step.labels, "count"), **shown)


def _value(name: str, value: float, result: "CaseResult", me: Viewer) -> str:
    """An input's value with its unit, in the currency that it was given in."""
    given = result.inputs.get(name)
    currency = given.currency if given is not None and given.currency else result.currency
    return value_text(name, value, currency, me)
