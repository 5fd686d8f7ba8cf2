"""HTML made on the server: everything is escaped unless it is `Html` already."""

import base64
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.names import arm_name_of
from dashboard.text import Viewer

if TYPE_CHECKING:
    import pandas as pd


class Html(str):
    """Text that is safe to put into a page as it is."""

    __slots__ = ()


def h(template: str, **values: object) -> Html:
    """`template` with `{name}` filled in; values are escaped, `Html` values are not."""
    return Html(template.format(**{name: _safe(value) for name, value in values.items()}))


def join(parts: Iterable[object], separator: str = "") -> Html:
    """The parts one after another, each escaped unless it is `Html`."""
    return Html(separator.join(_safe(part) for part in parts))


def rich(sentence: str) -> Html:
    """A sentence with **bold** parts as HTML; a minus keeps to its number at the end of a line."""
    kept = re.sub(r"−(?=\S)", "−\N{WORD JOINER}", html.escape(sentence))
    return Html(re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", kept))


def _safe(value: object) -> str:
    return str(value) if isinstance(value, Html) else html.escape(str(value))


NOTHING = Html("")

# shapes of the arms, drawn in a 12 x 12 box; the order is that of the looks (VISUAL.md)
_MARKS = {
    0: '<path d="M6 .5 11.5 6 6 11.5 .5 6Z" fill="currentColor"/>',
    1: '<circle cx="6" cy="6" r="5" fill="currentColor"/>',
    2: '<rect x="1.2" y="1.2" width="9.6" height="9.6" fill="currentColor"/>',
    3: '<path d="M6 .8 11.6 11H.4Z" fill="currentColor"/>',
    4: '<path d="m2 2 8 8m0-8-8 8" stroke="currentColor" stroke-width="3"/>',
}


def mark(look: int) -> Html:
    """The arm's marker, coloured by the text around it."""
    inner = _MARKS.get(look, '<path d="M1 6h10" stroke="currentColor" stroke-width="2"/>')
    return Html(f'<svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">{inner}</svg>')


def look_class(look: int) -> str:
    """The part of a style class that gives an arm's colour."""
    return f"look{look}" if look in _MARKS else "lookx"


def arm_chip(arm: str, look: int, me: Viewer, *, baseline: bool = False) -> Html:
    """Marker and name in the arm's colour; the baseline says that it is one."""
    return h(
        '<span class="d-chip d-{look}">{mark}<span>{name}{note}</span></span>',
        look=look_class(look),
        mark=mark(look),
        name=arm_name_of(arm, me),
        note=me.text("arm.baseline") if baseline else "",
    )


def tag(label: str, tone: str, code: str = "") -> Html:
    """A small label; `tone` is go, no, more, info or mute; `code` is what it stands for."""
    state = h(' data-state="{code}"', code=code) if code else NOTHING
    return h(
        '<span class="d-tag d-{tone}"{state}>{label}</span>', tone=tone, state=state, label=label
    )


VERDICTS = {"GO": ("go", "✓"), "NO-GO": ("no", "✕"), "COLLECT MORE": ("more", "＋")}
STATES = {
    "queued": ("mute", "○"),
    "running": ("info", "●"),
    "done": ("go", "✓"),
    "partial": ("more", "!"),
    "failed": ("no", "✕"),
    "cancelled": ("mute", "–"),
}


def verdict_tag(verdict: str, me: Viewer) -> Html:
    tone, symbol = VERDICTS[verdict]
    return tag(f"{symbol} {me.text(f'verdict.{verdict}')}", tone)


def state_tag(status: str, me: Viewer) -> Html:
    tone, symbol = STATES[status]
    return tag(f"{symbol} {me.text(f'status.{status}')}", tone, status)


def metric(label: str, value: str, below: str, *, tip: str = "") -> Html:
    """A figure with its label above and its interval, n or budget beneath it."""
    hint = h('<div class="d-plain">{tip}</div>', tip=tip) if tip else NOTHING
    return h(
        '<div class="d-metric"><div class="d-label">{label}</div><div class="d-value">{value}</div>'
        '<div class="d-note">{below}</div>{hint}</div>',
        label=label,
        value=value,
        below=below,
        hint=hint,
    )


def metrics(parts: Sequence[Html], elem_id: str = "") -> Html:
    """Metrics side by side, each on its own card."""
    cards = join(h('<div class="d-card">{part}</div>', part=part) for part in parts)
    return h('<div class="d-metrics" id="{id}">{cards}</div>', id=elem_id, cards=cards)


def interval_bar(value: float, low: float, high: float, reach: float, tone: str) -> Html:
    """A range with its point on an axis from -reach to reach; figures stand beside it as text."""
    at = {n: f"{50 + 50 * max(-1.0, min(1.0, x / reach)):.1f}" for n, x in
          (("value", value), ("low", low), ("high", high))}  # fmt: skip
    return h(
        '<div class="d-ci d-{tone}-ink" aria-hidden="true">'
        '<i class="d-ax"></i><i class="d-zero"></i>'
        '<i class="d-range" style="left:{low}%;right:{rest}%"></i>'
        '<i class="d-dot" style="left:{value}%"></i></div>',
        tone=tone,
        low=at["low"],
        rest=f"{100 - float(at['high']):.1f}",
        value=at["value"],
    )


def bar(share: float, label: str = "") -> Html:
    """A progress bar; `label` is what a screen reader says."""
    return h(
        '<div class="d-bar" role="progressbar" aria-label="{label}" aria-valuemin="0" '
        'aria-valuemax="100" aria-valuenow="{now}"><i style="width:{width}%"></i></div>',
        label=label,
        now=f"{100 * share:.0f}",
        width=f"{100 * max(0.0, min(1.0, share)):.1f}",
    )


@dataclass(frozen=True, slots=True)
class Action:
    """A link that looks like a button."""

    label: str
    href: str
    elem_id: str
    primary: bool = False


def page_head(
    crumb: str, title: str, lead: Html, actions: Sequence[Action] = (), badge: Html = NOTHING
) -> Html:
    """Where am I, the title, the answer in one sentence, and what can be done."""
    buttons = join(
        h('<a class="d-btn {kind}" id="{id}" href="{href}">{label}</a>',
          kind="d-primary" if a.primary else "", id=a.elem_id, href=a.href, label=a.label)
        for a in actions
    )  # fmt: skip
    return h(
        '<div class="d-head"><div><div class="d-note">{crumb}</div><h1>{title} {badge}</h1>'
        '<p class="d-lead" id="lead">{lead}</p></div><div class="d-acts">{buttons}</div></div>',
        crumb=crumb,
        title=title,
        badge=badge,
        lead=lead,
        buttons=buttons,
    )


def png(data: bytes, alt: str = "") -> Html:
    """A picture inside the page itself."""
    code = base64.b64encode(data).decode()
    return h('<img src="data:image/png;base64,{code}" alt="{alt}">', code=code, alt=alt)


def card_head(
    title: str,
    caption: str,
    me: Viewer,
    data: "Data | None" = None,
    elem_id: str = "",
    finding: str = "",
) -> Html:
    """A card's question, its caption, and with `data` the links to its table and its CSV.

    `finding` is what the figure `elem_id` shows, in one sentence for those who cannot see it.
    """
    links = NOTHING
    if data is not None:
        links = h(
            '<span class="d-links"><button type="button" aria-expanded="false" '
            'data-table="{id}-table">{table}</button>'
            '<a id="{id}-csv" download="{file}" href="{href}">CSV</a></span>',
            id=elem_id,
            table=me.text("card.table"),
            file=data.file,
            href=data.csv_link(),
        )
    return h(
        '<div class="d-card-head"><h2>{title}</h2>{links}</div>'
        '<p class="d-note d-caption">{caption}</p>{spoken}',
        spoken=h('<span hidden data-figure="{id}">{f}</span>', id=elem_id, f=finding)
        if finding
        else NOTHING,
        title=title,
        links=links,
        caption=caption,
    )


@dataclass(frozen=True, slots=True)
class Data:
    """The rows behind a figure: shown as a table and given as a file."""

    frame: "pd.DataFrame"  # columns named for people
    file: str

    def csv_link(self) -> str:
        """A data link to the rows as CSV in UTF-8 with BOM, so that Excel opens Japanese."""
        code = base64.b64encode(self.frame.to_csv(index=False).encode("utf-8-sig")).decode()
        return f"data:text/csv;charset=utf-8;base64,{code}"

    def table(self, elem_id: str) -> Html:
        """The rows as a table that the card's link opens."""
        rows = [[_cell(v) for v in row] for row in self.frame.itertuples(index=False)]
        body = table(list(map(str, self.frame.columns)), rows, numeric=_numeric(self.frame))
        return h('<div class="d-data" id="{id}-table" hidden>{body}</div>', id=elem_id, body=body)


def _numeric(frame: "pd.DataFrame") -> set[int]:
    return {i for i, kind in enumerate(frame.dtypes) if kind.kind in "biufc"}


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return "" if value is None else str(value)


def table(
    heads: Sequence[object], rows: Iterable[Sequence[object]], *, numeric: Iterable[int] = ()
) -> Html:
    """A table that scrolls inside its card; `numeric` columns are right-aligned."""
    right = set(numeric)
    kind = ["d-n" if i in right else "" for i in range(len(heads))]
    top = join(
        h('<th scope="col" class="{k}">{x}</th>', k=k, x=x)
        for k, x in zip(kind, heads, strict=True)
    )
    body = join(
        h("<tr>{cells}</tr>", cells=join(
            h('<td class="{k}">{x}</td>', k=k, x=x) for k, x in zip(kind, row, strict=True)))
        for row in rows
    )  # fmt: skip
    return h(
        '<div class="d-scroll" tabindex="0"><table><thead><tr>{top}</tr></thead>'
        "<tbody>{body}</tbody></table></div>",
        top=top,
        body=body,
    )


def note(sentence: object, tone: str = "mute", elem_id: str = "") -> Html:
    """A remark in a box; `tone` as for a tag."""
    role = ' role="alert"' if tone == "no" else ""
    return h(
        '<div class="d-box d-{tone}" id="{id}"{role}>{sentence}</div>',
        tone=tone,
        id=elem_id,
        role=Html(role),
        sentence=sentence,
    )


def figure(value: str, interval: str = "") -> Html:
    """A figure with its interval behind it, muted."""
    if not interval:
        return h("{v}", v=value)
    return h('{v} <span class="d-note">({e})</span>', v=value, e=interval)


def empty(title: str, why: str, label: str, href: str, elem_id: str = "empty") -> Html:
    """What will be here, why it is worth it, one button."""
    return h(
        '<div class="d-empty" id="{id}"><h2>{title}</h2><p class="d-note">{why}</p>'
        '<a class="d-btn" href="{href}">{label}</a></div>',
        id=elem_id,
        title=title,
        why=why,
        label=label,
        href=href,
    )
