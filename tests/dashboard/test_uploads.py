"""Uploads over HTTP: what a browser may send, and what it hears."""

import pytest
from fakes import FakeService
from fastapi.testclient import TestClient

from dashboard.server import create_app
from dashboard.text import Viewer
from digpt.errors import UserError
from jobs.arrivals import on_server
from jobs.settings import Settings


@pytest.fixture
def client(tmp_path) -> TestClient:
    return TestClient(create_app(Settings(home=tmp_path), FakeService()))


def begun(client: TestClient, size: int = 6) -> str:
    answer = client.post("/uploads", json={"name": "parts.zip", "size": size})
    assert answer.status_code == 201, answer.text
    return answer.json()["key"]


def patch(client: TestClient, key: str, offset: int, body: bytes):
    return client.patch(f"/uploads/{key}", content=body, headers={"upload-offset": str(offset)})


def test_a_file_arrives_in_pieces_and_tells_where_it_stands(client, tmp_path):
    key = begun(client)
    assert patch(client, key, 0, b"abc").json() == {"key": key, "size": 6, "received": 3}
    assert client.get(f"/uploads/{key}").json()["received"] == 3
    behind = patch(client, key, 0, b"abc")
    assert (behind.status_code, behind.json()) == (409, {"received": 3})
    assert patch(client, key, 3, b"def").json()["received"] == 6
    assert (tmp_path / "uploads" / key / "parts.zip").read_bytes() == b"abcdef"


def test_a_removed_file_is_gone(client, tmp_path):
    key = begun(client)
    assert client.delete(f"/uploads/{key}").status_code == 204
    assert client.get(f"/uploads/{key}").status_code == 404
    assert patch(client, key, 0, b"abc").status_code == 404
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_refusal_is_a_sentence_in_the_readers_language(client):
    asked = {"name": "photo.png", "size": 6}
    english = client.post("/uploads", json=asked)
    assert english.status_code == 400
    assert english.json()["error"]["code"] == "upload-kind"
    assert "photo.png is no archive" in english.json()["error"]["message"]
    japanese = client.post("/uploads", json=asked, headers={"cookie": "digpt_lang=ja"})
    assert "photo.pngは取り込める圧縮ファイルではありません" in japanese.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"name": "a.zip", "size": "x"}', b"\xff"])
def test_what_is_no_beginning_is_refused(client, body):
    headers = {"content-type": "application/json"}
    assert client.post("/uploads", content=body, headers=headers).status_code == 400


def test_a_form_of_another_site_cannot_begin_an_upload(client):
    body = b'{"name": "a.zip", "size": 6}'
    assert client.post("/uploads", content=body).status_code == 415
    headers = {"content-type": "text/plain"}
    assert client.post("/uploads", content=body, headers=headers).status_code == 415


@pytest.mark.parametrize("offset", ["", "-1", "1.5", "x"])
def test_an_offset_is_a_whole_number(client, offset):
    key = begun(client)
    answer = client.patch(f"/uploads/{key}", content=b"a", headers={"upload-offset": offset})
    assert answer.status_code == 400


def test_uploads_need_the_token(tmp_path):
    app = create_app(Settings(home=tmp_path), FakeService(), token="a-token-of-some-length")
    locked = TestClient(app)
    assert locked.post("/uploads", json={"name": "a.zip", "size": 6}).status_code == 401
    assert locked.get("/uploads/abc").status_code == 401


def test_a_folder_that_may_not_be_used_is_refused_in_japanese_too(tmp_path):
    with pytest.raises(UserError) as refused:
        on_server("/etc", [tmp_path])
    words = Viewer("ja").error(refused.value)
    assert words.startswith("/etcは利用できるフォルダーの下にありません")
    assert str(tmp_path) in words
    with pytest.raises(UserError) as refused:
        on_server("/etc", [])
    assert "DIGPT_DATA_ROOTSを設定していません" in Viewer("ja").error(refused.value)
