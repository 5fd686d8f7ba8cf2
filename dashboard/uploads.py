"""Uploads over HTTP: begin, ask, append, drop, as `jobs.uploads` keeps them.

A page of another site cannot call these: JSON and PATCH make a browser ask first, and nobody here
says yes.
"""

import json
from collections.abc import Callable

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from dashboard.text import Viewer
from digpt.errors import UserError
from jobs.uploads import OutOfStep, Upload, Uploads

PATH = "/uploads"
OFFSET = "upload-offset"
LONGEST_REQUEST = 10_000  # bytes that say what will come


def add_uploads(app: FastAPI, uploads: Uploads, language_of: Callable[[Scope], str]) -> None:
    """Give the app its four addresses for uploads."""

    def refusal(request: Request, error: UserError) -> JSONResponse:
        words = Viewer(language_of(request.scope)).error(error)
        status = 404 if error.code == "upload-gone" else 400
        return JSONResponse({"error": {"code": error.code, "message": words}}, status)

    async def begin(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return Response("Send JSON.", 415)
        try:
            if int(request.headers["content-length"]) > LONGEST_REQUEST:
                return Response("Send a name and a size, no more.", 413)
            asked = json.loads(await request.body())
            name, size = str(asked["name"]), int(asked["size"])
        except (ValueError, KeyError, TypeError):
            return Response("Give name and size.", 400)
        try:
            return _told(await run_in_threadpool(uploads.begin, name, size), 201)
        except UserError as error:
            return refusal(request, error)

    async def ask(request: Request) -> Response:
        try:
            return _told(uploads.get(request.path_params["key"]))
        except UserError as error:
            return refusal(request, error)

    async def append(request: Request) -> Response:
        key, offset = request.path_params["key"], request.headers.get(OFFSET, "")
        if not offset.isdecimal():
            return Response(f"Give {OFFSET}.", 400)
        try:
            with uploads.appending(key, int(offset)) as add:
                async for piece in request.stream():
                    add(piece)
            return _told(uploads.get(key))
        except ClientDisconnect:  # what came is kept; nobody is left to hear it
            return Response(status_code=400)
        except OutOfStep as error:
            return JSONResponse({"received": error.received}, 409)
        except UserError as error:
            return refusal(request, error)

    async def drop(request: Request) -> Response:
        try:
            await run_in_threadpool(uploads.drop, request.path_params["key"])
        except UserError as error:
            return refusal(request, error)
        return Response(status_code=204)

    app.add_route(PATH, begin, methods=["POST"])
    app.add_route(f"{PATH}/{{key}}", ask, methods=["GET"])
    app.add_route(f"{PATH}/{{key}}", append, methods=["PATCH"])
    app.add_route(f"{PATH}/{{key}}", drop, methods=["DELETE"])


def _told(upload: Upload, status: int = 200) -> JSONResponse:
    facts = {"key": upload.key, "size": upload.size, "received": upload.received}
    return JSONResponse(facts, status, {"Cache-Control": "no-store"})
