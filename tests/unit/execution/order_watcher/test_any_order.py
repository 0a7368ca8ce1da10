"""The broker's news, in whatever order it comes, ends in the broker's truth."""

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoonya_platform.domain.orders import CLOSED, BrokerOrderId
from shoonya_platform.execution.order_watcher import (
    RECONCILE_SECONDS,
    OrderWatcherEngine,
)
from shoonya_platform.testing.brokers import RecordingBroker
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.order_watcher.conftest import held, placing
from tests.unit.execution.rows import S, T, current

# Fills, then perhaps an end; and an order in which the news comes, or does not.
lives = st.tuples(
    st.lists(st.integers(1, 30), max_size=4),
    st.sampled_from([None, S.CANCELED, S.EXPIRED, S.REJECTED]),
    st.lists(st.integers(0, 5), max_size=12),
    st.sampled_from([S.SUBMITTED, S.OUTCOME_UNKNOWN, S.ACCEPTED, S.PENDING_CANCEL]),
)


@settings(
    max_examples=60,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
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
