"""The web server: FastAPI around one Gradio app per language, behind the sign-in."""

import asyncio
import hashlib
import importlib
import os
import socket
import warnings
import webbrowser
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Gradio reads this once, when it is imported: no analytics, so no request leaves the host.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from gradio.components import Navbar
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.pages import PAGES
from dashboard.pages.roi.quick import add_addresses
from dashboard.pages.shell import page_html, top_bar
from dashboard.signin import SignIn, login_page, token_of
from dashboard.text import LANGUAGES, Viewer, text
from dashboard.theme import House
from dashboard.uploads import add_uploads
from digpt.errors import UserError
from jobs.settings import Settings, ensure_home
from jobs.uploads import Uploads

if TYPE_CHECKING:
    from jobs.service import PilotService

STATIC = Path(__file__).parent / "static"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_UPLOAD = "4gb"
# scipy looks at torch while it is imported: the two must never load side by side, so scipy is there
# before any handler runs, and torch (seconds) comes once the first page has been served
FIRST = ("scipy.stats", "sklearn.datasets")
QUIET_SECONDS = 4.0  # left to the first page before the rest is made
LATER = ("jobs.tokenizing", "jobs.compare", "jobs.evidence")


def create_app(
    settings: Settings, service: "PilotService", *, token: str = "", later: Sequence[str] = ()
) -> FastAPI:
    """The whole web application; with a token (here or in the settings) behind a sign-in.

    `later`: modules to import once the first page has been served.
    """
    pages = _ByLanguage(lambda language: _in_language(service, language), later)
    app = FastAPI(
        title="D-iGPT Pilot",
        lifespan=pages.lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.get("/healthz")(_health)
    app.get("/login")(_login)
    app.get("/favicon.ico")(_icon)
    add_uploads(app, Uploads(settings.uploads), language_of)
    add_addresses(app, service, language_of)
    app.mount("/house", StaticFiles(directory=STATIC))
    app.mount("/", pages)
    if token or settings.token:
        app.add_middleware(SignIn, token=token or settings.token)
    return app


def serve(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 7860,
    *,
    open_browser: bool = False,
    on_ready: Callable[[str], None] = lambda url: None,
    service: "PilotService | None" = None,
) -> None:
    """Serve until stopped; `on_ready` gets the address to open, with the token where one is needed.

    Away from this machine's own addresses a sign-in token is required: the one in the settings, or
    the home's own, made at first use.
    """
    ensure_home(settings)
    check_port(host, port)
    token = settings.token or ("" if host in LOOPBACK else token_of(settings.home))
    app = create_app(settings, service or _service(settings), token=token, later=LATER)
    url = address(host, port, token)
    server = _Server(uvicorn.Config(app, host=host, port=port, log_level="warning"))

    def ready() -> None:
        on_ready(url)
        if open_browser:
            webbrowser.open(url)

    server.on_started = ready
    server.run()


def address(host: str, port: int, token: str = "") -> str:
    """The address to open in a browser."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{port}/{f'?token={token}' if token else ''}"


def check_port(host: str, port: int) -> None:
    """Raise a UserError that names a free port where this one cannot be used."""
    try:
        _bind(host, port)
    except OSError as error:
        free = _bind(host, 0) if error.errno in (13, 48, 98) else None  # denied, in use
        hint = f"Port {free} is free: add --port {free}." if free else "Choose another --host."
        raise UserError(
            f"Port {port} on {host} cannot be used ({error.strerror or error}). {hint}",
            code="port-in-use",
            field="port",
            port=port,
            host=host,
            free=free,
        ) from error


def _bind(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return probe.getsockname()[1]


class _Server(uvicorn.Server):
    """uvicorn that says when it listens."""

    on_started: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_started()


def _service(settings: Settings) -> "PilotService":
    from jobs.service import PilotService  # noqa: PLC0415 - only a real server needs the engine

    return PilotService(settings)


def build_demo(service: "PilotService", language: str) -> gr.Blocks:
    """All pages in one language as one Gradio app."""
    demo = gr.Blocks(title="D-iGPT Pilot", analytics_enabled=False, fill_width=True)
    for page in PAGES:
        title = text(f"nav.{page.NAME}", language)
        where = demo.route(title, page.PATH) if page.PATH else demo
        with where:
            Navbar(visible=False)
            page_html(top_bar(page.NAME, language), "topbar")
            with gr.Column(elem_classes="d-page"):
                page.build(service, language, demo)
    return demo.queue(default_concurrency_limit=8)


def _in_language(service: "PilotService", language: str) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    with warnings.catch_warnings():  # Gradio warns about pages and SSR even with SSR off
        warnings.filterwarnings("ignore", message="SSR mode is not supported")
        return gr.mount_gradio_app(
            app,
            build_demo(service, language),
            path="/",
            theme=House(),
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            mcp_server=False,
            show_error=True,
            max_file_size=MAX_UPLOAD,
        )


async def _health() -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def _login(request: Request) -> HTMLResponse:
    language = language_of(request.scope)
    return login_page(Viewer(language, request.cookies.get("digpt_theme") == "dark"))


async def _icon() -> FileResponse:
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")


def language_of(scope: Scope) -> str:
    """The reader's language: the cookie's, else the browser's first one that we have."""
    headers = Headers(scope=scope)
    jar = SimpleCookie(headers.get("cookie", ""))
    chosen = jar["digpt_lang"].value if "digpt_lang" in jar else ""
    if chosen in LANGUAGES:
        return chosen
    for part in headers.get("accept-language", "").split(","):
        name = part.split(";")[0].strip()[:2].lower()
        if name in LANGUAGES:
            return name
    return LANGUAGES[0]


class _ByLanguage:
    """Hands each request to the app in the reader's language; the address stays the same.

    An app takes most of a second to build: the first reader waits for one, not for all. The rest
    is made as soon as the first page has been served.
    """

    def __init__(self, make: Callable[[str], FastAPI], later: Sequence[str] = ()) -> None:
        self._make, self._later = make, later
        self._importing = asyncio.Lock()
        self._imported = False
        self._apps: dict[str, ASGIApp] = {}
        self._building = asyncio.Lock()  # Gradio builds one app at a time
        self._over: asyncio.Event | None = None  # None: nobody runs our lifespan
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = not self._apps
        if scope["type"] == "http" and scope["method"] == "POST":
            await self._import_first()  # a handler will run
        await (await self._app(language_of(scope)))(scope, receive, send)
        if first and self._over is not None:
            self._start(self._make_rest(self._over))

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Keeps the apps' own lifespans open until the server ends."""
        self._over = asyncio.Event()
        try:
            yield
        finally:
            self._over.set()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _app(self, language: str) -> ASGIApp:
        if language not in self._apps:
            async with self._building:
                if language not in self._apps:
                    self._apps[language] = await self._built(language)
        return self._apps[language]

    async def _built(self, language: str) -> ASGIApp:
        app = await asyncio.to_thread(self._make, language)
        if self._over is not None:
            opened = asyncio.get_running_loop().create_future()
            self._start(self._keep(app, opened, self._over))
            await opened
        return _Head(app, language)

    async def _keep(
        self, app: FastAPI, opened: "asyncio.Future[None]", over: asyncio.Event
    ) -> None:
        """Enter and leave the app's lifespan in one task, as its task groups demand."""
        try:
            async with app.router.lifespan_context(app):
                opened.set_result(None)
                await over.wait()
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)

    async def _import_first(self) -> None:
        async with self._importing:
            if not self._imported:
                await asyncio.to_thread(_import_all, FIRST)
                self._imported = True

    async def _make_rest(self, over: asyncio.Event) -> None:
        await self._import_first()
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), QUIET_SECONDS)
            return  # the server ended meanwhile
        for language in LANGUAGES:
            await self._app(language)
        await asyncio.to_thread(_import_all, self._later)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _import_all(modules: Sequence[str]) -> None:
    for module in modules:
        importlib.import_module(module)


class _Head:
    """Puts our style sheet and script into Gradio's pages, before anything is drawn.

    Gradio adds `css=` and `head=` only once its own scripts run: the page would flash in the wrong
    theme first.
    """

    def __init__(self, app: ASGIApp, language: str) -> None:
        self._app, self._language = app, language
        self._paths = {f"/{page.PATH}" for page in PAGES}
        self._insert = "".join(
            (
                f'<link rel="stylesheet" href="/house/house.css?{_digest("house.css")}">',
                f'<script src="/house/house.js?{_digest("house.js")}"></script>',
                f'<script src="/house/upload.js?{_digest("upload.js")}"></script>',
                '<link rel="icon" type="image/svg+xml" href="/favicon.ico">',
            )
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        plain = [(k, v) for k, v in scope["headers"] if k.lower() != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, self._rewriting(send))

    def _rewriting(self, send: Send) -> Send:
        start: list[Message] = []
        body = bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                return
            if message["type"] != "http.response.body":
                await send(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                page = self._with_head(bytes(body))
                headers = MutableHeaders(scope=start[0])
                headers["content-length"] = str(len(page))
                headers["cache-control"] = "no-store"
                headers["vary"] = "Cookie, Accept-Language"
                await send(start[0])
                await send({"type": "http.response.body", "body": page})

        return collect

    def _with_head(self, page: bytes) -> bytes:
        page = page.replace(b'lang="en"', f'lang="{self._language}"'.encode(), 1)
        return page.replace(b"</head>", self._insert.encode() + b"</head>", 1)


def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
