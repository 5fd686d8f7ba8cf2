"""What every page has: the top bar, and who is looking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import plotly.graph_objects as go
import plotly.io as pio
from gradio.components import Component
from gradio.components.plot import PlotData

from dashboard.html import NOTHING, Data, Html, card_head, h, join, page_head
from dashboard.text import Viewer

# name -> address; links between pages that are about one pilot carry it along
LINKS = {
    "overview": "/",
    "new": "/new",
    "runs": "/runs",
    "compare": "/compare",
    "roi": "/roi",
    "data": "/data",
    "tokens": "/tokens",
}
_PLOT_CONFIG = {
    "displaylogo": False,
    "displayModeBar": "hover",
    "modeBarButtons": [["toImage"]],
    "scrollZoom": False,
    "doubleClick": False,
}
_KEEP_PILOT = ("runs", "compare", "roi")
# how handlers are connected: none can be called from outside, and most show no progress
PRIVATE: Mapping[str, Any] = {"api_visibility": "private"}
QUIET: Mapping[str, Any] = {**PRIVATE, "show_progress": "hidden"}


def top_bar(here: str, language: str) -> Html:
    """Brand, pages, language and theme."""
    me = Viewer(language)
    links = join(
        h(
            '<a href="{href}" id="nav-{name}"{here}{keep}>{label}</a>',
            href=href,
            name=name,
            here=Html(' aria-current="page"') if name == here else NOTHING,
            keep=Html(" data-keep-pilot") if name in _KEEP_PILOT else NOTHING,
            label=me.text(f"nav.{name}"),
        )
        for name, href in LINKS.items()
    )
    return h(
        '<header class="d-bar-top"><a class="d-brand" href="/"><i><b></b><b></b><b></b><b></b></i>'
        'D-iGPT Pilot</a><nav class="d-nav" aria-label="{pages}">{links}</nav>'
        '<div class="d-tools">{languages}{themes}</div></header>',
        pages=me.text("nav.pages"),
        links=links,
        languages=_languages(language),
        themes=_themes(me),
    )


def _languages(language: str) -> Html:
    names = {"en": "EN", "ja": "日本語"}
    buttons = join(
        h(
            '<button type="button" id="language-{code}" lang="{code}" data-language-to="{code}" '
            'aria-pressed="{on}">{name}</button>',
            code=code,
            on="true" if code == language else "false",
            name=name,
        )
        for code, name in names.items()
    )
    return h('<div class="d-seg">{buttons}</div>', buttons=buttons)


def _themes(me: Viewer) -> Html:
    buttons = join(
        h(
            '<button type="button" id="theme-{name}" data-theme-to="{name}">{label}</button>',
            name=name,
            label=me.text(f"theme.{name}"),
        )
        for name in ("light", "dark")
    )
    return h('<div class="d-seg">{buttons}</div>', buttons=buttons)


def page_html(value: Html = NOTHING, elem_id: str = "", *, visible: bool = True) -> gr.HTML:
    """A piece of our own HTML, without Gradio's styles for prose."""
    return gr.HTML(
        value, elem_id=elem_id or None, apply_default_css=False, padding=False, visible=visible
    )


def opening(name: str, title: str, me: Viewer, elem_id: str = "") -> gr.HTML:
    """The head of a page; until its facts are read it says that they are being read."""
    waiting = h('<span class="d-waiting" role="status">{w}</span>', w=me.text("page.waiting"))
    return page_html(page_head(me.text(f"nav.{name}"), title, waiting), elem_id)


def busy(component: Component) -> dict[str, Any]:
    """How a handler is connected that takes a moment, shown on a component."""
    return {**PRIVATE, "show_progress": "minimal", "show_progress_on": component}


def plot(fig: go.Figure | None) -> PlotData | None:
    """The figure as `gr.Plot` takes it, with a mode bar that only saves a PNG."""
    if fig is None:
        return None
    values = fig.to_plotly_json()
    values["config"] = _PLOT_CONFIG
    return PlotData(type="plotly", plot=str(pio.to_json(values, validate=False)))


def page_plot(elem_id: str) -> gr.Plot:
    """Where a figure will be; invisible until there is one."""
    return gr.Plot(show_label=False, container=False, elem_id=elem_id, visible=False)


def shown(fig: go.Figure | None) -> gr.Plot:
    """An update of `page_plot`: the figure, or nothing where there is nothing to draw."""
    return gr.Plot(value=plot(fig), visible=fig is not None)


@dataclass(frozen=True, slots=True)
class ChartCard:
    """The three components of a card with a figure."""

    head: gr.HTML
    plot: gr.Plot
    data: gr.HTML

    @property
    def parts(self) -> list[Any]:
        return [self.head, self.plot, self.data]


def chart_card(elem_id: str) -> ChartCard:
    """A card for a question, its figure and its rows."""
    with gr.Column(elem_classes="d-card", min_width=320):
        return ChartCard(
            page_html(elem_id=f"{elem_id}-head"),
            page_plot(elem_id),
            page_html(elem_id=f"{elem_id}-data"),
        )


def chart(
    elem_id: str,
    title: str,
    caption: str,
    fig: go.Figure | None,
    data: Data,
    me: Viewer,
    finding: str = "",
) -> list[Any]:
    """What goes into a `chart_card`; without a figure there are no rows to offer either."""
    if fig is None:
        return [card_head(title, caption, me), shown(None), NOTHING]
    head = card_head(title, caption, me, data, elem_id, finding)
    return [head, shown(fig), data.table(elem_id)]


def viewer(request: gr.Request, language: str) -> Viewer:
    """Who asks: the app's language, the theme in the cookie."""
    return Viewer(language, request.cookies.get("digpt_theme") == "dark")


def asked_pilots(request: gr.Request) -> list[str]:
    """The pilots named in the address, `?pilot=ID`, once or more."""
    query = request.query_params
    return [p for p in query.getlist("pilot") if p] if hasattr(query, "getlist") else []


def asked_pilot(request: gr.Request) -> str:
    """The first of `asked_pilots`, or an empty string."""
    return next(iter(asked_pilots(request)), "")


def link(page: str, pilot: str = "", dataset: str = "") -> str:
    """The address of a page, about one pilot or dataset where one is given."""
    about = {"pilot": pilot, "dataset": dataset}
    asked = urlencode({key: value for key, value in about.items() if value})
    return f"{LINKS[page]}?{asked}" if asked else LINKS[page]
