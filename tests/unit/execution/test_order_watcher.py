"""The broker's news, in whatever order it comes, ends in the broker's truth."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    CLOSED,
    BrokerOrderId,
    ClientOrderId,
    OrderStatus,
    OrderTrigger,
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
from shoonya_platform.testing.brokers import RecordingBroker
from shoonya_platform.testing.orders import SYMBOL, store_order

S, T = OrderStatus, OrderTrigger


@pytest.fixture
def watcher(store, broker, clock, rings):
    engine = OrderWatcherEngine(store, broker, clock, rings)
    engine.begin()
    return engine


def placing(order, **changes):
    return PlaceOrder(
        **{
            "client_order_id": order.client_order_id,
            "exchange": order.exchange,
            "tradingsymbol": order.tradingsymbol,
            "side": order.side,
            "quantity": order.quantity,
            "order_type": order.order_type,
            "price": order.price,
            "trigger_price": order.trigger_price,
            "product": order.product,
            "time_in_force": order.time_in_force,
            **changes,
        }
    )


def both(store, broker, status=S.ACCEPTED, *, tell=False, **changes):
    """Have an order in our store and at the broker; return it and its number."""
    order = store_order(store, status, **changes)
    number = order.broker_order_id
    claim = broker.accept(placing(order), number)
    if not tell:
        broker.news.clear()
    return order, claim.broker_order_id


def current(store, order):
    return store.orders.get(order.order_id)


def state(store, order):
    found = current(store, order)
    return found.status, found.filled_quantity


def triggers(store, order):
    return [event.trigger for event in store.orders.events(order_id=order.order_id)]


def held(store):
    return [position.quantity for position in store.positions.open()]


# -- reports as they should come -----------------------------------------------


def test_fills_move_the_order_and_the_position(watcher, store, broker):
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


# -- reports as they do come ---------------------------------------------------


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
    assert "accepted" in triggers(store, order)


def test_report_without_our_name_is_found_by_the_brokers_number(watcher, store, broker):
    order, number = both(store, broker)
    report = broker.fill(number, 65)
    broker.news = [replace(report, order=replace(report.order, client_order_id=None))]

    watcher.step()

    assert state(store, order) == (S.FILLED, 65)


def test_more_filled_than_was_ordered_is_not_booked(watcher, store, broker):
    order, number = both(store, broker)
    broker.fill(number, 50)
    broker.fill(number, 50)

    watcher.step()

    assert state(store, order) == (S.PARTIALLY_FILLED, 50)
    assert held(store) == [50]


# -- the books below the reports -----------------------------------------------


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


# -- what is not ours, and what cannot be --------------------------------------


def test_order_of_another_program_is_left_alone(watcher, store, broker, clock):
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


@pytest.mark.parametrize(
    "status", [S.INITIALIZED, S.RISK_PASSED, S.GUARD_PASSED, S.DENIED, S.REJECTED]
)
def test_fill_that_cannot_be_stops_neither_the_watcher_nor_other_orders(
    watcher, store, broker, clock, status
):
    odd, odd_number = both(store, broker, status)
    order, number = both(store, broker, strategy="other")
    broker.fill(odd_number, 65)
    broker.fill(number, 65)

    watcher.step()
    clock.advance(RECONCILE_SECONDS + 1)
    watcher.step()
    OrderWatcherEngine(store, broker, clock, lambda *_: None).begin()

    assert state(store, odd) == (status, 0)
    assert state(store, order) == (S.FILLED, 65)
    assert held(store) == [65]


# -- prices --------------------------------------------------------------------


def test_last_prices_of_what_is_held_are_kept(watcher, store, broker):
    order = store_order(store, S.FILLED)
    broker.prices[order.exchange, order.tradingsymbol] = Decimal("110.5")

    watcher.step()

    assert store.positions.open()[0].last_price == Decimal("110.5")


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


# -- whatever order it comes in ------------------------------------------------

# Fills, then perhaps an end; and an order in which the news comes, or does not.
lives = st.tuples(
    st.lists(st.integers(1, 30), max_size=4),
    st.sampled_from([None, S.CANCELED, S.EXPIRED, S.REJECTED]),
    st.lists(st.integers(0, 5), max_size=12),
    st.sampled_from([S.SUBMITTED, S.OUTCOME_UNKNOWN, S.ACCEPTED, S.PENDING_CANCEL]),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(life=lives, steps=st.sets(st.integers(0, 12)))
def test_any_order_of_reports_ends_in_what_the_books_say(
    store, clock, rings, life, steps
):
    fills, end, news, status = life
    broker = RecordingBroker(clock)
    watcher = OrderWatcherEngine(store, broker, clock, rings)
    order = store_order(store, status, quantity=65, strategy="hypothetical")
    before = sum(held(store))
    number = BrokerOrderId(f"B{order.order_id}")
    broker.accept(placing(order), number)
    for quantity in fills:
        if broker.book[number].filled_quantity + quantity <= 65:
            broker.fill(number, quantity)
    if end is not None and broker.book[number].status is not S.FILLED:
        broker.end(number, end)
    told = [broker.news[n % len(broker.news)] for n in news]
    for n, report in enumerate(told):
        broker.news = [report]
        watcher.step()
        if n in steps:
            clock.advance(RECONCILE_SECONDS + 1)
            watcher.step()

    broker.news = []
    clock.advance(RECONCILE_SECONDS + 1)
    watcher.step()

    truth, after = broker.book[number], current(store, order)
    assert after.filled_quantity == truth.filled_quantity
    assert sum(held(store)) - before == truth.filled_quantity
    if truth.status in CLOSED:
        assert after.status is truth.status
    if after.average_price is not None and truth.average_price is not None:
        assert abs(after.average_price - truth.average_price) < Decimal("1e-9")
    # Neither should the next example's watcher hear of this one.
    if not after.is_closed:
        with store.transaction(durable=False):
            store.orders.record(after, T.CANCELED)


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
