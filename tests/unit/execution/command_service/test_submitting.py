"""command_service: writes first, then acts, and never sends anything twice."""

from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.domain.instruments import Product
from shoonya_platform.domain.orders import OrderType, Side, TimeInForce
from shoonya_platform.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
)
from shoonya_platform.execution.command_service import (
    BATCH,
    FLOW_SECONDS,
    GATHER_SECONDS,
    LARGEST_BATCH,
    CommandService,
)
from shoonya_platform.execution.reports import bring_up_to
from shoonya_platform.testing.orders import store_order
from tests.preconditions import at_any_moment
from tests.unit.execution.command_service.conftest import placed_at, request_cancel
from tests.unit.execution.rows import S, T, status_of, triggers


def test_broker_gets_the_order_as_it_stands_with_our_name_on_it(store, command, broker):
    order = store_order(
        store,
        S.GUARD_PASSED,
        side=Side.SELL,
        quantity=130,
        order_type=OrderType.STOP_LIMIT,
        price=Decimal("90.05"),
        trigger_price=Decimal("90.10"),
        product=Product.MIS,
        time_in_force=TimeInForce.IOC,
    )

    assert command.step() == 1

    assert broker.placed == [
        PlaceOrder(
            client_order_id=order.client_order_id,
            exchange=order.exchange,
            tradingsymbol=order.tradingsymbol,
            side=Side.SELL,
            quantity=130,
            order_type=OrderType.STOP_LIMIT,
            price=Decimal("90.05"),
            trigger_price=Decimal("90.10"),
            product=Product.MIS,
            time_in_force=TimeInForce.IOC,
        )
    ]


def test_intention_is_in_the_store_before_the_broker_hears_of_it(
    store, command, broker, second_view
):
    order = store_order(store, S.GUARD_PASSED)
    seen = []
    broker.on_place = lambda _: seen.append(status_of(second_view, order))

    command.step()

    assert seen == [S.SUBMITTED]


def test_intention_and_answer_are_on_the_disk(
    store, broker, clock, rings, watched_store
):
    service = CommandService(
        watched_store, broker, clock, rings, at_any_moment(watched_store)
    )
    store_order(store, S.GUARD_PASSED)
    at_the_broker = []
    broker.on_place = lambda _: at_the_broker.extend(watched_store.waited_for_disk)

    service.step()

    assert at_the_broker == [True]
    assert watched_store.waited_for_disk == [True, True]


def test_accepted_order_has_the_brokers_number_and_the_watcher_is_rung(
    store, command, rings
):
    order = store_order(store, S.GUARD_PASSED)

    command.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.broker_order_id) == (S.ACCEPTED, "R1")
    assert triggers(store, order)[-2:] == ["submitted", "accepted"]
    assert "order_watcher" in rings
    assert not {"execution_guard", "trading_bot"} & set(rings)


def test_rejected_order_has_the_brokers_reason(store, command, broker, rings):
    broker.answer_place(BrokerRejected("RED:margin shortfall"))
    order = store_order(store, S.GUARD_PASSED)

    command.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.reason) == (S.REJECTED, "RED:margin shortfall")
    assert "trading_bot" in rings


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OutcomeUnknown("no answer within 5 s"), id="unknown"),
        # What no adapter should raise means no more than: nobody knows.
        pytest.param(BrokerError("something odd"), id="any-other"),
    ],
)
def test_order_without_a_clear_answer_is_unknown_and_never_sent_again(
    store, command, broker, rings, error, arrives
):
    broker.answer_place(error, arrives=arrives)
    order = store_order(store, S.GUARD_PASSED)

    for _ in range(3):
        command.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.reason) == (S.OUTCOME_UNKNOWN, error.message)
    assert len(broker.placed) == 1
    assert "recovery_service" in rings


def test_order_that_was_proven_unsent_goes_back_to_the_guard(
    store, command, broker, rings
):
    broker.answer_place(BrokerUnavailable("connection refused"))
    order = store_order(store, S.GUARD_PASSED)

    with pytest.raises(BrokerUnavailable):
        command.step()

    assert status_of(store, order) is S.RISK_PASSED
    assert triggers(store, order)[-2:] == ["submitted", "unsent"]
    assert "execution_guard" in rings


def test_order_that_was_taken_for_unsent_and_is_there_is_not_sent_again(
    store, command, broker, rings
):
    order = store_order(store, S.GUARD_PASSED)
    with store.transaction(durable=True):
        store.orders.note_number(order, "B1", is_confirmed=False)

    command.step()

    assert broker.placed == []
    assert store.orders.get(order.order_id).status is S.OUTCOME_UNKNOWN
    assert "recovery_service" in rings


def test_broker_that_is_away_is_asked_once_for_a_batch_and_nothing_is_lost(
    store, command, broker
):
    orders = [store_order(store, S.GUARD_PASSED) for _ in range(3)]
    broker.answer_place()
    broker.answer_place(BrokerUnavailable("connection reset before sending"))

    with pytest.raises(BrokerUnavailable):
        command.step()

    assert len(broker.placed) == 2
    assert [status_of(store, order) for order in orders] == [
        S.ACCEPTED,
        S.RISK_PASSED,
        S.RISK_PASSED,
    ]
    for order in orders[1:]:
        with store.transaction(durable=False):
            store.orders.record(store.orders.get(order.order_id), T.GUARD_PASSED)
    command.step()
    assert {status_of(store, order) for order in orders} == {S.ACCEPTED}
    assert len({placed.client_order_id for placed in broker.placed}) == 3


def test_batch_is_limited_so_that_a_crash_leaves_few_outcomes_to_find_out(
    store, command, broker, clock
):
    for _ in range(3 * BATCH):
        store_order(store, S.GUARD_PASSED)
    in_flight = set()

    def place(_):
        in_flight.add(store.orders.count().get(S.SUBMITTED, 0))
        clock.advance(1.1 * GATHER_SECONDS / BATCH)

    broker.on_place = place

    assert [command.step(), command.step()] == [3 * BATCH, 0]
    assert max(in_flight) == BATCH


def test_batch_grows_to_a_limit_while_the_broker_takes_them_at_once(
    store, command, broker
):
    count = BATCH + 2 * BATCH + 2 * LARGEST_BATCH
    for _ in range(count):
        store_order(store, S.GUARD_PASSED)
    in_flight = []
    broker.on_place = lambda _: in_flight.append(
        store.orders.count().get(S.SUBMITTED, 0)
    )

    assert command.step() == count
    assert list(dict.fromkeys(in_flight)) == [BATCH, 2 * BATCH, LARGEST_BATCH]


def test_answers_go_into_one_commit_with_the_next_intentions(
    store, watched_store, broker, clock, rings
):
    command = CommandService(
        watched_store, broker, clock, rings, at_any_moment(watched_store)
    )
    orders = [store_order(store, S.GUARD_PASSED) for _ in range(3 * BATCH + 1)]

    command.step()

    # Three batches, and the last one's answers.
    assert watched_store.waited_for_disk == [True] * 4
    assert {status_of(store, order) for order in orders} == {S.ACCEPTED}


def test_batches_follow_each_other_only_while_the_broker_is_quick(
    store, command, broker, clock
):
    for _ in range(2 * BATCH):
        store_order(store, S.GUARD_PASSED)
    broker.on_place = lambda _: clock.advance(FLOW_SECONDS)

    assert command.step() == BATCH


def test_cancel_asked_for_meanwhile_goes_out_before_the_next_batch(
    store, command, broker, second_view
):
    resting = store_order(store, S.ACCEPTED)
    placed_at(broker, resting)
    for _ in range(2 * BATCH):
        store_order(store, S.GUARD_PASSED)
    broker.on_place = lambda _: request_cancel(second_view, resting)

    assert command.step() == BATCH
    broker.on_place = None
    command.step()

    assert broker.canceled == [resting.broker_order_id]


def test_answers_do_not_wait_long_for_company(store, command, broker, clock):
    orders = [store_order(store, S.GUARD_PASSED) for _ in range(3)]
    seen = []

    def take_time(_):
        seen.append([status_of(store, order) for order in orders])
        clock.advance(GATHER_SECONDS + 0.001)

    broker.on_place = take_time

    command.step()

    assert seen[1] == [S.ACCEPTED, S.SUBMITTED, S.SUBMITTED]
    assert seen[2] == [S.ACCEPTED, S.ACCEPTED, S.SUBMITTED]


def test_report_that_overtakes_the_answer_is_kept(store, command, broker, second_view):
    order = store_order(store, S.GUARD_PASSED)

    def fill_at_once(placed):
        claim = broker.accept(placed)
        report = broker.fill(claim.broker_order_id, order.quantity)
        current = second_view.orders.get(order.order_id)
        with second_view.transaction(durable=True):
            bring_up_to(second_view, current, report.order, [report.fill])
        broker.answer_place(OutcomeUnknown("no answer"))

    broker.on_place = fill_at_once

    command.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.broker_order_id) == (S.FILLED, "R1")


def test_brokers_number_is_noted_when_an_unnumbered_report_overtook_the_answer(
    store, command, broker, second_view
):
    order = store_order(store, S.GUARD_PASSED)

    def accept_first(_):
        with second_view.transaction(durable=True):
            second_view.orders.record(
                second_view.orders.get(order.order_id), T.ACCEPTED
            )

    broker.on_place = accept_first

    command.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.broker_order_id) == (S.ACCEPTED, "R1")
