"""A store that does not answer, and what an earlier run left."""

import sqlite3
from contextlib import closing

import pytest

from shoonya_platform.errors import (
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    StoreBusy,
)
from shoonya_platform.execution.command_service import GATHER_SECONDS, CommandService
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import store_order
from tests.preconditions import at_any_moment
from tests.unit.execution.command_service.conftest import placed_at
from tests.unit.execution.rows import S, status_of


@pytest.fixture
def hasty(tmp_path, clock, broker, rings):
    """A command_service whose store waits for nobody."""
    opened = SqliteOrderStore(
        tmp_path / "orders.db",
        service="command_service",
        run_id="hasty",
        clock=clock,
        busy_timeout_seconds=0.01,
    )
    yield CommandService(opened, broker, clock, rings, at_any_moment(opened))
    opened.close()


@pytest.fixture
def lock(tmp_path, store):
    """Another program that holds the store from `begin` to `end`."""
    with closing(
        sqlite3.connect(tmp_path / "orders.db", isolation_level=None)
    ) as connection:

        class Lock:
            def begin(self, _=None):
                if not connection.in_transaction:
                    connection.execute("BEGIN IMMEDIATE")

            def end(self):
                connection.execute("ROLLBACK")

        yield Lock()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(None, S.ACCEPTED, id="accepted"),
        pytest.param(BrokerRejected("no"), S.REJECTED, id="rejected"),
        pytest.param(OutcomeUnknown("?"), S.OUTCOME_UNKNOWN, id="unknown"),
        pytest.param(BrokerUnavailable("away"), S.RISK_PASSED, id="unsent"),
    ],
)
def test_answer_that_the_store_did_not_take_is_written_as_soon_as_it_does(
    store, hasty, broker, lock, answer, status
):
    order = store_order(store, S.GUARD_PASSED)
    broker.answer_place(answer)
    broker.on_place = lock.begin

    with pytest.raises(StoreBusy):
        hasty.step()
    assert status_of(store, order) is S.SUBMITTED
    with pytest.raises(StoreBusy):
        hasty.step()
    lock.end()
    broker.on_place = None
    hasty.step()

    assert status_of(store, order) is status
    assert len(broker.placed) == 1


def test_rest_of_a_batch_is_not_sent_while_the_store_does_not_answer(
    store, hasty, broker, clock, lock
):
    orders = [store_order(store, S.GUARD_PASSED) for _ in range(3)]

    def lock_and_take_time(_):
        lock.begin()
        clock.advance(GATHER_SECONDS + 0.001)

    broker.on_place = lock_and_take_time
    with pytest.raises(StoreBusy):
        hasty.step()
    lock.end()
    broker.on_place = None
    hasty.step()

    assert len(broker.placed) == 1
    assert [status_of(store, order) for order in orders] == [
        S.ACCEPTED,
        S.RISK_PASSED,
        S.RISK_PASSED,
    ]


def test_what_an_earlier_run_had_submitted_is_unknown_and_not_sent(
    store, broker, clock, rings
):
    left = store_order(store, S.SUBMITTED)
    others = [
        store_order(store, status)
        for status in S
        if status not in (S.SUBMITTED, S.GUARD_PASSED, S.PENDING_CANCEL)
    ]
    service = CommandService(store, broker, clock, rings, at_any_moment(store))

    service.begin()
    service.step()

    assert status_of(store, left) is S.OUTCOME_UNKNOWN
    assert [status_of(store, order) for order in others] == [o.status for o in others]
    assert broker.placed == []
    assert "recovery_service" in rings


def test_cancel_that_an_earlier_run_was_sending_is_asked_for_again(
    store, broker, clock, rings
):
    order = store_order(store, S.PENDING_CANCEL)
    number = placed_at(broker, order)
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by="somebody")
        store.orders.finish_cancel(order.order_id, result="sent")
    service = CommandService(store, broker, clock, rings, at_any_moment(store))

    service.begin()
    service.step()

    assert broker.canceled == [number]
