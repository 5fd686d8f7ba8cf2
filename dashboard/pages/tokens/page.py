"""The page's components: a dataset and tokenizers are chosen, checked, and looked at."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from dashboard.html import Html, card_head, join, note
from dashboard.pages.background import Errand
from dashboard.pages.shell import PRIVATE, QUIET, opening, page_html, viewer
from dashboard.pages.tokens.codes import curve
from dashboard.pages.tokens.deep import deep_card, offer
from dashboard.pages.tokens.families import families
from dashboard.pages.tokens.licences import forbidden, licences
from dashboard.pages.tokens.parts import cards
from dashboard.pages.tokens.view import (
    CODES,
    FIRST,
    choices,
    head,
    is_offered,
    offered,
    price,
    view,
)
from dashboard.text import Viewer
from digpt.errors import UserError
from digpt.tokenizers.names import split_names

if TYPE_CHECKING:
    from jobs.service import PilotService

NAME, PATH = "tokens", "tokens"
_KEEP_ADDRESS = "(name) => history.replaceState(null, '', '?dataset=' + encodeURIComponent(name))"


def build(service: "PilotService", language: str, demo: gr.Blocks) -> None:
    """Make the page's components and connect them."""
    _Page(service, Viewer(language)).connect(demo)


class _Page:
    """The components of the page and the handlers between them."""

    def __init__(self, service: "PilotService", me: Viewer) -> None:
        self.service, self.me = service, me
        self.errand = Errand("tokens", "tokens.checking", me, again=True)
        self.deep_errand = Errand("tokens", "tokens.deep.checking", me, again=True)
        self.curve_errand = Errand("tokens", "tokens.curve.measuring", me, again=True)
        self.top = opening("tokens", me.text("tokens.title"), me)
        with gr.Column(elem_classes="d-card"):
            self.dataset = gr.Dropdown([], label=me.text("tokens.dataset"), elem_id="tokens-data")
            self.names = gr.Textbox(
                ", ".join(FIRST), label=me.text("tokens.names"), elem_id="tokens-names"
            )
            self.licences = page_html()
            self.consent = gr.CheckboxGroup(
                [],
                label=me.text("governance.consent"),
                info=me.text("tokens.consent.info"),
                visible=False,
                elem_id="tokens-consent",
            )
            with gr.Row(elem_classes="d-buttons d-start"):
                self.check = gr.Button(
                    me.text("tokens.check"), variant="primary", size="sm", elem_id="tokens-check"
                )
                self.stop = gr.Button(
                    me.text("tokens.stop"), size="sm", visible=False, elem_id="tokens-stop"
                )
                self.deep = gr.Button(me.text("tokens.deep"), size="sm", elem_id="tokens-deep")
                self.deep_stop = gr.Button(
                    me.text("tokens.stop"), size="sm", visible=False, elem_id="tokens-deep-stop"
                )
            self.price = page_html()
            self.progress = page_html(elem_id="tokens-progress")
            self.deep_progress = page_html(elem_id="tokens-deep-progress")
        self.deep_card = page_html(elem_id="tokens-deep-card")
        self.cards = page_html(elem_id="tokens-cards")
        with gr.Column(elem_classes="d-card"):
            page_html(card_head(me.text("tokens.curve"), me.text("tokens.curve.caption"), me))
            self.base = gr.Textbox(
                FIRST[0], label=me.text("tokens.curve.base"), elem_id="tokens-curve-base"
            )
            with gr.Row(elem_classes="d-buttons d-start"):
                self.measure = gr.Button(
                    me.text("tokens.curve.measure"), size="sm", elem_id="tokens-curve"
                )
                self.measure_stop = gr.Button(
                    me.text("tokens.stop"), size="sm", visible=False, elem_id="tokens-curve-stop"
                )
            self.measured = page_html(elem_id="tokens-curve-progress")
            self.curve = page_html()

    def connect(self, demo: gr.Blocks) -> None:
        """Wire all events."""
        asked = [self.dataset, self.names, self.base, self.consent]
        shown = [self.top, self.licences, self.consent, self.deep_card, self.cards, self.curve]
        named = [self.dataset, self.names]
        # one after the other: of two at once the older could come last and stay
        ordered = {**QUIET, "concurrency_id": "tokens-draw", "concurrency_limit": 1}
        priced = {**QUIET, "concurrency_id": "tokens-price", "concurrency_limit": 1,
                  "trigger_mode": "always_last"}  # fmt: skip
        newest = {**ordered, "trigger_mode": "always_last"}  # "once" forgets what comes meanwhile
        # the list first: the rest imports torch once after a start, which takes seconds
        listed = demo.load(self.load, named, named, **QUIET)
        listed.then(self.draw, asked, shown, **ordered).then(
            self.quote, named, self.price, **priced
        )
        offer_names = self.dataset.input(self.offer, named, self.names, **newest)
        chosen = offer_names.then(self.draw, asked, shown, **newest)
        chosen.then(None, self.dataset, None, js=_KEEP_ADDRESS, **PRIVATE)
        chosen.then(self.quote, named, self.price, **priced)
        renamed = self.names.blur(self.draw, asked, shown, **newest)
        renamed.then(self.quote, named, self.price, **priced)
        self.base.blur(self.draw, asked, shown, **newest)
        for button, stop, progress, work, errand in (
            (self.check, self.stop, self.progress, self.examine, self.errand),
            (self.deep, self.deep_stop, self.deep_progress, self.pretrain, self.deep_errand),
            (self.measure, self.measure_stop, self.measured, self.count, self.curve_errand),
        ):
            ended = button.click(work, asked, [progress, button, stop], **QUIET)
            drawn = ended.then(self.draw, asked, shown, **ordered)
            if button is self.deep:  # what it has made costs nothing again
                drawn.then(self.quote, named, self.price, **priced)
            stop.click(errand.stop, None, None, queue=False, **QUIET)

    def load(self, chosen: str | None, names: str, request: gr.Request) -> list[Any]:
        datasets, name = choices(self.service, chosen or request.query_params.get("dataset", ""))
        listed = gr.update(choices=[d.name for d in datasets], value=name)
        return [listed, self.offer(name, names, request)]

    def offer(self, dataset: str, names: str, request: gr.Request) -> Any:
        """The names to begin with on a dataset, unless a person has entered others."""
        me, wanted = viewer(request, self.me.language), offered(self.service.dataset(dataset))
        why = "" if len(wanted) > len(FIRST) else me.text("tokens.names.few")
        kept = split_names(names)
        return gr.update(
            value=", ".join(wanted) if not kept or is_offered(kept) else names, info=why
        )

    def draw(
        self, dataset: str, names: str, base: str, accepted: list[str], request: gr.Request
    ) -> list[Any]:
        """What is known of a dataset and the named tokenizers."""
        me = viewer(request, self.me.language)
        try:
            shown = view(self.service, dataset or "", split_names(names), base)
        except UserError:  # a wrong name: said where the price would stand
            shown = view(self.service, dataset or "", (), base)
        wanted = forbidden(shown)
        kept = [name for name in accepted or () if name in wanted]
        consent = gr.update(choices=wanted, value=kept, visible=bool(wanted))
        drawn = [part(shown, me) for part in (deep_card, cards, curve)]
        told = join([families(shown, me), licences(shown, me)])
        return [head(shown, me), told, consent, *drawn]

    def quote(self, dataset: str, names: str, request: gr.Request) -> Html:
        """What a deep check would take, or why there can be none."""
        me = viewer(request, self.me.language)
        try:
            found = price(self.service, dataset, split_names(names))
        except UserError as error:
            return note(me.error(error), "more", "tokens-deep-why")
        return offer(found, me)

    def wanted(self, dataset: str, names: str) -> list[str]:
        return split_names(names) or [*offered(self.service.dataset(dataset))]

    def examine(
        self, dataset: str, names: str, _: str, accepted: list[str], request: gr.Request
    ) -> Iterator[list[Any]]:
        """Check the tokens, saying how far it is; stops when asked."""
        wanted = self.wanted(dataset, names)
        yield from self.errand.run(
            lambda reporter: self.service.check_tokens(dataset, wanted, reporter, accepted),
            request,
        )

    def pretrain(
        self, dataset: str, names: str, _: str, accepted: list[str], request: gr.Request
    ) -> Iterator[list[Any]]:
        """A deep check; it goes on when the page is left, and is cancelled when asked."""
        wanted = self.wanted(dataset, names)
        yield from self.deep_errand.run(
            lambda reporter: self.service.deep_check(dataset, wanted, reporter, accepted), request
        )

    def count(
        self, dataset: str, _: str, base: str, accepted: list[str], request: gr.Request
    ) -> Iterator[list[Any]]:
        """The curve over numbers of codes."""
        yield from self.curve_errand.run(
            lambda reporter: self.service.code_curve(dataset, base, CODES, reporter, accepted),
            request,
        )
