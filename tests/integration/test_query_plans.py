"""No question of the order path looks through all that was ever stored."""

import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import (
    OPEN,
    AlertId,
    BrokerOrderId,
    ClientOrderId,
    OrderId,
    OrderStatus,
)
from shoonya_platform.domain.terms import ModifyStage
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import SYMBOL, a_fill, an_alert, store_order

#: What grows with every order; the others have a row a service, a day or an operator's
#: command.
GROWING = (
    "alerts",
    "orders",
    "events",
    "fills",
    "positions",
    "prices",
    "cancel_requests",
    "modify_requests",
)
_SCAN = re.compile(rf"\bSCAN ({'|'.join(GROWING)})\b(?! USING INDEX)")
#: Along the table itself, from its newest end, as far as the limit.
_NEWEST = "ORDER BY order_id DESC LIMIT"
_SORT = "USE TEMP B-TREE FOR ORDER BY"


def ask_everything(store) -> None:
    """Ask what the eight services ask at each step."""
    order = store_order(store, OrderStatus.ACCEPTED)
    flat = store_order(store, OrderStatus.GUARD_PASSED)
    orders, alerts = store.orders, store.alerts
    with store.transaction(durable=False):
        alert = an_alert()
        alerts.add(alert, AlertId("A261125-00000001"), received_at=BEGIN)
        alerts.get(order.alert_id)
        for status in AlertStatus:
            alerts.in_status(status, limit=10)
        alerts.recent(limit=10)
        alerts.finished(limit=10)
        orders.by_client_order_id(ClientOrderId("O1"))
        orders.by_broker_order_id(BrokerOrderId("B1"))
        orders.of_alert(order.alert_id)
        orders.in_status(OrderStatus.INITIALIZED, limit=1)
        orders.in_status(*sorted(OPEN))
        orders.ready(limit=8)
        orders.count()
        orders.count_in(*sorted(OPEN))
        orders.passed_on(trading_day(BEGIN))
        orders.recent(limit=10)
        orders.recent(limit=10, before=100)
        orders.unreplaced(since=BEGIN - timedelta(minutes=1))
        orders.beside_failed(limit=10)
        orders.fill(order, a_fill(5))
        orders.events(order_id=order.order_id)
        orders.events(alert_id=order.alert_id)
        orders.request_cancel(flat.order_id, by="somebody")
        orders.cancel_requests(limit=10)
        orders.finish_cancel(OrderId(1), result="sent")
        for stage in ModifyStage:
            store.modifies.waiting(stage, limit=10)
        store.positions.open()
        store.positions.get("straddle", Exchange.NFO, SYMBOL)
        store.positions.realised_on(trading_day(BEGIN))
        store.positions.last_price(Exchange.NFO, SYMBOL)


@pytest.fixture
def asked(store) -> set[str]:
    """The statements of the order path, with their values in place."""
    found: set[str] = set()
    store._connection.set_trace_callback(found.add)
    ask_everything(store)
    store._connection.set_trace_callback(None)
    return {each for each in found if each.split()[0] in ("SELECT", "UPDATE", "DELETE")}


def plan(path, statement: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


def test_every_question_goes_along_an_index(store, asked):
    assert len(asked) > 30
    plans = {each: plan(store.path, each) for each in asked}

    assert not {
        statement: steps
        for statement, steps in plans.items()
        if any(_SCAN.search(step) for step in steps) and _NEWEST not in statement
    }


def test_what_is_limited_to_the_oldest_is_not_sorted_first(store, asked):
    """Else a backlog of thousands would be sorted for each of its rows."""
    limited = {each for each in asked if "LIMIT" in each and " IN (" not in each}

    assert limited
    assert not {
        each: steps for each in limited if _SORT in (steps := plan(store.path, each))
    }


def test_lost_orders_are_looked_for_among_the_recent_ones(store, asked):
    (statement,) = (each for each in asked if "later.attempt" in each)

    assert any(
        "orders USING INDEX orders_not_placed (status=? AND alerted_at>?)" in step
        for step in plan(store.path, statement)
    )
