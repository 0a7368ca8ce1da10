"""An exit goes out for no more than the broker's own position shows."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import UnreadableRow
from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.domain.orders import Fill, Intent, Side, TradeId
from shoonya_platform.errors import BrokerUnavailable, LoginNeeded
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.execution.exit_cap import (
    BOOK_SECONDS,
    FAILED_SECONDS,
    FILLS_SECONDS,
    LATE_SECONDS,
    PATIENCE_SECONDS,
    READING_SECONDS,
)
from shoonya_platform.execution.preconditions import SendPreconditions
from shoonya_platform.testing.orders import store_order
from tests.preconditions import AnyMoment
from tests.unit.execution.rows import S, broker_holds, current, status_of


def an_exit(store, quantity=130, **changes):
    return store_order(
        store,
        S.GUARD_PASSED,
        quantity=quantity,
        side=Side.SELL,
        intent=Intent.EXIT,
        **changes,
    )


def quantities(broker):
    return [order.quantity for order in broker.placed]


def step_after(command, clock, seconds):
    clock.advance(seconds)
    command.step()


def hold(store, clock, quantity=130, seconds_ago=FILLS_SECONDS + 1, **changes):
    """Have a position whose fill is so old."""
    order = store_order(store, S.SUBMITTED, quantity=quantity, **changes)
    fill = Fill(
        trade_id=TradeId(f"T{order.order_id}"),
        quantity=quantity,
        price=Decimal(100),
        filled_at=clock.now() - timedelta(seconds=seconds_ago),
    )
    with store.transaction(durable=False):
        return store.orders.fill(order, fill)


@pytest.mark.parametrize(
    ("at_broker", "sent"), [(200, [130]), (130, [130]), (50, [50])]
)
def test_exit_is_no_larger_than_the_brokers_position(
    command, store, broker, clock, at_broker, sent
):
    held = hold(store, clock)
    broker.held = [broker_holds(held, at_broker)]
    order = an_exit(store)

    command.step()

    assert quantities(broker) == sent
    assert current(store, order).quantity == sent[0]


def test_exit_of_what_was_closed_elsewhere_waits_and_is_denied(
    command, store, broker, clock
):
    hold(store, clock)
    order = an_exit(store)

    command.step()
    step_after(command, clock, READING_SECONDS)
    assert status_of(store, order) is S.GUARD_PASSED
    step_after(command, clock, PATIENCE_SECONDS)

    assert quantities(broker) == []
    assert current(store, order).reason.startswith("POSITION_CLOSED")


def test_exit_that_comes_after_the_last_look_waits_for_the_next_one(
    command, store, broker, clock
):
    hold(store, clock)
    an_exit(store)
    command.step()
    second = an_exit(store)

    # The first is looked at every two seconds; this one is not denied before that.
    command.step()

    assert status_of(store, second) is S.GUARD_PASSED


def test_position_book_that_lacks_our_own_fill_bounds_nothing(
    command, store, broker, clock
):
    hold(store, clock, seconds_ago=10)
    an_exit(store)

    command.step()

    assert quantities(broker) == [130]


def test_position_book_that_no_fill_of_ours_explains_counts(
    command, store, broker, clock
):
    held = hold(store, clock, 130, seconds_ago=10)
    broker.held = [broker_holds(held, 65)]
    an_exit(store)

    command.step()

    assert quantities(broker) == [65]


def test_position_book_that_has_what_we_have_not_booked_bounds_nothing(
    command, store, broker, clock
):
    """Another exit of the instrument has filled at the broker, and nobody said so."""
    held = hold(store, clock, 65, strategy="a")
    hold(store, clock, 65, strategy="b")
    store_order(
        store,
        S.ACCEPTED,
        quantity=65,
        side=Side.SELL,
        intent=Intent.EXIT,
        strategy="a",
    )
    broker.held = [broker_holds(held, 65)]
    an_exit(store, 65, strategy="b")

    command.step()

    assert quantities(broker) == [65]


def test_stop_that_rests_for_long_explains_no_smaller_position(
    command, store, broker, clock
):
    hold(store, clock, 65)
    store_order(store, S.ACCEPTED, quantity=65, side=Side.SELL, intent=Intent.EXIT)
    clock.advance(FILLS_SECONDS + 1)
    order = an_exit(store, 65)

    # A person has closed the position from the broker's app.
    command.step()

    assert quantities(broker) == []
    assert status_of(store, order) is S.GUARD_PASSED


def test_position_book_that_lacks_our_earlier_exit_does_not_let_a_second_one_out(
    command, store, broker, clock
):
    """Half was closed elsewhere; the book goes on showing what our exit has closed."""
    held = hold(store, clock, 65, strategy="a")
    hold(store, clock, 65, strategy="b")
    broker.held = [broker_holds(held, 65)]
    first = an_exit(store, 65, strategy="a")
    command.step()
    with store.transaction(durable=False):
        store.orders.fill(
            store.orders.get(first.order_id),
            Fill(
                trade_id=TradeId("T"),
                quantity=65,
                price=Decimal(100),
                filled_at=clock.now(),
            ),
        )
    second = an_exit(store, 65, strategy="b")

    step_after(command, clock, READING_SECONDS)

    assert quantities(broker) == [65]
    assert status_of(store, second) is S.GUARD_PASSED


def test_difference_that_is_shown_counts_whatever_may_explain_it(
    command, store, broker, clock
):
    held = hold(store, clock, seconds_ago=10)
    with store.transaction(durable=False):
        store.discrepancies.note(
            Discrepancy(
                kind=DiscrepancyKind.POSITION_DIFFERS,
                subject=f"{held.exchange}:{held.tradingsymbol} {held.product}",
                text="differs",
                action="look",
            )
        )
    broker.held = [broker_holds(held, 65)]
    an_exit(store)

    command.step()

    assert quantities(broker) == [65]


def test_exit_that_waits_for_its_market_is_not_sent_and_nothing_is_read(
    store, broker, clock, rings
):
    class Night(AnyMoment):
        def awaits_market(self, order):
            return True

    preconditions = SendPreconditions(store, Night(), awaits_reconciliation=False)
    command = CommandService(store, broker, clock, rings, preconditions)
    hold(store, clock)
    order = an_exit(store)

    command.step()
    step_after(command, clock, LATE_SECONDS)

    assert status_of(store, order) is S.GUARD_PASSED
    assert "positions" not in broker.readings


def test_positions_that_cannot_be_read_hold_no_exit_back(
    command, store, broker, clock, monkeypatch
):
    asked = []

    def fail():
        asked.append(clock.monotonic())
        raise BrokerUnavailable("no positions")

    monkeypatch.setattr(broker, "positions", fail)
    hold(store, clock)
    an_exit(store)
    command.step()
    assert quantities(broker) == [130]

    an_exit(store)
    step_after(command, clock, FAILED_SECONDS - 0.1)
    assert quantities(broker) == [130, 130]
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("at_broker", "sent"), [(200, [130]), (130, [130]), (50, [50])]
)
def test_exit_that_waited_is_no_larger_than_the_brokers_position(
    command, store, broker, clock, at_broker, sent
):
    order = an_exit(store)
    broker.held = [broker_holds(order, at_broker)]

    step_after(command, clock, LATE_SECONDS)

    assert quantities(broker) == sent
    assert current(store, order).quantity == sent[0]


@pytest.mark.parametrize("at_broker", [0, -130])
def test_exit_of_a_position_that_is_closed_waits_and_is_denied(
    command, store, broker, clock, at_broker
):
    order = an_exit(store)
    broker.held = [broker_holds(order, at_broker)]
    step_after(command, clock, LATE_SECONDS)
    step_after(command, clock, PATIENCE_SECONDS - READING_SECONDS)
    assert status_of(store, order) is S.GUARD_PASSED

    step_after(command, clock, READING_SECONDS)

    assert quantities(broker) == []
    assert status_of(store, order) is S.DENIED
    assert current(store, order).reason.startswith("POSITION_CLOSED")


def test_exit_goes_out_once_the_position_book_shows_it(command, store, broker, clock):
    order = an_exit(store)
    step_after(command, clock, LATE_SECONDS)
    assert quantities(broker) == []
    broker.held = [broker_holds(order, 130)]

    step_after(command, clock, READING_SECONDS)

    assert quantities(broker) == [130]


def test_two_exits_share_what_the_broker_shows(command, store, broker, clock):
    first = an_exit(store, 65, strategy="a")
    second = an_exit(store, 65, strategy="b")
    broker.held = [broker_holds(first, 100)]

    step_after(command, clock, LATE_SECONDS)

    assert quantities(broker) == [65, 35]
    assert status_of(store, second) is S.ACCEPTED


def test_book_that_lacks_what_was_just_sent_is_not_used_twice(
    command, store, broker, clock
):
    first = an_exit(store, 65, strategy="a")
    broker.held = [broker_holds(first, 65)]
    step_after(command, clock, LATE_SECONDS)
    # It has filled, and the broker's position book does not show it yet.
    (number,) = broker.book
    broker.fill(number, 65)
    second = an_exit(store, 65, strategy="b")

    step_after(command, clock, LATE_SECONDS)
    assert quantities(broker) == [65]
    broker.held = []
    step_after(command, clock, BOOK_SECONDS)
    step_after(command, clock, PATIENCE_SECONDS)

    assert quantities(broker) == [65]
    assert status_of(store, second) is S.DENIED


def test_unreadable_positions_hold_back_only_the_exits_that_waited(
    command, store, broker, clock, monkeypatch
):
    late = an_exit(store)
    clock.advance(LATE_SECONDS)
    fresh = an_exit(store, 65)

    def fail():
        raise BrokerUnavailable("no positions")

    monkeypatch.setattr(broker, "positions", fail)
    command.step()

    assert status_of(store, late) is S.GUARD_PASSED
    assert status_of(store, fresh) is S.ACCEPTED


def test_exit_without_a_session_waits_and_is_never_rejected(
    command, store, broker, clock
):
    order = an_exit(store)
    broker.answer_place(LoginNeeded("no session"))
    with pytest.raises(LoginNeeded):
        command.step()

    assert status_of(store, order) is S.RISK_PASSED


def a_row(**changes):
    row = UnreadableRow(book="positions", subject="row", why="'netqty' is 'NA'")
    return replace(row, **changes)


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        pytest.param({}, [130], id="of-any-instrument"),
        pytest.param({"tradingsymbol": "its own"}, [130], id="of-its-own"),
        pytest.param({"tradingsymbol": "SBIN-EQ"}, [], id="of-another"),
        pytest.param({"may_be_ours": False}, [], id="of-another-product"),
        pytest.param({"book": "trade_book"}, [], id="of-another-book"),
    ],
)
def test_position_that_cannot_be_read_is_not_taken_for_closed(
    command, store, broker, clock, change, sent
):
    hold(store, clock)
    order = an_exit(store)
    if change.get("tradingsymbol") == "its own":
        change = {"tradingsymbol": order.tradingsymbol}
    broker.passed_over = [a_row(**change)]

    step_after(command, clock, LATE_SECONDS)

    assert quantities(broker) == sent


def test_position_that_can_be_read_counts_whatever_row_cannot(
    command, store, broker, clock
):
    hold(store, clock)
    order = an_exit(store)
    broker.held = [broker_holds(order, 50)]
    broker.passed_over = [a_row()]

    step_after(command, clock, LATE_SECONDS)

    assert quantities(broker) == [50]
