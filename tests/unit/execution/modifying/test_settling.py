"""Unknown terms are settled by what the order book shows."""

from decimal import Decimal

import pytest

from shoonya_platform.domain.terms import ModifyStage
from shoonya_platform.errors import BrokerUnavailable
from tests.unit.execution.modifying.conftest import claimed, pending, stage
from tests.unit.execution.rows import S, T, current


def test_unknown_terms_that_the_book_shows_hold(store, broker, search, rings):
    order = pending(store, broker, stage=ModifyStage.UNKNOWN)
    claimed(broker, order, price=Decimal(101))

    search.step()

    assert (current(store, order).status, current(store, order).price) == (
        S.ACCEPTED,
        Decimal(101),
    )
    assert stage(store, order) == "replaced"
    assert {"order_watcher", "trading_bot"} <= set(rings)


def test_unknown_terms_are_given_up_after_several_readings_over_long_enough(
    store, broker, search, clock, rings
):
    order = pending(store, broker, stage=ModifyStage.UNKNOWN)

    for _ in range(5):
        search.step()
        clock.advance(1.0)
    assert current(store, order).status is S.PENDING_REPLACE
    clock.advance(4.0)
    search.step()

    after = current(store, order)
    assert (after.status, after.price) == (S.ACCEPTED, Decimal(100))
    assert stage(store, order).startswith("rejected: 6 readings of the order book")
    assert broker.modified == []
    assert {"order_watcher", "trading_bot"} <= set(rings)


def test_reading_that_fails_proves_nothing(store, broker, search, clock):
    order = pending(store, broker, stage=ModifyStage.UNKNOWN)
    broker.is_down = True

    for _ in range(9):
        with pytest.raises(BrokerUnavailable):
            search.step()
        clock.advance(9.0)
    broker.is_down = False
    search.step()

    assert current(store, order).status is S.PENDING_REPLACE


def test_terms_on_their_way_are_not_judged_by_the_book(store, broker, search, clock):
    order = pending(store, broker, stage=ModifyStage.SENDING)

    for _ in range(5):
        search.step()
        clock.advance(9.0)

    assert current(store, order).status is S.PENDING_REPLACE


def test_request_of_an_order_that_ended_otherwise_is_done(store, broker, search):
    order = pending(store, broker)
    with store.transaction(durable=False):
        store.orders.record(order, T.CANCELED)

    search.step()

    assert stage(store, order) == "the order is canceled"
