"""Orders that the broker has against what the store knows."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import PlaceOrder, UnreadableRow
from shoonya_platform.domain.alerts import client_order_id, copy_name
from shoonya_platform.domain.discrepancies import DiscrepancyKind as K
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.execution.adoption import STRATEGY
from shoonya_platform.execution.reconciling import STALE_SECONDS
from shoonya_platform.execution.recovery import RecoveryService
from shoonya_platform.execution.taking_back import FOR_EXIT
from shoonya_platform.testing.orders import (
    an_alert_id,
    store_alert,
    store_order,
)
from tests.unit.execution.recovery.conftest import RULES, at_broker
from tests.unit.execution.rows import INSTRUMENTS, S, state, triggers


def kinds(store):
    return [found.kind for found in store.discrepancies.open()]


def test_second_order_under_one_id_is_adopted_with_its_fills(recovery, store, broker):
    order = store_order(store, S.ACCEPTED)
    at_broker(broker, order, order.broker_order_id)
    second = at_broker(broker, order, "B99")
    broker.fill(second, 65)

    recovery.begin()

    copy = store.orders.by_broker_order_id("B99")
    assert copy is not None
    assert copy.client_order_id == copy_name(order.client_order_id, 1)
    assert (copy.status, copy.leg, copy.attempt) == (S.FILLED, order.leg, 2)
    assert state(store, order) == (S.ACCEPTED, 0)
    assert kinds(store) == [K.DUPLICATE_ORDER]

    recovery.begin()

    assert len(store.orders.of_alert(order.alert_id)) == 2


def test_excess_that_is_still_held_is_not_called_closed(recovery, store, broker, clock):
    order = store_order(store, S.ACCEPTED)
    for number in (order.broker_order_id, "B99"):
        broker.fill(at_broker(broker, order, number), 65)
    clock.advance(20)

    recovery.begin()

    (found,) = store.discrepancies.open(K.LEG_OVERFILLED)
    assert found.text.endswith("than it asked for; trading_bot closes the excess")


def test_second_row_with_another_quantity_is_shown_and_not_adopted(
    recovery, store, broker
):
    order = store_order(store, S.ACCEPTED)
    at_broker(broker, order, order.broker_order_id)
    other = at_broker(broker, replace(order, quantity=130), "B99")
    broker.fill(other, 130)

    recovery.begin()

    assert len(store.orders.of_alert(order.alert_id)) == 1
    assert store.positions.open() == []
    (found,) = store.discrepancies.open()
    assert found.kind is K.FOREIGN_CLAIM
    assert "its quantity is 130, ours 65" in found.text


def test_foreign_row_of_an_order_that_was_only_just_adopted_stays_shown(
    recovery, store, broker
):
    made = store_order(store, S.DENIED)
    lacking = replace(made, client_order_id=client_order_id(an_alert_id(), 1, 1))
    at_broker(broker, lacking, "B1")
    other = at_broker(broker, replace(lacking, side=Side.SELL), "B2")

    recovery.begin()

    (found,) = store.discrepancies.unresolved(K.FOREIGN_CLAIM)
    assert found.subject == other


def test_number_of_an_answer_that_was_another_orders_is_put_right(
    recovery, store, broker, clock
):
    order = store_order(store, S.SUBMITTED)
    with store.transaction(durable=False):
        order = store.orders.record(order, "accepted", broker_order_id="B1")
    owner = store_order(store, S.OUTCOME_UNKNOWN)
    at_broker(broker, owner, "B1")
    at_broker(broker, order, "B2")
    clock.advance(20)

    for _ in range(2):
        recovery.begin()

    assert store.orders.by_broker_order_id("B1").order_id == owner.order_id
    assert store.orders.by_broker_order_id("B2").order_id == order.order_id
    assert state(store, order) == state(store, owner) == (S.ACCEPTED, 0)
    assert K.WRONG_NUMBER in kinds(store)


def test_number_goes_to_the_order_that_the_book_names_and_its_holder_is_unknown(
    recovery, store, broker, clock
):
    holder = store_order(store, S.SUBMITTED)
    with store.transaction(durable=False):
        store.orders.record(holder, "accepted", broker_order_id="B1")
    owner = store_order(store, S.OUTCOME_UNKNOWN)
    broker.fill(at_broker(broker, owner, "B1"), 65)
    clock.advance(20)

    recovery.begin()

    assert state(store, owner) == (S.FILLED, 65)
    assert state(store, holder) == (S.OUTCOME_UNKNOWN, 0)
    assert store.orders.by_broker_order_id("B1").order_id == owner.order_id
    assert K.WRONG_NUMBER in kinds(store)


@pytest.fixture
def same_number(store, broker):
    """Two orders that the broker has under one number; the first is filled."""
    first = store_order(store, S.SUBMITTED)
    with store.transaction(durable=False):
        first = store.orders.record(first, "accepted", broker_order_id="B1")
        first = store.orders.note_number(first, "B1", is_confirmed=True)
    second = store_order(store, S.OUTCOME_UNKNOWN)
    broker.fill(at_broker(broker, first, "B1"), 65)
    # The book of a `RecordingBroker` has one row a key.
    broker.book["the first"] = broker.book.pop("B1")
    at_broker(broker, second, "B1")
    return first, second


@pytest.mark.parametrize("fills", [0, 1])
def test_order_under_the_number_of_another_is_booked_by_its_id(
    recovery, store, broker, clock, same_number, fills
):
    first, second = same_number
    clock.advance(20)
    recovery.begin()
    for _ in range(fills):
        broker.fill("B1", 65)
    clock.advance(20)

    for _ in range(2):
        recovery.begin()

    assert state(store, first) == (S.FILLED, 65)
    assert state(store, second) == ((S.FILLED, 65) if fills else (S.ACCEPTED, 0))
    assert store.orders.by_broker_order_id("B1").order_id == first.order_id
    (found,) = store.discrepancies.open()
    assert (found.kind, found.order_id) == (K.WRONG_NUMBER, second.order_id)
    assert f"as B1, the number of order {first.order_id}" in found.text
    assert {position.quantity for position in store.positions.open()} == {
        65 * (1 + fills)
    }


def test_order_under_the_number_of_another_is_not_shown_again_after_its_end(
    recovery, store, broker, clock, same_number
):
    _, second = same_number
    broker.fill("B1", 65)
    clock.advance(20)
    recovery.begin()
    with store.transaction(durable=False):
        store.discrepancies.resolve(K.WRONG_NUMBER, second.client_order_id)

    for _ in range(2):
        clock.advance(20)
        recovery.begin()

    assert store.discrepancies.unresolved() == []


def test_order_that_the_store_lacks_is_adopted_under_the_number_of_another(
    recovery, store, broker, clock, same_number
):
    _, second = same_number
    name = client_order_id(an_alert_id(), 1, 1)
    lacking = replace(second, client_order_id=name)
    at_broker(broker, lacking, "B1")
    broker.fill("B1", 65)
    clock.advance(20)

    recovery.begin()

    adopted = store.orders.by_client_order_id(name)
    assert (adopted.broker_order_id, adopted.filled_quantity) == (None, 65)
    assert set(kinds(store)) >= {K.ORDER_ADOPTED, K.WRONG_NUMBER}


def test_order_that_the_store_lacks_is_adopted_under_its_alert(recovery, store, broker):
    alert_id = store_alert(store)
    order = store_order(store, S.GUARD_PASSED)
    name = client_order_id(alert_id, 1, 1)
    number = at_broker(broker, replace(order, client_order_id=name), "B7")
    broker.fill(number, 65)

    recovery.begin()

    adopted = store.orders.by_client_order_id(name)
    assert adopted is not None
    assert (adopted.alert_id, adopted.strategy) == (alert_id, order.strategy)
    assert (adopted.status, adopted.filled_quantity) == (S.FILLED, 65)
    assert triggers(store, adopted)[0] == "adopted"
    assert kinds(store) == [K.ORDER_ADOPTED]


def test_adopted_orders_have_the_price_factor_of_their_instrument(
    recovery, store, broker
):
    order = replace(
        store_order(store, S.GUARD_PASSED),
        exchange=Exchange.MCX,
        tradingsymbol="GOLD05FEB27",
        quantity=1,
    )
    entry, closing = (client_order_id(an_alert_id(), 1, 1) for _ in range(2))
    bought = at_broker(broker, replace(order, client_order_id=entry), "B7")
    sold = replace(order, client_order_id=closing, side=Side.SELL)
    broker.fill(bought, 1, Decimal(150_000))
    broker.fill(at_broker(broker, sold, "B8"), 1, Decimal(149_700))

    recovery.begin()

    assert store.positions.realised() == -30_000
    adopted = [store.orders.by_client_order_id(name) for name in (entry, closing)]
    assert [each.price_factor for each in adopted] == [100, 100]


def test_copy_of_an_order_has_its_price_factor(recovery, store, broker):
    order = store_order(store, S.ACCEPTED, price_factor=Decimal("0.1"))
    at_broker(broker, order, order.broker_order_id)
    at_broker(broker, order, "B99")

    recovery.begin()

    assert store.orders.by_broker_order_id("B99").price_factor == Decimal("0.1")


@pytest.mark.parametrize(
    ("side", "intent"), [(Side.BUY, Intent.ENTRY), (Side.SELL, Intent.EXIT)]
)
def test_order_against_the_side_of_its_leg_is_adopted_as_what_closed_it(
    recovery, store, broker, side, intent
):
    alert_id = store_alert(store)
    order = store_order(store, S.GUARD_PASSED)
    name = client_order_id(alert_id, 1, 2)
    at_broker(broker, replace(order, client_order_id=name, side=side), "B7")

    recovery.begin()

    assert store.orders.by_client_order_id(name).intent is intent


def test_order_of_an_alert_that_the_store_lacks_gets_a_strategy_of_its_own(
    recovery, store, broker
):
    order = store_order(store, S.GUARD_PASSED)
    name = client_order_id(an_alert_id(), 3, 1)
    number = at_broker(broker, replace(order, client_order_id=name), "B7")
    broker.fill(number, 65)

    recovery.begin()

    (position,) = store.positions.open()
    assert (position.strategy, position.quantity) == (STRATEGY, 65)
    assert kinds(store) == [K.ORDER_ADOPTED]


def test_exit_that_the_store_lacks_closes_what_one_strategy_holds(
    recovery, store, broker
):
    held = store_order(store, S.FILLED, strategy="s2")
    gone = replace(held, side=Side.SELL)
    name = client_order_id(an_alert_id(), 2, 1)
    broker.fill(at_broker(broker, replace(gone, client_order_id=name), "B7"), 65)

    recovery.begin()

    assert store.positions.open() == []
    adopted = store.orders.by_client_order_id(name)
    assert adopted is not None
    assert (adopted.strategy, adopted.intent) == ("s2", Intent.EXIT)


def test_id_of_ours_on_another_instrument_than_its_alert_names_is_not_adopted(
    recovery, store, broker
):
    alert_id = store_alert(store)
    order = store_order(store, S.GUARD_PASSED)
    claim = broker.accept(
        replace(
            PlaceOrder.of(order),
            client_order_id=client_order_id(alert_id, 1, 1),
            tradingsymbol="OTHER",
        ),
        "B7",
    )
    broker.fill(claim.broker_order_id, 65)

    recovery.begin()

    assert store.orders.by_broker_order_id("B7") is None
    assert kinds(store) == [K.FOREIGN_CLAIM]


def test_entry_found_filled_that_an_operator_wanted_canceled_is_kept(
    recovery, store, broker
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by="operator")
    broker.fill(at_broker(broker, order), 65)

    recovery.step()

    assert state(store, order) == (S.FILLED, 65)
    assert K.ORDER_REAPPEARED not in kinds(store)


def test_entry_found_filled_after_its_exit_went_past_it_is_an_incident(
    recovery, store, broker
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by=f"{FOR_EXIT} A1")
    broker.fill(at_broker(broker, order), 65)

    recovery.step()

    assert state(store, order) == (S.FILLED, 65)
    assert K.ORDER_REAPPEARED in kinds(store)


@pytest.mark.parametrize("status", [S.CANCELED, S.REJECTED])
def test_order_that_works_long_after_its_end_is_taken_back_and_canceled_again(
    recovery, store, broker, clock, rings, status
):
    order = store_order(store, status)
    if order.broker_order_id is None:
        with store.transaction(durable=False):
            order = store.orders.note_number(order, "B5", is_confirmed=True)
    at_broker(broker, order, order.broker_order_id)
    recovery.begin()
    assert state(store, order) == (status, 0)

    for _ in range(int(STALE_SECONDS / RULES.interval_seconds)):
        assert "command_service" not in rings
        clock.advance(RULES.interval_seconds)
        recovery.step()

    assert state(store, order) == (S.ACCEPTED, 0)
    assert "command_service" in rings
    assert [r.order_id for r in store.orders.cancel_requests(limit=9)] == [
        order.order_id
    ]
    assert kinds(store) == [K.CANCEL_IGNORED]


def test_book_that_lacks_what_we_know_is_there_proves_nothing(
    recovery, store, broker, clock
):
    lost = store_order(store, S.OUTCOME_UNKNOWN)
    known = store_order(store, S.FILLED)
    for _ in range(5):
        clock.advance(10)
        recovery.step()
    assert state(store, lost) == (S.OUTCOME_UNKNOWN, 0)
    at_broker(broker, known, known.broker_order_id)

    for _ in range(5):
        clock.advance(10)
        recovery.step()

    assert state(store, lost) == (S.NOT_PLACED, 0)


@pytest.mark.parametrize(
    ("intent", "legs", "lost_leg_seconds", "seconds"),
    [
        (Intent.ENTRY, 1, 30.0, 60.0),
        (Intent.ENTRY, 2, 30.0, 30.0),
        (Intent.ENTRY, 2, None, 60.0),
        (Intent.EXIT, 1, 30.0, 12.0),
        (Intent.EXIT, 2, 30.0, 12.0),
    ],
)
def test_how_long_an_order_is_looked_for(
    store, broker, clock, rings, intent, legs, lost_leg_seconds, seconds
):
    rules = replace(
        RULES,
        absent_seconds=60.0,
        exit_absent_seconds=12.0,
        lost_leg_seconds=lost_leg_seconds,
    )
    recovery = RecoveryService(
        store, broker, rules, clock, rings, instruments=INSTRUMENTS
    )
    order = store_order(store, S.OUTCOME_UNKNOWN, intent=intent, side=Side.SELL)
    for leg in range(2, legs + 1):
        store_order(store, S.DENIED, alert_id=order.alert_id, leg=leg)
    waited = 0.0
    recovery.step()
    while state(store, order) == (S.OUTCOME_UNKNOWN, 0) and waited < 100:
        clock.advance(3)
        waited += 3
        recovery.step()

    assert waited == seconds


def test_unknown_outcome_is_shown_while_it_lasts(recovery, store, broker, clock):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    clock.advance(6)
    recovery.step()
    assert kinds(store) == [K.OUTCOME_UNKNOWN]

    at_broker(broker, order)
    recovery.step()
    recovery.step()

    assert kinds(store) == []


def test_row_that_cannot_be_read_is_shown_until_it_can(recovery, store, broker, clock):
    broker.passed_over = [
        UnreadableRow(book="positions", subject="NSE:X", why="product: 'F'")
    ]
    recovery.begin()
    assert [found.subject for found in store.discrepancies.open()] == [
        "positions NSE:X"
    ]

    broker.passed_over = []
    recovery.begin()

    assert kinds(store) == []


@pytest.mark.parametrize(
    ("book", "may_be_ours", "status"),
    [
        ("order_book", True, S.OUTCOME_UNKNOWN),
        ("order_book", False, S.NOT_PLACED),
        ("positions", True, S.NOT_PLACED),
    ],
)
def test_row_of_ours_that_cannot_be_read_may_be_the_one_that_is_missing(
    recovery, store, broker, clock, book, may_be_ours, status
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    broker.passed_over = [
        UnreadableRow(book=book, subject="B7", why="qty: ''", may_be_ours=may_be_ours)
    ]

    for _ in range(5):
        clock.advance(10)
        recovery.step()

    assert state(store, order) == (status, 0)
