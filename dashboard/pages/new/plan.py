"""Step 4: what will run, with its time, cost, energy, limits and warnings."""

from dashboard.cautions import caution
from dashboard.html import NOTHING, Html, arm_chip, bar, h, join, metric, table
from dashboard.numbers import is_trifle
from dashboard.text import Viewer
from jobs.views import EstimateView, Range


def plan_lead(found: EstimateView, images: int | None, me: Viewer) -> str:
    """The plan's answer: how long and how much; and how many images, where that was chosen."""
    trifle = is_trifle(found.money.likely, found.currency)
    lead = me.text(
        "new.plan.answer.trifle" if trifle else "new.plan.answer",
        time=me.number(found.wall_seconds.likely, "duration"),
        cost=me.number(found.money.likely, "money", found.currency),
        basis=me.text(f"basis.{found.basis}"),
    )
    drawn = me.text("new.images", images=me.number(images, "count")) if images else ""
    return me.text("overview.lead.space").join(part for part in (lead, drawn) if part)


def plan(found: EstimateView, me: Viewer) -> Html:
    """What will run, and the arms."""
    total = me.text("new.plan.total", total=found.total_stages, reused=found.reused_stages)
    cards = [
        _card(me.text("new.plan.what"), total, _stages(found, me)),
        _card(me.text("new.plan.arms"), me.text("new.plan.alone"), _arms(found, me)),
    ]
    return h('<div class="d-stack" id="new-plan">{cards}</div>', cards=join(cards))


def _card(title: str, remark: str, rows: Html) -> Html:
    return h(
        '<div class="d-card"><div class="d-card-head"><h2>{t}</h2>'
        '<span class="d-note">{n}</span></div>'
        "{rows}</div>",
        t=title,
        n=remark,
        rows=rows,
    )


def _stages(found: EstimateView, me: Viewer) -> Html:
    heads = [me.text(f"new.plan.{c}") for c in ("stage", "count", "reuse", "time", "cost")]
    rows = [
        [
            h("<b>{k}</b>", k=me.text(f"kind.{s.kind}")),
            s.count,
            me.text("new.plan.cached", cached=s.cached, run=s.count - s.cached),
            _range(s.device_seconds, "duration", "", me),
            _range(s.money, "money", found.currency, me),
        ]
        for s in found.stages
    ]
    return table(heads, rows, numeric=(1, 3, 4))


def _arms(found: EstimateView, me: Viewer) -> Html:
    """Each arm, and how many images it sees where arms see different numbers of them."""
    differs = len({a.images_seen for a in found.arms if a.images_seen}) > 1
    columns = ("name", "n_seeds", *(["images_seen"] if differs else []), "cost")
    rows = [
        [
            arm_chip(a.name, a.look, me, baseline=a.method == "frozen"),
            a.seeds,
            *([me.number(a.images_seen, "count") if a.images_seen else "–"] if differs else []),
            me.number(a.money, "money", found.currency),
        ]
        for a in found.arms
    ]
    heads = [me.text(f"column.{c}") for c in columns]
    note = (
        h('<p class="d-note">{n}</p>', n=me.text("column.images_seen.note")) if differs else NOTHING
    )
    return join([table(heads, rows, numeric=range(1, len(columns))), note])


def _range(value: Range, kind: str, currency: str, me: Viewer) -> Html:
    span = ""
    if value.low is not None and value.high is not None and value.high > 0:
        span = me.interval(value.low, value.high, kind, currency)
    likely = me.number(value.likely, kind, currency)
    return h('{v} <span class="d-iv">{r}</span>', v=likely, r="" if span == likely else span)


def before_launch(found: EstimateView, me: Viewer) -> Html:
    """Time, cost, energy, what is reused, the limits and every warning."""
    parts = [
        _metric("time", found.wall_seconds, "duration", found, me),
        _metric("money", found.money, "money", found, me),
        _metric("energy", found.energy_kwh, "energy", found, me),
        metric(
            me.text("new.before.saved"),
            me.number(found.saved_by_reuse, "money", found.currency),
            me.text("new.before.saved.note", count=found.reused_stages),
        ),
    ]
    warnings = join(
        h('<li><span class="d-more-ink">!</span> {w}</li>', w=caution(w, found.currency, me))
        for w in found.warnings
    )
    rate = h('<p class="d-note">{r}</p>', r=found.rate_shown) if found.rate_shown else NOTHING
    return h(
        '<div class="d-stack"><h2>{title}</h2><div class="d-two">{parts}</div>{limit}'
        '<ul class="d-checks">{warnings}</ul>{rate}</div>',
        title=me.text("new.before"),
        parts=join(parts),
        limit=_limit(found, me),
        warnings=warnings,
        rate=rate,
    )


def _metric(name: str, value: Range, kind: str, found: EstimateView, me: Viewer) -> Html:
    currency = found.currency if kind == "money" else ""
    low, high = value.low, value.high
    likely = me.number(value.likely, kind, currency)
    below = me.interval(low, high, kind, currency) if low is not None and high is not None else "–"
    return metric(me.text(f"new.before.{name}"), likely, "" if below == likely else below)


def _limit(found: EstimateView, me: Viewer) -> Html:
    if not found.limit_money:
        return h('<p class="d-note">{w}</p>', w=me.text("new.before.no-limit"))
    share = found.money.likely / found.limit_money
    words = me.text(
        "new.before.limit",
        share=me.number(share, "share"),
        limit=me.number(found.limit_money, "money", found.currency),
    )
    return h('<div>{bar}<p class="d-note">{w}</p></div>', bar=bar(share, words), w=words)
