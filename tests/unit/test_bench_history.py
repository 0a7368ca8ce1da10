"""The store that the benches fill in bulk is one that the platform reads."""

import pytest
from scripts.bench.history import fill

from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import AlertId, OrderStatus
from shoonya_platform.store.sqlite import SqliteOrderStore


@pytest.fixture
def store(tmp_path):
    fill(tmp_path / "orders.db", 100)
    store = SqliteOrderStore(
        tmp_path / "orders.db", service="test", run_id="test", clock=SystemClock()
    )
    yield store
    store.close()


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
