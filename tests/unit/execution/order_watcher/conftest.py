"""A watcher, and what its tests look at."""

import logging
from dataclasses import replace

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.execution.order_watcher import OrderWatcherEngine
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.rows import S


@pytest.fixture
def watcher(store, broker, clock, rings):
    engine = OrderWatcherEngine(store, broker, clock, rings)
    engine.begin()
    return engine


def placing(order, **changes):
    return replace(PlaceOrder.of(order), **changes)


def both(store, broker, status=S.ACCEPTED, *, tell=False, **changes):
    """Have an order in our store and at the broker; return it and its number."""
    order = store_order(store, status, **changes)
    number = order.broker_order_id
    claim = broker.accept(placing(order), number)
    if not tell:
        broker.news.clear()
    return order, claim.broker_order_id


def held(store):
    return [position.quantity for position in store.positions.open()]


@pytest.fixture
def events(caplog):
    """Return the names of what was logged: what operators and alarms go by."""
    caplog.set_level(logging.DEBUG, "ORDER_WATCHER")

    def names():
        return [getattr(record, "event", "") for record in caplog.records]

    return names
