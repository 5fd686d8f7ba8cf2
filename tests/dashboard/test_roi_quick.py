"""The figures that follow a slider, over HTTP."""

import pytest
from fakes import EXAMPLE_CASE, FakeService
from fastapi.testclient import TestClient

from dashboard.pages.roi.form import shown_values, to_text
from dashboard.pages.roi.money import key_figures
from dashboard.server import create_app
from dashboard.text import Viewer
from jobs.roi.case import parse_case
from jobs.settings import Settings

CASE = parse_case(EXAMPLE_CASE)
BASE = to_text(CASE.model_dump(mode="json"))


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> TestClient:
    return TestClient(create_app(Settings(home=tmp_path_factory.mktemp("home")), FakeService()))


def asked(**values: object) -> dict[str, str]:
    return {"pilot": "p1", "case": BASE, "values": to_text(shown_values(CASE) | values)}


def test_the_figures_are_those_of_the_case_that_was_entered(client):
    miss = {**EXAMPLE_CASE, "cost_miss": 90}
    answer = client.post("/roi/figures", json=asked(cost_miss=[None, 90, None]))
    case = parse_case(miss)
    found = FakeService().headline("p1", case)
    assert answer.status_code == 200
    assert str(key_figures(found, case, Viewer("en"))) in answer.text
    assert answer.text != client.post("/roi/figures", json=asked()).text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": asked(prevalence=[None, 0, None])}, 204),
        ({"json": {"pilot": "p1"}}, 400),
        ({"json": ["p1"]}, 400),
        ({"content": "{}", "headers": {"content-type": "text/plain"}}, 415),
        ({"json": asked(note="x" * 300_000)}, 413),
    ],
)
def test_what_is_no_case_gets_no_figures(client, sent, status):
    assert client.post("/roi/figures", **sent).status_code == status


def test_the_table_of_labels_is_a_file_that_excel_opens(client):
    answer = client.get("/roi/labels?pilot=p1&count=200&split=train")
    assert answer.content == "\ufefffile,label,split\n200.png,,train\n".encode()


@pytest.mark.parametrize(
    ("query", "status"),
    [("count=0&split=train", 400), ("count=5&split=pool", 400), ("count=5000&split=train", 422)],
)
def test_a_table_that_cannot_be_made_is_refused(client, query, status):
    assert client.get(f"/roi/labels?pilot=p1&{query}").status_code == status
