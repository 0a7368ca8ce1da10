"""A broker that gives two orders one number: the rows are told apart by our ids."""

import pytest

from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.discrepancies import DiscrepancyKind as K
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.execution.order_watcher import OrderWatcherEngine
from shoonya_platform.execution.outcomes import RecoveryRules
from shoonya_platform.execution.recovery import RecoveryService
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import store_order
from shoonya_platform.testing.waiting import eventually
from tests.contract.noren_world import SYMBOL
from tests.integration.brokers.conftest import only_quickauth
from tests.preconditions import at_any_moment
from tests.unit.execution.rows import INSTRUMENTS

RULES = RecoveryRules(
    interval_seconds=0.0, absent_reads=3, absent_seconds=900.0, exit_absent_seconds=20.0
)


def no_ring(*services):
    pass


@pytest.fixture
def store(tmp_path):
    opened = SqliteOrderStore(
        tmp_path / "orders.db", service="tests", run_id="r", clock=SystemClock()
    )
    yield opened
    opened.close()


@pytest.fixture
def step(store, broker):
    """Let all that speaks with the broker take a step."""
    clock = SystemClock()
    command = CommandService(store, broker, clock, no_ring, at_any_moment(store))
    watcher = OrderWatcherEngine(store, broker, clock, no_ring)
    recovery = RecoveryService(
        store, broker, RULES, clock, no_ring, instruments=INSTRUMENTS
    )

    def call():
        for worker in (command, watcher, recovery):
            worker.step()

    return call


@only_quickauth
def test_both_orders_are_booked_and_the_number_is_shown(simulator, store, step):
    def filled(order):
        step()
        return store.orders.get(order.order_id).status is OrderStatus.FILLED

    first = store_order(store, OrderStatus.GUARD_PASSED, tradingsymbol=SYMBOL)
    assert eventually(lambda: filled(first))
    second = store_order(store, OrderStatus.GUARD_PASSED, tradingsymbol=SYMBOL)
    simulator.add_fault("duplicate_number")

    assert eventually(lambda: filled(second))

    rows = [store.orders.get(order.order_id) for order in (first, second)]
    assert [row.traded_quantity for row in rows] == [65, 65]
    assert [held.quantity for held in store.positions.open()] == [130]
    (found,) = store.discrepancies.open()
    assert (found.kind, found.order_id) == (K.WRONG_NUMBER, second.order_id)
    assert str(rows[0].broker_order_id) in found.text
