"""The order's life is one table: total, and what it promises holds."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    CLOSED,
    IN_FLIGHT,
    NOTES,
    OPEN,
    TRANSITIONS,
    WORKING,
    BrokerOrderId,
    IllegalTransition,
    OrderStatus,
    OrderTrigger,
    Side,
    next_status,
)
from shoonya_platform.testing.orders import path_to
from tests.unit.domain.made import an_order

S, T = OrderStatus, OrderTrigger

BROKERS_WORD = {
    T.ACCEPTED,
    T.REJECTED,
    T.PARTIALLY_FILLED,
    T.FILLED,
    T.CANCELED,
    T.EXPIRED,
}
# The only ways out of an end.  A fill is money, whatever was said before it; and
# an order that was proven absent may turn up after all.
WAYS_OUT_OF_AN_END = {
    (S.CANCELED, T.FILLED),
    (S.CANCELED, T.PARTIALLY_FILLED),
    (S.EXPIRED, T.FILLED),
    (S.EXPIRED, T.PARTIALLY_FILLED),
    (S.REJECTED, T.FILLED),
    (S.REJECTED, T.PARTIALLY_FILLED),
    # Which stays where it is.
    (S.FILLED, T.OVERFILLED),
    # The order book is right about what exists.
    *((status, T.FOUND) for status in CLOSED - {S.FILLED}),
    *((S.NOT_PLACED, trigger) for trigger in BROKERS_WORD),
}


@pytest.mark.parametrize(
    ("status", "trigger"),
    [
        pytest.param(status, trigger, id=f"{status}-{trigger}")
        for status, trigger in product(OrderStatus, OrderTrigger)
    ],
)
def test_each_pair_is_in_the_table_or_refused_by_name(status, trigger):
    if (status, trigger) in TRANSITIONS:
        assert next_status(status, trigger) is TRANSITIONS[status, trigger]
        return

    with pytest.raises(IllegalTransition) as caught:
        next_status(status, trigger)

    assert (caught.value.status, caught.value.trigger) == (status, trigger)
    assert status in str(caught.value)
    assert trigger in str(caught.value)


def test_sets_of_statuses_share_out_every_status_once():
    assert set(OrderStatus) == OPEN | CLOSED
    assert not OPEN & CLOSED
    assert OPEN == BEFORE_BROKER | WORKING
    assert not BEFORE_BROKER & WORKING
    assert IN_FLIGHT < WORKING


@pytest.mark.parametrize("status", OrderStatus)
def test_each_status_is_reached_from_the_first(status):
    reached = S.INITIALIZED
    for trigger in path_to(status):
        reached = next_status(reached, trigger)

    assert reached is status


def test_end_is_left_by_the_documented_exceptions_alone():
    ways_out = {key for key in TRANSITIONS if key[0] in CLOSED}

    assert ways_out == WAYS_OUT_OF_AN_END


def test_creating_and_adopting_are_not_steps_of_an_existing_order():
    assert not {T.CREATED, T.ADOPTED} & {trigger for _, trigger in TRANSITIONS}


@pytest.mark.parametrize("status", sorted(BEFORE_BROKER | CLOSED - {S.FILLED}))
def test_order_found_at_the_broker_works_again_with_what_was_filled(status):
    assert next_status(status, T.FOUND) is S.ACCEPTED
    assert next_status(status, T.FOUND, filled_quantity=1) is S.PARTIALLY_FILLED


@pytest.mark.parametrize("status", [S.ACCEPTED, S.PENDING_CANCEL, S.PENDING_REPLACE])
def test_order_whose_number_was_wrong_has_an_unknown_outcome_again(status):
    assert next_status(status, T.OUTCOME_UNKNOWN) is S.OUTCOME_UNKNOWN


@pytest.mark.parametrize("status", sorted(WORKING | {S.NOT_PLACED}))
@pytest.mark.parametrize(
    "trigger",
    [T.PARTIALLY_FILLED, T.FILLED, T.REJECTED, T.CANCELED, T.EXPIRED],
)
def test_brokers_word_holds_wherever_the_broker_may_have_the_order(status, trigger):
    assert (status, trigger) in TRANSITIONS


@pytest.mark.parametrize("status", sorted(BEFORE_BROKER))
def test_order_the_broker_has_not_heard_of_can_be_canceled_but_not_filled(status):
    assert next_status(status, T.CANCELED) is S.CANCELED
    with pytest.raises(IllegalTransition):
        next_status(status, T.FILLED)


def test_only_an_order_the_guard_passed_is_submitted():
    ways = {status for status, trigger in TRANSITIONS if trigger is T.SUBMITTED}

    assert ways == {S.GUARD_PASSED}


def test_unknown_outcome_is_never_sent_again():
    after = {
        status
        for (begin, _), status in TRANSITIONS.items()
        if begin is S.OUTCOME_UNKNOWN
    }

    assert not after & (BEFORE_BROKER | {S.SUBMITTED})


def test_refused_cancel_returns_a_part_filled_order_to_part_filled():
    assert next_status(S.PENDING_CANCEL, T.CANCEL_REJECTED) is S.ACCEPTED
    assert (
        next_status(S.PENDING_CANCEL, T.CANCEL_REJECTED, filled_quantity=1)
        is S.PARTIALLY_FILLED
    )


@given(st.lists(st.sampled_from(OrderTrigger), max_size=30))
def test_no_sequence_of_triggers_leaves_an_end_but_by_the_exceptions(triggers):
    status = S.INITIALIZED
    for trigger in triggers:
        try:
            after = next_status(status, trigger)
        except IllegalTransition:
            continue
        if status in CLOSED and after is not status:
            assert (status, trigger) in WAYS_OUT_OF_AN_END
        status = after


def test_replace_returns_an_order_to_where_it_was():
    for trigger in (T.REPLACED, T.REPLACE_REJECTED):
        assert next_status(S.PENDING_REPLACE, trigger) is S.ACCEPTED
        assert (
            next_status(S.PENDING_REPLACE, trigger, filled_quantity=1)
            is S.PARTIALLY_FILLED
        )


def test_cancel_does_not_wait_for_a_replace_nor_a_replace_for_a_cancel():
    assert next_status(S.PENDING_REPLACE, T.CANCEL_REQUESTED) is S.PENDING_CANCEL
    with pytest.raises(IllegalTransition):
        next_status(S.PENDING_CANCEL, T.REPLACE_REQUESTED)


@pytest.mark.parametrize("note", sorted(NOTES))
def test_note_is_no_step(note):
    assert not any(trigger is note for _, trigger in TRANSITIONS)


# -- what an order says of itself -------------------------------------------------


def test_opposite_side_undoes_a_side():
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
    assert Side.BUY.sign + Side.SELL.sign == 0


def test_brokers_number_is_among_the_ids_of_a_log_line_once_it_is_known():
    assert "broker_order_id" not in an_order().log_context
    known = an_order(broker_order_id=BrokerOrderId("B1")).log_context
    assert known["broker_order_id"] == "B1"


@pytest.mark.parametrize(
    ("price", "text"), [(None, "@ MARKET"), (Decimal("101.50"), "@ 101.50")]
)
def test_summary_shows_the_price_or_that_there_is_none(price, text):
    assert an_order(price=price).summary.endswith(text)


@pytest.mark.parametrize("status", OrderStatus)
def test_only_an_order_that_is_open_has_anything_left_to_fill(status):
    order = an_order(quantity=100, filled_quantity=30, status=status)

    assert order.leaves_quantity == (70 if status in OPEN else 0)
