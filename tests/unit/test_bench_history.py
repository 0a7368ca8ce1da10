"""The store that the benches fill in bulk is one that the platform reads."""

from contextlib import contextmanager

import pytest
from scripts.bench.history import fill, fill_with

from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import AlertId, OrderStatus
from shoonya_platform.store.sqlite import SqliteOrderStore


@contextmanager
def opened(path):
    store = SqliteOrderStore(path, service="test", run_id="test", clock=SystemClock())
    yield store
    store.close()


@pytest.fixture
def store(tmp_path):
    fill(tmp_path / "orders.db", 100)
    with opened(tmp_path / "orders.db") as store:
        yield store


def test_alerts_are_read_as_they_came(store):
    stored = store.alerts.get(AlertId("A000101-00000042"))

    assert stored is not None
    assert stored.status is AlertStatus.COMPLETED
    assert (stored.alert.strategy, stored.alert.legs[0].quantity) == ("history", 65)


def test_orders_have_had_their_day(store):
    [order] = store.orders.of_alert(AlertId("A000101-00000042"))

    assert order.status is OrderStatus.FILLED
    assert (order.filled_quantity, order.overfilled_quantity) == (65, 0)
    assert len(store.orders.events(alert_id=AlertId("A000101-00000042"))) == 6


def test_order_with_given_ids_is_found_by_them(tmp_path):
    ids = {
        "alert_id": "A261125-0000002A",
        "client_order_id": "O261125-0000002A-1",
        "broker_order_id": "26112500000042",
    }
    at = "2026-11-25T04:30:00.000000+00:00"
    fill_with(
        tmp_path / "orders.db", [{"number": 42, "at": at, "strategy": "s", **ids}]
    )

    with opened(tmp_path / "orders.db") as store:
        stored = store.alerts.get(AlertId(ids["alert_id"]))
        [order] = store.orders.of_alert(AlertId(ids["alert_id"]))
        events = store.orders.events(alert_id=AlertId(ids["alert_id"]))

    assert stored is not None
    assert stored.alert.legs[0].quantity == 65
    assert (order.order_id, order.status) == (42, OrderStatus.FILLED)
    assert order.broker_order_id == ids["broker_order_id"]
    assert len(events) == 6
