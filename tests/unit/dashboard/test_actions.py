"""Halting, reducing and resuming trading from the page."""

from __future__ import annotations

import logging

import pytest

from shoonya_platform.dashboard.actions import MAX_REASON_LENGTH
from shoonya_platform.dashboard.passwords import hash_password
from shoonya_platform.domain.orders import Intent, OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.testing.orders import store_order
from tests.unit.dashboard.test_login import PASSWORD, log_in, token_of


@pytest.fixture(scope="module")
def password_hash() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def client(open_client, password_hash):
    client = open_client(password_hash=password_hash)
    log_in(client)
    return client


def act(client, deed, **form):
    token = token_of(client.get(f"/trading/{deed}").text)
    return client.post(
        f"/trading/{deed}",
        data={"csrf_token": token, **form},
        follow_redirects=False,
    )


@pytest.mark.parametrize(
    ("deed", "state"),
    [
        ("halt", TradingState.HALTED),
        ("reduce", TradingState.REDUCING),
    ],
)
def test_deed_is_done_rung_and_written_down(client, store, rung, caplog, deed, state):
    with caplog.at_level(logging.INFO):
        answer = act(client, deed, reason=" exchange \n trouble ")

    assert answer.status_code == 303
    status = store.trading.status()
    assert (status.state, status.reason, status.set_by) == (
        state,
        "exchange trouble",
        "operator",
    )
    assert "execution_guard" in rung
    record = next(r for r in caplog.records if getattr(r, "event", "") == "trading_set")
    assert record.user == "operator"
    assert record.client == "testclient"
    # And back.
    act(client, "resume")
    assert store.trading.status().state is TradingState.ACTIVE
    assert store.trading.status().reason == "resume on the dashboard"


def test_done_already_is_not_done_again_and_yet_logged(client, store, rung, caplog):
    act(client, "halt", reason="first")
    rung.clear()
    with caplog.at_level(logging.INFO):
        act(client, "halt", reason="second")

    assert store.trading.status().reason == "first"
    assert rung == []
    records = [r for r in caplog.records if getattr(r, "event", "") == "trading_set"]
    assert [(r.user, r.changed) for r in records] == [
        ("operator", True),
        ("operator", False),
    ]


def test_asking_alone_changes_nothing(client, store):
    html = client.get("/trading/halt").text

    assert "Only exits and cancels go out" in html
    assert store.trading.status().state is TradingState.ACTIVE


def test_page_offers_what_would_change_something(client):
    act(client, "halt")

    html = client.get("/").text

    assert 'href="/trading/halt"' not in html
    assert 'href="/trading/reduce"' in html
    assert 'href="/trading/resume"' in html


@pytest.mark.parametrize("token", ["", "x", "é"])
def test_form_without_the_sessions_token_is_refused(client, store, token):
    answer = client.post("/trading/halt", data={"csrf_token": token})

    assert answer.status_code == 400
    assert store.trading.status().state is TradingState.ACTIVE


def test_form_from_another_site_is_refused_even_with_the_token(client, store):
    token = token_of(client.get("/trading/halt").text)

    answer = client.post(
        "/trading/halt",
        data={"csrf_token": token},
        headers={"Origin": "https://evil.example"},
    )

    assert answer.status_code == 400
    assert store.trading.status().state is TradingState.ACTIVE


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"reason=" + b"x" * 10_000, 400), (b"\xff\xfe", 400), (b"", 400)],
)
def test_broken_form_is_refused(client, store, content, status):
    answer = client.post("/trading/halt", content=content)

    assert answer.status_code == status
    assert store.trading.status().state is TradingState.ACTIVE


def test_long_reason_is_cut(client, store):
    act(client, "halt", reason="x" * 1000)

    assert len(store.trading.status().reason) == MAX_REASON_LENGTH


def test_unknown_deed_is_not_found(client):
    assert client.get("/trading/explode").status_code == 404


def test_broken_store_is_said_and_nothing_pretended(client, store):
    token = token_of(client.get("/trading/halt").text)
    store.close()

    answer = client.post("/trading/halt", data={"csrf_token": token})

    assert answer.status_code == 503


def test_everything_is_closed_after_it_was_asked(client, store, rung, caplog):
    store_order(store, OrderStatus.FILLED, quantity=65)
    page = client.get("/flatten").text
    assert "straddle: long 65 NFO" in page
    assert len(store.alerts.recent(limit=9)) == 1

    with caplog.at_level(logging.INFO):
        answer = client.post(
            "/flatten", data={"csrf_token": token_of(page)}, follow_redirects=False
        )

    assert answer.status_code == 303
    intents = [stored.alert.intent for stored in store.alerts.recent(limit=9)]
    assert intents.count(Intent.EXIT) == 1
    assert "trading_bot" in rung
    record = next(r for r in caplog.records if getattr(r, "event", "") == "flatten")
    assert (record.user, record.client) == ("operator", "testclient")


def test_nothing_is_closed_without_the_token(client, store):
    store_order(store, OrderStatus.FILLED)

    answer = client.post("/flatten", data={"csrf_token": "x"})

    assert answer.status_code == 400
    assert len(store.alerts.recent(limit=9)) == 1
