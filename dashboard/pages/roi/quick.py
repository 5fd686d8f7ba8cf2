"""What the page asks for by addresses of its own: the first figures, and the table of labels.

Figures of the case as it stands in the form: a slider cannot wait for more.

The page's script asks for them at every move and puts them in their places; all else on the page
follows through Gradio once the form has come to rest. A page of another site cannot ask: JSON makes
a browser ask first, and nobody here says yes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Scope

from dashboard.html import join
from dashboard.pages.roi.form import case_of, read
from dashboard.pages.roi.money import key_figures, measured_html
from dashboard.text import Viewer
from digpt.errors import UserError

if TYPE_CHECKING:
    from jobs.service import PilotService

FIGURES, LABELS = "/roi/figures", "/roi/labels"
SPLITS = ("train", "test")  # that labels are bought for
MOST_LABELS = 1_000_000
LONGEST_CASE = 200_000  # bytes


def add_addresses(app: FastAPI, service: PilotService, language_of: Callable[[Scope], str]) -> None:
    """Give the app these addresses."""

    async def figures(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return Response("Send JSON.", 415)
        body = await request.body()
        if len(body) > LONGEST_CASE:
            return Response("The case is too long.", 413)
        try:
            asked = json.loads(body)
            pilot, base, values = asked["pilot"], read(asked["case"]), read(asked["values"])
        except (ValueError, KeyError, TypeError, UserError):
            return Response("Give pilot, case and values.", 400)
        me = Viewer(language_of(request.scope))
        try:
            return HTMLResponse(await run_in_threadpool(_figures, service, pilot, base, values, me))
        except UserError:  # the page says it at the field, a moment later
            return Response(status_code=204)  # an error would stand in the browser's console

    async def labels(request: Request) -> Response:
        asked = request.query_params
        count, split = asked.get("count", ""), asked.get("split", "")
        if not count.isdecimal() or not 0 < int(count) <= MOST_LABELS or split not in SPLITS:
            return Response(f"Give a count up to {MOST_LABELS} and a split.", 400)
        try:
            table = await run_in_threadpool(
                service.label_table, asked.get("pilot", ""), int(count), split
            )
        except UserError as error:
            words = Viewer(language_of(request.scope)).error(error)
            return PlainTextResponse(words, 422)
        kind = "text/csv; charset=utf-8"
        return Response(table.encode("utf-8-sig"), media_type=kind)

    app.post(FIGURES)(figures)
    app.get(LABELS)(labels)


def _figures(
    service: PilotService, pilot: str, base: dict[str, Any], values: dict[str, Any], me: Viewer
) -> str:
    """Elements with the ids of those on the page that they replace."""
    case = case_of(values, base)
    found = service.headline(str(pilot), case)
    return join([key_figures(found, case, me), measured_html(found, me)])
