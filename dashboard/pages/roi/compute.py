"""The compute side: what the pilot took, what a larger pretraining would, what one item costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.html import Html, arm_chip, h, join, metric, rich, table
from dashboard.names import arm_name_of
from dashboard.numbers import is_trifle
from dashboard.pages.roi.view import View
from dashboard.text import Viewer, has_text

if TYPE_CHECKING:
    from jobs.computing import ComputeView, PerItem
    from jobs.money.estimate import Range
    from jobs.money.scale import ItemCost, Rate

MILLION = 1_000_000  # items: one alone costs less than anybody pays
IMAGES = ("1", "10", "100")  # times the pilot's images


def spent_html(found: ComputeView, me: Viewer) -> Html:
    """What the pilot itself took: money, time, energy and CO2 with the factor's source."""
    spent, grid = found.spent, found.grid
    parts = [
        metric(
            me.text("compute.money"),
            me.number(spent.money, "money", found.currency),
            me.text(
                "compute.stand-alone",
                value=me.number(spent.money_stand_alone, "money", found.currency),
            ),
        ),
        metric(
            me.text("compute.time"),
            me.number(spent.device_seconds, "duration"),
            me.text("compute.time.note"),
        ),
        metric(
            me.text("compute.energy"),
            me.number(spent.energy_kwh, "energy"),
            me.text("compute.energy.note"),
        ),
        metric(
            me.text("compute.co2"),
            mass(spent.co2_kg, me),
            me.text(
                "compute.co2.note",
                factor=me.number(grid.kg_per_kwh, "plain"),
                place=_place(grid.place, me),
                source=grid.source,
            ),
        ),
    ]
    return h('<div class="d-metrics d-bare">{p}</div>', p=join(parts))


def _place(name: str, me: Viewer) -> str:
    """Where a CO₂ factor is for; of the shipped table in the reader's language."""
    return me.text(f"grid.{name}") if has_text(f"grid.{name}") else name


def larger_html(found: ComputeView, me: Viewer) -> Html:
    """A larger pretraining in one sentence, with its interval and what it rests on."""
    larger = found.larger
    if larger is None:
        return h('<p class="d-note">{w}</p>', w=me.text("compute.larger.none"))
    cost = larger.cost
    hours = _times(cost.device_hours, 3600)
    money = _money(cost.money.likely, found.currency, me)
    span = _span(cost.money, "money", found.currency, me)
    words = me.text(
        "compute.larger",
        arm=arm_name_of(larger.arm, me),
        images=me.number(larger.images, "compact"),
        epochs=me.number(larger.epochs, "plain"),
        device=cost.rate.device,
        money=money,
        money_range="" if span == money else me.text("compute.larger.range", range=span),
        time=me.number(hours.likely, "duration"),
        time_range=_span(hours, "duration", "", me),
        energy=me.number(cost.energy_kwh.likely, "energy"),
        co2=mass(cost.co2_kg.likely, me),
    )
    return h(
        '<p id="roi-larger">{w}</p><p class="d-note">{b}</p>',
        w=rich(words),
        b=basis(cost.rate, larger.measured_device, me),
    )


def basis(rate: Rate, measured: str, me: Viewer) -> str:
    """What a carried-over figure rests on."""
    share = me.number(rate.share_of_peak, "share") if rate.share_of_peak is not None else "–"
    return me.text(
        f"compute.basis.{rate.basis}",
        count=rate.observations,
        measured=measured,
        device=rate.device,
        rate=me.number(rate.per_second / 1e9, "compact"),
        share=share,
    )


def per_item_html(found: ComputeView, shown: View, me: Viewer) -> Html:
    """Every arm's time and cost for one decision, here and carried over."""
    if not found.per_item:
        return h('<p class="d-note" id="roi-item-none">{w}</p>', w=me.text("compute.item.none"))
    there = next((x.there.device for x in found.per_item if x.there), "")
    names = ("arm", "protocol", "time", "cost-here", "cost-there")
    heads = [me.text(f"compute.column.{n}", device=there) for n in names]
    rows = [
        [
            arm_chip(x.arm, shown.looks.get(x.arm, -1), me),
            me.text(f"protocol.{x.protocol}"),
            _time(x, me),
            _item(x.here, found.currency, me),
            _item(x.there, found.currency, me) if x.there else "–",
        ]
        for x in found.per_item
    ]
    return h(
        '<div id="roi-item-rows">{t}</div><p class="d-note">{w}</p>',
        t=table(heads, rows, numeric=(2, 3, 4)),
        w=me.text("compute.item.note"),
    )


def item_of(found: ComputeView, shown: View) -> PerItem | None:
    """The measured cost of the shown arm under its protocol."""
    arm = shown.headline
    if arm is None:
        return None
    own = [x for x in found.per_item if x.arm == arm.arm]
    return next((x for x in own if x.protocol == arm.protocol), None)


def mass(kg: float, me: Viewer) -> str:
    """A mass of CO2 in the unit that fits it."""
    if kg >= 1000:
        return f"{me.number(kg / 1000, 'plain')} t"
    return f"{me.number(kg, 'plain')} kg" if kg >= 1 else f"{me.number(1000 * kg, 'plain')} g"


def _time(x: PerItem, me: Viewer) -> Html:
    seconds = x.here.seconds
    return h(
        '<b>{v} ms</b><br><span class="d-iv">{r} · {alone}</span>',
        v=me.number(1000 * seconds.likely, "plain"),
        r=f"{1000 * seconds.low:.2g}–{1000 * seconds.high:.2g}",
        alone=me.text("compute.alone", value=f"{1000 * x.alone_seconds:.2g}"),
    )


def _item(cost: ItemCost, currency: str, me: Viewer) -> Html:
    money = _times(cost.money, MILLION)
    return h(
        '<b>{v}</b><br><span class="d-iv">{r}</span>',
        v=_money(money.likely, currency, me),
        r=_span(money, "money", currency, me),
    )


def _money(value: float, currency: str, me: Viewer) -> str:
    return me.number(value, "money", currency)


def _span(value: Range, kind: str, currency: str, me: Viewer) -> str:
    if kind == "money" and is_trifle(value.high, currency):
        return me.number(value.high, kind, currency)
    return me.interval(value.low, value.high, kind, currency)


def _times(value: Range, factor: float) -> Range:
    from jobs.money.scale import times  # noqa: PLC0415 - scipy, a second of start-up time

    return times(value, factor)
