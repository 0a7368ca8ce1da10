"""Other terms, and the fills and cancels that cross them."""

from dataclasses import replace
from decimal import Decimal

from shoonya_platform.domain.terms import ModifyStage
from shoonya_platform.execution.order_watcher import RECONCILE_SECONDS
from tests.unit.execution.modifying.conftest import (
    claimed,
    pending,
    request,
    stage,
    terms,
    working,
)
from tests.unit.execution.rows import S, current


def test_fill_that_crosses_the_terms_counts_and_the_terms_are_still_awaited(
    store, broker, watcher
):
    order = pending(store, broker)
    broker.fill(order.broker_order_id, 25)

    watcher.step()

    after = current(store, order)
    assert (after.status, after.filled_quantity) == (S.PENDING_REPLACE, 25)
    assert stage(store, order) == "sent"


def test_order_that_fills_before_the_terms_hold_is_filled(store, broker, watcher):
    order = pending(store, broker)
    broker.fill(order.broker_order_id, 65)

    watcher.step()

    assert current(store, order).status is S.FILLED
    assert stage(store, order) == "the order is filled"


def test_fill_beyond_the_old_quantity_brings_the_new_one_along(store, broker, watcher):
    order = pending(store, broker, terms("101", 130))
    claimed(broker, order, quantity=130, price=Decimal(101))
    broker.news.clear()
    broker.fill(order.broker_order_id, 130)

    watcher.step()

    after = current(store, order)
    assert (after.status, after.quantity, after.filled_quantity) == (S.FILLED, 130, 130)
    assert [p.quantity for p in store.positions.open()] == [130]


def test_quantity_cut_to_what_was_filled_by_then_ends_the_order(store, broker, watcher):
    order = pending(store, broker, terms("100", 65), quantity=130)
    broker.fill(order.broker_order_id, 65)
    watcher.step()
    claimed(broker, order, quantity=65, status=S.FILLED)

    watcher.step()

    after = current(store, order)
    assert (after.status, after.quantity) == (S.FILLED, 65)


def test_cancel_does_not_wait_for_the_terms(store, broker, command, watcher):
    order = pending(store, broker)
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by="me")

    command.step()
    assert current(store, order).status is S.PENDING_CANCEL
    watcher.step()

    assert broker.canceled == [order.broker_order_id]
    assert current(store, order).status is S.CANCELED


def test_order_that_is_being_canceled_gets_no_terms(store, broker, command):
    order = working(store, broker, S.PENDING_CANCEL)
    request(store, order, stage=ModifyStage.GUARD_PASSED)

    assert command.step() == 0
    assert broker.modified == []


def test_late_report_with_old_terms_does_not_undo_new_ones(store, broker, watcher):
    order = pending(store, broker)
    old = broker.book[order.broker_order_id]
    claimed(broker, order, price=Decimal(101))
    watcher.step()
    broker.add(old)

    watcher.step()

    assert current(store, order).price == Decimal(101)


def test_late_report_with_other_terms_than_those_asked_for_settles_nothing(
    store, broker, watcher
):
    order = pending(store, broker, terms("102"))
    claimed(broker, order, price=Decimal(98))

    watcher.step()

    after = current(store, order)
    assert (after.status, after.price) == (S.PENDING_REPLACE, Decimal(100))
    assert stage(store, order) == "sent"


def test_exchange_that_refuses_what_the_broker_took_leaves_the_old_terms(
    store, broker, watcher
):
    order = pending(store, broker)
    claim = claimed(broker, order, reason="RED:no")
    broker.news[-1] = replace(broker.news[-1], is_replace_refused=True)

    watcher.step()

    assert (current(store, order).status, current(store, order).price) == (
        S.ACCEPTED,
        Decimal(100),
    )
    assert stage(store, order) == f"rejected: {claim.reason}"


def test_terms_changed_elsewhere_are_taken_from_the_book(store, broker, watcher, clock):
    order = working(store, broker)
    claimed(broker, order, price=Decimal(99), quantity=130)
    broker.news.clear()
    clock.advance(RECONCILE_SECONDS + 1)

    watcher.step()

    after = current(store, order)
    assert (after.price, after.quantity, after.status) == (Decimal(99), 130, S.ACCEPTED)
