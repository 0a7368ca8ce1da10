"""A command service, and what its tests look at."""

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.store.sqlite import SqliteOrderStore
from tests.preconditions import at_any_moment


@pytest.fixture
def command(store, broker, clock, rings):
    service = CommandService(store, broker, clock, rings, at_any_moment(store))
    service.begin()
    return service


@pytest.fixture
def second_view(tmp_path, clock):
    """The store as other processes see it."""
    opened = SqliteOrderStore(
        tmp_path / "orders.db", service="other", run_id="other", clock=clock
    )
    yield opened
    opened.close()


def request_cancel(store, order):
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by="somebody")


def placed_at(broker, order):
    """Let the broker have an order that the store has as accepted."""
    claim = broker.accept(PlaceOrder.of(order), order.broker_order_id)
    return claim.broker_order_id
