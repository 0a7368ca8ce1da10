"""recovery_service finds out what happened, and claims nothing unproven."""

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.brokers.paper import FaultKind, PaperBroker, PaperSettings
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.discrepancies import DiscrepancyKind as K
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.execution.recovery import RecoveryService
from shoonya_platform.testing.orders import store_alert, store_order
from tests.preconditions import at_any_moment
from tests.unit.execution.recovery.conftest import RULES, at_broker
from tests.unit.execution.rows import INSTRUMENTS, S, T, state


def test_order_found_at_the_broker_is_accepted_under_its_number(
    recovery, store, broker, rings
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    number = at_broker(broker, order)

    recovery.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.broker_order_id) == (S.ACCEPTED, number)
    assert "order_watcher" in rings


def test_order_found_filled_is_filled_with_its_position(recovery, store, broker):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    number = at_broker(broker, order)
    broker.fill(number, 25, 100)
    broker.fill(number, 40, 101)

    recovery.step()

    assert state(store, order) == (S.FILLED, 65)
    assert [position.quantity for position in store.positions.open()] == [65]


@pytest.mark.parametrize("status", [S.REJECTED, S.CANCELED, S.EXPIRED])
def test_order_found_at_its_end_is_at_its_end(recovery, store, broker, rings, status):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    broker.end(at_broker(broker, order), status, "why")

    recovery.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.reason) == (status, "why")
    assert "trading_bot" in rings


def test_order_found_late_in_the_search_is_still_believed(
    recovery, store, broker, clock
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    recovery.step()
    clock.advance(5)
    recovery.step()

    clock.advance(5)
    at_broker(broker, order)
    recovery.step()

    assert state(store, order) == (S.ACCEPTED, 0)


def test_order_that_moved_meanwhile_is_left_to_who_moved_it(
    recovery, store, broker, clock
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    number = at_broker(broker, order)
    original = broker.trade_book

    def trade_book():
        broker.trade_book = original
        with store.transaction(durable=False):
            store.orders.record(
                store.orders.get(order.order_id), T.CANCELED, broker_order_id=number
            )
        return original()

    broker.trade_book = trade_book

    recovery.step()

    assert state(store, order) == (S.CANCELED, 0)


def test_broker_is_seldom_asked_while_nothing_is_unknown(
    recovery, store, broker, clock
):
    for status in S:
        if status is not S.OUTCOME_UNKNOWN:
            store_order(store, status)

    for _ in range(3):
        clock.advance(1)
        recovery.step()

    assert broker.readings["order_book"] == 1


def search(recovery, clock, *pauses):
    """Look once, then again after each pause."""
    recovery.step()
    for seconds in pauses:
        clock.advance(seconds)
        recovery.step()


@pytest.mark.parametrize(
    ("pauses", "status"),
    [
        pytest.param((), S.OUTCOME_UNKNOWN, id="one-reading"),
        pytest.param((20,), S.OUTCOME_UNKNOWN, id="too-few-readings"),
        pytest.param((2, 5.9), S.OUTCOME_UNKNOWN, id="too-short"),
        pytest.param((1,) * 7, S.OUTCOME_UNKNOWN, id="many-readings-too-short"),
        pytest.param((4, 4), S.NOT_PLACED, id="just-enough"),
        pytest.param((1,) * 8, S.NOT_PLACED, id="many-readings"),
    ],
)
def test_absence_is_proven_by_enough_readings_over_enough_time(
    recovery, store, clock, pauses, status
):
    order = store_order(store, S.OUTCOME_UNKNOWN)

    search(recovery, clock, *pauses)

    assert state(store, order) == (status, 0)


def test_outcome_of_an_earlier_day_is_never_proven_by_todays_book(
    recovery, store, clock, events
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    clock.advance(24 * 3600)

    search(recovery, clock, 4, 6)

    assert state(store, order) == (S.EXPIRED, 0)
    assert "proves nothing" in store.orders.get(order.order_id).reason
    assert "outcome_lost" in events()


def lost_and_replaced(store, filled=0):
    """Return an order proven absent, and the one that was sent in its place."""
    alert_id = store_alert(store)
    lost = store_order(store, S.NOT_PLACED, alert_id=alert_id)
    status = S.PARTIALLY_FILLED if filled else S.ACCEPTED
    second = store_order(
        store, status, alert_id=alert_id, attempt=2, filled_quantity=filled
    )
    return lost, second


def test_order_that_turns_up_after_it_was_replaced_is_an_incident(
    recovery, store, broker, clock, rings
):
    lost, second = lost_and_replaced(store)
    at_broker(broker, lost)
    at_broker(broker, second, second.broker_order_id)

    recovery.begin()

    assert state(store, lost) == (S.ACCEPTED, 0)
    (found,) = store.discrepancies.open()
    assert (found.kind, found.order_id) == (K.ORDER_REAPPEARED, lost.order_id)
    assert "trading_bot" in rings


def test_order_that_turns_up_at_its_end_is_an_incident_too(
    recovery, store, broker, clock
):
    lost, second = lost_and_replaced(store)
    broker.end(at_broker(broker, lost), S.REJECTED, "no")
    at_broker(broker, second, second.broker_order_id)

    recovery.begin()

    assert [found.order_id for found in store.discrepancies.open()] == [lost.order_id]
    assert state(store, lost) == (S.REJECTED, 0)
    assert state(store, second) == (S.ACCEPTED, 0)


def test_order_proven_absent_says_how_and_trading_bot_is_rung(
    recovery, store, clock, rings
):
    order = store_order(store, S.OUTCOME_UNKNOWN)

    search(recovery, clock, 4, 6)

    after = store.orders.get(order.order_id)
    assert after.reason == "absent from 3 readings of the order book over 10 s"
    assert "trading_bot" in rings


def test_service_that_is_killed_again_and_again_proves_an_absence_all_the_same(
    store, broker, clock, rings
):
    order = store_order(store, S.OUTCOME_UNKNOWN)

    for _ in range(3):
        # Each lives for one reading only.
        RecoveryService(
            store, broker, RULES, clock, rings, instruments=INSTRUMENTS
        ).step()
        clock.advance(5)

    assert state(store, order) == (S.NOT_PLACED, 0)


@pytest.mark.parametrize("book", ["order_book", "trade_book"])
def test_reading_that_fails_proves_nothing(recovery, store, broker, clock, book):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    recovery.step()
    original = getattr(broker, book)

    def fail():
        raise BrokerUnavailable("away")

    setattr(broker, book, fail)
    for _ in range(5):
        clock.advance(10)
        with pytest.raises(BrokerUnavailable):
            recovery.step()
    setattr(broker, book, original)
    assert state(store, order) == (S.OUTCOME_UNKNOWN, 0)
    recovery.step()

    # The second reading that worked; it takes a third.
    assert state(store, order) == (S.OUTCOME_UNKNOWN, 0)
    recovery.step()
    assert state(store, order) == (S.NOT_PLACED, 0)


def test_order_that_is_found_by_another_during_the_last_reading_is_not_lost(
    recovery, store, broker, clock
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    search(recovery, clock, 4)
    clock.advance(4)
    original = broker.trade_book

    def trade_book():
        broker.trade_book = original
        with store.transaction(durable=False):
            store.orders.record(store.orders.get(order.order_id), T.ACCEPTED)
        return original()

    broker.trade_book = trade_book

    recovery.step()

    assert state(store, order) == (S.ACCEPTED, 0)


def test_readings_from_before_an_order_was_found_do_not_count_later(
    recovery, store, broker, clock
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    for _ in range(RULES.absent_reads - 1):
        recovery.step()
        clock.advance(RULES.absent_seconds)
    number = at_broker(broker, order)
    recovery.step()
    assert state(store, order) == (S.ACCEPTED, 0)
    # The row was another order's after all.
    del broker.book[number]
    with store.transaction(durable=False):
        found = store.orders.get(order.order_id)
        found = store.orders.note_number(found, None, is_confirmed=False)
        store.orders.record(found, T.OUTCOME_UNKNOWN)
    clock.advance(RULES.absent_seconds)

    recovery.step()

    assert state(store, order) == (S.OUTCOME_UNKNOWN, 0)


def test_each_order_has_a_search_of_its_own(recovery, store, clock):
    first = store_order(store, S.OUTCOME_UNKNOWN)
    search(recovery, clock, 4)
    second = store_order(store, S.OUTCOME_UNKNOWN)
    clock.advance(4)

    recovery.step()

    assert state(store, first) == (S.NOT_PLACED, 0)
    assert state(store, second) == (S.OUTCOME_UNKNOWN, 0)


def test_orders_of_others_do_not_stand_in_for_ours(recovery, store, broker, clock):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    other = store_order(store, S.ACCEPTED)
    broker.accept(
        PlaceOrder(
            client_order_id=other.client_order_id,
            exchange=order.exchange,
            tradingsymbol=order.tradingsymbol,
            side=order.side,
            quantity=order.quantity,
            order_type=order.order_type,
            price=None,
            trigger_price=None,
            product=order.product,
            time_in_force=order.time_in_force,
        ),
        other.broker_order_id,
    )

    search(recovery, clock, 4, 4)

    assert state(store, order) == (S.NOT_PLACED, 0)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param(FaultKind.ACCEPT_THEN_TIMEOUT, S.FILLED, id="it-had-arrived"),
        pytest.param(FaultKind.LOSE_REQUEST, S.NOT_PLACED, id="it-was-lost"),
    ],
)
def test_timed_out_order_ends_as_it_really_did_and_is_placed_at_most_once(
    tmp_path, store, clock, rings, fault, status
):
    paper = PaperBroker(
        tmp_path / "paper.db",
        PaperSettings(),
        catalogue=Catalogue(catalogue_defaults()),
        clock=clock,
        timeout_seconds=5.0,
    )
    paper.add_fault(fault)
    order = store_order(store, S.GUARD_PASSED)
    CommandService(store, paper, clock, rings, at_any_moment(store)).step()
    assert state(store, order) == (S.OUTCOME_UNKNOWN, 0)

    search(
        RecoveryService(store, paper, RULES, clock, rings, instruments=INSTRUMENTS),
        clock,
        4,
        4,
    )

    assert state(store, order)[0] is status
    placed = [o.client_order_id for o in paper.order_book()]
    assert placed == [order.client_order_id] * (status is S.FILLED)
    paper.close()
