"""The server: health, sign-in, languages, and addresses."""

import socket
import stat
import time
from contextlib import asynccontextmanager

import pytest
from fakes import FakeService
from fastapi import FastAPI
from fastapi.testclient import TestClient

from dashboard.server import address, check_port, create_app
from dashboard.signin import COOKIE, token_of
from digpt.errors import UserError
from jobs.settings import Settings

PAGES = ("/", "/new", "/runs", "/compare", "/roi")
TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    return create_app(Settings(home=tmp_path_factory.mktemp("home")), FakeService())


@pytest.fixture(scope="module")
def locked_app(tmp_path_factory):
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    return create_app(settings, FakeService(), token=TOKEN)


@pytest.fixture
def client(app):
    return TestClient(app)


@pytest.fixture
def locked(locked_app):
    return TestClient(locked_app, follow_redirects=False)


def test_health(client):
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert "/house/house.css" in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_the_language_follows_the_cookie_then_the_browser(client):
    assert 'lang="en"' in client.get("/").text
    assert 'lang="ja"' in client.get("/", headers={"accept-language": "fr,ja;q=0.8"}).text
    cookie = {"accept-language": "ja", "cookie": "digpt_lang=en"}
    assert 'lang="en"' in client.get("/", headers=cookie).text


def test_labels_are_in_the_language_of_the_page(client):
    japanese = client.get("/", headers={"cookie": "digpt_lang=ja"}).text
    assert "新規パイロット" in japanese
    assert "New pilot" not in japanese.replace("\\u65b0", "")


def test_both_languages_have_the_same_events(client):
    configs = [
        client.get("/config", headers={"cookie": f"digpt_lang={n}"}).json() for n in ("en", "ja")
    ]
    names = [[(d["id"], d["api_name"]) for d in c["dependencies"]] for c in configs]
    assert names[0] == names[1]


def test_no_handler_is_public(client):
    found = client.get("/config").json()["dependencies"]
    assert [d["id"] for d in found if d["api_visibility"] == "public"] == []


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/theme.css", "/assets/x.js"])
def test_nothing_is_told_without_the_token(locked, path):
    assert locked.get(path).status_code == 401


def test_uploads_and_calls_need_the_token(locked):
    assert locked.post("/gradio_api/upload").status_code == 401
    assert locked.post("/gradio_api/queue/join", json={}).status_code == 401


def test_a_browser_is_led_to_the_sign_in_page(locked):
    answer = locked.get("/runs", headers={"accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login"
    assert locked.get("/login").status_code == 200
    assert locked.get("/healthz").status_code == 200


def test_the_token_in_the_address_becomes_a_cookie(locked):
    answer = locked.get(f"/runs?pilot=p1&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/runs?pilot=p1"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert TOKEN not in cookie
    assert locked.get("/runs").status_code == 200


def test_a_wrong_token_or_cookie_does_not_pass(locked):
    assert locked.get("/?token=wrong").status_code == 401
    assert locked.get("/", headers={"cookie": f"{COOKIE}=wrong"}).status_code == 401
    assert locked.get("/", headers={"cookie": f"{COOKIE}={TOKEN}"}).status_code == 401


def test_the_token_works_as_a_header(locked):
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert locked.get("/config", headers=headers).status_code == 200


def test_the_way_in_never_leads_elsewhere(locked):
    answer = locked.get(f"//evil.example/?token={TOKEN}")
    assert not answer.headers.get("location", "").startswith("//")


def test_a_homes_token_is_made_once_and_is_private(tmp_path):
    token = token_of(tmp_path)
    assert len(token) >= 24
    assert token_of(tmp_path) == token
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_a_port_in_use_is_an_error_that_names_a_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError) as caught:
            check_port("127.0.0.1", port)
    assert str(port) in caught.value.message
    free = caught.value.facts["free"]
    assert f"--port {free}" in caught.value.message
    check_port("127.0.0.1", free)


def test_the_address_can_be_opened():
    assert address("0.0.0.0", 7860, "t") == "http://127.0.0.1:7860/?token=t"
    assert address("::1", 80) == "http://[::1]:80/"


def test_only_the_language_that_is_asked_for_is_built_at_first(tmp_path, monkeypatch):
    built = []

    def build(service, language: str):
        built.append(language)
        return FastAPI()

    monkeypatch.setattr("dashboard.server._in_language", build)
    app = create_app(Settings(home=tmp_path), FakeService())  # pyright: ignore[reportArgumentType]
    client = TestClient(app)
    client.get("/", headers={"cookie": "digpt_lang=ja"})
    assert built == ["ja"]


def test_the_other_language_follows_and_both_end_with_the_server(tmp_path, monkeypatch):
    alive = []

    def build(service, language: str):
        @asynccontextmanager
        async def lifespan(app):
            alive.append(language)
            yield
            alive.remove(language)

        return FastAPI(lifespan=lifespan)

    monkeypatch.setattr("dashboard.server._in_language", build)
    monkeypatch.setattr("dashboard.server.QUIET_SECONDS", 0.01)
    app = create_app(Settings(home=tmp_path), FakeService())  # pyright: ignore[reportArgumentType]
    with TestClient(app) as client:
        client.get("/")
        end = time.monotonic() + 5
        while len(alive) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        assert sorted(alive) == ["en", "ja"]
    assert alive == []
