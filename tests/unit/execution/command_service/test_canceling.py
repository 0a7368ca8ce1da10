"""Cancels, and what the trading state keeps back."""

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.domain.orders import BEFORE_BROKER, CLOSED, Intent, Side
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import BrokerRejected, BrokerUnavailable, OutcomeUnknown
from shoonya_platform.execution.command_service import BATCH
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.command_service.conftest import placed_at, request_cancel
from tests.unit.execution.rows import (
    HALTED,
    S,
    T,
    set_trading,
    status_of,
    triggers,
)


def test_exit_goes_out_after_a_halt(store, command, broker):
    order = store_order(store, S.GUARD_PASSED, intent=Intent.EXIT, side=Side.SELL)
    set_trading(store, TradingState.HALTED)

    command.step()

    assert status_of(store, order) is S.ACCEPTED
    assert len(broker.placed) == 1


@pytest.mark.parametrize("intent", [Intent.ENTRY, Intent.ADJUST])
def test_halt_after_the_guards_look_keeps_everything_else_back(
    store, command, broker, intent
):
    order = store_order(store, S.GUARD_PASSED, intent=intent)
    set_trading(store, TradingState.HALTED)

    command.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.reason) == (
        S.DENIED,
        HALTED,
    )
    assert broker.placed == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({}, S.DENIED, id="entry"),
        pytest.param({"intent": Intent.EXIT, "side": Side.SELL}, S.ACCEPTED, id="exit"),
        pytest.param(
            {"intent": Intent.ADJUST, "side": Side.SELL}, S.ACCEPTED, id="shrinks"
        ),
        pytest.param(
            {"intent": Intent.ADJUST, "side": Side.SELL, "quantity": 130},
            S.DENIED,
            id="turns",
        ),
    ],
)
def test_only_what_shrinks_a_position_goes_out_while_reducing(
    store, command, changes, status
):
    store_order(store, S.FILLED)
    order = store_order(store, S.GUARD_PASSED, **changes)
    set_trading(store, TradingState.REDUCING)

    command.step()

    assert status_of(store, order) is status


def test_cancel_passes_while_trading_is_halted(store, command, broker):
    order = store_order(store, S.ACCEPTED)
    number = placed_at(broker, order)
    set_trading(store, TradingState.HALTED)
    request_cancel(store, order)

    command.step()

    assert broker.canceled == [number]


@pytest.mark.parametrize("status", sorted(BEFORE_BROKER))
def test_order_the_broker_has_not_heard_of_is_canceled_without_it(
    store, command, broker, rings, status
):
    order = store_order(store, status)
    request_cancel(store, order)

    command.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.reason) == (
        S.CANCELED,
        "canceled by somebody before it was sent",
    )
    assert broker.canceled == broker.placed == []
    assert store.orders.cancel_requests(limit=9) == []
    assert "trading_bot" in rings


@pytest.mark.parametrize("status", [S.ACCEPTED, S.PARTIALLY_FILLED])
def test_open_order_is_pending_before_the_broker_is_asked(
    store, command, broker, second_view, status
):
    order = store_order(store, status)
    number = placed_at(broker, order)
    request_cancel(store, order)

    command.step()

    assert broker.canceled == [number]
    # The report tells when it is canceled, and that is order_watcher's to record.
    assert status_of(second_view, order) is S.PENDING_CANCEL
    assert triggers(store, order)[-1] == "cancel_requested"
    assert store.orders.cancel_requests(limit=9) == []


@pytest.mark.parametrize("status", [S.SUBMITTED, S.OUTCOME_UNKNOWN])
def test_cancel_of_an_order_without_an_answer_waits_for_the_answer(
    store, command, broker, status
):
    order = store_order(store, status)
    request_cancel(store, order)

    assert command.step() == 0

    assert status_of(store, order) is status
    assert broker.canceled == []
    assert len(store.orders.cancel_requests(limit=9)) == 1
    with store.transaction(durable=False):
        found = store.orders.record(
            store.orders.get(order.order_id),
            T.ACCEPTED,
            broker_order_id=f"B{order.order_id}",
        )
    number = placed_at(broker, found)
    command.step()
    assert broker.canceled == [number]


@pytest.mark.parametrize(("holder", "canceled"), [(S.FILLED, 1), (S.ACCEPTED, 0)])
def test_number_that_is_another_orders_too_cancels_only_beside_one_at_its_end(
    store, command, broker, holder, canceled
):
    other = store_order(store, holder)
    order = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        if other.broker_order_id is None:
            store.orders.note_number(other, "B1", is_confirmed=True)
        other = store.orders.get(other.order_id)
        order = store.orders.note_number(order, None, is_confirmed=False)
    number = broker.accept(PlaceOrder.of(order), other.broker_order_id).broker_order_id
    request_cancel(store, order)

    command.step()

    assert broker.canceled == [number] * canceled
    assert status_of(store, order) is S.PENDING_CANCEL


@pytest.mark.parametrize("status", sorted(CLOSED))
def test_cancel_of_an_order_at_its_end_is_done(store, command, broker, status):
    order = store_order(store, status)
    request_cancel(store, order)

    command.step()

    assert status_of(store, order) is status
    assert broker.canceled == []
    assert store.orders.cancel_requests(limit=9) == []


@pytest.mark.parametrize(
    ("filled_quantity", "status"), [(0, S.ACCEPTED), (25, S.PARTIALLY_FILLED)]
)
def test_refused_cancel_leaves_the_order_as_it_was(
    store, command, broker, filled_quantity, status
):
    order = store_order(store, status, filled_quantity=filled_quantity)
    placed_at(broker, order)
    broker.answer_cancel(BrokerRejected("too late"))
    request_cancel(store, order)

    command.step()

    assert status_of(store, order) is status
    assert triggers(store, order)[-2:] == ["cancel_requested", "cancel_rejected"]
    assert store.orders.events(order_id=order.order_id)[-1].text == "too late"
    assert store.orders.cancel_requests(limit=9) == []


def test_cancel_without_an_answer_is_asked_again(store, command, broker):
    order = store_order(store, S.ACCEPTED)
    number = placed_at(broker, order)
    broker.answer_cancel(OutcomeUnknown("no answer"))
    request_cancel(store, order)

    command.step()
    assert status_of(store, order) is S.PENDING_CANCEL
    command.step()

    assert broker.canceled == [number, number]
    assert store.orders.cancel_requests(limit=9) == []


def test_cancel_that_had_arrived_without_an_answer_does_no_harm(store, command, broker):
    order = store_order(store, S.ACCEPTED)
    number = placed_at(broker, order)
    broker.answer_cancel(OutcomeUnknown("no answer"), arrives=True)
    request_cancel(store, order)

    command.step()
    command.step()

    # The second time the broker refuses: there is nothing left to cancel.
    assert broker.canceled == [number, number]
    assert broker.book[number].status is S.CANCELED
    assert status_of(store, order) is S.ACCEPTED


def test_cancel_waits_for_a_broker_that_is_away(store, command, broker):
    order = store_order(store, S.ACCEPTED)
    number = placed_at(broker, order)
    request_cancel(store, order)
    broker.is_down = True

    with pytest.raises(BrokerUnavailable):
        command.step()
    broker.is_down = False
    command.step()

    assert broker.canceled == [number]


def test_cancel_goes_out_before_new_orders(store, command, broker, second_view):
    order = store_order(store, S.ACCEPTED)
    placed_at(broker, order)
    store_order(store, S.GUARD_PASSED)
    request_cancel(store, order)
    seen = []
    broker.on_place = lambda _: seen.append(list(broker.canceled))

    assert command.step() == 2

    assert seen == [[order.broker_order_id]]


def test_exits_go_out_before_older_entries_however_many_wait(store, command, broker):
    for _ in range(2 * BATCH):
        store_order(store, S.GUARD_PASSED)
    exits = [
        store_order(store, S.GUARD_PASSED, intent=Intent.EXIT, side=Side.SELL)
        for _ in range(2)
    ]

    command.step()

    first = broker.placed[:2]
    assert [placed.client_order_id for placed in first] == [
        order.client_order_id for order in exits
    ]
    assert [placed.is_exit for placed in broker.placed] == (
        [True] * 2 + [False] * 2 * BATCH
    )


def test_order_and_its_cancel_in_one_step_never_reach_the_broker(
    store, command, broker
):
    order = store_order(store, S.GUARD_PASSED)
    request_cancel(store, order)

    command.step()

    assert status_of(store, order) is S.CANCELED
    assert broker.placed == []


def test_status_counts_what_was_sent(store, command, broker):
    broker.answer_place(BrokerRejected("no"))
    store_order(store, S.GUARD_PASSED)
    store_order(store, S.GUARD_PASSED)
    command.step()

    assert command.status() == "2 orders sent to the recording broker"
