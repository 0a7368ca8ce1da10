"""Reports as they should come, and as they do come."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import UnreadableRow
from shoonya_platform.domain.orders import OrderType, TradeId
from shoonya_platform.execution.order_watcher import RECONCILE_SECONDS
from tests.unit.execution.order_watcher.conftest import both, held
from tests.unit.execution.rows import S, current, state, triggers


def test_fills_move_the_order_and_the_position(watcher, store, broker, events):
    order, number = both(store, broker)
    broker.fill(number, 25, 100)
    assert watcher.step() == 1
    assert state(store, order) == (S.PARTIALLY_FILLED, 25)

    broker.fill(number, 40, 110)
    watcher.step()

    after = current(store, order)
    assert (after.status, after.filled_quantity) == (S.FILLED, 65)
    assert after.average_price == (25 * Decimal(100) + 40 * Decimal(110)) / 65
    assert held(store) == [65]
    assert events().count("order_filled") == 2
    assert "order_overfilled" not in events()


@pytest.mark.parametrize("status", [S.CANCELED, S.REJECTED, S.EXPIRED])
def test_end_is_recorded_with_its_reason_and_trading_bot_is_rung(
    watcher, store, broker, rings, status
):
    order, number = both(store, broker)
    broker.end(number, status, "RED:why")

    watcher.step()

    after = current(store, order)
    assert (after.status, after.reason) == (status, "RED:why")
    assert "trading_bot" in rings


def test_nothing_new_is_nothing_written(watcher, store, broker, clock):
    order, _ = both(store, broker, tell=True)
    before = store.orders.events(order_id=order.order_id)

    for _ in range(3):
        clock.advance(RECONCILE_SECONDS + 1)
        watcher.step()

    assert current(store, order) == order
    assert store.orders.events(order_id=order.order_id) == before


def test_cancel_that_crosses_a_fill_ends_in_both(watcher, store, broker):
    order, number = both(store, broker, S.PENDING_CANCEL)
    broker.fill(number, 25)
    broker.end(number, S.CANCELED)

    watcher.step()

    assert state(store, order) == (S.CANCELED, 25)
    assert held(store) == [25]


def test_whole_fill_that_crosses_a_cancel_fills(watcher, store, broker):
    order, number = both(store, broker, S.PENDING_CANCEL)
    broker.fill(number, 65)

    watcher.step()

    assert state(store, order) == (S.FILLED, 65)


def test_doubled_report_counts_once(watcher, store, broker):
    order, number = both(store, broker)
    report = broker.fill(number, 25)
    broker.news = [report, report]

    watcher.step()
    broker.news = [report]
    watcher.step()

    assert state(store, order) == (S.PARTIALLY_FILLED, 25)
    assert held(store) == [25]


def test_reports_out_of_order_end_alike(watcher, store, broker):
    order, number = both(store, broker, tell=True)
    broker.fill(number, 25)
    broker.fill(number, 15)
    broker.end(number, S.CANCELED)
    broker.news.reverse()

    watcher.step()

    # The cancel came first and had to wait for the fills before it.
    assert state(store, order)[1] == 40
    assert held(store) == [40]


def test_end_waits_for_the_fills_before_it(watcher, store, broker, clock):
    order, number = both(store, broker)
    broker.fill(number, 25)
    broker.news.clear()
    broker.end(number, S.CANCELED)

    watcher.step()
    assert state(store, order) == (S.ACCEPTED, 0)
    clock.advance(RECONCILE_SECONDS + 0.1)
    watcher.step()

    assert state(store, order) == (S.CANCELED, 25)


@pytest.mark.parametrize("status", [S.CANCELED, S.EXPIRED])
def test_late_fill_after_the_end_counts(watcher, store, broker, status):
    order, number = both(store, broker)
    broker.end(number, status)
    watcher.step()

    broker.fill(number, 25)
    watcher.step()
    assert state(store, order) == (status, 25)
    broker.fill(number, 40)
    watcher.step()

    assert state(store, order) == (S.FILLED, 65)
    assert held(store) == [65]


@pytest.mark.parametrize("status", [S.SUBMITTED, S.OUTCOME_UNKNOWN, S.NOT_PLACED])
def test_report_before_the_answer_is_believed(watcher, store, broker, status):
    order, number = both(store, broker, status, tell=True)
    broker.fill(number, 25)

    watcher.step()

    after = current(store, order)
    assert (after.status, after.filled_quantity) == (S.PARTIALLY_FILLED, 25)
    assert after.broker_order_id == number
    assert {"accepted", "found"} & set(triggers(store, order))


@pytest.mark.parametrize("status", [S.GUARD_PASSED, S.NOT_PLACED])
def test_order_that_turns_up_notifies_the_operator_and_its_alerts_services(
    watcher, store, broker, rings, events, status
):
    both(store, broker, status, tell=True)

    watcher.step()

    assert "order_turned_up" in events()
    assert {"trading_bot", "command_service"} <= set(rings)


def test_report_without_our_name_is_found_by_the_brokers_number(watcher, store, broker):
    order, number = both(store, broker)
    report = broker.fill(number, 65)
    broker.news = [replace(report, order=replace(report.order, client_order_id=None))]

    watcher.step()

    assert state(store, order) == (S.FILLED, 65)


def test_more_than_was_ordered_is_booked_once_the_trade_book_says_so(
    watcher, store, broker, clock, events
):
    order, number = both(store, broker)
    broker.fill(number, 50)
    broker.fill(number, 50)

    watcher.step()
    assert state(store, order) == (S.PARTIALLY_FILLED, 50)
    assert held(store) == [50]
    clock.advance(RECONCILE_SECONDS + 0.1)
    watcher.step()

    assert state(store, order) == (S.FILLED, 65)
    after = store.orders.get(order.order_id)
    assert (after.overfilled_quantity, after.reason) == (35, "35 more than was ordered")
    assert held(store) == [100]
    assert events().count("order_overfilled") == 1


def test_report_under_another_trades_name_books_nothing_twice(
    watcher, store, broker, clock
):
    order, number = both(store, broker)
    report = broker.fill(number, 65)
    broker.news.append(
        replace(report, fill=replace(report.fill, trade_id=TradeId("another")))
    )

    watcher.step()
    clock.advance(RECONCILE_SECONDS + 0.1)
    watcher.step()

    assert state(store, order) == (S.FILLED, 65)
    assert held(store) == [65]


def limit_order(store, broker, **changes):
    """Have a limit order at 101 in our store and at the broker."""
    fields = {"order_type": OrderType.LIMIT, "price": Decimal(101), **changes}
    return both(store, broker, **fields)


def test_late_fill_with_the_old_price_does_not_undo_the_new_one(watcher, store, broker):
    order, number = limit_order(store, broker)
    report = broker.fill(number, 25)
    broker.news = [replace(report, order=replace(report.order, price=Decimal(100)))]

    watcher.step()

    assert state(store, order) == (S.PARTIALLY_FILLED, 25)
    assert current(store, order).price == 101


def test_larger_quantity_is_believed_once_something_trades(watcher, store, broker):
    order, number = limit_order(store, broker)
    broker.add(replace(broker.book[number], quantity=130))
    watcher.step()
    assert current(store, order).quantity == 65

    broker.fill(number, 25)
    watcher.step()

    assert current(store, order).quantity == 130


@pytest.mark.parametrize("stop", [True, False], ids=["stop", "limit"])
def test_row_without_a_trigger_price_leaves_ours(watcher, store, broker, clock, stop):
    changes = {"order_type": OrderType.STOP_LIMIT, "trigger_price": Decimal(100)}
    order, number = limit_order(store, broker, **(changes if stop else {}))
    # Zero is how some rows say "none", also where there was never one.
    for price in (None, Decimal(0)):
        broker.add(replace(broker.book[number], trigger_price=price))
        clock.advance(RECONCILE_SECONDS + 1)
        watcher.step()

    assert current(store, order) == order


def test_report_that_cannot_be_read_is_counted_and_logged_once(
    watcher, store, broker, events
):
    order, number = both(store, broker)
    broker.fill(number, 65, 100)
    for number in ("7", "7", "8"):
        broker.passed_over = [
            UnreadableRow(book="reports", subject=number, why="'pcode' is 'F'"),
            UnreadableRow(book="positions", subject="SBIN-EQ", why="'prd' is 'F'"),
        ]
        watcher.step()

    assert events().count("report_unreadable") == 2
    assert "3 reports could not be read" in watcher.status()
    assert state(store, order) == (S.FILLED, 65)
