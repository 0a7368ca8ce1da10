"""The books below the reports; what is not ours; prices."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.domain.discrepancies import DiscrepancyKind as K
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    OrderType,
    Side,
    TimeInForce,
)
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.order_watcher import (
    LOOK_SECONDS,
    PRICES_A_LOOK,
    RECONCILE_SECONDS,
    OrderWatcherEngine,
)
from shoonya_platform.testing.orders import SYMBOL, store_order
from tests.unit.execution.order_watcher.conftest import both, held
from tests.unit.execution.rows import S, current, state


def test_missing_reports_are_made_good_from_the_books(watcher, store, broker, clock):
    order, number = both(store, broker)
    broker.fill(number, 25)
    broker.end(number, S.CANCELED)
    broker.news.clear()

    watcher.step()
    assert state(store, order) == (S.ACCEPTED, 0)
    clock.advance(RECONCILE_SECONDS + 0.1)
    watcher.step()

    assert state(store, order) == (S.CANCELED, 25)


def test_start_takes_up_what_happened_meanwhile(store, broker, clock, rings):
    order, number = both(store, broker)
    unanswered, _ = both(store, broker, S.SUBMITTED, strategy="other")
    broker.fill(number, 65)
    broker.news.clear()

    OrderWatcherEngine(store, broker, clock, rings).begin()

    assert state(store, order) == (S.FILLED, 65)
    assert state(store, unanswered) == (S.ACCEPTED, 0)


def test_books_are_read_only_while_orders_are_working(watcher, store, broker, clock):
    store_order(store, S.FILLED)
    before = broker.readings["order_book"]

    for _ in range(3):
        clock.advance(RECONCILE_SECONDS + 1)
        watcher.step()

    assert broker.readings["order_book"] == before


def test_books_are_not_read_at_each_ring(watcher, store, broker, clock):
    both(store, broker)
    clock.advance(RECONCILE_SECONDS + 1)
    watcher.step()
    before = broker.readings["order_book"]

    for _ in range(10):
        watcher.step()

    assert broker.readings["order_book"] == before


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="untouched"),
        pytest.param({"filled_quantity": 25}, id="filled-in-part"),
    ],
)
def test_order_book_that_agrees_needs_no_trade_book(
    watcher, store, broker, clock, changes
):
    status = S.PARTIALLY_FILLED if changes else S.ACCEPTED
    _, number = both(store, broker, status, **changes)
    if changes:
        broker.book[number] = replace(broker.book[number], **changes)
    read = broker.readings.get("trade_book", 0)

    clock.advance(RECONCILE_SECONDS + 1)
    watcher.step()

    assert broker.readings.get("trade_book", 0) == read


def test_trade_book_that_lags_leaves_the_end_for_later(watcher, store, broker, clock):
    order, number = both(store, broker)
    broker.fill(number, 25)
    broker.end(number, S.CANCELED)
    broker.news.clear()
    trades, broker.trades = broker.trades, []
    clock.advance(RECONCILE_SECONDS + 1)
    watcher.step()
    assert state(store, order) == (S.ACCEPTED, 0)

    broker.trades = trades
    clock.advance(RECONCILE_SECONDS + 1)
    watcher.step()

    assert state(store, order) == (S.CANCELED, 25)


def test_broker_that_is_away_changes_nothing(watcher, store, broker, clock):
    order, _ = both(store, broker)
    broker.is_down = True

    with pytest.raises(BrokerUnavailable):
        watcher.step()

    assert current(store, order) == order


def test_order_of_another_program_is_left_alone_and_shown_once(
    watcher, store, broker, clock, events
):
    both(store, broker)
    external = broker.accept(
        PlaceOrder(
            client_order_id=ClientOrderId("theirs"),
            exchange=Exchange.NFO,
            tradingsymbol=SYMBOL,
            side=Side.BUY,
            quantity=65,
            order_type=OrderType.MARKET,
            price=None,
            trigger_price=None,
            product=Product.NRML,
            time_in_force=TimeInForce.DAY,
        ),
        BrokerOrderId("E1"),
    )
    broker.fill(external.broker_order_id, 65)

    watcher.step()
    clock.advance(RECONCILE_SECONDS + 1)
    watcher.step()

    assert held(store) == []
    assert len(store.orders.recent(limit=9)) == 1
    assert events().count("external_order") == 1


def test_row_that_cannot_be_booked_stops_neither_the_watcher_nor_other_orders(
    watcher, store, broker, clock
):
    odd, odd_number = both(store, broker)
    order, number = both(store, broker, strategy="other")
    broker.fill(odd_number, 65)
    broker.fill(number, 65)
    claim = broker.book[odd_number]
    broker.book[odd_number] = replace(claim, side=Side.SELL)
    broker.news[0] = replace(broker.news[0], order=broker.book[odd_number])

    watcher.step()
    clock.advance(RECONCILE_SECONDS + 1)
    watcher.step()
    OrderWatcherEngine(store, broker, clock, lambda *_: None).begin()

    assert state(store, odd) == (S.ACCEPTED, 0)
    assert state(store, order) == (S.FILLED, 65)
    assert held(store) == [65]
    (found,) = store.discrepancies.open()
    assert (found.kind, found.subject) == (K.FOREIGN_CLAIM, odd_number)


def test_last_prices_of_what_is_held_are_kept(watcher, store, broker):
    order = store_order(store, S.FILLED)
    broker.prices[order.exchange, order.tradingsymbol] = Decimal("110.5")

    watcher.step()

    assert store.positions.open()[0].last_price == Decimal("110.5")


def test_last_price_of_what_only_works_is_kept_for_its_new_terms(
    watcher, store, broker
):
    order, _ = both(store, broker)
    broker.prices[order.exchange, order.tradingsymbol] = Decimal("110.5")

    watcher.step()

    assert store.positions.last_price(order.exchange, order.tradingsymbol) == Decimal(
        "110.5"
    )


def test_price_that_the_broker_does_not_know_stays(watcher, store):
    store_order(store, S.FILLED)

    watcher.step()

    assert store.positions.open()[0].last_price == 100


def test_status_says_what_is_watched(watcher, store, broker):
    _, number = both(store, broker)
    both(store, broker, strategy="other")
    broker.fill(number, 25)
    watcher.step()

    assert watcher.status() == "watching 2 open orders, 1 fills so far"


def test_prices_of_many_instruments_are_asked_for_in_turns(
    watcher, store, broker, clock
):
    symbols = [f"NIFTY28DEC27C{20000 + n}" for n in range(PRICES_A_LOOK + 5)]
    for symbol in symbols:
        order = store_order(store, S.FILLED, tradingsymbol=symbol)
        broker.prices[order.exchange, symbol] = Decimal(105)

    watcher.step()
    clock.advance(LOOK_SECONDS)
    watcher.step()

    assert {position.last_price for position in store.positions.open()} == {105}
