"""What must hold at the moment of sending, whatever an order has passed before."""

from dataclasses import replace

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.domain.denials import Denial, DenialCode
from shoonya_platform.domain.discrepancies import DiscrepancyKind as K
from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.behind import SECOND_LOOK
from shoonya_platform.execution.canceling import AGAIN_SECONDS
from shoonya_platform.execution.command_service import (
    BATCH,
    BATCH_SECONDS,
    CommandService,
)
from shoonya_platform.execution.preconditions import SendPreconditions
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.command_service.conftest import placed_at, request_cancel
from tests.unit.execution.rows import S, set_trading, status_of


class Moments:
    """Denies the orders that a test names."""

    def __init__(self):
        self.stale = set()

    def moment(self, order):
        if order.order_id in self.stale:
            return Denial(DenialCode.ALERT_STALE, {"age_seconds": 300})
        return None

    def awaits_market(self, order):
        return False


@pytest.fixture
def moments():
    return Moments()


@pytest.fixture
def new_command(store, broker, clock, rings, moments):
    def make(*, awaits_reconciliation=False):
        rules = SendPreconditions(
            store, moments, awaits_reconciliation=awaits_reconciliation
        )
        service = CommandService(store, broker, clock, rings, rules)
        service.begin()
        return service

    return make


def note_running(store):
    """Note a service that has not ended in order."""
    with store.transaction(durable=False):
        store.services.beat(pid=1, status="runs", started_at=BEGIN)


def sent(broker):
    return [order.client_order_id for order in broker.placed]


def test_order_that_has_grown_old_since_the_guard_looked_is_denied(
    new_command, store, broker, moments
):
    order = store_order(store, S.GUARD_PASSED)
    moments.stale.add(order.order_id)

    new_command().step()

    assert status_of(store, order) is S.DENIED
    assert broker.placed == []


def test_order_that_grows_old_within_a_batch_goes_back_unsent(
    new_command, store, broker, moments
):
    first, second = (store_order(store, S.GUARD_PASSED) for _ in range(2))
    broker.on_place = lambda _: moments.stale.add(second.order_id)

    new_command().step()

    assert sent(broker) == [first.client_order_id]
    assert status_of(store, second) is S.RISK_PASSED


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_halt_in_the_middle_of_a_batch_keeps_back_what_was_not_sent(
    new_command, store, broker, state
):
    orders = [store_order(store, S.GUARD_PASSED) for _ in range(BATCH)]
    broker.on_place = lambda _: set_trading(store, state)

    new_command().step()

    assert sent(broker) == [orders[0].client_order_id]
    assert {status_of(store, order) for order in orders[1:]} == {S.RISK_PASSED}


def test_entry_waits_for_the_first_reconciliation_and_an_exit_does_not(
    new_command, store, broker
):
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    entry = store_order(store, S.GUARD_PASSED)
    leaving = store_order(store, S.GUARD_PASSED, intent=Intent.EXIT, side=Side.SELL)
    command = new_command(awaits_reconciliation=True)

    command.step()
    assert sent(broker) == [leaving.client_order_id]
    with store.transaction(durable=False):
        store.recovery.record(succeeded=True, summary="done", report="{}")
    command.step()

    assert sent(broker) == [leaving.client_order_id, entry.client_order_id]


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        pytest.param(None, "not done yet", id="none-yet"),
        pytest.param("nobody answers", "nobody answers", id="failed"),
    ],
)
def test_entry_before_the_first_reconciliation_is_denied_with_what_is_awaited(
    store, moments, failure, why
):
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
        if failure is not None:
            store.recovery.record(succeeded=False, summary=failure, report="{}")
    rules = SendPreconditions(store, moments, awaits_reconciliation=True)
    entry = store_order(store, S.GUARD_PASSED)
    leaving = store_order(store, S.GUARD_PASSED, intent=Intent.EXIT, side=Side.SELL)
    trading = store.trading.status()

    assert rules.denial(entry, trading) == Denial(
        DenialCode.AWAITING_RECONCILIATION, {"first": why}
    )
    assert rules.denial(leaving, trading) is None


def test_many_entries_that_wait_do_not_hold_up_an_exit_behind_them(
    new_command, store, broker
):
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    for _ in range(2 * BATCH):
        store_order(store, S.GUARD_PASSED)
    command = new_command(awaits_reconciliation=True)
    command.step()
    leaving = store_order(store, S.GUARD_PASSED, intent=Intent.EXIT, side=Side.SELL)

    command.step()

    assert sent(broker) == [leaving.client_order_id]


def test_order_that_the_broker_has_already_is_not_sent(new_command, store, broker):
    order = store_order(store, S.GUARD_PASSED)
    broker.accept(PlaceOrder.of(order))

    new_command().step()

    assert broker.placed == []
    assert status_of(store, order) is S.OUTCOME_UNKNOWN


def test_nothing_is_sent_before_the_order_book_was_read(new_command, store, broker):
    order = store_order(store, S.GUARD_PASSED)
    command = new_command()
    broker.is_down = True
    with pytest.raises(BrokerUnavailable):
        command.step()
    assert status_of(store, order) is S.GUARD_PASSED
    broker.is_down = False

    command.step()

    assert sent(broker) == [order.client_order_id]


def test_entry_from_before_the_start_waits_for_a_book_that_cannot_be_old(
    new_command, store, broker, clock
):
    left_over = store_order(store, S.GUARD_PASSED)
    note_running(store)
    clock.advance(60)
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    clock.advance(1)
    fresh = store_order(store, S.GUARD_PASSED)
    command = new_command()

    command.step()
    assert sent(broker) == [fresh.client_order_id]
    # Sent by the history that a restored copy has forgotten.
    broker.accept(PlaceOrder.of(left_over))
    clock.advance(SECOND_LOOK.total_seconds())
    command.step()

    assert sent(broker) == [fresh.client_order_id]
    assert status_of(store, left_over) is S.OUTCOME_UNKNOWN


def test_entry_from_before_an_orderly_end_goes_out_at_once(
    new_command, store, broker, clock
):
    order = store_order(store, S.GUARD_PASSED)
    note_running(store)
    with store.transaction(durable=False):
        store.services.end()
    clock.advance(60)
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)

    new_command().step()

    assert sent(broker) == [order.client_order_id]


def test_slow_broker_gets_no_more_orders_than_a_batch_may_take(
    new_command, store, broker, clock
):
    orders = [store_order(store, S.GUARD_PASSED) for _ in range(BATCH)]
    broker.on_place = lambda _: clock.advance(4.5)
    command = new_command()
    with pytest.raises(BrokerUnavailable, match="not sent: the broker took 14 s"):
        command.step()

    assert len(sent(broker)) == 3 > BATCH_SECONDS / 4.5
    assert {status_of(store, order) for order in orders[3:]} == {S.RISK_PASSED}


@pytest.mark.parametrize("error", [RecursionError("deep"), ValueError("surrogate")])
def test_answer_that_breaks_the_adapter_is_an_unknown_outcome(
    new_command, store, broker, error
):
    order = store_order(store, S.GUARD_PASSED)
    broker.answer_place(error)

    new_command().step()

    assert status_of(store, order) is S.OUTCOME_UNKNOWN


def test_number_that_another_order_has_makes_the_outcome_unknown_and_is_shown(
    new_command, store, broker, monkeypatch
):
    holder = store_order(store, S.ACCEPTED)
    order = store_order(store, S.GUARD_PASSED)
    monkeypatch.setattr(broker, "place", lambda _: holder.broker_order_id)

    new_command().step()

    assert status_of(store, order) is S.OUTCOME_UNKNOWN
    assert store.orders.by_broker_order_id(holder.broker_order_id) == holder
    (found,) = store.discrepancies.unresolved()
    assert (found.kind, found.order_id) == (
        K.WRONG_NUMBER,
        order.order_id,
    )
    assert f"{holder.broker_order_id}, which is order {holder.order_id}'s" in found.text


def test_one_number_in_two_answers_of_a_batch_is_believed_once(
    new_command, store, broker, monkeypatch
):
    first, second = (store_order(store, S.GUARD_PASSED) for _ in range(2))
    monkeypatch.setattr(broker, "place", lambda _: "B7")

    new_command().step()

    assert status_of(store, first) is S.ACCEPTED
    assert status_of(store, second) is S.OUTCOME_UNKNOWN


def test_cancel_goes_out_only_under_a_number_that_the_book_shows(
    new_command, store, broker, clock
):
    order = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        store.orders.note_number(order, "B9", is_confirmed=False)
    request_cancel(store, order)
    command = new_command()
    command.step()
    assert broker.canceled == []
    broker.accept(PlaceOrder.of(order), "B9")
    clock.advance(5)

    command.step()

    assert broker.canceled == ["B9"]


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        pytest.param("B9", {"side": Side.SELL}, id="other-side"),
        pytest.param("B9", {"tradingsymbol": "OTHER"}, id="other-instrument"),
        # Its row is there, but under a number that is order_watcher's to book.
        pytest.param("B10", {}, id="other-number"),
    ],
)
def test_cancel_waits_while_the_book_shows_something_else_under_our_id(
    new_command, store, broker, clock, number, changes
):
    order = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        store.orders.note_number(order, "B9", is_confirmed=False)
    broker.accept(replace(PlaceOrder.of(order), **changes), number)
    request_cancel(store, order)
    command = new_command()

    for _ in range(3):
        command.step()
        clock.advance(5)

    assert broker.canceled == []
    assert store.orders.by_broker_order_id("B10") is None
    assert not store.orders.get(order.order_id).is_number_confirmed


def test_cancel_that_the_broker_took_and_ignored_is_asked_for_again_and_shown(
    new_command, store, broker, clock, monkeypatch
):
    order = store_order(store, S.ACCEPTED)
    placed_at(broker, order)
    asked: list[str] = []
    monkeypatch.setattr(broker, "cancel", asked.append)
    request_cancel(store, order)
    command = new_command()
    for _ in range(3):
        command.step()
        clock.advance(AGAIN_SECONDS)
        assert (store.discrepancies.open() != []) == (len(asked) > 2)
    command.step()

    assert len(asked) == 4
    assert [found.kind for found in store.discrepancies.open()] == [K.CANCEL_IGNORED]
