"""ROI: the business case, what it comes to, and the verdict with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
import pandas as pd

from dashboard.figures import cash_flow, value_distribution
from dashboard.html import (
    NOTHING,
    VERDICTS,
    Action,
    Data,
    Html,
    arm_chip,
    arm_name_of,
    card_head,
    empty,
    h,
    join,
    metric,
    metrics,
    note,
    page_head,
    rich,
    table,
    verdict_tag,
)
from dashboard.pages.case_form import FIELDS, GROUPS, case_of, shown_values
from dashboard.pages.compare import chosen_pilots
from dashboard.pages.shell import asked_pilots, chart, chart_card, link, page_html, viewer
from dashboard.text import Viewer, has_text
from digpt.errors import UserError
from jobs.views import PilotCard

if TYPE_CHECKING:
    from jobs.roi.case import Case
    from jobs.roi.decision import Reason
    from jobs.roi.evaluate import ArmResult, CaseResult
    from jobs.service import PilotService

NAME, PATH = "roi", "roi"
SHOWN_REASONS = 3
# how each fact of a reason is written; the others stand as they are
_KINDS = {
    **dict.fromkeys(("p", "p_error", "p_no", "p_go", "p_repeated", "chosen_share"), "share"),
    **dict.fromkeys(("measured", "minimum"), "accuracy"),
    **dict.fromkeys(
        ("outlay", "mean", "q05", "q95", "cost", "budget", "npv_mean", "value", "price", "net",
         "evpi", "best_value", "best_price", "npv", "npv_corrected"), "money"),
}  # fmt: skip
# what speaks for an arm, what against it, and what is only said
_GOOD = (
    "probability-high",
    "beats-baseline",
    "beats-nothing",
    "is-baseline",
    "within-budget",
    "best-go-arm",
)
_BAD = ("probability-low", "over-budget", "minimum-missed", "all-no-go")


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    card: PilotCard | None
    case: Case | None
    is_example: bool  # nobody has saved a case yet
    result: CaseResult | None
    classes: tuple[str, ...]
    looks: Mapping[str, int]
    error: UserError | None = None

    @property
    def shown_arm(self) -> ArmResult | None:
        """The arm that the figures are of: the chosen one, else the one of highest mean."""
        if self.result is None:
            return None
        found = [a for a in self.result.arms.values() if a.figures is not None]
        chosen = [a for a in found if a.arm == self.result.chosen_arm]
        ranked = sorted(found, key=lambda a: -a.figures.npv_spread.mean)  # type: ignore[union-attr]
        return next(iter([*chosen, *ranked]), None)


def view(service: PilotService, ident: str = "", case: Case | None = None) -> View:
    """The pilot's case as given, saved or by example, and its result."""
    cards = chosen_pilots(service, [ident] if ident else [])
    if not cards:
        return View(None, None, True, None, (), {})
    card = cards[0]
    saved = service.saved_case(card.id)
    used = case or saved or service.default_case(card.id)
    looks = {a.name: a.look for a in service.pilot(card.id).arms}
    known = {d.name: d.classes for d in service.datasets()}
    classes = tuple(known.get(card.dataset, ()))
    is_example = saved is None and case is None
    try:
        result = service.roi(card.id, used)
    except UserError as error:
        return View(card, used, is_example, None, classes, looks, error)
    return View(card, used, is_example, result, classes, looks)


def head(shown: View, me: Viewer) -> Html:
    """Title and answer."""
    if shown.card is None:
        return page_head(me.text("nav.roi"), me.text("roi.title"), rich(me.text("roi.lead.empty")))
    actions = (Action(me.text("nav.compare"), link("compare", shown.card.id), "roi-compare"),)
    crumb = f"{me.text('nav.roi')} · {shown.card.name}"
    return page_head(crumb, me.text("roi.title"), rich(sentence(shown, me)), actions)


def sentence(shown: View, me: Viewer) -> str:
    """The answer in one sentence, or why there is none yet."""
    result, arm = shown.result, shown.shown_arm
    if shown.error is not None:
        return me.text("roi.lead.error")
    if result is None or result.verdict is None or arm is None or arm.figures is None:
        return me.text("roi.lead.none")
    assert shown.case is not None
    figures = arm.figures
    return me.text(
        f"roi.lead.{result.verdict}",
        arm=arm_name_of(arm.arm, me),
        npv=me.number(figures.npv_spread.q50, "money", result.currency),
        years=shown.case.horizon_years,
        of100=f"{100 * figures.p_positive:.0f}",
    )


def verdict_card(shown: View, me: Viewer) -> Html:
    """The verdict as symbol and word, with its reasons."""
    result = shown.result
    if shown.error is not None:
        return note(me.error(shown.error), "no", "roi-error")
    if result is None:
        return NOTHING
    told = reasons(shown, me)
    if result.verdict is None:
        tone, big = "mute", me.text("roi.no-verdict")
    else:
        tone, symbol = VERDICTS[result.verdict]
        big = f"{symbol} {me.text(f'verdict.{result.verdict}')}"
    rest = NOTHING
    if told[SHOWN_REASONS:]:
        more = join(told[SHOWN_REASONS:])
        rest = h(
            '<details><summary>{w}</summary><ul class="d-why">{more}</ul></details>',
            w=me.text("roi.more-reasons"),
            more=more,
        )
    return h(
        '<section class="d-card d-verdict d-edge-{tone}" id="roi-verdict" data-verdict="{code}">'
        '<div><div class="d-note">{label}</div><div class="d-big d-{tone}-ink">{big}</div>'
        '<div class="d-note">{about}</div></div>'
        '<div><ul class="d-why">{told}</ul>{rest}</div></section>',
        tone=tone,
        code=result.verdict or "",
        label=me.text("roi.verdict"),
        big=big,
        about=_about(shown, me),
        told=join(told[:SHOWN_REASONS]),
        rest=rest,
    )


def _about(shown: View, me: Viewer) -> str:
    assert shown.result is not None
    if shown.result.verdict == "GO" and shown.result.chosen_arm:
        return me.text("roi.about.go", arm=arm_name_of(shown.result.chosen_arm, me))
    return me.text("roi.about.none") if shown.result.verdict is None else ""


def reasons(shown: View, me: Viewer) -> list[Html]:
    """All reasons: the shown arm's, then the project's; the doubt about the choice comes third."""
    result, arm = shown.result, shown.shown_arm
    assert result is not None
    if result.verdict is None:
        found = list(result.reasons)
    else:
        own = list(arm.reasons) if arm else []
        project = [r for r in result.reasons if r.code != "best-go-arm"]
        found = [*own[:2], *project, *own[2:]]
    known: dict[str, Reason] = {reason_text(r, result.currency, me): r for r in found}
    return [_reason_line(r, words) for words, r in known.items()]


def _reason_line(reason: Reason, words: str) -> Html:
    if reason.code in _GOOD:
        tone, symbol = "go", "✓"
    elif reason.code in _BAD:
        tone, symbol = "no", "✕"
    else:
        tone, symbol = "more", "!"
    return h(
        '<li data-reason="{code}"><span class="d-{tone}-ink">{s}</span><span>{w}</span></li>',
        code=reason.code,
        tone=tone,
        s=symbol,
        w=rich(words),
    )


def reason_text(reason: Reason, currency: str, me: Viewer) -> str:
    """One reason as a sentence in the reader's language."""
    facts = {name: _fact(name, value, currency, me) for name, value in reason.facts.items()}
    key = f"reason.{reason.code}"
    if reason.facts.get("arm") == "" and has_text(f"{key}.nothing"):
        key = f"{key}.nothing"
    if "p" in facts and facts["p"] == facts.get("p_repeated") and has_text(f"{key}.same"):
        key = f"{key}.same"
    return me.text(key, **facts)


def _fact(name: str, value: float | str, currency: str, me: Viewer) -> str:
    if name in ("arm", "baseline"):
        return arm_name_of(str(value), me) if value else me.text("roi.nothing")
    if name in ("rate", "experiment"):
        return me.text(f"{name}.{value}")
    if name == "protocol":
        return me.text(f"protocol.in.{value}") if has_text(f"protocol.in.{value}") else str(value)
    if isinstance(value, str):
        return value
    kind = _KINDS.get(name)
    if name == "p_error":
        return me.number(value, "accuracy")
    return me.number(value, kind, currency) if kind else me.number(value, "count")


def key_figures(shown: View, me: Viewer) -> Html:
    """NPV, ROI, payback and the next stage's cost, each with its interval and in plain words."""
    arm, result, case = shown.shown_arm, shown.result, shown.case
    if arm is None or result is None or case is None or arm.figures is None:
        return NOTHING
    f, currency = arm.figures, result.currency
    spread = f.npv_spread
    years = me.text("roi.over", years=case.horizon_years)
    parts = [
        metric(
            me.text("roi.npv"),
            me.number(f.npv, "money", currency),
            f"5–95%{me.text('colon')}{me.interval(spread.q05, spread.q95, 'money', currency)}",
            tip=me.text("roi.npv.plain"),
        ),
        metric(
            me.text("roi.p"),
            me.number(f.p_positive, "share"),
            me.text("roi.p.note", draws=me.number(result.draws, "count")),
            tip=me.text("roi.p.plain"),
        ),
        metric(
            me.text("roi.roi"),
            me.number(f.to_come.roi, "share"),
            f"{years}{me.text('list.separator')}{me.text('roi.at-likely')}",
            tip=me.text("roi.roi.plain"),
        ),
        metric(
            me.text("roi.payback"),
            me.text("roi.never")
            if f.to_come.payback_years is None
            else me.number(f.to_come.payback_years, "years"),
            me.text("roi.at-likely"),
            tip=me.text("roi.payback.plain"),
        ),
    ]
    return metrics(parts, "roi-figures")


def flow_card(shown: View, me: Viewer) -> list[Any]:
    """When does the money come?"""
    arm, result = shown.shown_arm, shown.result
    rows = flow_rows(arm)
    title = me.text("roi.flow")
    if arm is None or result is None:
        return chart("roi-flow", title, "", None, Data(rows, "digpt_cash_flow.csv"), me)
    caption = me.text("roi.flow.caption", arm=arm_name_of(arm.arm, me))
    total = me.number(float(rows.flow.sum()), "money", result.currency)
    finding = me.text("roi.finding.flow", years=len(rows) - 1, value=total)
    heads = {c: me.text(f"column.{c}") for c in rows.columns}
    data = Data(rows.rename(columns=heads), "digpt_cash_flow.csv")
    fig = cash_flow(rows, result.currency, me)
    return chart("roi-flow", title, caption, fig, data, me, finding)


def flow_rows(arm: ArmResult | None) -> pd.DataFrame:
    """Year by year at likely values: year, flow, cumulative."""
    flows = list(arm.figures.to_come.flows) if arm and arm.figures else []
    return pd.DataFrame(
        {"year": range(len(flows)), "flow": flows, "cumulative": np.cumsum(flows).tolist()}
    )


def sure_card(shown: View, me: Viewer) -> list[Any]:
    """How sure is it?"""
    from jobs.roi.export import npv_histogram  # noqa: PLC0415 - scipy, a second of start-up time

    arm, result = shown.shown_arm, shown.result
    title = me.text("roi.sure")
    if arm is None or result is None or arm.figures is None:
        return chart("roi-sure", title, "", None, Data(pd.DataFrame(), "digpt_npv.csv"), me)
    edges, counts = npv_histogram(arm.figures.npv_draws)
    rows = pd.DataFrame(
        {"from": edges[:-1], "to": edges[1:], "share": np.array(counts) / sum(counts)}
    )
    fig = value_distribution(
        rows, arm.figures.npv_spread.q50, 1 - arm.figures.p_positive, result.currency, me
    )
    heads = {
        "from": me.text("column.from"),
        "to": me.text("column.to"),
        "share": me.text("column.share"),
    }
    caption = me.text("roi.sure.caption", draws=me.number(result.draws, "count"))
    spread = arm.figures.npv_spread
    finding = me.text(
        "roi.finding.sure",
        median=me.number(spread.q50, "money", result.currency),
        range=me.interval(spread.q05, spread.q95, "money", result.currency),
        share=me.number(1 - arm.figures.p_positive, "share"),
    )
    data = Data(rows.rename(columns=heads), "digpt_npv.csv")
    return chart("roi-sure", title, caption, fig, data, me, finding)


def arms_card(shown: View, me: Viewer) -> Html:
    """Every arm with its rates, money, gain over the baseline and verdict."""
    result = shown.result
    if result is None:
        return NOTHING
    names = ("name", "verdict", "npv", "p", "increment", "miss", "false-alarm")
    heads = [me.text(f"roi.column.{n}") for n in names]
    arms = sorted(result.arms.values(), key=lambda a: -a.figures.npv if a.figures else float("inf"))
    rows = [_arm_line(a, shown, me) for a in arms]
    caption = me.text("roi.arms.caption", baseline=_baseline(result, me))
    data = _arms_data(arms, result.currency, me)
    return join(
        [
            card_head(me.text("roi.arms"), caption, me, data, "roi-arms"),
            h('<div id="roi-arms-rows">{t}</div>', t=table(heads, rows, numeric=(2, 3, 4, 5, 6))),
            data.table("roi-arms"),
        ]
    )


def _baseline(result: CaseResult, me: Viewer) -> str:
    return arm_name_of(result.baseline, me) if result.baseline else me.text("roi.nothing")


def _arm_line(arm: ArmResult, shown: View, me: Viewer) -> list[object]:
    assert shown.result is not None
    currency = shown.result.currency
    chip = arm_chip(arm.arm, shown.looks.get(arm.arm, -1), me, baseline=False)
    f = arm.figures
    if f is None:
        why = me.text("list.separator").join(reason_text(r, currency, me) for r in arm.reasons)
        return [_below(chip, rich(why)), *["–"] * 6]
    verdict = verdict_tag(arm.verdict, me) if arm.verdict else "–"
    spread, gain = f.npv_spread, f.increment
    increment: object = me.text("roi.is-baseline")
    if not f.is_baseline:
        increment = _with_interval(
            me.number(gain.mean, "money", currency),
            me.interval(gain.q05, gain.q95, "money", currency),
        )
    money = {"kind": "money", "currency": currency}
    return [
        _below(chip, _setting(arm, me)),
        verdict,
        _with_interval(me.number(f.npv, **money), me.interval(spread.q05, spread.q95, **money)),
        me.number(f.p_positive, "share"),
        increment,
        _rate(f.miss_rate, f.miss_rate_interval, me),
        _rate(f.false_alarm_rate, f.false_alarm_rate_interval, me),
    ]


def _below(chip: Html, words: str) -> Html:
    return h('{chip}<br><span class="d-note d-wide">{words}</span>', chip=chip, words=words)


def _rate(value: float, ends: tuple[float, float], me: Viewer) -> Html:
    return _with_interval(me.number(value, "accuracy"), me.interval(*ends, "accuracy"))


def _with_interval(value: str, span: str) -> Html:
    return h('<b>{v}</b><br><span class="d-iv">{r}</span>', v=value, r=span)


def _setting(arm: ArmResult, me: Viewer) -> str:
    protocol = (
        me.text(f"protocol.{arm.protocol}")
        if has_text(f"protocol.{arm.protocol}")
        else arm.protocol
    )
    budget = me.text("budget.all") if arm.label_budget == "all" else str(arm.label_budget or "–")
    return f"{protocol} · {budget}"


def _arms_data(arms: Sequence[ArmResult], currency: str, me: Viewer) -> Data:
    rows = [
        {
            me.text("roi.column.name"): arm_name_of(a.arm, me),
            me.text("roi.column.setting"): _setting(a, me),
            me.text("roi.column.miss"): a.figures.miss_rate if a.figures else None,
            me.text("roi.column.false-alarm"): a.figures.false_alarm_rate if a.figures else None,
            f"{me.text('roi.column.npv')} ({currency})": a.figures.npv if a.figures else None,
            "5%": a.figures.npv_spread.q05 if a.figures else None,
            "95%": a.figures.npv_spread.q95 if a.figures else None,
            me.text("roi.column.p"): a.figures.p_positive if a.figures else None,
            f"{me.text('roi.column.increment')} ({currency})": a.figures.increment.mean
            if a.figures
            else None,
            me.text("roi.column.verdict"): me.text(f"verdict.{a.verdict}") if a.verdict else "",
        }
        for a in arms
    ]
    return Data(pd.DataFrame(rows), "digpt_roi.csv")


def foot(shown: View, me: Viewer) -> Html:
    """What the figures rest on, and the view with what is already spent."""
    arm, result = shown.shown_arm, shown.result
    if arm is None or result is None or arm.figures is None:
        return NOTHING
    words = me.text("roi.foot", whole=me.number(arm.figures.whole.npv, "money", result.currency))
    return h('<p class="d-foot">{w}</p>', w=words)


def form_note(shown: View, me: Viewer) -> Html:
    """Whether the case is an example, saved, or being edited."""
    if shown.is_example:
        return note(me.text("roi.example"), "more", "roi-example")
    return NOTHING


def build(service: PilotService, language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    _Page(service, language).connect(demo)


class _Page:
    """The components of the page and the handlers between them."""

    def __init__(self, service: PilotService, language: str) -> None:
        self.service, self.language = service, language
        me = Viewer(language)
        self.top = page_html(elem_id="roi-head")
        self.nothing = page_html(elem_id="roi-nothing")
        with gr.Row(visible=False, elem_classes="d-roi") as self.body:
            with gr.Column(scale=3, min_width=290, elem_classes="d-card d-form"):
                self._form(me)
            with gr.Column(scale=8, min_width=320):
                self.verdict = page_html(elem_id="roi-verdict-card")
                self.figures = page_html()
                with gr.Row(equal_height=True) as self.charts:
                    self.flow, self.sure = chart_card("roi-flow"), chart_card("roi-sure")
                with gr.Column(elem_classes="d-card") as self.arms_box:
                    self.arms = page_html(elem_id="roi-arms-card")
                self.bottom = page_html()
        self.kept = gr.State({})  # the case as it came: what the form does not show stays in it

    def _form(self, me: Viewer) -> None:
        page_html(
            h(
                "<h2>{t}</h2><p class='d-note'>{w}</p>",
                t=me.text("roi.case"),
                w=me.text("roi.case.why"),
            )
        )
        self.note = page_html()
        self.fields: list[gr.Number] = []
        for name, group in GROUPS.items():
            if name == "more":
                with gr.Accordion(me.text("roi.group.more"), open=False):
                    self._group(group, me)
                continue
            page_html(h('<h3 class="d-group">{t}</h3>', t=me.text(f"roi.group.{name}")))
            if name == "production":
                self.good = gr.CheckboxGroup(
                    [],
                    label=me.text("case.good_classes"),
                    info=me.text("case.good_classes.info"),
                    elem_id="roi-good-classes",
                )
            self._group(group, me)
        self.problem = page_html(elem_id="roi-problem")
        with gr.Row(elem_classes="d-buttons"):
            self.save = gr.Button(me.text("roi.save"), size="sm", elem_id="roi-save")
            self.update = gr.Button(
                me.text("roi.update"), variant="primary", size="sm", elem_id="roi-update"
            )

    def _group(self, group: Sequence[Any], me: Viewer) -> None:
        for field in group:
            self.fields.append(
                gr.Number(
                    label=_label(field, "", me),
                    info=me.text(f"{field.key}.info"),
                    elem_id=field.elem_id,
                )
            )

    @property
    def result_parts(self) -> list[Any]:
        return [self.top, self.verdict, self.figures, *self.flow.parts, *self.sure.parts, self.arms,
                self.bottom, self.note, self.charts, self.arms_box]  # fmt: skip

    def connect(self, demo: gr.Blocks) -> None:
        """Wire all events."""
        light: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        everything = [
            self.kept,
            self.body,
            self.nothing,
            *self.fields,
            self.good,
            *self.result_parts,
        ]
        demo.load(self.load, None, everything, **light)
        given = [self.kept, self.good, *self.fields]
        results = [self.problem, *self.fields, *self.result_parts]
        for field in self.fields:
            field.submit(self.calculate, given, results, **light)
        self.update.click(
            self.calculate,
            given,
            results,
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=self.update,
        )
        self.save.click(self.keep, given, results, **light)

    def load(self, request: gr.Request) -> list[Any]:
        me = viewer(request, self.language)
        count = len(self.fields)
        try:
            shown = view(self.service, next(iter(asked_pilots(request)), ""))
        except UserError as error:
            title = page_head(me.text("nav.roi"), me.text("roi.title"), NOTHING)
            box = note(me.error(error), "no", "roi-error")
            rest = len(self.result_parts) - 1
            return [
                {},
                gr.update(visible=False),
                box,
                *[gr.skip()] * (count + 1),
                title,
                *[gr.skip()] * rest,
            ]
        if shown.card is None or shown.case is None:
            box = empty(
                me.text("roi.empty"),
                me.text("roi.empty.why"),
                me.text("overview.new"),
                link("new"),
                "roi-empty",
            )
            rest = len(self.result_parts) - 1
            return [
                {},
                gr.update(visible=False),
                box,
                *[gr.skip()] * (count + 1),
                head(shown, me),
                *[gr.skip()] * rest,
            ]
        values = [
            gr.update(value=v, label=_label(f, shown.case.currency, me))
            for f, v in zip(FIELDS, shown_values(shown.case), strict=True)
        ]
        good = gr.update(choices=list(shown.classes), value=list(shown.case.good_classes))
        case = shown.case.model_dump(mode="json")
        return [case, gr.update(visible=True), NOTHING, *values, good, *self._results(shown, me)]

    def calculate(
        self, request: gr.Request, kept: Mapping[str, Any], good: list[str], *values: Any
    ) -> list[Any]:
        """The result of the case as it stands in the form."""
        return self._calculate(kept, good, values, request, save=False)

    def keep(
        self, request: gr.Request, kept: Mapping[str, Any], good: list[str], *values: Any
    ) -> list[Any]:
        """Save the case with the pilot, and show its result."""
        return self._calculate(kept, good, values, request, save=True)

    def _calculate(
        self,
        kept: Mapping[str, Any],
        good: list[str],
        values: Sequence[Any],
        request: gr.Request,
        *,
        save: bool,
    ) -> list[Any]:
        me = viewer(request, self.language)
        ident = next(iter(asked_pilots(request)), "")
        try:
            case = case_of(values, good, kept)
            if save:
                ident = chosen_pilots(self.service, [ident] if ident else [])[0].id
                self.service.save_case(ident, case)
            shown = view(self.service, ident, case)
        except UserError as error:
            wrong = [_field_update(f.name, error, me) for f in FIELDS]
            box = note(me.error(error), "no", "roi-problem-text")
            return [box, *wrong, *[gr.skip()] * len(self.result_parts)]
        box = note(me.text("roi.saved"), "go", "roi-saved") if save else NOTHING
        clean = [_field_update(f.name, None, me) for f in FIELDS]
        return [box, *clean, *self._results(shown, me)]

    def _results(self, shown: View, me: Viewer) -> list[Any]:
        return [
            head(shown, me),
            verdict_card(shown, me),
            key_figures(shown, me),
            *flow_card(shown, me),
            *sure_card(shown, me),
            arms_card(shown, me),
            foot(shown, me),
            form_note(shown, me),
            *[gr.update(visible=shown.shown_arm is not None)] * 2,
        ]


def _field_update(name: str, error: UserError | None, me: Viewer) -> Any:
    """A field marked where the error is about it; its hint gives way to what is wrong."""
    if error is not None and error.field == name:
        return gr.update(info=me.error(error), elem_classes=["d-wrong"])
    return gr.update(info=me.text(f"case.{name}.info"), elem_classes=[])


def _label(field: Any, currency: str, me: Viewer) -> str:
    unit = {"money": currency, "rate": "%", "years": me.text("unit.years"), "count": ""}[field.kind]
    return me.text(field.key) + (f" ({unit})" if unit else "")
