"""The API's documents: their keys and words are an interface."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import OrderStatus, OrderTrigger, Side
from shoonya_platform.domain.refused_alerts import RefusedAlert
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.testing.clock import BEGIN


def test_services_are_the_eight_with_state_and_memory(client):
    answer = client.get("/api/services").json()

    assert [service["service"] for service in answer["services"]] == list(COMPONENTS)
    assert answer["services"][0] == {
        "service": "recovery_service",
        "state": "running",
        "pid": 4000,
        "since": "2026-02-09T09:00:00+00:00",
        "restarts": 0,
        "text": "recovery_service works",
        "cause": "",
        "memory_bytes": 15728640,
        "cpu_share": None,
        "queue_depth": 0,
        "supervisor": "manager",
    }


def test_services_are_shown_while_the_store_is_broken(client, store):
    store.close()

    assert client.get("/api/services").status_code == 200


def test_order_document_keeps_its_keys(client, ledger):
    order = ledger.filled(ledger.order(price=Decimal("812.50")), "812.45")

    answer = client.get("/api/orders").json()["orders"][0]

    assert answer | {"created_at": "", "updated_at": "", "alerted_at": ""} == {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "broker_order_id": order.broker_order_id,
        "alert_id": order.alert_id,
        "leg": 1,
        "attempt": 1,
        "part": 1,
        "strategy": "Momentum",
        "intent": "entry",
        "exchange": "NSE",
        "tradingsymbol": "SBIN-EQ",
        "side": "BUY",
        "quantity": 10,
        "filled_quantity": 10,
        "leaves_quantity": 0,
        "order_type": "LIMIT",
        "price": "812.50",
        "trigger_price": None,
        "reference_price": None,
        "price_factor": "1",
        "average_price": "812.45",
        "product": "MIS",
        "time_in_force": "DAY",
        "status": "filled",
        "is_closed": True,
        "reason": "",
        "alerted_at": "",
        "created_at": "",
        "updated_at": "",
    }
    assert datetime.fromisoformat(answer["created_at"]) == order.created_at
    assert answer["created_at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("open", {"initialized", "accepted"}, id="open"),
        pytest.param("closed", {"denied", "filled"}, id="closed"),
        pytest.param("denied", {"denied"}, id="one-status"),
        pytest.param("expired", set(), id="none-such"),
    ],
)
def test_orders_by_status(client, ledger, status, expected):
    ledger.order()
    ledger.accepted(ledger.order())
    ledger.filled(ledger.order(), "100")
    ledger.move("risk_manager", ledger.order(), OrderTrigger.DENIED, reason="LIMIT")

    answer = client.get("/api/orders", params={"status": status}).json()

    assert {order["status"] for order in answer["orders"]} == expected
    assert answer["counts"] == {
        "initialized": 1,
        "accepted": 1,
        "filled": 1,
        "denied": 1,
    }


def test_orders_are_paged_from_the_newest_to_the_last(client, ledger):
    for _ in range(5):
        ledger.order()

    pages: list[list[int]] = []
    query = "limit=2"
    while query and len(pages) < 5:
        answer = client.get(f"/api/orders?{query}").json()
        pages.append([order["order_id"] for order in answer["orders"]])
        before = answer["next_before"]
        query = f"limit=2&before={before}" if before else ""

    assert pages == [[5, 4], [3, 2], [1]]


def test_full_last_page_names_no_next_one(client, ledger):
    ledger.order()
    ledger.order()

    answer = client.get("/api/orders", params={"limit": 2}).json()

    assert answer["next_before"] is None


@pytest.mark.parametrize(
    ("query", "code", "right"),
    [
        ("status=filed", "PARAMETER_INVALID", "filled"),
        ("status=OPEN", "PARAMETER_INVALID", "open, closed"),
        ("limit=0", "PARAMETER_INVALID", "1 to 500"),
        ("limit=501", "PARAMETER_INVALID", "1 to 500"),
        ("limit=ten", "PARAMETER_INVALID", "1 to 500"),
        ("limit=-1", "PARAMETER_INVALID", "1 to 500"),
        ("limit=1e2", "PARAMETER_INVALID", "1 to 500"),
        ("limit=%D9%A1", "PARAMETER_INVALID", "1 to 500"),
        ("before=" + "9" * 5000, "PARAMETER_INVALID", "whole number"),
        ("before=9999999999999999999", "PARAMETER_INVALID", "whole number"),
        ("sort=price", "PARAMETER_UNKNOWN", "status, strategy, symbol, limit, before"),
    ],
)
def test_unusable_parameter_is_refused_with_what_would_be_right(
    client, query, code, right
):
    answer = client.get(f"/api/orders?{query}")

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "reason"}
    assert answer.json()["code"] == code
    assert right in answer.json()["reason"]


@pytest.mark.parametrize(
    "path", ["/api/services", "/api/trading", "/api/positions", "/api/orders/1"]
)
def test_parameter_where_there_are_none_is_refused(client, ledger, path):
    ledger.order()

    answer = client.get(path, params={"limit": "5"})

    assert answer.status_code == 400


def test_order_story_goes_from_the_alert_to_the_fill_with_delays(client, ledger):
    order = ledger.filled(ledger.order(), "100")

    answer = client.get(f"/api/orders/{order.order_id}").json()

    assert [(e["service"], e["status"]) for e in answer["events"]] == [
        ("execution_service", "received"),
        ("trading_bot", "initialized"),
        ("trading_bot", "planned"),
        ("risk_manager", "risk_passed"),
        ("execution_guard", "guard_passed"),
        ("command_service", "submitted"),
        ("command_service", "accepted"),
        ("order_watcher", "filled"),
    ]
    # The clock moves by one millisecond a transaction.
    assert [e["delay_ms"] for e in answer["events"]] == [0, 1, 0, 1, 1, 1, 1, 1]
    assert answer["total_ms"] == 6
    assert answer["order"]["order_id"] == order.order_id
    assert answer["alert"]["alert_id"] == order.alert_id


def test_order_story_names_siblings_and_leaves_their_events_out(client, ledger):
    alert = ledger.alert()
    first = ledger.order(alert=alert)
    second = ledger.order(alert=alert, leg=2)
    ledger.filled(second, "100")

    answer = client.get(f"/api/orders/{first.order_id}").json()

    assert [o["order_id"] for o in answer["siblings"]] == [second.order_id]
    assert {e["order_id"] for e in answer["events"]} == {None, first.order_id}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/orders/7", 404, "NOT_FOUND"),
        ("/api/orders/0", 400, "ORDER_ID_INVALID"),
        ("/api/orders/-1", 400, "ORDER_ID_INVALID"),
        ("/api/orders/O260209-00000001-1", 400, "ORDER_ID_INVALID"),
        ("/api/orders/" + "0" * 20 + "9" * 5000, 400, "ORDER_ID_INVALID"),
        ("/api/orders/9999999999999999999", 400, "ORDER_ID_INVALID"),
        ("/api/nothing", 404, "NOT_FOUND"),
        ("/api/", 404, "NOT_FOUND"),
    ],
)
def test_what_is_not_there_is_said_in_json(client, path, status, code):
    answer = client.get(path)

    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert answer.json()["reason"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(client, ledger, method):
    ledger.order()

    for path in ("/api/orders", "/api/orders/1", "/api/trading"):
        answer = client.request(method, path)

        assert answer.status_code == 405
        assert answer.json()["code"] == "METHOD_NOT_ALLOWED"


def test_refused_alerts_are_shown_in_the_api_on_the_page_and_in_metrics(client, store):
    refused = RefusedAlert(
        code="KEY_UNKNOWN",
        reason="stoploss: there is no such key",
        hint="did you mean 'trailing_stoploss'?",
        http_status=400,
        client="203.0.113.7",
        body='{"comment": "<b>bold</b>"}',
    )
    with store.transaction(durable=False):
        store.refusals.add(refused, at=BEGIN)
        store.refusals.add(replace(refused, code="SECRET_WRONG", body=None), at=BEGIN)

    wrong, unknown = client.get("/api/refused").json()["refused"]
    page = client.get("/alerts").text
    metrics = client.get("/metrics").text

    assert (wrong["code"], wrong["body"]) == ("SECRET_WRONG", None)
    assert unknown["reason"] == refused.reason
    assert "KEY_UNKNOWN" in page
    assert "&lt;b&gt;bold" in page
    assert 'shoonya_alerts_refused_total{code="KEY_UNKNOWN"} 1.0' in metrics


def test_alerts_newest_first_up_to_the_limit(client, ledger):
    ledger.alert(strategy="older")
    ledger.alert(strategy="newer")

    both = client.get("/api/alerts").json()["alerts"]
    one = client.get("/api/alerts", params={"limit": 1}).json()["alerts"]

    assert [alert["strategy"] for alert in both] == ["newer", "older"]
    assert [alert["strategy"] for alert in one] == ["newer"]
    assert one[0]["legs"] == [
        {
            "tradingsymbol": "SBIN-EQ",
            "received": "",
            "side": "BUY",
            "quantity": 10,
            "order_type": "MARKET",
            "price": None,
            "trigger_price": None,
            "product": "CNC",
        }
    ]


def test_positions_add_up(client, ledger):
    ledger.filled(ledger.order(symbol="SBIN-EQ", quantity=10), "800.10")
    ledger.filled(ledger.order(symbol="SBIN-EQ", quantity=4, side=Side.SELL), "805.10")
    ledger.filled(ledger.order(symbol="TCS-EQ", quantity=5, side=Side.SELL), "3000")
    watcher = ledger.store("order_watcher")
    with watcher.transaction(durable=False):
        watcher.positions.note_prices(
            {
                (Exchange.NSE, "SBIN-EQ"): Decimal("810.00"),
                (Exchange.NSE, "TCS-EQ"): Decimal("3010.50"),
            }
        )

    answer = client.get("/api/positions").json()

    assert answer["totals"] == {
        "open_positions": 2,
        "realised_pnl": "20.00",
        "unrealised_pnl": "6.90",
        "total_pnl": "26.90",
        "realised_today": "20.00",
        "exposure": "19912.50",
    }
    assert [(p["tradingsymbol"], p["quantity"]) for p in answer["positions"]] == [
        ("SBIN-EQ", 6),
        ("TCS-EQ", -5),
    ]


def test_positions_that_are_open_come_first(client, ledger):
    ledger.filled(ledger.order(symbol="ABB-EQ"), "100")
    ledger.filled(ledger.order(symbol="ABB-EQ", side=Side.SELL), "90")
    ledger.filled(ledger.order(symbol="TCS-EQ"), "100")

    answer = client.get("/api/positions").json()

    assert [p["tradingsymbol"] for p in answer["positions"]] == ["TCS-EQ", "ABB-EQ"]
    assert answer["positions"][1]["realised_pnl"] == "-100"


def test_yesterdays_profit_is_not_todays(client, ledger, clock):
    ledger.filled(ledger.order(), "100")
    ledger.filled(ledger.order(side=Side.SELL), "110")

    clock.advance(24 * 3600)
    answer = client.get("/api/positions").json()

    assert answer["totals"]["realised_pnl"] == "100"
    assert answer["totals"]["realised_today"] == "0"


def test_trading_never_set_has_no_time(client):
    assert client.get("/api/trading").json() == {
        "state": "ACTIVE",
        "reason": "never changed",
        "set_by": "",
        "set_at": None,
        "broker": "paper",
        "has_real_money": False,
        "market_hours": "round_the_clock",
        "awaits_reconciliation": False,
    }


def test_trading_halted_says_by_whom_and_why(client, ledger):
    store = ledger.store("risk_manager")
    with store.transaction(durable=False):
        store.trading.set(TradingState.HALTED, reason="enough", by="operator")

    answer = client.get("/api/trading").json()

    assert (answer["state"], answer["reason"]) == ("HALTED", "enough")
    assert (answer["set_by"], answer["set_at"]) == (
        "operator",
        "2026-02-09T09:00:00.001000+00:00",
    )


def test_health_is_ok_while_the_store_answers(client, store):
    healthy = client.get("/health")
    store.close()
    ill = client.get("/health")

    assert (healthy.status_code, healthy.json()) == (
        200,
        {"ok": True, "service": "dashboard", "run_id": "run-1"},
    )
    assert ill.status_code == 503
    assert ill.json()["ok"] is False
    assert ill.json()["code"] == "STORE_UNAVAILABLE"


def test_broken_store_is_503_with_a_reason(client, store):
    store.close()

    for path in ("/api/orders", "/api/orders/1", "/api/alerts", "/api/positions"):
        answer = client.get(path)

        assert answer.status_code == 503
        assert answer.json()["code"] == "STORE_UNAVAILABLE"
        assert answer.json()["reason"]


def test_every_status_can_be_asked_for(client):
    for status in OrderStatus:
        assert client.get("/api/orders", params={"status": status}).status_code == 200
