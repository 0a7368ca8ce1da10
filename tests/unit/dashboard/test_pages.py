"""What a browser is sent, before any script runs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from shoonya_platform.domain.orders import OrderTrigger, Side
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import Supervisor


def text_of(html: str) -> str:
    """Return what a reader sees, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_empty_page_says_what_to_do(client):
    text = text_of(client.get("/").text)

    assert "No orders yet: send one with shoonyactl alert send" in text
    assert "No positions yet" in text
    assert "No alerts yet" in text


def test_services_stand_in_the_order_of_an_orders_way(client):
    html = client.get("/fragments/services").text

    assert re.findall(r'<th role="rowheader"[^>]*>(\w+)</th>', html) == [
        "execution_service",
        "trading_bot",
        "risk_manager",
        "execution_guard",
        "command_service",
        "order_watcher",
        "recovery_service",
        "dashboard",
    ]


def test_service_shows_state_as_a_word_with_uptime_and_cause(client, views, clock):
    views[0] = replace(
        views[0],
        state=ServiceStatus.BACKOFF,
        cause="killed by SIGKILL",
        restarts=2,
        since=clock.now() - timedelta(hours=3, minutes=12),
        memory_bytes=None,
    )

    text = text_of(client.get("/fragments/services").text)

    assert "backoff 3 h 12 min 2 – – 0 recovery_service works killed by SIGKILL" in text


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (ServiceStatus.BACKOFF, "killed by SIGKILL, restarts in 4 s (2 of 3)"),
        (ServiceStatus.FAILED, "killed by SIGKILL"),
    ],
)
def test_dead_service_stands_above_all_else(client, views, state, sentence):
    views[2] = replace(
        views[2],
        state=state,
        cause="killed by SIGKILL",
        text="restarts in 4 s (2 of 3)",
    )
    name = views[2].service

    text = text_of(client.get("/fragments/conditions").text)

    assert f"{name} is {state} ({sentence})" in text
    assert text.endswith(f"shoonyactl why {name}")


def test_service_shows_what_waits_for_it_and_for_how_long(client, ledger, clock):
    ledger.order()
    clock.advance(4)

    text = text_of(client.get("/fragments/services").text)

    assert "running 4 s 0 15.0 MB – 1 4.00 s risk_manager works" in text
    assert "running 4 s 0 15.0 MB – 0 execution_guard works" in text
    assert "running 4 s 0 15.0 MB – – trading_bot works" in text


@pytest.mark.parametrize(
    ("supervisor", "sentence"),
    [
        (Supervisor.SYSTEMD, "Supervised by systemd"),
        (Supervisor.MANAGER, "Supervised by shoonyactl up"),
        (Supervisor.HEARTBEAT, "As their heartbeats tell"),
        (Supervisor.NONE, "start them with shoonyactl up"),
    ],
)
def test_supervisor_is_named(client, views, supervisor, sentence):
    views[:] = [replace(view, supervisor=supervisor) for view in views]

    assert sentence in text_of(client.get("/fragments/services").text)


def test_paper_broker_round_the_clock_is_said(client):
    text = text_of(client.get("/").text)

    assert "Paper broker invented money" in text
    assert "Round the clock exchange hours and holidays are ignored" in text


def test_simulated_account_is_not_called_real_money(open_client):
    client = open_client(broker="shoonya", is_simulated=True)

    html = client.get("/").text

    assert "Shoonya broker a simulator on this machine, no real orders" in text_of(html)
    assert "real money" not in html
    assert not client.get("/api/trading").json()["has_real_money"]


def test_real_money_and_exchange_hours_are_said(open_client):
    text = text_of(open_client(broker="shoonya", market_hours="exchange").get("/").text)

    assert "Shoonya broker real money" in text
    assert "Exchange hours" in text
    assert "invented" not in text


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (TradingState.HALTED, "Only exits and cancels go out."),
        (TradingState.REDUCING, "Only exits and what shrinks a position go out."),
    ],
)
def test_trading_state_says_what_it_means_who_set_it_and_why(
    client, ledger, state, sentence
):
    store = ledger.store("risk_manager")
    with store.transaction(durable=False):
        store.trading.set(state, reason="lost enough", by="risk_manager")

    text = text_of(client.get("/fragments/trading").text)

    assert text.startswith(f"{state} {sentence}")
    assert "Set by risk_manager at 14:30:00 : lost enough" in text


def test_orders_link_to_their_timelines(client, ledger):
    ledger.filled(ledger.order(), "1234567.5")
    denied = ledger.move(
        "risk_manager", ledger.order(), OrderTrigger.DENIED, reason="MARKET_CLOSED"
    )

    html = client.get("/fragments/orders").text

    assert f'href="/orders/{denied.order_id}"' in html
    assert "denied MARKET_CLOSED" in text_of(html)
    assert "1 filled" in text_of(html)


def test_page_shows_fifty_orders_and_the_way_to_older_ones(client, ledger):
    for _ in range(52):
        ledger.order()

    html = client.get("/orders?status=open&strategy=Momentum").text

    assert html.count('role="rowheader"') == 50
    [older] = re.findall(r'<a href="([^"]*before=[^"]*)">Older orders</a>', html)
    html = client.get(older.replace("&amp;", "&")).text
    assert re.findall(r'aria-label="(Order \d+)"', html) == ["Order 2", "Order 1"]
    assert "Older orders" not in html


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", ["3", "2", "1"]),
        ("status=&strategy=&symbol=", ["3", "2", "1"]),
        ("strategy=Breakout", ["2"]),
        ("symbol=tcs-eq", ["3"]),
        ("status=filled&symbol=SBIN-EQ", ["1"]),
        ("status=filled&strategy=Breakout", []),
    ],
)
def test_orders_are_filtered(client, ledger, query, numbers):
    ledger.filled(ledger.order(), "100")
    ledger.order(strategy="Breakout")
    ledger.filled(ledger.order(symbol="TCS-EQ"), "100")

    html = client.get(f"/orders?{query}").text

    assert re.findall(r'aria-label="Order (\d+)"', html) == numbers
    assert numbers or "No order is like that." in html
    assert ("Show all" in html) is any("=" in part[:-1] for part in query.split("&"))


def test_filters_stay_filled_in(client, ledger):
    ledger.order(strategy="Breakout")

    html = client.get("/orders?status=open&strategy=Breakout&symbol=X").text

    assert '<option value="open" selected>' in html
    assert 'name="strategy" value="Breakout"' in html
    assert 'name="symbol" value="X"' in html


def test_denials_are_shown_with_their_figures(client, ledger):
    ledger.move(
        "risk_manager",
        ledger.order(),
        OrderTrigger.DENIED,
        reason="DAILY_LOSS_LIMIT: daily_pnl=-20100, limit=-20000",
    )
    ledger.filled(ledger.order(), "100")

    text = text_of(client.get("/fragments/denials").text)

    assert "denied DAILY_LOSS_LIMIT: daily_pnl=-20100, limit=-20000" in text
    assert "filled" not in text


def test_positions_show_profit_and_loss_signed_in_indian_groups(client, ledger):
    ledger.filled(ledger.order(symbol="A", quantity=10_000), "112.25")
    ledger.filled(ledger.order(symbol="A", quantity=10_000, side=Side.SELL), "100.00")
    ledger.filled(ledger.order(symbol="B"), "100")

    text = text_of(client.get("/fragments/positions").text)

    assert "Realised today \N{MINUS SIGN}1,22,500.00" in text
    assert "NSE B Momentum MIS long 10 100.00 100.00 0.00 0.00" in text
    assert "NSE A Momentum MIS flat – 100.00" in text


def test_open_positions_and_the_latest_flat_ones_are_shown_and_all_counted(
    client, ledger
):
    for number in range(22):
        symbol = f"S{number}"
        ledger.filled(ledger.order(symbol=symbol), "100")
        ledger.filled(ledger.order(symbol=symbol, side=Side.SELL), "101")
    ledger.filled(ledger.order(symbol="OPEN"), "100")

    html = client.get("/fragments/positions").text

    names = re.findall(r'<th role="rowheader"[^>]*>.*?</span> (\w+)</th>', html)
    assert names == ["OPEN", *(f"S{number}" for number in range(21, 1, -1))]
    assert "Realised in all +220.00" in text_of(html)


def test_order_page_tells_figures_and_timeline(client, ledger):
    order = ledger.filled(ledger.order(), "812.45")

    text = text_of(client.get(f"/orders/{order.order_id}").text)

    assert "Order 1 BUY 10 NSE SBIN-EQ" in text
    assert order.client_order_id in text
    assert "Average price 812.45" in text
    assert "First to last event 6.0 ms" in text
    assert "+1.0 ms risk_manager risk passed" in text
    assert "+1.0 ms order_watcher filled 10 at 812.45, 10 of 10 filled" in text


def test_timeline_survives_a_clock_that_was_set_back(client, ledger, clock):
    order = ledger.accepted(ledger.order())
    clock.advance(-3600)
    ledger.move("order_watcher", order, OrderTrigger.CANCELED, reason="by hand")

    answer = client.get(f"/orders/{order.order_id}")

    assert answer.status_code == 200
    assert "\N{MINUS SIGN}59 min order_watcher canceled" in text_of(answer.text)


def test_unknown_order_is_a_page_with_a_way_back(client):
    answer = client.get("/orders/7")

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "there is no order 7" in answer.text
    assert 'href="/"' in answer.text


@pytest.mark.parametrize("path", ["/fragments/nothing", "/static/../app.py", "/x"])
def test_what_is_not_there_is_404(client, path):
    assert client.get(path).status_code == 404


def test_unreadable_part_says_so_and_the_services_are_still_shown(client, store):
    store.close()

    answer = client.get("/")
    part = client.get("/fragments/orders")

    assert answer.status_code == 503
    assert "The orders cannot be read now." in text_of(answer.text)
    assert "execution_service works" in text_of(answer.text)
    assert part.status_code == 503
    assert "The orders cannot be read now." in text_of(part.text)


def test_assets_are_named_by_their_content_and_kept(client):
    url = re.search(r'href="(/static/dashboard\.css\?v=\w+)"', client.get("/").text)
    assert url

    answer = client.get(url[1])

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]


def test_page_loads_itself_anew_without_a_script(client):
    assert re.search(r'<noscript><meta http-equiv="refresh"', client.get("/").text)


def test_page_says_that_entries_wait_for_the_first_reconciliation(open_client):
    text = text_of(open_client(entries_wait=True).get("/").text)

    assert "waiting for the first reconciliation" in text


def test_orders_are_looked_for_anew_only_once_one_has_moved(
    client, ledger, store, monkeypatch
):
    order = ledger.order()
    looks: list[str] = []
    recent = type(store.orders).recent

    def counting(self, **asked):
        looks.append(asked["strategy"])
        return recent(self, **asked)

    monkeypatch.setattr(type(store.orders), "recent", counting)
    for _ in range(3):
        assert "initialized" in client.get("/fragments/orders").text
    assert looks == [""]

    ledger.move("risk_manager", order, OrderTrigger.RISK_PASSED)
    assert "risk passed" in client.get("/fragments/orders").text
    client.get("/fragments/orders?strategy=nobody")
    assert looks == ["", "", "nobody"]
