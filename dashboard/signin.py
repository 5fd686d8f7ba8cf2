"""Signing in with one token: needed whenever the dashboard listens beyond this machine."""

import hashlib
import hmac
import os
import secrets
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.html import h
from dashboard.text import Viewer

COOKIE = "digpt_session"
TOKEN_FILE = "token"
_YEAR = 365 * 24 * 3600
_OPEN = ("/healthz", "/login", "/house/house.css", "/favicon.ico")


def token_of(home: Path) -> str:
    """The home's own token: made at first use and kept in a file that only its owner can read."""
    path = home / TOKEN_FILE
    if path.is_file():
        return path.read_text("utf-8").strip()
    home.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(24)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return token


class SignIn:
    """Everything but health and the sign-in page answers only to those who know the token.

    The token comes once, in the address, the form or an Authorization header; after that a cookie
    that scripts cannot read stands for it. The cookie holds a digest, not the token.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token
        self._session = hmac.new(token.encode(), b"digpt session", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, sign in or turn away."""
        if scope["type"] == "lifespan" or self._may_pass(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope)(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        if scope["path"] in _OPEN and "token" not in self._query(scope):
            return True
        given = headers.get("authorization", "").removeprefix("Bearer ")
        jar = SimpleCookie(headers.get("cookie", ""))
        session = jar[COOKIE].value if COOKIE in jar else ""
        return _same(given, self._token) or _same(session, self._session)

    def _answer(self, scope: Scope) -> Response:
        """The way in for a right token in the address, else the sign-in page or 401."""
        query = self._query(scope)
        if _same(query.pop("token", ""), self._token):
            path = "/" if scope["path"] == "/login" else scope["path"]
            # a path of our own, never "//elsewhere"
            target = f"/{path.lstrip('/')}{'?' + urlencode(query) if query else ''}"
            return self._with_cookie(RedirectResponse(target, 303), scope)
        wants_page = "text/html" in Headers(scope=scope).get("accept", "")
        if scope["method"] == "GET" and wants_page:
            return RedirectResponse("/login", 303)
        return Response("Sign in first.", 401, {"WWW-Authenticate": "Bearer"})

    def _with_cookie(self, response: Response, scope: Scope) -> Response:
        secure = scope.get("scheme") == "https"
        response.set_cookie(
            COOKIE, self._session, max_age=_YEAR, httponly=True, samesite="lax", secure=secure
        )
        return response

    @staticmethod
    def _query(scope: Scope) -> dict[str, str]:
        return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))


def login_page(me: Viewer) -> HTMLResponse:
    """A page that asks for the token and sends it back to /login."""
    body = h(
        '<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>{title}</title>'
        '<link rel="stylesheet" href="/house/house.css">'
        '<body class="{theme}"><main class="d-plain-page">'
        '<form class="d-card d-stack" action="/login">'
        "<h1>{title}</h1><p><label for=token>{label}</label></p>"
        '<input id="token" name="token" type="password" autocomplete="current-password" required> '
        '<button class="d-btn" id="login-go">{go}</button><p class="d-note">{hint}</p>'
        "</form></main></body></html>",
        language=me.language,
        theme="dark" if me.dark else "",
        title=me.text("login.title"),
        label=me.text("login.token"),
        go=me.text("login.go"),
        hint=me.text("login.hint"),
    )
    return HTMLResponse(body, headers={"Cache-Control": "no-store"})


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
