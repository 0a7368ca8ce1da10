"""Rows that nobody moves, and positions that differ from the broker's."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import UnreadableRow
from shoonya_platform.domain.discrepancies import DiscrepancyKind as K
from shoonya_platform.domain.orders import BEFORE_BROKER, IN_FLIGHT, OrderType, Side
from shoonya_platform.domain.terms import ModifyStage, Terms
from shoonya_platform.execution.reconciling import STALE_SECONDS
from shoonya_platform.execution.recovery import STUCK_SECONDS
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.recovery.conftest import RULES, at_broker
from tests.unit.execution.rows import S, T, broker_holds, state


# One that is unknown is looked for, and found before it can be stuck.
@pytest.mark.parametrize(
    "status", sorted((BEFORE_BROKER | IN_FLIGHT) - {S.OUTCOME_UNKNOWN})
)
def test_row_that_nobody_moves_is_told_once_and_its_owner_rung_each_time(
    recovery, store, clock, rings, events, status
):
    order = store_order(store, status)
    owner = {
        S.INITIALIZED: "risk_manager",
        S.RISK_PASSED: "execution_guard",
        S.PENDING_REPLACE: "recovery_service",
    }.get(status, "command_service")
    clock.advance(STUCK_SECONDS)

    recovery.step()
    # The first look rings the guard for its own success too.
    rings[:] = rings[:1]
    assert rings == [owner]
    clock.advance(RULES.interval_seconds)
    recovery.step()

    assert rings.count(owner) == 2
    assert events().count("order_stuck") == 1
    assert state(store, order) == (status, 0)


def test_row_that_is_moved_in_time_is_not_told(recovery, store, clock, events):
    store_order(store)
    clock.advance(STUCK_SECONDS - 1)

    recovery.step()

    assert "order_stuck" not in events()


def test_open_order_may_wait_for_ever(recovery, store, clock, events):
    store_order(store, S.ACCEPTED)
    clock.advance(10 * STUCK_SECONDS)

    recovery.step()

    assert "order_stuck" not in events()


def test_difference_with_the_broker_is_shown_while_it_lasts(
    recovery, store, broker, clock, events
):
    order = store_order(store, S.FILLED)
    clock.advance(STALE_SECONDS)
    texts = []
    for quantity in (0, 0, 130, 130, 65, 65):
        broker.held = [broker_holds(order, quantity)]
        recovery.step()
        clock.advance(RULES.interval_seconds)
        texts.append([found.text[-26:] for found in store.discrepancies.open()])

    assert texts == [
        *2 * [["hold 65, the broker says 0"]],
        *2 * [["ld 65, the broker says 130"]],
        *2 * [[]],
    ]
    logged = [name for name in events() if name.startswith("discrepancy")]
    assert logged == ["discrepancy", "discrepancy", "discrepancy_over"]


def test_difference_right_after_a_fill_is_shown_when_it_outlasts_an_old_book(
    recovery, store, broker, clock
):
    order = store_order(store, S.FILLED)
    broker.held = [broker_holds(order, 0)]
    recovery.step()
    assert store.discrepancies.open() == []

    for _ in range(3):
        clock.advance(RULES.interval_seconds)
        recovery.step()

    assert [found.kind for found in store.discrepancies.open()] == [K.POSITION_DIFFERS]


def test_difference_that_is_shown_stays_through_fills_of_ours(
    recovery, store, broker, clock
):
    order = store_order(store, S.FILLED)
    clock.advance(STALE_SECONDS)
    broker.held = [broker_holds(order, 0)]
    recovery.step()
    (shown,) = store.discrepancies.open()
    store_order(store, S.FILLED)
    broker.held = [broker_holds(order, 65)]

    clock.advance(RULES.interval_seconds)
    recovery.step()

    (found,) = store.discrepancies.open()
    assert found.discrepancy_id == shown.discrepancy_id
    assert found.text.endswith("we hold 130, the broker says 65")


def test_same_difference_between_many_fills_is_shown_after_a_while(
    recovery, store, broker, clock
):
    looks = int(STALE_SECONDS / RULES.interval_seconds) + 1
    for number in range(1, looks + 1):
        order = store_order(store, S.FILLED)
        broker.held = [broker_holds(order, 65 * number - 10)]
        recovery.step()
        clock.advance(RULES.interval_seconds)

    (found,) = store.discrepancies.open()
    assert found.kind is K.POSITION_DIFFERS


def test_strategies_holdings_are_compared_together(
    recovery, store, broker, clock, events
):
    order = store_order(store, S.FILLED, strategy="one")
    store_order(store, S.FILLED, strategy="two", quantity=130)
    broker.held = [broker_holds(order, 195)]
    clock.advance(STALE_SECONDS)

    recovery.step()

    assert store.discrepancies.open() == []


@pytest.mark.parametrize(
    ("brokers", "is_explained"), [(0, True), (65, True), (130, True), (131, False)]
)
def test_order_in_flight_explains_a_difference_only_as_far_as_it_can_fill(
    recovery, store, broker, clock, brokers, is_explained
):
    order = store_order(store, S.FILLED)
    store_order(store, S.SUBMITTED)
    store_order(store, S.SUBMITTED, side=Side.SELL)
    broker.held = [broker_holds(order, brokers)]
    clock.advance(STALE_SECONDS)

    recovery.step()

    found = store.discrepancies.open(K.POSITION_DIFFERS)
    assert [each.subject for each in found] == (
        [] if is_explained else [f"{order.exchange}:{order.tradingsymbol} NRML"]
    )


def test_other_rupees_at_the_broker_are_shown_while_they_last(
    recovery, store, broker, clock
):
    order = store_order(store, S.FILLED, price_factor=Decimal(100))
    found = []
    for quantity, factor in ((65, "1"), (65, "100"), (65, "0.1"), (65, None), (0, "1")):
        row = broker_holds(order, quantity)
        broker.held = [
            replace(row, price_factor=None if factor is None else Decimal(factor))
        ]
        recovery.step()
        clock.advance(RULES.interval_seconds)
        found.append(
            [each.text for each in store.discrepancies.open(K.PRICE_FACTOR_DIFFERS)]
        )

    subject = f"{order.exchange}:{order.tradingsymbol} NRML"
    text = subject + ": a price of 1 is 100 rupees here, and {} at the broker: "
    text += "P&L and limits of one of us are wrong"
    assert found == [[text.format("1")], [], [text.format("0.1")], [], []]


def test_new_terms_without_an_answer_are_settled_between_two_looks(
    recovery, store, broker
):
    recovery.begin()
    order = store_order(store, S.ACCEPTED, order_type=OrderType.LIMIT, price=Decimal(9))
    at_broker(broker, order, order.broker_order_id)
    asked = Terms(quantity=130, price=Decimal(9), trigger_price=None)
    with store.transaction(durable=False):
        store.modifies.request(order.order_id, asked, by="me")
        store.modifies.pass_on(order, ModifyStage.UNKNOWN)
        store.orders.record(order, T.REPLACE_REQUESTED)
    claim = broker.book[order.broker_order_id]
    broker.book[order.broker_order_id] = replace(claim, quantity=130)

    recovery.step()

    assert store.modifies.get(order.order_id).result == "replaced"
    assert store.orders.get(order.order_id).quantity == 130


def test_nothing_is_mended_by_trading(recovery, store, broker):
    order = store_order(store, S.FILLED)
    broker.held = [broker_holds(order, 650)]

    recovery.step()

    assert broker.placed == broker.canceled == []
    assert [position.quantity for position in store.positions.open()] == [65]
    assert len(store.orders.recent(limit=9)) == 1


def test_status_counts_what_is_unclear(recovery, store, broker):
    store_order(store, S.OUTCOME_UNKNOWN)
    recovery.step()

    assert recovery.status() == (
        "1 unknown outcomes, 0 settled, 0 positions differ from the broker"
    )


def test_position_that_cannot_be_read_does_not_differ(recovery, store, broker, clock):
    order = store_order(store, S.FILLED)
    clock.advance(STALE_SECONDS)
    row = UnreadableRow(
        book="positions",
        subject=order.tradingsymbol,
        why="'netqty' is 'NA'",
        tradingsymbol=order.tradingsymbol,
    )
    broker.passed_over = [row]
    recovery.step()
    assert [found.kind for found in store.discrepancies.open()] == [K.ROW_UNREADABLE]

    broker.passed_over = [replace(row, may_be_ours=False)]
    clock.advance(RULES.interval_seconds)
    recovery.step()

    found = {each.kind: each for each in store.discrepancies.open()}
    assert found.keys() == {K.ROW_UNREADABLE, K.POSITION_DIFFERS}
    assert found[K.ROW_UNREADABLE].action.startswith("nothing has to be done")


@pytest.mark.parametrize("may_be_ours", [True, False])
def test_order_whose_row_cannot_be_read_is_neither_missing_nor_expired(
    recovery, store, broker, clock, may_be_ours
):
    order = store_order(store, S.ACCEPTED)
    broker.passed_over = [
        UnreadableRow(
            book="order_book",
            subject=str(order.broker_order_id),
            why="'status' is 'HALTED'",
            may_be_ours=may_be_ours,
        )
    ]
    for _ in range(5):
        clock.advance(24 * 3600)
        recovery.step()

    assert state(store, order) == (S.ACCEPTED, 0)
    assert [found.kind for found in store.discrepancies.open()] == [K.ROW_UNREADABLE]
