"""Our book takes over what the broker holds, and an order explains it."""

from decimal import Decimal

import pytest

from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.errors import NotAllowed
from shoonya_platform.execution.position_adoption import adopt, differences
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.rows import S, broker_holds


@pytest.fixture
def held(store):
    return store_order(store, S.FILLED, quantity=130)


def show(store, order):
    with store.transaction(durable=False):
        store.discrepancies.note(
            Discrepancy(
                kind=DiscrepancyKind.POSITION_DIFFERS,
                subject=f"{order.exchange}:{order.tradingsymbol} {order.product}",
                text="differs",
                action="look",
            )
        )


def quantities(store):
    return {p.strategy: p.quantity for p in store.positions.open()}


def test_books_that_agree_differ_nowhere(store, held):
    assert differences(store, [broker_holds(held, 130)]) == []


@pytest.mark.parametrize(
    ("theirs", "missing", "side"),
    [(65, -65, Side.SELL), (0, -130, Side.SELL), (195, 65, Side.BUY)],
)
def test_difference_is_booked_as_an_order_that_explains_it(
    store, clock, held, theirs, missing, side
):
    show(store, held)
    positions = [broker_holds(held, theirs)] if theirs else []
    (found,) = differences(store, positions)
    assert (found.ours, found.theirs, found.missing) == (
        {"straddle": 130},
        theirs,
        missing,
    )

    order = adopt(store, found, "straddle", by="me", at=clock.now())

    assert quantities(store) == ({"straddle": theirs} if theirs else {})
    assert (order.side, order.quantity, order.status) == (side, abs(missing), S.FILLED)
    assert order.broker_order_id is None
    events = store.orders.events(order_id=order.order_id)
    assert events[0].text == f"adopted by me: the broker holds {theirs}"
    assert store.discrepancies.open(DiscrepancyKind.POSITION_DIFFERS) == []
    assert differences(store, positions) == []


def test_what_nobody_here_holds_may_be_taken_over(store, clock, held):
    other = broker_holds(held, -65)
    store_order(store, S.FILLED, quantity=130, side=Side.SELL)
    show(store, held)
    (found,) = differences(store, [other])

    adopt(store, found, "recovered", by="me", at=clock.now())

    assert quantities(store) == {"recovered": -65}


def test_realised_result_is_that_of_the_brokers_price(store, clock, held):
    show(store, held)
    (found,) = differences(store, [])
    with store.transaction(durable=False):
        store.positions.note_prices({(held.exchange, held.tradingsymbol): Decimal(90)})
    (found,) = differences(store, [])

    adopt(store, found, "straddle", by="me", at=clock.now())

    assert store.positions.realised() == 130 * (90 - 100)


def test_difference_that_is_not_shown_yet_is_refused(store, clock, held):
    (found,) = differences(store, [])

    with pytest.raises(NotAllowed, match="does not show"):
        adopt(store, found, "straddle", by="me", at=clock.now())

    assert quantities(store) == {"straddle": 130}


def test_orders_under_way_are_waited_for(store, clock, held):
    show(store, held)
    working = store_order(store, S.ACCEPTED, intent=Intent.EXIT, side=Side.SELL)
    (found,) = differences(store, [])

    with pytest.raises(NotAllowed, match=f"order {working.order_id} "):
        adopt(store, found, "straddle", by="me", at=clock.now())
