"""What only the paper broker does: days, numbers, and a market that walks."""

import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import ModifyOrder
from shoonya_platform.brokers.paper_rows import first_number
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import OrderStatus, Side
from shoonya_platform.errors import BrokerRejected
from tests.unit.brokers.paper.conftest import BEGIN, LOT, SYMBOL, limit, market, status


def test_order_numbers_are_fourteen_digits_that_begin_with_the_day_in_india(
    broker, clock
):
    # 10:00 in India is 36,000 seconds into the day.
    assert broker.place(market()) == "26112536000001"
    assert broker.place(market()) == "26112536000002"

    clock.time = datetime(2026, 11, 25, 18, 29, 59, tzinfo=UTC)
    assert broker.place(market()) == "26112536000003"
    clock.time = datetime(2026, 11, 25, 18, 30, tzinfo=UTC)  # midnight in India
    assert broker.place(market()) == "26112600000001"


def test_book_begun_anew_on_the_same_day_gives_no_number_twice(
    open_broker, path, clock
):
    broker = open_broker()
    numbers = {broker.place(market()) for _ in range(3)}
    broker.close()
    path.unlink()
    clock.time += timedelta(seconds=1)

    again = open_broker()

    assert numbers.isdisjoint(again.place(market()) for _ in range(3))


def test_order_that_outlives_its_day_expires(broker, clock):
    placed = broker.place(limit())
    broker.reports()

    clock.time += timedelta(days=1)

    (report,) = broker.reports()
    assert report.order.broker_order_id == placed
    assert report.order.status is OrderStatus.EXPIRED
    assert broker.limits().margin_used == 0


def test_order_of_yesterday_does_not_trade_at_todays_price(broker, clock):
    broker.place(limit())
    clock.time += timedelta(days=1)

    broker.set_price(Exchange.NFO, SYMBOL, Decimal(50))

    assert broker.trade_book() == []
    assert broker.positions() == []


def test_order_of_yesterday_cannot_be_canceled(broker, clock):
    placed = broker.place(limit())
    clock.time += timedelta(days=1)

    with pytest.raises(BrokerRejected, match="expired"):
        broker.cancel(placed)


def test_books_show_the_day_and_positions_carry_over(broker, clock):
    broker.place(market())

    clock.time += timedelta(days=1)

    assert broker.order_book() == []
    assert broker.trade_book() == []
    assert [position.quantity for position in broker.positions()] == [LOT]


def test_old_rows_are_forgotten_at_start_and_the_account_is_not(
    open_broker, path, clock
):
    first = open_broker()
    first.place(market())
    first.set_price(Exchange.NFO, SYMBOL, Decimal(110))
    first.place(market(side=Side.SELL))
    cash = first.limits().cash

    clock.time += timedelta(days=30)
    again = open_broker()

    assert again.positions() == []
    assert again.limits().cash == cash == Decimal(10_000_000) + 10 * LOT
    connection = sqlite3.connect(path)
    left = connection.execute(
        "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM trades),"
        " (SELECT count(*) FROM reports)"
    ).fetchone()
    connection.close()
    assert left == (0, 0, 0)


def test_numbers_of_the_day_are_found_by_an_index(broker, path):
    query = "EXPLAIN QUERY PLAN SELECT * FROM orders WHERE number >= ? AND number < ?"
    connection = sqlite3.connect(path)
    plan = connection.execute(query, (first_number(BEGIN), 10**14)).fetchone()
    connection.close()

    assert "USING INTEGER PRIMARY KEY" in plan[3]


def test_each_look_at_the_market_fills_one_chunk_at_most(open_broker):
    broker = open_broker(max_fill_quantity=2 * LOT)
    placed = broker.place(market(quantity=5 * LOT))

    filled = []
    for _ in range(3):
        (order,) = broker.order_book()
        filled.append(order.filled_quantity // LOT)

    assert filled == [4, 5, 5]
    assert status(broker, placed) is OrderStatus.FILLED
    assert [trade.fill.quantity for trade in broker.trade_book()] == [130, 130, 65]


def test_walking_price_fills_a_resting_order_with_time(open_broker, clock):
    broker = open_broker(price_source="walk", first_price=Decimal(1000))
    placed = broker.place(limit("999.90"))

    for _ in range(1000):
        clock.time += timedelta(seconds=1)
        if status(broker, placed) is OrderStatus.FILLED:
            return
    pytest.fail("the price never came by")


def new_terms(broker_order_id):
    order = limit("91")
    return ModifyOrder(
        broker_order_id=broker_order_id,
        exchange=order.exchange,
        tradingsymbol=order.tradingsymbol,
        quantity=LOT,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        price=order.price,
        trigger_price=None,
    )


def test_order_of_yesterday_takes_no_new_terms(broker, clock):
    placed = broker.place(limit("90"))
    clock.time += timedelta(days=1)

    with pytest.raises(BrokerRejected, match="not found"):
        broker.modify(new_terms(placed))


def test_canceled_order_takes_no_new_terms(broker):
    placed = broker.place(limit("90"))
    broker.cancel(placed)

    with pytest.raises(BrokerRejected, match="not found"):
        broker.modify(new_terms(placed))

    assert status(broker, placed) is OrderStatus.CANCELED


def test_price_that_is_set_trades_what_it_touches_at_once(broker):
    broker.place(limit("90"))

    broker.set_price(Exchange.NFO, SYMBOL, Decimal(89))

    # The trade book takes no step of the market itself.
    assert [trade.fill.price for trade in broker.trade_book()] == [90]
