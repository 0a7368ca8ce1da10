"""command_service: writes first, then acts, and never sends anything twice."""

import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.domain.instruments import Product
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    CLOSED,
    Intent,
    OrderStatus,
    OrderTrigger,
    OrderType,
    Side,
    TimeInForce,
)
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    StoreBusy,
)
from shoonya_platform.execution.command_service import (
    BATCH,
    FLOW_SECONDS,
    GATHER_SECONDS,
    CommandService,
)
from shoonya_platform.execution.reports import bring_up_to
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import store_order

S, T = OrderStatus, OrderTrigger


@pytest.fixture
def command(store, broker, clock, rings):
    service = CommandService(store, broker, clock, rings)
    service.begin()
    return service


@pytest.fixture
def second_view(tmp_path, clock):
    """The store as other processes see it."""
    opened = SqliteOrderStore(
        tmp_path / "orders.db", service="other", run_id="other", clock=clock
    )
    yield opened
    opened.close()


def status_of(store, order):
    return store.orders.get(order.order_id).status


def triggers(store, order):
    return [event.trigger for event in store.orders.events(order_id=order.order_id)]


def request_cancel(store, order):
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by="somebody")


def set_trading(store, state):
    with store.transaction(durable=True):
        store.trading.set(state, reason="a test", by="tests")


def placed_at(broker, order):
    """Let the broker have an order that the store has as accepted."""
    claim = broker.accept(
        PlaceOrder.of(order),
        order.broker_order_id,
    )
    return claim.broker_order_id


# -- submitting ----------------------------------------------------------------


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
    service = CommandService(watched_store, broker, clock, rings)
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
    store, command, broker
):
    for _ in range(BATCH + 2):
        store_order(store, S.GUARD_PASSED)
    most = 0

    def count(_):
        nonlocal most
        most = max(most, store.orders.count().get(S.SUBMITTED, 0))

    broker.on_place = count

    assert [command.step(), command.step()] == [BATCH + 2, 0]
    assert most == BATCH


def test_answers_go_into_one_commit_with_the_next_intentions(
    store, watched_store, broker, clock, rings
):
    command = CommandService(watched_store, broker, clock, rings)
    orders = [store_order(store, S.GUARD_PASSED) for _ in range(2 * BATCH + 1)]

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


# -- a store that does not answer ----------------------------------------------


@pytest.fixture
def hasty(tmp_path, clock, broker, rings):
    """A command_service whose store waits for nobody."""
    opened = SqliteOrderStore(
        tmp_path / "orders.db",
        service="command_service",
        run_id="hasty",
        clock=clock,
        busy_timeout_seconds=0.01,
    )
    yield CommandService(opened, broker, clock, rings)
    opened.close()


@pytest.fixture
def lock(tmp_path, store):
    """Another program that holds the store from `begin` to `end`."""
    with closing(
        sqlite3.connect(tmp_path / "orders.db", isolation_level=None)
    ) as connection:

        class Lock:
            def begin(self, _=None):
                if not connection.in_transaction:
                    connection.execute("BEGIN IMMEDIATE")

            def end(self):
                connection.execute("ROLLBACK")

        yield Lock()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(None, S.ACCEPTED, id="accepted"),
        pytest.param(BrokerRejected("no"), S.REJECTED, id="rejected"),
        pytest.param(OutcomeUnknown("?"), S.OUTCOME_UNKNOWN, id="unknown"),
        pytest.param(BrokerUnavailable("away"), S.RISK_PASSED, id="unsent"),
    ],
)
def test_answer_that_the_store_did_not_take_is_written_as_soon_as_it_does(
    store, hasty, broker, lock, answer, status
):
    order = store_order(store, S.GUARD_PASSED)
    broker.answer_place(answer)
    broker.on_place = lock.begin

    with pytest.raises(StoreBusy):
        hasty.step()
    assert status_of(store, order) is S.SUBMITTED
    with pytest.raises(StoreBusy):
        hasty.step()
    lock.end()
    broker.on_place = None
    hasty.step()

    assert status_of(store, order) is status
    assert len(broker.placed) == 1


def test_rest_of_a_batch_is_not_sent_while_the_store_does_not_answer(
    store, hasty, broker, clock, lock
):
    orders = [store_order(store, S.GUARD_PASSED) for _ in range(3)]

    def lock_and_take_time(_):
        lock.begin()
        clock.advance(GATHER_SECONDS + 0.001)

    broker.on_place = lock_and_take_time
    with pytest.raises(StoreBusy):
        hasty.step()
    lock.end()
    broker.on_place = None
    hasty.step()

    assert len(broker.placed) == 1
    assert [status_of(store, order) for order in orders] == [
        S.ACCEPTED,
        S.RISK_PASSED,
        S.RISK_PASSED,
    ]


# -- taking up what an earlier run left ----------------------------------------


def test_what_an_earlier_run_had_submitted_is_unknown_and_not_sent(
    store, broker, clock, rings
):
    left = store_order(store, S.SUBMITTED)
    others = [
        store_order(store, status)
        for status in S
        if status not in (S.SUBMITTED, S.GUARD_PASSED, S.PENDING_CANCEL)
    ]
    service = CommandService(store, broker, clock, rings)

    service.begin()
    service.step()

    assert status_of(store, left) is S.OUTCOME_UNKNOWN
    assert [status_of(store, order) for order in others] == [o.status for o in others]
    assert broker.placed == []
    assert "recovery_service" in rings


def test_cancel_that_an_earlier_run_was_sending_is_asked_for_again(
    store, broker, clock, rings
):
    order = store_order(store, S.PENDING_CANCEL)
    number = placed_at(broker, order)
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by="somebody")
        store.orders.finish_cancel(order.order_id, result="sent")
    service = CommandService(store, broker, clock, rings)

    service.begin()
    service.step()

    assert broker.canceled == [number]


# -- the trading state ---------------------------------------------------------


@pytest.mark.parametrize("intent", Intent)
def test_halt_after_the_guards_look_keeps_everything_back(
    store, command, broker, intent
):
    order = store_order(store, S.GUARD_PASSED, intent=intent)
    set_trading(store, TradingState.HALTED)

    command.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.reason) == (S.DENIED, "TRADING_HALTED")
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


# -- canceling -----------------------------------------------------------------


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
