"""The dashboard's OpenAPI document says what its API answers."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from shoonya_platform.dashboard import documents
from shoonya_platform.dashboard.api import GROUPS, Api
from shoonya_platform.dashboard.metrics import Metrics
from shoonya_platform.dashboard.openapi import document
from shoonya_platform.dashboard.passwords import hash_password

SHIPPED = Path(__file__).parents[3] / "docs" / "openapi-dashboard.json"


def check(answer, path):
    """Read an answer as strictly as it is described, and find nothing besides."""
    described = document()["paths"][path]["get"]["responses"][str(answer.status_code)]
    reference = described["content"]["application/json"]["schema"]["$ref"]
    kind = getattr(documents, reference.rpartition("/")[2])
    read = msgspec.json.decode(answer.content, type=kind)

    assert json.loads(msgspec.json.encode(read)) == answer.json()


@pytest.fixture
def filled(client, ledger):
    """Orders of every kind."""
    ledger.filled(ledger.order(), "812.45")
    ledger.order()
    ledger.alert()
    return client


def test_shipped_document_is_the_one_that_is_served(client):
    # Written by:
    # python -m shoonya_platform.dashboard.openapi > docs/openapi-dashboard.json
    assert json.loads(SHIPPED.read_text()) == document()
    assert client.get("/openapi.json").json() == document()


def test_every_route_for_programs_is_described():
    routes = {
        route.path
        for routes in (Api.__new__(Api).routes(), Metrics.__new__(Metrics).routes())
        for route in routes
    }

    assert routes - {"/openapi.json"} == set(document()["paths"])


@pytest.mark.parametrize("path", [p for p in document()["paths"] if p != "/metrics"])
def test_real_answers_are_as_described_and_have_no_other_keys(filled, path):
    for group in GROUPS:
        asked = path.replace("{order_id}", "1").replace("{group}", group)
        answer = filled.get(asked)

        assert answer.status_code == 200
        check(answer, path)


@pytest.mark.parametrize(
    ("asked", "path", "status"),
    [
        ("/api/orders?status=x", "/api/orders", 400),
        ("/api/orders/99", "/api/orders/{order_id}", 404),
    ],
)
def test_refusals_are_as_described(client, asked, path, status):
    answer = client.get(asked)

    assert answer.status_code == status
    check(answer, path)


@pytest.mark.parametrize("path", ["/api/orders", "/api/trading", "/health"])
def test_answers_without_the_store_are_as_described(client, store, path):
    store.close()
    answer = client.get(path)

    assert answer.status_code == 503
    check(answer, path)


def test_refusal_without_a_password_is_as_described(open_client):
    answer = open_client(password_hash=hash_password("correct horse")).get(
        "/api/orders"
    )

    assert answer.status_code == 401
    check(answer, "/api/orders")


def test_parameters_that_are_described_are_taken(filled):
    for path, item in document()["paths"].items():
        for each in item["get"].get("parameters", []):
            if each["in"] != "query":
                continue
            words = each["schema"].get("enum", ["1"])
            for word in words:
                asked = f"{path}?{each['name']}={word}"
                assert filled.get(asked).status_code == 200, asked


def test_figures_are_matched_by_their_pattern(filled):
    pattern = json.dumps(document()["components"]["schemas"]["OrderDocument"])
    assert "pattern" in pattern
    price = filled.get("/api/orders/1").json()["order"]["average_price"]
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", price)
