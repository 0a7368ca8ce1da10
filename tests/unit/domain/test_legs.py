"""What a leg has too much: by examples, and over any orders that it may have."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.alerts import (
    client_order_id,
    copy_name,
    named_order,
    sent_name,
)
from shoonya_platform.domain.legs import ordering_of, surplus_of
from shoonya_platform.domain.orders import (
    CLOSED,
    WORKING,
    AlertId,
    Intent,
    OrderId,
    OrderStatus,
    Side,
)
from tests.unit.domain.made import an_order

S = OrderStatus
ALERT = AlertId("A261130-8QJ2M4ZC")


def attempt(number, status=S.FILLED, filled=None, *, quantity=65, part=1, **changes):
    if filled is None:
        filled = quantity if status is S.FILLED else 0
    return an_order(
        order_id=OrderId(100 * part + number),
        client_order_id=client_order_id(ALERT, 1, number, part),
        alert_id=ALERT,
        leg=1,
        attempt=number,
        part=part,
        quantity=quantity,
        status=status,
        filled_quantity=filled,
        **changes,
    )


def a_copy(order, number, **changes):
    return replace(
        order,
        order_id=OrderId(order.order_id + 50),
        client_order_id=copy_name(order.client_order_id, 1),
        attempt=number,
        **changes,
    )


def test_one_order_of_a_leg_is_never_too_much():
    for status in OrderStatus:
        surplus = surplus_of([attempt(1, status)], ())
        assert surplus.is_settled


def test_doubled_order_is_too_much_as_far_as_it_is_filled():
    first = attempt(1)
    copy = a_copy(first, 2, status=S.PARTIALLY_FILLED, filled_quantity=25)

    surplus = surplus_of([first, copy], ())

    assert (surplus.quantity, surplus.cancel) == (25, (copy,))
    assert surplus.side is first.side.opposite


def test_replacement_of_an_unwanted_entry_is_what_the_leg_wants():
    lost, second = attempt(1), attempt(2)

    surplus = surplus_of([lost, second], {lost.order_id})

    assert surplus.quantity == 65


def test_unwanted_entry_that_nothing_replaces_is_too_much_as_a_whole():
    lost = attempt(1, S.PARTIALLY_FILLED, 25)

    surplus = surplus_of([lost, attempt(2, S.REJECTED)], {lost.order_id})

    assert (surplus.quantity, surplus.cancel) == (25, (lost,))


def test_exit_that_turned_up_is_still_wanted():
    lost = attempt(1, intent=Intent.EXIT, side=Side.SELL)

    assert surplus_of([lost], {lost.order_id}).is_settled


def test_what_was_filled_beyond_an_order_is_too_much():
    assert surplus_of([attempt(1, overfilled_quantity=10)], ()).quantity == 10


def test_parts_count_together():
    parts = [attempt(1, part=1), attempt(1, part=2), attempt(1, part=3)]
    assert surplus_of(parts, ()).is_settled

    surplus = surplus_of([*parts, a_copy(parts[1], 2)], ())

    assert surplus.quantity == 65


@pytest.mark.parametrize(
    ("status", "filled", "left"),
    [(S.FILLED, 65, 0), (S.ACCEPTED, 0, 0), (S.CANCELED, 25, 40), (S.DENIED, 0, 65)],
)
def test_what_closes_counts_with_what_it_fills_and_may_fill(status, filled, left):
    first = attempt(1)
    closing = attempt(3, status, filled, side=first.side.opposite, intent=Intent.EXIT)

    surplus = surplus_of([first, a_copy(first, 2), closing], ())

    assert surplus.quantity == left
    assert surplus.closing == ((closing,) if status is S.ACCEPTED else ())
    assert ordering_of([first, closing]) == [first]


def test_closing_order_that_comes_twice_is_taken_back():
    first = attempt(1)
    closing = attempt(3, side=first.side.opposite, intent=Intent.EXIT)
    leg = [first, a_copy(first, 2), closing, a_copy(closing, 4)]

    surplus = surplus_of(leg, ())

    assert (surplus.quantity, surplus.side) == (65, first.side)
    back = attempt(5, S.ACCEPTED, side=first.side, intent=Intent.EXIT)
    on_its_way = surplus_of([*leg, back], ())
    assert (on_its_way.quantity, on_its_way.closing) == (0, (back,))
    assert not on_its_way.cancel
    assert surplus_of(
        [*leg, replace(back, status=S.FILLED, filled_quantity=65)], ()
    ) == (replace(on_its_way, closing=(), side=first.side.opposite))


def test_closing_order_that_works_beyond_the_excess_is_canceled():
    first = attempt(1)
    closing = attempt(3, side=first.side.opposite, intent=Intent.EXIT)
    late = a_copy(attempt(2, S.ACCEPTED, side=first.side.opposite), 4)

    surplus = surplus_of([first, closing, late], ())

    assert surplus.cancel == (late,)


@st.composite
def legs(draw):
    orders = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        status = draw(st.sampled_from(sorted(OrderStatus)))
        filled = draw(st.integers(0, 65))
        orders.append(
            attempt(
                number,
                status,
                65 if status is S.FILLED else min(filled, 64),
                side=draw(st.sampled_from(Side)) if number > 1 else Side.BUY,
            )
        )
    return orders


@given(legs())
def test_after_cancels_and_closing_no_leg_holds_more_than_it_asked_for(orders):
    surplus = surplus_of(orders, ())
    left = [order for order in orders if order not in surplus.cancel]

    ordered = sum(o.traded_quantity for o in orders if o.side is Side.BUY)
    taken = sum(o.traded_quantity for o in orders if o.side is Side.SELL)
    assert all(order.status not in CLOSED for order in surplus.cancel)
    beyond = taken - max(0, ordered - 65)
    if beyond > 0:
        # More was closed than was too much: that comes back, and no more.
        assert surplus.side is Side.BUY
        assert surplus.quantity <= beyond
        assert all(o.side is Side.BUY or o.status not in WORKING for o in left)
        return
    may_come = sum(
        o.leaves_quantity for o in left if o.side is Side.BUY and o.status in WORKING
    )
    closed = surplus.quantity + sum(
        o.traded_quantity + o.leaves_quantity for o in orders if o.side is Side.SELL
    )

    assert ordered + may_come - closed <= 65 or not (
        surplus.cancel or surplus.quantity
    ), "something is too much, and nothing is done about it"
    assert ordered - closed <= 65
    if ordered <= 65:
        assert surplus.quantity == 0


@given(st.integers(1, 20), st.integers(1, 99), st.integers(1, 99), st.integers(0, 9))
def test_name_says_what_it_was_made_from(leg, number, part, copies):
    name = client_order_id(ALERT, leg, number, part)
    shown = copy_name(name, copies) if copies else name

    named = named_order(shown)

    assert named is not None
    assert (named.alert_id, named.leg, named.part, named.attempt) == (
        ALERT,
        leg,
        part,
        number,
    )
    assert sent_name(shown) == name


@pytest.mark.parametrize("name", ["", "O1", "mine", "O261130-8QJ2M4ZC", "x" * 40])
def test_name_of_other_programs_says_nothing(name):
    assert named_order(name) is None
    assert sent_name(name) == name
