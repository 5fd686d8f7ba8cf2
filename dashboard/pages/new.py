"""New pilot: data, tokenizers, arms, and the plan with its time and cost before anything runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import (
    NOTHING,
    Html,
    arm_chip,
    arm_name_of,
    bar,
    empty,
    h,
    join,
    metric,
    note,
    page_head,
    png,
    rich,
    table,
    tag,
)
from dashboard.numbers import is_trifle
from dashboard.pages.draft import (
    BUDGETS,
    METHODS,
    Draft,
    candidates,
    from_json,
    from_spec,
    suggested,
    to_spec,
    with_choice,
)
from dashboard.pages.shell import page_html, viewer
from dashboard.text import Viewer, has_text
from digpt.errors import UserError
from digpt.recipe import PRESETS
from digpt.tokenizers.names import parse
from jobs.spec import load_spec, to_yaml
from jobs.views import DatasetView, EstimateView, Range, TokenizerView

if TYPE_CHECKING:
    from jobs.service import PilotService

NAME, PATH = "new", "new"
STEPS = ("data", "tokenizers", "arms", "plan")
PICTURES = 12


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    draft: Draft
    datasets: tuple[DatasetView, ...]
    thumbnails: dict[str, list[tuple[str, bytes]]]
    tokenizers: tuple[TokenizerView, ...]

    @property
    def dataset(self) -> DatasetView | None:
        return next((d for d in self.datasets if d.name == self.draft.dataset), None)


def view(service: "PilotService", draft: Draft) -> View:
    """The draft with what it can be chosen from; what is not chosen yet gets a usual value."""
    datasets = tuple(service.datasets())
    names = [d.name for d in datasets]
    if draft.dataset not in names:
        draft = replace(draft, dataset=names[0] if names else "")
    known = tuple(service.tokenizers(draft.dataset)) if draft.dataset else ()
    if not draft.tokenizers:
        draft = with_choice(draft, tokenizers=suggested(known), methods=draft.methods)
    if not draft.name:
        draft = replace(draft, name=f"{draft.dataset}-1" if draft.dataset else "")
    pictures = {n: service.thumbnails(n, PICTURES if n == draft.dataset else 4) for n in names}
    return View(draft, datasets, pictures, known)


def begin(service: "PilotService", kept: object, clone: str = "") -> Draft:
    """The draft to start from: a clone, what was entered before, or nothing."""
    return from_spec(service.clone(clone)) if clone else from_json(kept)


def head(step: str, draft: Draft, me: Viewer, lead: str = "") -> Html:
    """Where in the four steps, and that step's answer."""
    crumb = me.text("nav.new") + (f" · {draft.dataset}" if draft.dataset else "")
    return page_head(crumb, me.text(f"new.{step}.title"), rich(lead or me.text(f"new.{step}.lead")))


def dataset_cards(shown: View, me: Viewer) -> Html:
    """Every dataset as a card; the chosen one says so."""
    cards = join(_dataset_card(d, shown, me) for d in shown.datasets)
    return h('<div class="d-grid" id="new-datasets">{cards}</div>', cards=cards)


def _dataset_card(data: DatasetView, shown: View, me: Viewer) -> Html:
    chosen = data.name == shown.draft.dataset
    good = [tag(f"✓ {me.text('new.chosen')}", "info")] if chosen else []
    return h(
        '<article class="d-card d-choice {sel}" data-pick="new-dataset" data-value="{name}">'
        '<div class="d-row"><h2>{name}</h2>{tags}</div><div class="d-note">{about}</div>'
        '<div class="d-thumbs">{pictures}</div></article>',
        sel="d-selected" if chosen else "",
        name=data.name,
        tags=join(good),
        about=me.text(
            "new.dataset.about",
            images=me.number(data.images, "count"),
            classes=len(data.classes),
            origin=me.text("new.builtin")
            if data.builtin
            else me.text("new.version", n=data.version or 1),
        ),
        pictures=join(png(p, c) for c, p in shown.thumbnails.get(data.name, [])[:6]),
    )


def dataset_detail(shown: View, me: Viewer) -> Html:
    """The chosen dataset: pictures, counts by split and class, notes and warnings."""
    data = shown.dataset
    if data is None:
        why = me.text("new.no-data.why")
        return empty(me.text("new.no-data"), why, me.text("overview.own.go"), "/new?add=1")
    pictures = join(
        h('<figure>{p}<figcaption class="d-note">{c}</figcaption></figure>', p=png(p, c), c=c)
        for c, p in shown.thumbnails.get(data.name, [])
    )
    notes = join(note(w, "more") for w in data.warnings)
    remarks = join(h('<p class="d-note">{n}</p>', n=n) for n in _notes(data, me))
    return h(
        '<div class="d-card d-stack"><h2>{name}</h2><div class="d-thumbs d-large">{pictures}</div>'
        '{counts}{notes}{remarks}<p class="d-note">{source}</p></div>',
        name=data.name,
        pictures=pictures,
        counts=_counts(data, me),
        notes=notes,
        remarks=remarks,
        source=me.text("new.source", source=data.source, licence=data.licence or "–"),
    )


def _notes(data: DatasetView, me: Viewer) -> list[str]:
    """The set's own notes; those of built-in sets in the reader's language."""
    if not data.builtin or me.language == "en":
        return list(data.notes)
    keys = [f"builtin.{data.name}.{i}" for i in range(len(data.notes))]
    known = zip(keys, data.notes, strict=True)
    return [me.text(key) if has_text(key) else words for key, words in known]


def _counts(data: DatasetView, me: Viewer) -> Html:
    names = [*data.classes, *([""] if any("" in c for c in data.counts.values()) else [])]
    heads = [
        me.text("new.split"),
        *(n or me.text("new.unlabelled") for n in names),
        me.text("new.sum"),
    ]
    lines = [
        [
            me.text(f"split.{split}"),
            *(me.number(counts.get(n, 0), "count") for n in names),
            me.number(sum(counts.values()), "count"),
        ]
        for split, counts in data.counts.items()
    ]
    return table(heads, lines, numeric=range(1, len(heads)))


def problems(found: Any, me: Viewer, *, stored: bool) -> Html:
    """What an import found, as a table of problems."""
    total = sum(sum(c.values()) if isinstance(c, dict) else int(c) for c in found.counts.values())
    errors = sum(p.severity == "error" for p in found.problems)
    key = "new.import.stored" if stored else "new.import.errors" if errors else "new.import.ready"
    tone = "go" if stored else "no" if errors else "info"
    words = me.text(
        key,
        images=me.number(total, "count"),
        format=found.format,
        count=errors,
        name=found.dataset or "",
    )
    box = note(words, tone, "new-import-result")
    if not found.problems:
        return box
    heads = [me.text(f"new.problem.{c}") for c in ("severity", "file", "what", "fix")]
    box_name = f'"{me.text("new.add.skip")}"'  # what the command line calls --skip-bad
    rows = [
        [_severity(p.severity, me), p.file, p.what, p.fix.replace("--skip-bad", box_name)]
        for p in found.problems[:200]
    ]
    return join([box, h('<div id="new-problems">{t}</div>', t=table(heads, rows))])


def _severity(severity: str, me: Viewer) -> Html:
    tone, symbol = {"error": ("no", "✕"), "warning": ("more", "!")}.get(severity, ("info", "i"))
    return tag(f"{symbol} {me.text(f'severity.{severity}')}", tone)


def tokenizer_cards(shown: View, me: Viewer) -> Html:
    """Every tokenizer as a card; the chosen ones say so, those that are not ready say why."""
    extra = [n for n in shown.draft.tokenizers if n not in {t.name for t in shown.tokenizers}]
    cards = [_tokenizer_card(t, shown, me) for t in shown.tokenizers]
    cards += [
        h(
            '<article class="d-card d-choice d-selected" data-pick="new-tokenizers" '
            'data-value="{n}">'
            "<div class='d-row'><h2>{n}</h2>{t}</div></article>",
            n=n,
            t=tag(f"✓ {me.text('new.chosen')}", "info"),
        )
        for n in extra
    ]
    return h('<div class="d-grid" id="new-tokenizer-cards">{cards}</div>', cards=join(cards))


def _tokenizer_card(item: TokenizerView, shown: View, me: Viewer) -> Html:
    chosen = item.name in shown.draft.tokenizers
    state = tag(f"✓ {me.text('new.chosen')}", "info") if chosen else NOTHING
    description = (
        me.text(f"tokenizer.{item.family}")
        if f"tokenizer.{item.family}" in _DESCRIBED
        else item.description
    )
    tags = [
        tag(me.text("new.licence", licence=item.licence or me.text("new.licence.none")), "mute")
    ]
    if item.is_discrete:
        tags.append(tag(me.text("new.discrete"), "mute"))
    remark = _tokenizer_remark(item, me)
    return h(
        '<article class="d-card d-choice {sel}" data-pick="new-tokenizers" data-value="{name}">'
        '<div class="d-row"><h2>{name}</h2>{state}</div><p class="d-note">{what}</p>'
        '<div class="d-row d-left">{tags}</div>{remark}</article>',
        sel="d-selected" if chosen else "",
        name=item.name,
        state=state,
        what=description,
        tags=join(tags),
        remark=remark,
    )


def _tokenizer_remark(item: TokenizerView, me: Viewer) -> Html:
    """Why it is not ready, or what to know before it is chosen."""
    if not item.remark:
        return NOTHING
    key = f"new.remark.{item.remark}"
    why = me.text(key) if has_text(key) else item.remark
    return note(why if item.ready else me.text("new.not-ready", why=why), "more")


_DESCRIBED = {
    f"tokenizer.{f}"
    for f in ("pixels", "filters", "hog", "random", "clip", "timm", "domain-clip", "codebook")
}


def preset_remark(draft: Draft, me: Viewer) -> Html:
    """What the preset means, in one sentence with its figures."""
    preset = PRESETS[draft.preset]
    words = me.text(
        f"preset.{draft.preset}.about",
        images=me.number(preset.pretrain.images_seen, "compact"),
        size=preset.pretrain.student.image_size,
        seeds=preset.seeds,
    )
    return h('<p class="d-note" id="new-preset-about">{w}</p>', w=words)


def plan_lead(found: EstimateView, me: Viewer) -> str:
    """The plan's answer: how long and how much."""
    trifle = is_trifle(found.money.likely, found.currency)
    return me.text(
        "new.plan.answer.trifle" if trifle else "new.plan.answer",
        time=me.number(found.wall_seconds.likely, "duration"),
        cost=me.number(found.money.likely, "money", found.currency),
        basis=me.text(f"basis.{found.basis}"),
    )


def plan(found: EstimateView, me: Viewer) -> Html:
    """What will run, and the arms."""
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
    what = h(
        '<div class="d-card"><div class="d-card-head"><h2>{t}</h2>'
        '<span class="d-note">{n}</span></div>'
        "{rows}</div>",
        t=me.text("new.plan.what"),
        n=me.text("new.plan.total", total=found.total_stages, reused=found.reused_stages),
        rows=table(heads, rows, numeric=(1, 3, 4)),
    )
    arms = table(
        [me.text("column.name"), me.text("column.n_seeds"), me.text("column.cost")],
        [
            [
                arm_chip(a.name, a.look, me, baseline=a.method == "frozen"),
                a.seeds,
                me.number(a.money, "money", found.currency),
            ]
            for a in found.arms
        ],
        numeric=(1, 2),
    )
    second = h(
        '<div class="d-card"><div class="d-card-head"><h2>{t}</h2>'
        '<span class="d-note">{n}</span></div>'
        "{rows}</div>",
        t=me.text("new.plan.arms"),
        n=me.text("new.plan.alone"),
        rows=arms,
    )
    return h('<div class="d-stack" id="new-plan">{a}{b}</div>', a=what, b=second)


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
        h('<li><span class="d-more-ink">!</span> {w}</li>', w=warning(w, found, me))
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


def warning(facts: Any, found: EstimateView, me: Viewer) -> str:
    """One warning of the estimate as a sentence."""
    values = dict(facts)
    code = values.pop("code")
    if isinstance(values.get("money"), (int, float)):
        values["money"] = me.number(values["money"], "money", found.currency)
    if isinstance(values.get("seconds"), (int, float)):
        values["seconds"] = me.number(values["seconds"], "duration")
    key = f"warning.{code}"
    return (
        me.text(key, **values) if key in _WARNINGS else f"{code}: {values}" if values else str(code)
    )


_WARNINGS = {
    f"warning.{c}"
    for c in (
        "over-cost-limit",
        "over-time-limit",
        "no-cheap-baseline",
        "one-pretraining-seed",
        "no-history",
    )
}


class _ToBar:
    """A reporter that moves Gradio's progress bar."""

    def __init__(self, progress: gr.Progress, words: str) -> None:
        self._progress, self._words = progress, words

    def progress(self, done: int, total: int) -> None:
        self._progress((done, total), desc=self._words)

    def metric(self, step: int, **values: float) -> None: ...

    def log(self, message: str, level: str = "info") -> None: ...

    def check(self) -> None: ...


def name_for(source: str) -> str:
    """A dataset name from a path: lower case, digits and dashes."""
    stem = Path(source.strip().rstrip("/")).name.removesuffix(".zip")
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:60]


@dataclass(frozen=True, slots=True)
class _Form:
    """The components that a person fills in, in the order of `values`."""

    dataset: gr.Radio
    tokenizers: gr.CheckboxGroup
    methods: gr.CheckboxGroup
    arms: gr.CheckboxGroup
    preset: gr.Radio
    seeds: gr.Number
    label_budgets: gr.CheckboxGroup
    finetune_budgets: gr.CheckboxGroup
    name: gr.Textbox
    cost: gr.Textbox
    hours: gr.Number

    @property
    def parts(self) -> list[Any]:
        return [getattr(self, n) for n in self.__slots__]


def draft_of(kept: object, values: Sequence[Any]) -> Draft:
    """The draft with what stands in the form's fields."""
    dataset, tokenizers, methods, arms, preset, seeds, labels, finetune, name, cost, hours = values
    return replace(
        from_json(kept),
        dataset=dataset or "",
        tokenizers=tuple(tokenizers or ()),
        methods=tuple(methods or ()),
        arms=tuple(arms or ()),
        preset=preset,
        seeds=int(seeds) if seeds else None,
        label_budgets=tuple(labels or ()),
        finetune_budgets=tuple(finetune or ()),
        name=name or "",
        cost=cost or "",
        hours=hours or None,
    )


def _fields(shown: View, me: Viewer) -> list[Any]:
    """Updates of the form's components for a view, in the order of `_Form.parts`."""
    d = shown.draft
    preset = PRESETS[d.preset]
    ready = [t.name for t in shown.tokenizers if t.ready]
    offered = list(dict.fromkeys([*ready, *d.tokenizers]))
    arms = list(dict.fromkeys([*candidates(d.methods, d.tokenizers), *d.arms]))
    return [
        gr.update(choices=[x.name for x in shown.datasets], value=d.dataset),
        gr.update(choices=offered, value=list(d.tokenizers)),
        gr.update(value=list(d.methods)),
        gr.update(choices=[(_arm_choice(a, me), a) for a in arms], value=list(d.arms)),
        gr.update(value=d.preset),
        gr.update(value=d.seeds or preset.seeds),
        gr.update(value=list(d.label_budgets or map(str, preset.transfer.label_budgets))),
        gr.update(value=list(d.finetune_budgets or map(str, preset.transfer.finetune_budgets))),
        gr.update(value=d.name),
        gr.update(value=d.cost),
        gr.update(value=d.hours),
    ]


def _arm_choice(arm: str, me: Viewer) -> str:
    return arm_name_of(arm, me) + (me.text("arm.baseline") if arm.startswith("frozen") else "")


def build(service: "PilotService", language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    _Page(service, language).connect(demo)


class _Page:
    """The components of the page and the handlers between them."""

    def __init__(self, service: "PilotService", language: str) -> None:
        self.service, self.language = service, language
        me = Viewer(language)
        self.kept = gr.BrowserState(None, storage_key="digpt_draft", secret="digpt")
        with gr.Row(elem_classes="d-top"):
            self.top = page_html(head("data", Draft(), me), "new-head")
            with gr.Row(elem_classes="d-buttons"):
                self.open_yaml = gr.Button(me.text("new.yaml.open"), elem_id="new-yaml-open")
                self.fresh = gr.Button(me.text("new.fresh"), elem_id="new-fresh")
        self._yaml_panel(me)
        with gr.Walkthrough(selected=0, elem_id="new-steps") as self.steps:
            with gr.Step(me.text("new.step.data"), id=0):
                self._data_step(me)
            with gr.Step(me.text("new.step.tokenizers"), id=1):
                self._tokenizer_step(me)
            with gr.Step(me.text("new.step.arms"), id=2):
                self._arms_step(me)
            with gr.Step(me.text("new.step.plan"), id=3):
                self._plan_step(me)
        self.form = _Form(
            self.dataset,
            self.tokenizers,
            self.methods,
            self.arms,
            self.preset,
            self.seeds,
            self.label_budgets,
            self.finetune_budgets,
            self.name,
            self.cost,
            self.hours,
        )

    def _yaml_panel(self, me: Viewer) -> None:
        with gr.Column(visible=False, elem_classes="d-card") as self.yaml_panel:
            page_html(
                h(
                    "<h2>{t}</h2><p class='d-note'>{w}</p>",
                    t=me.text("new.yaml"),
                    w=me.text("new.yaml.why"),
                )
            )
            self.yaml = gr.Code(language="yaml", show_label=False, lines=14, elem_id="new-yaml")
            self.yaml_error = page_html(elem_id="new-yaml-error")
            with gr.Row(elem_classes="d-buttons"):
                self.close_yaml = gr.Button(me.text("new.yaml.close"), size="sm")
                self.use_yaml = gr.Button(
                    me.text("new.yaml.use"), size="sm", elem_id="new-yaml-use"
                )

    def _data_step(self, me: Viewer) -> None:
        self.dataset = gr.Radio([], label=me.text("new.dataset"), elem_id="new-dataset")
        self.cards = page_html(elem_id="new-dataset-cards")
        self.detail = page_html(elem_id="new-dataset-detail")
        with gr.Accordion(
            me.text("new.add"), open=False, elem_id="new-add", elem_classes="d-card"
        ) as self.adding:
            page_html(h('<p class="d-note">{w}</p>', w=me.text("new.add.why")))
            with gr.Row():
                self.zip = gr.File(
                    label=me.text("new.add.zip"),
                    file_types=[".zip"],
                    type="filepath",
                    elem_id="new-zip",
                    height=140,
                )
                with gr.Column():
                    self.path = gr.Textbox(label=me.text("new.add.path"), elem_id="new-path")
                    self.set_name = gr.Textbox(
                        label=me.text("new.add.name"), elem_id="new-set-name"
                    )
                    self.skip_bad = gr.Checkbox(
                        label=me.text("new.add.skip"), elem_id="new-skip-bad"
                    )
            with gr.Row(elem_classes="d-buttons"):
                self.check = gr.Button(me.text("new.add.check"), size="sm", elem_id="new-check")
                self.add = gr.Button(
                    me.text("new.add.import"), size="sm", elem_id="new-import", interactive=False
                )
            self.found = page_html(elem_id="new-found")
        self.to_tokenizers = self._next(me, "tokenizers")

    def _tokenizer_step(self, me: Viewer) -> None:
        self.tokenizers = gr.CheckboxGroup(
            [], label=me.text("new.tokenizers"), elem_id="new-tokenizers"
        )
        with gr.Row(elem_classes="d-other"):
            self.other = gr.Textbox(
                label=me.text("new.tokenizers.other"),
                placeholder="codebook:512(filters)",
                elem_id="new-other",
            )
            self.add_other = gr.Button(
                me.text("new.tokenizers.add"), size="sm", elem_id="new-other-add"
            )
        self.other_error = page_html(elem_id="new-other-error")
        self.tokenizer_list = page_html(elem_id="new-tokenizer-list")
        self.back_data, self.to_arms = self._back_next(me, "arms")

    def _arms_step(self, me: Viewer) -> None:
        budgets = [(me.text("budget.all") if b == "all" else b, b) for b in BUDGETS]
        with gr.Column(elem_classes="d-card"):
            self.methods = gr.CheckboxGroup(
                [(me.text(f"method.{m}"), m) for m in METHODS],
                label=me.text("new.methods"),
                info=me.text("new.methods.info"),
                elem_id="new-methods",
            )
            self.arms = gr.CheckboxGroup(
                [], label=me.text("new.arms"), info=me.text("new.arms.info"), elem_id="new-arms"
            )
        with gr.Column(elem_classes="d-card"):
            self.preset = gr.Radio(
                [(me.text(f"preset.{p}"), p) for p in PRESETS],
                value="quick",
                label=me.text("new.preset"),
                elem_id="new-preset",
            )
            self.preset_about = page_html()
            self.label_budgets = gr.CheckboxGroup(
                budgets,
                label=me.text("new.budgets"),
                info=me.text("new.budgets.info"),
                elem_id="new-budgets",
            )
            self.finetune_budgets = gr.CheckboxGroup(
                budgets,
                label=me.text("new.finetune"),
                info=me.text("new.finetune.info"),
                elem_id="new-finetune",
            )
            with gr.Row():
                self.seeds = gr.Number(
                    label=me.text("new.seeds"),
                    info=me.text("new.seeds.info"),
                    precision=0,
                    minimum=1,
                    maximum=20,
                    elem_id="new-seeds",
                )
                self.name = gr.Textbox(
                    label=me.text("new.name"),
                    info=me.text("new.name.info"),
                    max_length=100,
                    elem_id="new-name",
                )
            with gr.Row():
                self.cost = gr.Textbox(
                    label=me.text("new.cost"),
                    info=me.text("new.cost.info"),
                    placeholder="20 USD",
                    elem_id="new-cost",
                )
                self.hours = gr.Number(
                    label=me.text("new.hours"),
                    info=me.text("new.hours.info"),
                    minimum=0,
                    elem_id="new-hours",
                )
        self.arms_error = page_html(elem_id="new-arms-error")
        self.back_tokenizers, self.to_plan = self._back_next(me, "plan")

    def _plan_step(self, me: Viewer) -> None:
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                self.plan = page_html(elem_id="new-plan-table")
            with gr.Column(scale=3, min_width=300, elem_classes="d-card"):
                self.before = page_html(elem_id="new-before")
                self.launch = gr.Button(
                    me.text("new.launch"), variant="primary", elem_id="new-launch"
                )
                page_html(h('<p class="d-note d-center">{w}</p>', w=me.text("new.launch.note")))
                self.launch_error = page_html(elem_id="new-launch-error")
        self.launched = gr.Textbox(visible="hidden", elem_id="new-launched", label="id")
        with gr.Row(elem_classes="d-buttons"):
            self.back_arms = gr.Button(me.text("new.back"), elem_id="new-back-arms")

    def _next(self, me: Viewer, step: str) -> gr.Button:
        with gr.Row(elem_classes="d-buttons"):
            return gr.Button(
                me.text("new.next", step=me.text(f"new.step.{step}")),
                variant="primary",
                elem_id=f"new-to-{step}",
            )

    def _back_next(self, me: Viewer, step: str) -> tuple[gr.Button, gr.Button]:
        with gr.Row(elem_classes="d-buttons"):
            back = gr.Button(me.text("new.back"), elem_id=f"new-back-from-{step}")
            return back, gr.Button(
                me.text("new.next", step=me.text(f"new.step.{step}")),
                variant="primary",
                elem_id=f"new-to-{step}",
            )

    @property
    def _lists(self) -> list[Any]:
        return [self.cards, self.detail, self.tokenizer_list, self.preset_about]

    def _shown(self, draft: Draft, me: Viewer) -> list[Any]:
        """The whole page for a draft: kept state, form fields and lists."""
        shown = view(self.service, draft)
        lists = [
            dataset_cards(shown, me),
            dataset_detail(shown, me),
            tokenizer_cards(shown, me),
            preset_remark(shown.draft, me),
        ]
        return [shown.draft.to_json(), *_fields(shown, me), *lists]

    def connect(self, demo: gr.Blocks) -> None:
        """Wire all events."""
        page = [self.kept, *self.form.parts, *self._lists]
        light: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        demo.load(self.load, [self.kept], [*page, self.top, self.adding], **light)
        form = [self.kept, *self.form.parts]
        for part in (self.dataset, self.tokenizers, self.methods):
            part.input(self.choose, form, page, **light)
        self.preset.input(self.choose_preset, form, page, **light)
        for part in (self.arms, self.seeds, self.label_budgets, self.finetune_budgets, self.name,
                     self.cost, self.hours):  # fmt: skip
            part.input(lambda kept, *v: draft_of(kept, v).to_json(), form, self.kept, **light)
        self.fresh.click(lambda: self._shown(Draft(), Viewer(self.language)), None, page, **light)
        self._connect_steps(form, light)
        self._connect_yaml(form, page, light)
        self._connect_import(form, page)
        self.add_other.click(
            self.add_tokenizer, [self.other, *form], [*page, self.other, self.other_error], **light
        )

    def _connect_steps(self, form: list[Any], light: dict[str, Any]) -> None:
        for button, step in ((self.to_tokenizers, 1), (self.to_arms, 2), (self.back_data, 0),
                             (self.back_tokenizers, 1), (self.back_arms, 2)):  # fmt: skip
            button.click(self._go(step), self.kept, [self.steps, self.top], **light)
        self.to_plan.click(
            self.make_plan,
            form,
            [self.steps, self.top, self.plan, self.before, self.arms_error],
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=self.to_plan,
        )
        go = self.launch.click(
            self.start,
            form,
            [self.launched, self.launch_error, self.kept],
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=self.launch,
        )
        go.then(
            None,
            self.launched,
            None,
            js="(id) => { if (id) setTimeout(() => location.assign('/runs?pilot=' + id)); }",
            api_visibility="private",
        )

    def _connect_yaml(self, form: list[Any], page: list[Any], light: dict[str, Any]) -> None:
        self.open_yaml.click(self.show_yaml, form, [self.yaml_panel, self.yaml], **light)
        self.close_yaml.click(lambda: gr.update(visible=False), None, self.yaml_panel, **light)
        self.use_yaml.click(
            self.take_yaml,
            self.yaml,
            [*page, self.yaml_panel, self.yaml_error, self.steps, self.top],
            **light,
        )

    def _connect_import(self, form: list[Any], page: list[Any]) -> None:
        source = [self.zip, self.path, self.set_name, self.skip_bad]
        self.zip.upload(
            lambda f: name_for(f or ""), self.zip, self.set_name, api_visibility="private"
        )
        self.path.blur(
            lambda path, name: name or name_for(path or ""),
            [self.path, self.set_name],
            self.set_name,
            api_visibility="private",
            show_progress="hidden",
        )
        self.check.click(
            self.dry_run,
            source,
            [self.found, self.add],
            api_visibility="private",
            show_progress_on=self.found,
        )
        self.add.click(
            self.take_data,
            [*source, *form],
            [*page, self.found, self.add],
            api_visibility="private",
            show_progress_on=self.found,
        )

    def load(self, kept: object, request: gr.Request) -> list[Any]:
        me = viewer(request, self.language)
        clone = request.query_params.get("clone", "")
        try:
            draft, lead = begin(self.service, kept, clone), ""
        except UserError as error:
            draft, lead = from_json(kept), me.error(error)
        page = self._shown(draft, me)
        wants_data = gr.update(open=True) if "add" in request.query_params else gr.skip()
        return [*page, head("data", from_json(page[0]), me, lead), wants_data]

    def choose(self, kept: object, *values: Any) -> list[Any]:
        """After a dataset, tokenizer or method was chosen."""
        now, before = draft_of(kept, values), from_json(kept)
        base = replace(now, tokenizers=before.tokenizers, methods=before.methods)
        draft = with_choice(base, tokenizers=now.tokenizers, methods=now.methods)
        if before.name == f"{before.dataset}-1":
            draft = replace(draft, name="")
        return self._shown(draft, Viewer(self.language))

    def choose_preset(self, kept: object, *values: Any) -> list[Any]:
        """A preset brings its own seeds and budgets."""
        draft = draft_of(kept, values)
        fresh = replace(draft, seeds=None, label_budgets=(), finetune_budgets=())
        return self._shown(fresh, Viewer(self.language))

    def add_tokenizer(self, name: str, kept: object, *values: Any) -> list[Any]:
        """A tokenizer by its name, checked in place."""
        me = Viewer(self.language)
        draft = draft_of(kept, values)
        try:
            more = parse(name).canonical
        except UserError as error:
            page = [gr.skip()] * (1 + len(self.form.parts) + len(self._lists))
            return [*page, gr.skip(), note(me.error(error), "no")]
        chosen = dict.fromkeys([*draft.tokenizers, more])
        now = with_choice(draft, tokenizers=tuple(chosen), methods=draft.methods)
        return [*self._shown(now, me), "", NOTHING]

    def _go(self, step: int) -> Any:
        def go(kept: object) -> list[Any]:
            title = head(STEPS[step], from_json(kept), Viewer(self.language))
            return [gr.Walkthrough(selected=step), title]

        return go

    def make_plan(self, kept: object, *values: Any) -> list[Any]:
        """Estimate the draft and go on to the plan; a mistake is shown where it was made."""
        me = Viewer(self.language)
        draft = draft_of(kept, values)
        try:
            found = self.service.estimate(to_spec(draft))
        except UserError as error:
            return [*[gr.skip()] * 4, note(me.error(error), "no", "new-error")]
        title = head("plan", draft, me, plan_lead(found, me))
        return [
            gr.Walkthrough(selected=3),
            title,
            plan(found, me),
            before_launch(found, me),
            NOTHING,
        ]

    def start(self, kept: object, *values: Any) -> list[Any]:
        """Launch the pilot; its id sends the browser to its run."""
        try:
            ident = self.service.submit(to_spec(draft_of(kept, values)))
        except UserError as error:
            return ["", note(Viewer(self.language).error(error), "no", "new-error"), gr.skip()]
        return [ident, NOTHING, None]

    def show_yaml(self, kept: object, *values: Any) -> list[Any]:
        """The draft as YAML, or an empty sheet while it is not complete."""
        try:
            words = to_yaml(to_spec(draft_of(kept, values)))
        except UserError:
            words = ""
        return [gr.update(visible=True), words]

    def take_yaml(self, words: str) -> list[Any]:
        """Fill the form from YAML; a mistake stays beside the text."""
        me = Viewer(self.language)
        try:
            draft = from_spec(load_spec(words or ""))
            page = self._shown(draft, me)
        except UserError as error:
            skipped = [gr.skip()] * (1 + len(self.form.parts) + len(self._lists))
            box = note(me.error(error), "no", "new-yaml-problem")
            return [*skipped, gr.skip(), box, gr.skip(), gr.skip()]
        title = head("arms", draft, me)
        return [*page, gr.update(visible=False), NOTHING, gr.Walkthrough(selected=2), title]

    def dry_run(
        self,
        file: str | None,
        path: str,
        name: str,
        skip: bool,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way
    ) -> list[Any]:
        """Look at the data without storing anything."""
        me = Viewer(self.language)
        try:
            found = self._import(file, path, name, skip, progress, dry_run=True)
        except UserError as error:
            return [note(me.error(error), "no", "new-import-error"), gr.update(interactive=False)]
        errors = any(p.severity == "error" for p in found.problems)
        return [problems(found, me, stored=False), gr.update(interactive=skip or not errors)]

    def take_data(
        self,
        file: str | None,
        path: str,
        name: str,
        skip: bool,
        kept: object,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way
        *values: Any,
    ) -> list[Any]:
        """Import the data and choose it."""
        me = Viewer(self.language)
        skipped = [gr.skip()] * (1 + len(self.form.parts) + len(self._lists))
        try:
            found = self._import(file, path, name, skip, progress, dry_run=False)
        except UserError as error:
            return [*skipped, note(me.error(error), "no", "new-import-error"), gr.skip()]
        if not found.dataset:
            return [*skipped, problems(found, me, stored=False), gr.update(interactive=False)]
        draft = replace(draft_of(kept, values), dataset=found.dataset, name="")
        return [
            *self._shown(draft, me),
            problems(found, me, stored=True),
            gr.update(interactive=False),
        ]

    def _import(
        self,
        file: str | None,
        path: str,
        name: str,
        skip: bool,
        progress: gr.Progress,
        *,
        dry_run: bool,
    ) -> Any:
        source = file or (path or "").strip()
        if not source:
            words = text_of("new.add.nothing", self.language)
            raise UserError(words, code="no-source", field="source")
        return self.service.import_dataset(
            Path(source).expanduser(),
            name=(name or "").strip() or name_for(source),
            dry_run=dry_run,
            skip_bad=skip,
            reporter=_ToBar(progress, text_of("new.add.reading", self.language)),
        )


def text_of(key: str, language: str) -> str:
    return Viewer(language).text(key)
