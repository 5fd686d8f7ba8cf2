"""Compare: arms side by side, with what they cost and which differences are real."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr
import pandas as pd

from dashboard.figures import budget_curves, cost_front, difference_heatmap
from dashboard.figures.accuracy import budget_order, stars
from dashboard.figures.template import records
from dashboard.html import (
    NOTHING,
    Action,
    Data,
    Html,
    arm_chip,
    arm_name,
    arm_name_of,
    card_head,
    empty,
    h,
    interval_bar,
    join,
    note,
    page_head,
    png,
    rich,
    short_tokenizer,
    state_tag,
    table,
)
from dashboard.numbers import is_trifle
from dashboard.pages.overview import LIVE, direction, progress_words
from dashboard.pages.shell import asked_pilots, chart, chart_card, link, page_html, viewer
from dashboard.text import Viewer
from digpt.errors import UserError
from jobs.views import PilotCard, TokenMaps

if TYPE_CHECKING:
    from jobs.service import PilotService

NAME, PATH = "compare", "compare"
PROTOCOLS = ("probe", "knn", "finetune")
METRICS = ("balanced_accuracy", "macro_f1", "auroc")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is looked at; empty where the page shall choose."""

    pilots: tuple[str, ...] = ()
    protocol: str = ""
    metric: str = ""
    budget: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    cards: tuple[PilotCard, ...]  # the pilots that are looked at
    known: tuple[PilotCard, ...]  # those that could be
    choice: Choice  # as completed
    protocols: tuple[str, ...]
    metrics: tuple[str, ...]
    budgets: tuple[str, ...]
    rows: pd.DataFrame  # of the protocol and metric, all budgets
    gains: pd.DataFrame
    differences: pd.DataFrame
    maps: TokenMaps | None

    @property
    def at_budget(self) -> pd.DataFrame:
        """The rows at the chosen label budget, best first."""
        order = [b == self.choice.budget for b in self.rows.label_budget]
        return self.rows.loc[order].sort_values(by="value", ascending=False, kind="stable")


def chosen_pilots(service: "PilotService", asked: list[str]) -> list[PilotCard]:
    """The pilots asked for, else the newest one that has begun to give results."""
    if asked:
        return [service.pilot(ident).card for ident in asked]
    cards = service.pilots(size=20).items
    with_results = [c for c in cards if c.gain or c.status in ("done", "partial")]
    return (with_results or list(cards))[:1]


def view(service: "PilotService", choice: Choice) -> View:
    """The arms' results under a choice, which is completed where it leaves things open."""
    cards = tuple(chosen_pilots(service, list(choice.pilots)))
    known = tuple(service.pilots(size=100).items)
    ids = tuple(c.id for c in cards)
    rows = service.compare(list(ids)) if ids else pd.DataFrame()
    if rows.empty:
        nothing = pd.DataFrame()
        return View(
            cards, known, replace(choice, pilots=ids), (), (), (), nothing, nothing, nothing, None
        )
    rows = rows.assign(label_budget=rows.label_budget.astype(str))
    protocols = tuple(p for p in PROTOCOLS if p in set(rows.protocol))
    protocol = choice.protocol if choice.protocol in protocols else _widest(rows, protocols)
    rows = rows.loc[rows.protocol == protocol]
    metrics = tuple(m for m in METRICS if m in set(rows.metric))
    metric = choice.metric if choice.metric in metrics else metrics[0]
    rows = _named(rows.loc[rows.metric == metric], cards)
    budgets = tuple(sorted(set(rows.label_budget), key=budget_order))
    budget = choice.budget if choice.budget in budgets else _usual(budgets)
    asked = {"protocol": protocol, "label_budget": budget, "metric": metric}
    return View(
        cards,
        known,
        Choice(ids, protocol, metric, budget),
        protocols,
        metrics,
        budgets,
        rows,
        _gains(service, ids, asked),
        service.differences(ids[0], **asked),
        service.token_maps(ids[0]),
    )


def _widest(rows: pd.DataFrame, protocols: tuple[str, ...]) -> str:
    """The protocol with the most label budgets."""
    return max(protocols, key=lambda p: rows[rows.protocol == p].label_budget.nunique())


def _usual(budgets: tuple[str, ...]) -> str:
    return "20" if "20" in budgets else budgets[-1]


def _named(rows: pd.DataFrame, cards: tuple[PilotCard, ...]) -> pd.DataFrame:
    """Rows with the pilot's own name; a value without an interval is its own interval."""
    names = {c.id: c.name for c in cards}
    low, high = rows.low.fillna(rows.value), rows.high.fillna(rows.value)
    return rows.assign(pilot_name=rows.pilot.map(names), low=low, high=high)


def _gains(service: "PilotService", ids: tuple[str, ...], asked: dict[str, str]) -> pd.DataFrame:
    """Each arm's gain over the first of its references."""
    found = [service.gains(ident, **asked).assign(pilot=ident) for ident in ids]
    gains = pd.concat(found, ignore_index=True)
    return gains.drop_duplicates(["pilot", "arm"])


def named(rows: pd.DataFrame, shown: View, me: Viewer) -> pd.DataFrame:
    """The rows with a column `name` for people, unique in the figure."""
    names = [arm_name(r.method, _text_or_none(r.tokenizer), me) for r in records(rows)]
    if len(shown.cards) > 1:
        names = [f"{n} · {r.pilot_name}" for n, r in zip(names, records(rows), strict=True)]
    return rows.assign(name=names)


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def setting(shown: View, me: Viewer) -> str:
    """ "linear probe, 20 labels per class"."""
    return me.text(
        "compare.setting",
        protocol=me.text(f"protocol.in.{shown.choice.protocol}"),
        labels=labels(shown.choice.budget, me),
    )


def labels(budget: str, me: Viewer) -> str:
    """ "20 labels per class" or "all labels"."""
    return me.text("compare.labels.all") if budget == "all" else me.text("compare.labels", n=budget)


def head(shown: View, me: Viewer) -> Html:
    """Title, answer, and the way to the business case."""
    if not shown.cards:
        lead = rich(me.text("compare.lead.empty"))
        return page_head(me.text("compare.crumb"), me.text("compare.title"), lead)
    card = shown.cards[0]
    names = me.text("list.separator").join(c.name for c in shown.cards)
    badge = state_tag(card.status, me) if card.status in LIVE else NOTHING
    return page_head(
        f"{me.text('nav.compare')} · {names}",
        me.text("compare.title"),
        rich(sentence(shown, me)),
        (
            Action(me.text("compare.runs"), link("runs", card.id), "compare-runs"),
            Action(me.text("compare.case"), link("roi", card.id), "compare-case", primary=True),
        ),
        badge,
    )


def sentence(shown: View, me: Viewer) -> str:
    """The answer: the best arm's gain with its doubt, and how many arms beat the baseline here."""
    card = shown.cards[0]
    parts = []
    if card.gain is not None:
        g = card.gain
        parts.append(
            me.text(
                f"compare.lead.{direction(g)}",
                arm=arm_name_of(g.arm, me),
                baseline=arm_name_of(g.baseline, me),
                value=me.number(g.value, "points"),
                range=me.interval(g.low, g.high, "points"),
                protocol=me.text(f"protocol.in.{g.protocol}"),
                labels=labels(g.label_budget, me),
            )
        )
    elif card.status in LIVE:
        parts.append(me.text("compare.lead.running"))
    else:
        parts.append(me.text("compare.lead.no-gain"))
    if len(shown.gains) and shown.choice.budget:
        better = int((shown.gains.low > 0).sum())
        parts.append(
            me.text(
                "compare.lead.beat",
                better=better,
                count=len(shown.gains),
                setting=setting(shown, me),
            )
        )
    return " ".join(parts) if me.language == "en" else "".join(parts)


def progress(shown: View, me: Viewer) -> Html:
    """While arms still run: how far they are, and that the page fills by itself."""
    live = [c for c in shown.cards if c.status in LIVE]
    if not live:
        return NOTHING
    words = me.text("compare.filling", progress=progress_words(live[0], me))
    return note(words, "info", "compare-progress")


def curves_card(shown: View, me: Viewer) -> list[Any]:
    """How many labels does each arm need?"""
    rows = named(shown.rows, shown, me)
    caption = me.text(
        "compare.curves.caption",
        metric=me.text(f"metric.{shown.choice.metric}"),
        protocol=me.text(f"protocol.in.{shown.choice.protocol}"),
        count=int(rows.n_seeds.max()),
    )
    fig, data = budget_curves(rows, me), _data(rows, "curves", me)
    title, finding = me.text("compare.curves"), _best_finding(shown, me)
    return chart("compare-curves", title, caption, fig, data, me, finding)


def _best_finding(shown: View, me: Viewer) -> str:
    """The figure in one sentence: which arm is highest at the chosen label budget."""
    if shown.at_budget.empty:
        return ""
    best = named(shown.at_budget, shown, me).iloc[0]
    return me.text(
        "compare.finding.best",
        setting=setting(shown, me),
        arm=best["name"],
        value=me.number(best["value"], "accuracy"),
        range=me.interval(best["low"], best["high"], "accuracy"),
    )


def cost_card(shown: View, me: Viewer) -> list[Any]:
    """What does accuracy cost?"""
    rows = named(shown.at_budget, shown, me)
    words = setting(shown, me)
    caption = me.text("compare.cost.caption", setting=words[:1].upper() + words[1:])
    kind = "money"
    if any(is_trifle(c, u) for c, u in zip(rows.cost_stand_alone, rows.currency, strict=True)):
        kind, caption = "duration", f"{caption}{me.text('compare.cost.trifle')}"
    rows = rows.assign(cost=rows.cost_stand_alone if kind == "money" else rows.device_seconds)
    priced = rows.loc[rows.cost > 0]
    fig = cost_front(priced, me, kind) if len(priced) else None
    title, data = me.text("compare.cost"), _data(rows, "cost", me)
    return chart("compare-cost", title, caption, fig, data, me, _cost_finding(priced, kind, me))


def _cost_finding(rows: pd.DataFrame, kind: str, me: Viewer) -> str:
    """The figure in one sentence: the cheapest and the best arm with their costs."""
    if rows.empty:
        return ""
    ends = [rows.sort_values("cost").iloc[0], rows.sort_values("value").iloc[-1]]
    facts = {
        name: me.text(
            "compare.finding.arm",
            arm=row["name"],
            value=me.number(row["value"], "accuracy"),
            cost=me.number(row["cost"], kind, str(row["currency"])),
        )
        for name, row in zip(("cheapest", "best"), ends, strict=True)
    }
    return me.text("compare.finding.cost", **facts)


_COLUMNS = ("pilot_name", "name", "protocol", "label_budget", "metric", "value", "low", "high",
            "n_seeds", "device_seconds", "cost_stand_alone", "currency")  # fmt: skip


def _data(rows: pd.DataFrame, name: str, me: Viewer) -> Data:
    frame = rows[list(_COLUMNS)].assign(
        protocol=[me.text(f"protocol.{p}") for p in rows.protocol],
        metric=[me.text(f"metric.{m}") for m in rows.metric],
        label_budget=[me.text("budget.all") if b == "all" else b for b in rows.label_budget],
    )
    heads = {c: me.text(f"column.{c}") for c in _COLUMNS}
    return Data(frame.rename(columns=heads), f"digpt_{name}.csv")


def arms_card(shown: View, me: Viewer) -> Html:
    """All arms at the chosen budget: metric, gain with its interval bar, time and cost."""
    rows = named(shown.at_budget, shown, me)
    title = me.text("compare.arms", labels=labels(shown.choice.budget, me))
    caption = me.text("compare.arms.caption", baseline=_baselines(shown, me))
    data = _data(rows, "arms", me)
    reach = max(0.01, shown.gains[["low", "high"]].abs().max().max()) if len(shown.gains) else 0.01
    gains = {(g.pilot, g.arm): g for g in records(shown.gains)}
    metric = me.text(f"metric.{shown.choice.metric}")
    heads = [me.text("column.name"), metric, me.text("compare.gain"), "", me.text("column.device"),
             me.text("column.cost")]  # fmt: skip
    lines = [_arm_line(row, gains.get((row.pilot, row.arm)), reach, me) for row in records(rows)]
    return join(
        [
            card_head(title, caption, me, data, "compare-arms"),
            h('<div id="compare-arms-rows">{t}</div>', t=table(heads, lines, numeric=(1, 2, 4, 5))),
            data.table("compare-arms"),
        ]
    )


def _arm_line(row: Any, gain: Any, reach: float, me: Viewer) -> list[object]:
    baseline = row.method == "frozen"
    chip = arm_chip(row.arm, int(row.look), me, baseline=baseline)
    value = h(
        '<b>{v}</b> <span class="d-iv">{r}</span>',
        v=me.number(row.value, "accuracy"),
        r=me.interval(row.low, row.high, "accuracy"),
    )
    if gain is None:
        words, ci = h('<span class="d-iv">{w}</span>', w=me.text("compare.is-baseline")), NOTHING
    else:
        words = h(
            '<b>{v}</b> <span class="d-iv">{r}</span>',
            v=me.number(gain.difference, "points-bare"),
            r=me.interval(gain.low, gain.high, "points"),
        )
        ci = interval_bar(
            gain.difference, gain.low, gain.high, reach, f"look{_look(int(row.look))}"
        )
    cost = me.number(row.cost_stand_alone, "money", row.currency)
    return [chip, value, words, ci, me.number(row.device_seconds, "duration"), cost]


def _look(order: int) -> str:
    return str(order) if 0 <= order <= 4 else "x"


def _baselines(shown: View, me: Viewer) -> str:
    names = (
        dict.fromkeys(arm_name_of(str(b), me) for b in shown.gains.baseline)
        if len(shown.gains)
        else {}
    )
    return me.text("list.separator").join(names) or "–"


def differences_card(shown: View, me: Viewer) -> list[Any]:
    """Which differences are real?"""
    rows = shown.at_budget
    order = [a for a, p in zip(rows.arm, rows.pilot, strict=True) if p == shown.cards[0].id]
    names = [arm_name_of(a, me) for a in order]
    pairs = shown.differences
    pairs = pairs.loc[pairs.arm_a.isin(order) & pairs.arm_b.isin(order)]
    pairs = pairs.assign(
        name_a=[arm_name_of(a, me) for a in pairs.arm_a],
        name_b=[arm_name_of(b, me) for b in pairs.arm_b],
    )
    fig = difference_heatmap(pairs, names, me) if len(pairs) else None
    data = _difference_data(pairs, me)
    caption = me.text("compare.differences.caption", setting=setting(shown, me))
    if len(shown.cards) > 1:
        caption = f"{shown.cards[0].name} · {caption}"
    finding = me.text(
        "compare.finding.differences", clear=int((pairs.p_holm < 0.05).sum()), count=len(pairs)
    )
    title = me.text("compare.differences")
    return chart("compare-differences", title, caption, fig, data, me, finding)


def _difference_data(pairs: pd.DataFrame, me: Viewer) -> Data:
    columns = ["name_a", "name_b", "difference", "low", "high", "p", "p_holm"]
    heads = {c: me.text(f"column.{c}") for c in columns}
    frame = pairs[columns].assign(clear=[stars(p, me) for p in pairs.p_holm])
    return Data(
        frame.rename(columns={**heads, "clear": me.text("column.clear")}), "digpt_differences.csv"
    )


def maps_card(shown: View, me: Viewer) -> Html:
    """What the tokenizers see in the same photos."""
    caption = me.text("compare.maps.caption")
    top = card_head(me.text("compare.maps"), caption, me)
    if shown.maps is None or not shown.maps.rows:
        return join([top, note(me.text("compare.maps.none"))])
    photos = [h("<span class='d-note'>{p}</span>", p=me.text("compare.photo"))]
    photos += [png(p, c) for p, c in zip(shown.maps.photos, shown.maps.captions, strict=True)]
    lines = [photos]
    for row in shown.maps.rows:
        chip = h(
            '<span class="d-chip d-look{look}">{name}</span>',
            look=_look(row.look),
            name=short_tokenizer(row.tokenizer, me),
        )
        alts = [f"{row.tokenizer}: {c}" for c in shown.maps.captions]
        lines.append([chip, *(png(p, a) for p, a in zip(row.images, alts, strict=True))])
    cells = join(join(h("<div>{c}</div>", c=c) for c in line) for line in lines)
    grid = h(
        '<div class="d-scroll"><div class="d-maps" style="--photos:{n}" id="compare-maps">{c}'
        "</div></div>",
        n=len(shown.maps.photos),
        c=cells,
    )
    return join([top, grid])


def foot(shown: View, me: Viewer) -> Html:
    """What the figures rest on."""
    parts = [me.text("compare.foot"), *_covers(shown.rows, me)]
    return h(
        '<p class="d-foot">{w}</p>', w=" ".join(parts) if me.language == "en" else "".join(parts)
    )


def _covers(rows: pd.DataFrame, me: Viewer) -> list[str]:
    """What the intervals cover, and a caution where the pretraining seed is not in them."""
    known = dict.fromkeys(p.strip() for c in rows.covers for p in str(c).split(",") if p.strip())
    if not known:
        return []
    names = [me.text(f"covers.{name}") for name in known]
    words = [me.text("compare.covers", what=me.text("list.separator").join(names))]
    return words if "pretraining" in known else [*words, me.text("compare.covers.not-pretraining")]


def build(service: "PilotService", language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    me = Viewer(language)
    top = page_html(elem_id="compare-head")
    with gr.Column(visible=False) as results:
        controls = _controls(me)
        filling = page_html(elem_id="compare-filling")
        with gr.Row(equal_height=True):
            curves, cost = chart_card("compare-curves"), chart_card("compare-cost")
        with gr.Column(elem_classes="d-card"):
            arms = page_html(elem_id="compare-table")
        with gr.Row(equal_height=True):
            differences = chart_card("compare-differences")
            with gr.Column(elem_classes="d-card", min_width=320):
                maps = page_html()
        bottom = page_html()
    nothing = page_html(elem_id="compare-nothing")
    drawn = gr.State("")
    timer = gr.Timer(4)
    outputs = [drawn, top, results, nothing, *controls, filling, *curves.parts, *cost.parts, arms,
               *differences.parts, maps, bottom]  # fmt: skip

    def draw(
        pilots: list[str] | None,
        protocol: str,
        metric: str,
        budget: str,
        before: str,
        request: gr.Request,
    ) -> list[Any]:
        who = viewer(request, language)
        wanted = tuple(pilots or asked_pilots(request))
        choice = Choice(wanted, protocol or "", metric or "", budget or "")
        try:
            state = [
                (c.id, c.status, c.progress, c.gain) for c in chosen_pilots(service, list(wanted))
            ]
            now = repr((choice, state, who.dark))
            if now == before:
                return [gr.skip()] * len(outputs)
            return [now, *_drawn(view(service, choice), who, len(outputs) - 1)]
        except UserError as error:
            return [repr(error), *_failed(error, who, len(outputs) - 1)]

    inputs = [*controls, drawn]
    light = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    demo.load(draw, inputs, outputs, **light)
    timer.tick(draw, inputs, outputs, **light)
    for control in controls:
        control.input(draw, inputs, outputs, **light)
    controls[0].input(None, controls[0], None, js=_KEEP_ADDRESS, api_visibility="private")


_KEEP_ADDRESS = """(pilots) => {
  const query = new URLSearchParams(pilots.map((p) => ["pilot", p])).toString();
  history.replaceState(null, "", query ? "?" + query : location.pathname);
}"""


def _controls(me: Viewer) -> list[Any]:
    with gr.Row(elem_classes="d-controls"):
        pilots = gr.Dropdown(
            [],
            multiselect=True,
            label=me.text("compare.pilots"),
            elem_id="compare-pilots",
            min_width=280,
        )
        radios = [
            gr.Radio(
                [],
                label=me.text(f"compare.{name}"),
                elem_id=f"compare-{name}",
                elem_classes="d-segmented",
            )
            for name in ("protocol", "metric", "budget")
        ]
    return [pilots, *radios]


def _drawn(shown: View, me: Viewer, count: int) -> list[Any]:
    if shown.rows.empty:
        return _without_results(shown, me, count)
    c = shown.choice
    return [
        head(shown, me),
        gr.update(visible=True),
        NOTHING,
        gr.update(choices=[(p.name, p.id) for p in shown.known], value=list(c.pilots)),
        gr.update(
            choices=[(me.text(f"protocol.{p}"), p) for p in shown.protocols], value=c.protocol
        ),
        gr.update(choices=[(me.text(f"metric.{m}"), m) for m in shown.metrics], value=c.metric),
        gr.update(
            choices=[(me.text("budget.all") if b == "all" else b, b) for b in shown.budgets],
            value=c.budget,
        ),
        progress(shown, me),
        *curves_card(shown, me),
        *cost_card(shown, me),
        arms_card(shown, me),
        *differences_card(shown, me),
        maps_card(shown, me),
        foot(shown, me),
    ]


def _without_results(shown: View, me: Viewer, count: int) -> list[Any]:
    if shown.cards:
        card = shown.cards[0]
        what = empty(
            me.text("compare.wait"),
            f"{me.text('compare.wait.why')} {progress_words(card, me)}",
            me.text("compare.runs"),
            link("runs", card.id),
            "compare-empty",
        )
    else:
        what = empty(
            me.text("compare.empty"),
            me.text("compare.empty.why"),
            me.text("overview.new"),
            link("new"),
            "compare-empty",
        )
    return [head(shown, me), gr.update(visible=False), what, *[gr.skip()] * (count - 3)]


def _failed(error: UserError, me: Viewer, count: int) -> list[Any]:
    title = page_head(me.text("compare.crumb"), me.text("compare.title"), NOTHING)
    box = note(me.error(error), "no", "compare-error")
    return [title, gr.update(visible=False), box, *[gr.skip()] * (count - 3)]
