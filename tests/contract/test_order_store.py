"""
What every order store must do.

A store joins by a `World` of its own in `store_worlds`.

Long, as the numbered cases are one list that every world is held to whole.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoonya_platform.domain.alert_form import (
    ANONYMOUS_DUPLICATE_SECONDS,
    NAMED_DUPLICATE_SECONDS,
)
from shoonya_platform.domain.alert_instruments import with_instruments
from shoonya_platform.domain.alerts import AlertStatus, MarketPosition
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.discrepancies import Discrepancy
from shoonya_platform.domain.discrepancies import DiscrepancyKind as K
from shoonya_platform.domain.instruments import Exchange, PriceBand, Product
from shoonya_platform.domain.orders import (
    CLOSED,
    NOTES,
    REFUSED,
    AlertId,
    BrokerOrderId,
    ClientOrderId,
    IllegalTransition,
    Intent,
    NewOrder,
    OrderEvent,
    OrderId,
    OrderStatus,
    OrderTrigger,
    OrderType,
    Side,
    TimeInForce,
    TradeId,
    next_status,
)
from shoonya_platform.domain.refused_alerts import RefusedAlert
from shoonya_platform.domain.terms import ModifyStage, Terms, terms_of
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import NotAllowed, StoreError
from shoonya_platform.store.base import OrderStore, PnlSample, RiskDay
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import (
    SYMBOL,
    a_fill,
    a_leg,
    a_new_order,
    alert_body,
    an_alert,
    an_alert_id,
    store_alert,
    store_order,
)
from shoonya_platform.testing.tickers import packaged_tickers
from tests.contract.store_worlds import WORLDS, World

S, T = OrderStatus, OrderTrigger
NFO = Exchange.NFO
KILLS = 6


@pytest.fixture(params=WORLDS)
def world(request, tmp_path) -> Iterator[World]:
    made = WORLDS[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(world) -> OrderStore:
    opened: OrderStore = world.open()
    return opened


@pytest.fixture
def other(world) -> OrderStore:
    """The same store as another process sees it."""
    opened: OrderStore = world.open(run_id="run-2")
    return opened


class Refused(Exception):
    pass


def triggers(events: list[OrderEvent]) -> list[str]:
    return [event.trigger for event in events]


# -- transactions --------------------------------------------------------------


@pytest.mark.parametrize("durable", [True, False])
def test_s01_what_a_transaction_did_is_seen_by_all_once_it_ends(store, other, durable):
    alert_id = store_alert(store)

    with store.transaction(durable=durable):
        order = store.orders.add(a_new_order(alert_id), alerted_at=BEGIN)
        assert other.orders.get(order.order_id) is None
        assert store.orders.get(order.order_id) == order

    assert other.orders.get(order.order_id) == order
    assert triggers(other.orders.events(order_id=order.order_id)) == ["created"]


@pytest.mark.parametrize("durable", [True, False])
def test_s02_exception_undoes_all_of_it_and_comes_through(store, durable):
    order = store_order(store)
    before = store.orders.events(alert_id=order.alert_id)

    def begin_and_fail():
        with store.transaction(durable=durable):
            store.orders.record(order, T.RISK_PASSED)
            store.trading.set(TradingState.HALTED, reason="", by="")
            raise Refused

    with pytest.raises(Refused):
        begin_and_fail()

    assert store.orders.get(order.order_id) == order
    assert store.orders.events(alert_id=order.alert_id) == before
    assert store.trading.status().state is TradingState.ACTIVE


def test_s03_store_goes_on_after_an_exception(store):
    with pytest.raises(Refused), store.transaction(durable=True):
        raise Refused

    assert store_order(store, S.RISK_PASSED).status is S.RISK_PASSED


def test_s04_writers_take_turns(world, store):
    turns = []
    begun = threading.Event()

    def wait_for_a_turn():
        second = world.open()
        begun.set()
        with second.transaction(durable=False):
            turns.append("second")

    thread = threading.Thread(target=wait_for_a_turn)
    with store.transaction(durable=False):
        thread.start()
        assert begun.wait(60)
        thread.join(0.05)  # time enough to push in
        turns.append("first")
    thread.join(10)

    assert turns == ["first", "second"]


def test_s05_reader_is_not_held_up_by_a_writer(store, other):
    order = store_order(store)

    with store.transaction(durable=True):
        store.orders.record(order, T.RISK_PASSED)

        assert other.orders.get(order.order_id) == order


def test_s76_view_shows_one_state_and_holds_up_no_writer(store, other):
    order = store_order(store)

    with other.view():
        assert other.orders.get(order.order_id) == order
        with store.transaction(durable=True):
            passed = store.orders.record(order, T.RISK_PASSED)
        assert other.orders.get(order.order_id) == order

    assert other.orders.get(order.order_id) == passed
    with other.transaction(durable=False):
        other.orders.record(passed, T.GUARD_PASSED)


def test_s06_step_is_taken_once_however_many_saw_the_row(store, other):
    order = store_order(store)
    seen = other.orders.get(order.order_id)
    assert seen == order

    with store.transaction(durable=False):
        store.orders.record(order, T.RISK_PASSED)

    with pytest.raises(NotAllowed), other.transaction(durable=False):
        other.orders.record(seen, T.RISK_PASSED)
    assert triggers(store.orders.events(order_id=order.order_id)) == [
        "created",
        "risk_passed",
    ]


def test_s07_fill_of_a_row_that_has_moved_is_refused(store, other):
    order = store_order(store, S.ACCEPTED)

    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(25))

    with pytest.raises(NotAllowed), other.transaction(durable=False):
        other.orders.fill(order, a_fill(25))
    assert other.positions.open()[0].quantity == 25


def test_s08_processes_that_claim_at_once_take_each_row_exactly_once(world, store):
    alert_id = store_alert(store)
    with store.transaction(durable=False):
        orders = [
            store.orders.add(a_new_order(alert_id, leg=leg), alerted_at=BEGIN)
            for leg in range(1, 301)
        ]
    claimers = [world.spawn("claim", f"claimer-{n}") for n in range(2)]
    for claimer in claimers:
        assert claimer.stdout.readline() == "ready\n"
    for claimer in claimers:
        claimer.stdin.write("go\n")
        claimer.stdin.flush()
    for claimer in claimers:
        with claimer:
            assert claimer.wait(30) == 0

    steps = Counter(
        event.order_id
        for event in store.orders.events(alert_id=alert_id)
        if event.trigger == "risk_passed"
    )
    assert steps == {order.order_id: 1 for order in orders}
    takers = {event.run_id for event in store.orders.events(alert_id=alert_id)}
    assert takers == {"run-1", "claimer-0", "claimer-1"}


def test_s09_writer_killed_in_the_middle_leaves_no_half_step(world, store):
    for n in range(KILLS):
        with world.spawn("walk", f"walker-{n}") as walker:
            assert walker.stdout.readline() == "ready\n"
            walker.stdin.write("go\n")
            walker.stdin.flush()
            seen = sum(store.orders.count().values())
            while sum(store.orders.count().values()) < seen + 3 + n:
                assert walker.poll() is None
            walker.kill()

    orders = store.orders.recent(limit=100_000)
    assert len(orders) >= 3 * KILLS
    for order in orders:
        assert replayed(store.orders.events(order_id=order.order_id)) is order.status
        assert (order.status is S.FILLED) == (order.filled_quantity == order.quantity)
    (position,) = store.positions.open()
    assert position.quantity == sum(order.filled_quantity for order in orders)


def replayed(events: list[OrderEvent]) -> OrderStatus:
    """Walk the events through the table; each must say where it led."""
    filled = 0
    assert events[0].trigger == "created"
    status = S(events[0].order_status)
    for event in events[1:]:
        if event.trigger in NOTES:
            assert event.order_status == status
            continue
        status = next_status(
            status, OrderTrigger(event.trigger), filled_quantity=filled
        )
        filled += event.trigger in ("partially_filled", "filled")
        assert event.order_status == status
    return status


# -- refused alerts ------------------------------------------------------------


def a_refusal(**changes: Any) -> RefusedAlert:
    refused = RefusedAlert(
        code="FIELD_INVALID",
        reason="qty: expected a number",
        hint="send one",
        http_status=400,
        client="203.0.113.7",
        body='{"qty": "x"}',
    )
    return replace(refused, **changes)


def test_refused_alerts_are_listed_newest_first_and_counted_by_code(store, other):
    with store.transaction(durable=False):
        store.refusals.add(a_refusal(), at=BEGIN)
        store.refusals.add(
            a_refusal(code="KEY_UNKNOWN"), at=BEGIN + timedelta(seconds=1)
        )

    newest, first = other.refusals.recent(limit=5)
    assert (newest.refused.code, first.refused) == ("KEY_UNKNOWN", a_refusal())
    assert (first.refused_at, first.times) == (BEGIN, 1)
    assert other.refusals.after(first.refusal_id, limit=5) == [newest]
    assert other.refusals.counts() == {"FIELD_INVALID": 1, "KEY_UNKNOWN": 1}


def test_refusals_without_a_body_are_one_row_a_code_and_day(store):
    stranger = a_refusal(code="SECRET_WRONG", body=None)
    with store.transaction(durable=False):
        for hours in (0, 1, 26):
            store.refusals.add(stranger, at=BEGIN + timedelta(hours=hours), times=2)

    assert [each.times for each in store.refusals.recent(limit=5)] == [2, 4]
    assert store.refusals.counts() == {"SECRET_WRONG": 6}


# -- alerts --------------------------------------------------------------------


def test_s10_alert_comes_back_as_it_was_stored(store):
    alert = an_alert(a_leg(price="0.10", order_type="LMT"), timenow=BEGIN.isoformat())
    alert_id = an_alert_id()

    with store.transaction(durable=True):
        assert store.alerts.add(alert, alert_id, received_at=BEGIN) == (alert_id, True)

    stored = store.alerts.get(alert_id)
    assert stored is not None
    assert (stored.alert, stored.received_at) == (alert, BEGIN)
    assert (stored.status, stored.outcome) == (AlertStatus.RECEIVED, "")
    (event,) = store.orders.events(alert_id=alert_id)
    assert (event.trigger, event.order_id) == ("alert_received", None)


def test_alert_keeps_what_it_states_and_how_it_was_spelled(store):
    alert = an_alert(
        {"tradingsymbol": "NIFTY1!"},
        execution_type="exit",
        exchange="NSE",
        market_position="flat",
        market_position_size=0,
        prev_market_position="short",
        prev_market_position_size="130",
    )
    mapped = with_instruments(alert, packaged_tickers(), BEGIN.date(), ())
    alert_id = store_alert(store, mapped)

    stored = store.alerts.get(alert_id)
    assert stored is not None
    assert stored.alert == mapped
    assert (stored.alert.market_position, stored.alert.prev_market_position) == (
        MarketPosition.FLAT,
        MarketPosition.SHORT,
    )
    assert stored.alert.prev_market_position_size == 130
    (leg,) = stored.alert.legs
    assert (leg.side, leg.quantity, leg.received) == (None, None, "NSE:NIFTY1!")
    (event,) = store.orders.events(alert_id=alert_id)
    assert f"NSE:NIFTY1! is NFO:{leg.tradingsymbol}" in event.text


def test_s11_unknown_alert_is_none(store):
    assert store.alerts.get(AlertId("A261125-NOBODY00")) is None


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("alert-1", NAMED_DUPLICATE_SECONDS), (None, ANONYMOUS_DUPLICATE_SECONDS)],
    ids=["named", "anonymous"],
)
def test_s12_alert_is_a_duplicate_within_its_window_and_new_after_it(
    store, name, seconds
):
    alert = an_alert(id=name)
    first, again, later = an_alert_id(), an_alert_id(), an_alert_id()
    last_moment = BEGIN + timedelta(seconds=seconds, microseconds=-1)

    with store.transaction(durable=False):
        store.alerts.add(alert, first, received_at=BEGIN)
        doubled = store.alerts.add(alert, again, received_at=last_moment)
        anew = store.alerts.add(
            alert, later, received_at=BEGIN + timedelta(seconds=seconds)
        )

    assert doubled == (first, False)
    assert anew == (later, True)
    assert store.alerts.get(again) is None
    assert store.orders.events(alert_id=again) == []


def test_s13_alerts_are_given_out_oldest_first_and_shown_newest_first(store):
    ids = [an_alert_id() for _ in range(3)]
    with store.transaction(durable=False):
        # Not in the order of their ids.
        for alert_id, seconds in zip(ids, (20, 0, 10), strict=True):
            store.alerts.add(
                an_alert(), alert_id, received_at=BEGIN + timedelta(seconds=seconds)
            )
    oldest_first = [ids[1], ids[2], ids[0]]

    waiting = store.alerts.in_status(AlertStatus.RECEIVED, limit=2)

    assert [alert.alert_id for alert in waiting] == oldest_first[:2]
    recent = store.alerts.recent(limit=2)
    assert [alert.alert_id for alert in recent] == oldest_first[:0:-1]


def test_s14_recording_moves_an_alert_and_writes_its_event(store):
    alert_id = store_alert(store)

    with store.transaction(durable=False):
        store.alerts.record(alert_id, AlertStatus.SKIPPED, outcome="flat", text="why")

    stored = store.alerts.get(alert_id)
    assert stored is not None
    assert (stored.status, stored.outcome) == (AlertStatus.SKIPPED, "flat")
    assert store.alerts.in_status(AlertStatus.RECEIVED, limit=9) == []
    event = store.orders.events(alert_id=alert_id)[-1]
    assert (event.trigger, event.text) == ("alert_skipped", "why")


def test_s15_planned_alert_is_finished_once_all_its_orders_are_at_an_end(store):
    alert_id, unplanned = store_alert(store), store_alert(store)
    store_order(store, S.FILLED, alert_id=unplanned)
    store_order(store, S.FILLED, alert_id=alert_id, leg=1)
    second = store_order(store, S.SUBMITTED, alert_id=alert_id, leg=2)
    with store.transaction(durable=False):
        store.alerts.record(alert_id, AlertStatus.PLANNED, outcome="", text="")

    assert store.alerts.finished(limit=9) == []
    with store.transaction(durable=False):
        store.orders.record(second, T.REJECTED)

    assert store.alerts.finished(limit=9) == [alert_id]


# -- orders --------------------------------------------------------------------


def test_s20_new_order_comes_back_with_all_it_was_given(world, store):
    alert_id = store_alert(store)
    new = NewOrder(
        client_order_id=ClientOrderId("O-1"),
        alert_id=alert_id,
        leg=2,
        attempt=3,
        strategy="straddle",
        intent=Intent.ADJUST,
        exchange=Exchange.MCX,
        tradingsymbol="M&M-EQ",
        side=Side.SELL,
        quantity=10_000_000,
        order_type=OrderType.STOP_LIMIT,
        price=Decimal("0.10"),
        trigger_price=Decimal("100000000.05"),
        product=Product.MIS,
        time_in_force=TimeInForce.IOC,
        reference_price=Decimal("1E-7"),
        price_factor=Decimal("0.125"),
    )

    with store.transaction(durable=False):
        order = store.orders.add(new, alerted_at=BEGIN)

    stored = world.open().orders.get(order.order_id)
    assert stored == order
    assert {field.name: getattr(stored, field.name) for field in fields(new)} == {
        field.name: getattr(new, field.name) for field in fields(new)
    }
    assert str(stored.price) == "0.10"
    assert stored.status is S.INITIALIZED
    assert (stored.broker_order_id, stored.filled_quantity) == (None, 0)
    assert (stored.average_price, stored.reason) == (None, "")
    assert (stored.created_at, stored.updated_at) == (BEGIN, BEGIN)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"client_order_id": ClientOrderId("O-other")}, id="leg-again"),
        pytest.param(
            {"leg": 2, "client_order_id": ClientOrderId("O-1")}, id="id-again"
        ),
    ],
)
def test_s21_leg_is_ordered_once_and_an_id_used_once(store, changes):
    alert_id = store_alert(store)
    with store.transaction(durable=False):
        store.orders.add(
            a_new_order(alert_id, client_order_id=ClientOrderId("O-1")),
            alerted_at=BEGIN,
        )

    with pytest.raises(StoreError), store.transaction(durable=False):
        store.orders.add(a_new_order(alert_id, **changes), alerted_at=BEGIN)

    assert len(store.orders.of_alert(alert_id)) == 1


def test_s22_order_needs_its_alert(store):
    with pytest.raises(StoreError), store.transaction(durable=False):
        store.orders.add(a_new_order(), alerted_at=BEGIN)


@pytest.mark.parametrize("quantity", [0, -65])
def test_s23_order_of_no_quantity_is_refused(store, quantity):
    alert_id = store_alert(store)

    with pytest.raises(StoreError), store.transaction(durable=False):
        store.orders.add(a_new_order(alert_id, quantity=quantity), alerted_at=BEGIN)


def test_s24_order_is_found_by_each_of_its_ids(store):
    order = store_order(store, S.ACCEPTED)

    assert order.broker_order_id is not None
    assert store.orders.get(order.order_id) == order
    assert store.orders.by_client_order_id(order.client_order_id) == order
    assert store.orders.by_broker_order_id(order.broker_order_id) == order
    assert store.orders.get(OrderId(999)) is None
    assert store.orders.by_client_order_id(ClientOrderId("x")) is None
    assert store.orders.by_broker_order_id(BrokerOrderId("x")) is None


def test_s25_step_moves_the_row_and_tells_who_when_why_and_in_which_run(world):
    store = world.open(service="command_service", run_id="run-7")
    order = store_order(store, S.SUBMITTED)
    world.clock.advance(5)

    with store.transaction(durable=True):
        moved = store.orders.record(
            order,
            T.REJECTED,
            text="the broker said no",
            reason="RED:margin",
            broker_order_id=BrokerOrderId("B-7"),
        )

    assert store.orders.get(order.order_id) == moved
    assert (moved.status, moved.reason) == (S.REJECTED, "RED:margin")
    assert moved.broker_order_id == "B-7"
    assert moved.updated_at == BEGIN + timedelta(seconds=5)
    event = store.orders.events(order_id=order.order_id)[-1]
    assert event == OrderEvent(
        event_id=event.event_id,
        alert_id=order.alert_id,
        order_id=order.order_id,
        trigger="rejected",
        order_status="rejected",
        service="command_service",
        run_id="run-7",
        occurred_at=BEGIN + timedelta(seconds=5),
        text="the broker said no",
    )


def test_s26_reason_stays_unless_it_is_replaced_and_stands_in_for_a_text(store):
    order = store_order(store, S.SUBMITTED)

    with store.transaction(durable=False):
        unknown = store.orders.record(order, T.OUTCOME_UNKNOWN, reason="timed out")
        kept = store.orders.record(unknown, T.ACCEPTED, text="found")
        emptied = store.orders.record(kept, T.CANCELED, reason="")

    assert (unknown.reason, kept.reason, emptied.reason) == (
        "timed out",
        "timed out",
        "",
    )
    texts = [event.text for event in store.orders.events(order_id=order.order_id)]
    assert texts[-3:] == ["timed out", "found", ""]


def test_s27_step_that_the_table_lacks_changes_nothing(store):
    order = store_order(store)
    before = store.orders.events(order_id=order.order_id)

    with pytest.raises(IllegalTransition), store.transaction(durable=False):
        store.orders.record(order, T.FILLED)

    assert store.orders.get(order.order_id) == order
    assert store.orders.events(order_id=order.order_id) == before


def test_s28_brokers_number_belongs_to_one_order(store):
    first = store_order(store, S.ACCEPTED)
    second = store_order(store, S.SUBMITTED)

    assert first.broker_order_id is not None
    with pytest.raises(NotAllowed), store.transaction(durable=False):
        store.orders.record(second, T.ACCEPTED, broker_order_id=first.broker_order_id)
    with pytest.raises(NotAllowed), store.transaction(durable=False):
        store.orders.note_number(second, first.broker_order_id, is_confirmed=True)

    assert store.orders.by_broker_order_id(first.broker_order_id) == first
    assert store.orders.get(second.order_id) == second


def test_s29_brokers_number_may_come_after_the_order_has_moved_on(store):
    order = store_order(store, S.SUBMITTED)

    with store.transaction(durable=False):
        noted = store.orders.note_number(
            order, BrokerOrderId("B-9"), is_confirmed=False
        )

    assert store.orders.by_broker_order_id(BrokerOrderId("B-9")) == noted
    assert (noted.status, noted.is_number_confirmed) == (S.SUBMITTED, False)

    with store.transaction(durable=False):
        noted = store.orders.note_number(noted, BrokerOrderId("B-9"), is_confirmed=True)

    assert store.orders.get(order.order_id) == noted
    assert noted.is_number_confirmed

    with store.transaction(durable=False):
        store.orders.note_number(noted, None, is_confirmed=False)

    assert store.orders.by_broker_order_id(BrokerOrderId("B-9")) is None


def test_s30_fill_moves_order_position_and_price_together(store, other):
    order = store_order(store, S.ACCEPTED, quantity=75)

    with store.transaction(durable=True):
        part = store.orders.fill(order, a_fill(25, 100))
        assert part is not None
        whole = store.orders.fill(part, a_fill(50, 103))

    assert (part.status, part.filled_quantity) == (S.PARTIALLY_FILLED, 25)
    assert part.leaves_quantity == 50
    assert whole is not None
    assert (whole.status, whole.filled_quantity) == (S.FILLED, 75)
    assert whole.average_price == 102
    assert other.orders.get(order.order_id) == whole
    (position,) = other.positions.open()
    assert (position.quantity, position.average_price) == (75, 102)
    assert other.positions.last_price(NFO, SYMBOL) == 103
    assert triggers(other.orders.events(order_id=order.order_id))[-2:] == [
        "partially_filled",
        "filled",
    ]


def test_s31_trade_that_is_told_twice_counts_once(store):
    order = store_order(store, S.ACCEPTED)
    fill = a_fill(25)

    with store.transaction(durable=False):
        part = store.orders.fill(order, fill)
        assert part is not None
        assert store.orders.fill(part, fill) is None
        assert store.orders.fill(part, replace(fill, quantity=40)) is None

    assert store.orders.get(order.order_id) == part
    assert store.positions.open()[0].quantity == 25
    assert (
        triggers(store.orders.events(order_id=order.order_id)).count("partially_filled")
        == 1
    )


def test_s32_trade_ids_are_each_orders_own(store):
    orders = [store_order(store, S.ACCEPTED) for _ in range(2)]
    fill = a_fill(65)

    with store.transaction(durable=False):
        for order in orders:
            assert store.orders.fill(order, fill) is not None

    assert store.positions.open()[0].quantity == 130


def test_s33_fill_that_an_order_cannot_take_leaves_the_position_alone(store):
    order = store_order(store, S.DENIED)

    with store.transaction(durable=False), pytest.raises(IllegalTransition):
        store.orders.fill(order, a_fill())

    assert store.positions.all() == []
    assert store.positions.last_price(NFO, SYMBOL) is None


def test_s34_what_is_filled_beyond_the_order_counts_as_that(store):
    order = store_order(store, S.ACCEPTED)

    with store.transaction(durable=False):
        filled = store.orders.fill(order, a_fill(70, 100))
        assert filled is not None
        after = store.orders.fill(filled, a_fill(10, 180))

    assert after == store.orders.get(order.order_id)
    assert after is not None
    assert (after.status, after.filled_quantity, after.quantity) == (S.FILLED, 65, 65)
    assert (after.overfilled_quantity, after.average_price) == (15, 110)
    assert after.reason == "15 more than was ordered"
    assert [position.quantity for position in store.positions.open()] == [80]
    events = store.orders.events(order_id=order.order_id)
    assert [event.trigger for event in events][-3:] == [
        T.FILLED,
        T.OVERFILLED,
        T.OVERFILLED,
    ]


@pytest.mark.parametrize("status", [S.CANCELED, S.EXPIRED])
def test_s35_part_fill_after_an_end_counts_and_leaves_the_end(store, status):
    order = store_order(store, status)

    with store.transaction(durable=False):
        after = store.orders.fill(order, a_fill(25))

    assert after is not None
    assert (after.status, after.filled_quantity) == (status, 25)
    assert store.positions.open()[0].quantity == 25


def test_s36_orders_are_listed_by_alert_status_and_age(store):
    alert_id = store_alert(store)
    second = store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=2)
    again = store_order(store, S.FILLED, alert_id=alert_id, leg=1, attempt=2)
    first = store_order(store, S.NOT_PLACED, alert_id=alert_id, leg=1)
    elsewhere = store_order(store, S.RISK_PASSED)
    orders = store.orders

    assert orders.of_alert(alert_id) == [first, again, second]
    assert orders.in_status(S.RISK_PASSED) == [second, elsewhere]
    assert orders.in_status(S.RISK_PASSED, S.FILLED, limit=2) == [second, again]
    assert orders.in_status(S.SUBMITTED) == []
    assert orders.count() == {S.RISK_PASSED: 2, S.FILLED: 1, S.NOT_PLACED: 1}
    assert orders.recent(limit=2) == [elsewhere, first]
    assert orders.recent(limit=9, before=first.order_id) == [again, second]
    assert orders.recent(limit=9, statuses={S.RISK_PASSED}) == [elsewhere, second]
    assert orders.recent(limit=1, statuses=CLOSED, before=first.order_id) == [again]


def planned(store) -> AlertId:
    """Store an alert whose orders are under way; return its id."""
    alert_id = store_alert(store)
    with store.transaction(durable=False):
        store.alerts.record(alert_id, AlertStatus.PLANNED, outcome="", text="")
    return alert_id


def test_s37_lost_order_is_unreplaced_until_a_later_attempt_is_there(store):
    alert_id = planned(store)
    lost = store_order(store, S.NOT_PLACED, alert_id=alert_id)
    store_order(store, S.FILLED)
    old = BEGIN - timedelta(seconds=60)
    store_order(store, S.NOT_PLACED, alert_id=planned(store), alerted_at=old)
    ended = planned(store)
    store_order(store, S.NOT_PLACED, alert_id=ended)
    with store.transaction(durable=False):
        store.alerts.record(ended, AlertStatus.COMPLETED, outcome="", text="")

    assert store.orders.unreplaced(since=old) == [lost]
    store_order(store, alert_id=alert_id, attempt=2)

    assert store.orders.unreplaced(since=old) == []


def test_s37_lost_order_is_not_to_be_replaced_once_its_cancel_was_requested(store):
    lost = store_order(store, S.NOT_PLACED, alert_id=planned(store))
    since = BEGIN - timedelta(seconds=60)
    with store.transaction(durable=False):
        store.orders.request_cancel(lost.order_id, by="somebody")
    assert store.orders.unreplaced(since=since) == []

    with store.transaction(durable=False):
        store.orders.finish_cancel(lost.order_id, result="the order is not_placed")

    assert store.orders.unreplaced(since=since) == []


def test_s38_zone_in_which_an_alert_was_sent_does_not_change_when_that_was(store):
    india = timezone(timedelta(hours=5, minutes=30))
    now = BEGIN.astimezone(india)
    recent = store_order(store, S.NOT_PLACED, alert_id=planned(store), alerted_at=now)
    hour_ago = (BEGIN - timedelta(hours=1)).astimezone(india)
    store_order(store, S.NOT_PLACED, alert_id=planned(store), alerted_at=hour_ago)

    assert store.orders.unreplaced(since=BEGIN - timedelta(minutes=1)) == [recent]


def test_s39_events_are_told_for_one_order_or_a_whole_alert(store):
    alert_id = store_alert(store)
    orders = [
        store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=leg) for leg in (1, 2)
    ]
    store_order(store)

    events = store.orders.events(alert_id=alert_id)

    assert [(event.order_id, event.trigger) for event in events] == [
        (None, "alert_received"),
        *((orders[0].order_id, trigger) for trigger in ("created", "risk_passed")),
        *((orders[1].order_id, trigger) for trigger in ("created", "risk_passed")),
    ]
    assert store.orders.events(order_id=orders[1].order_id) == events[3:]
    assert [event.event_id for event in events] == sorted(e.event_id for e in events)


# -- cancel requests -----------------------------------------------------------


def test_s40_cancel_request_waits_until_it_is_finished(world, store):
    orders = [store_order(store, S.ACCEPTED) for _ in range(3)]
    with store.transaction(durable=False):
        for order in (orders[1], orders[0], orders[2]):
            world.clock.advance(1)
            store.orders.request_cancel(order.order_id, by="somebody")

    waiting = store.orders.cancel_requests(limit=2)

    assert [(each.order_id, each.requested_by) for each in waiting] == [
        (orders[1].order_id, "somebody"),
        (orders[0].order_id, "somebody"),
    ]
    with store.transaction(durable=False):
        store.orders.finish_cancel(orders[1].order_id, result="sent")
    assert [each.order_id for each in store.orders.cancel_requests(limit=9)] == [
        orders[0].order_id,
        orders[2].order_id,
    ]


@pytest.mark.parametrize("status", [S.SUBMITTED, S.OUTCOME_UNKNOWN])
def test_s77_cancel_of_what_nobody_knows_waits_behind_all_others(world, store, status):
    orders = [store_order(store, each) for each in (status, S.ACCEPTED)]
    for order in orders:
        with store.transaction(durable=False):
            world.clock.advance(1)
            store.orders.request_cancel(order.order_id, by="somebody")

    assert [each.order_id for each in store.orders.cancel_requests(limit=9)] == [
        orders[1].order_id,
        orders[0].order_id,
    ]


def test_s41_second_cancel_request_changes_nothing_while_one_waits(world, store):
    order = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by="first")
        world.clock.advance(1)
        store.orders.request_cancel(order.order_id, by="second")

    (request,) = store.orders.cancel_requests(limit=9)

    assert (request.requested_by, request.requested_at) == ("first", BEGIN)


def test_s42_cancel_may_be_requested_anew_by_somebody_else(world, store):
    order = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by="first")
        store.orders.finish_cancel(order.order_id, result="rejected")
        world.clock.advance(1)
        store.orders.request_cancel(order.order_id, by="second")

    (request,) = store.orders.cancel_requests(limit=9)

    assert request.requested_by == "second"
    assert request.requested_at == BEGIN + timedelta(seconds=1)


def test_s44_order_is_cut_into_parts_that_add_up_each_with_a_name_of_its_own(
    world, store, other
):
    order = store_order(store, S.RISK_PASSED, quantity=195)

    with store.transaction(durable=True):
        parts = store.orders.split(order, [65, 65, 65])

    assert [part.quantity for part in parts] == [65, 65, 65]
    assert len({part.client_order_id for part in parts}) == 3
    assert parts[0].client_order_id == order.client_order_id
    assert {part.status for part in parts} == {S.RISK_PASSED}
    assert other.orders.of_alert(order.alert_id) == parts
    for part in parts:
        events = store.orders.events(order_id=part.order_id)
        assert replayed(events) is S.RISK_PASSED


def test_s83_story_of_a_cut_order_says_what_became_of_its_quantity(store):
    order = store_order(store, S.RISK_PASSED, quantity=130)
    before = len(store.orders.events(alert_id=order.alert_id))

    with store.transaction(durable=True):
        first, second = store.orders.split(order, [65, 65])

    events = store.orders.events(alert_id=order.alert_id)[before:]
    assert [(event.order_id, event.trigger) for event in events] == [
        (first.order_id, "split"),
        (second.order_id, "created"),
    ]
    assert "130" in events[0].text
    assert f"order {order.order_id}" in events[1].text


def test_s85_market_order_gets_its_limit_in_row_and_story(store, other):
    order = store_order(store, S.RISK_PASSED)

    with store.transaction(durable=True):
        after = store.orders.reprice(
            order, OrderType.LIMIT, Decimal("101.50"), text="protected"
        )

    assert other.orders.get(order.order_id) == after
    assert (after.order_type, after.price) == (OrderType.LIMIT, Decimal("101.50"))
    event = store.orders.events(order_id=order.order_id)[-1]
    assert (event.trigger, event.text) == ("repriced", "protected")


def test_s45_order_is_cut_once_and_into_all_of_it(store):
    order = store_order(store, S.RISK_PASSED, quantity=130)

    with pytest.raises(ValueError, match="no parts"), store.transaction(durable=True):
        store.orders.split(order, [65, 64])
    with store.transaction(durable=True):
        parts = store.orders.split(order, [65, 65])
    with pytest.raises(StoreError), store.transaction(durable=True):
        # As by a process that has read the row before.
        store.orders.split(order, [65, 65])

    assert store.orders.of_alert(order.alert_id) == parts


def test_s46_exits_are_ready_before_entries_and_each_kind_by_age(store):
    entries = [store_order(store, S.GUARD_PASSED) for _ in range(3)]
    exits = [store_order(store, S.GUARD_PASSED, intent=Intent.EXIT) for _ in range(2)]
    store_order(store, S.RISK_PASSED, intent=Intent.EXIT)

    def ready(limit):
        return [order.order_id for order in store.orders.ready(limit=limit)]

    by_turn = [order.order_id for order in exits + entries]
    assert [ready(limit) for limit in (1, 2, 4, 9)] == [
        by_turn[:1],
        by_turn[:2],
        by_turn[:4],
        by_turn,
    ]


def test_s47_lost_part_is_replaced_by_a_later_attempt_of_the_same_part(store):
    lost = store_order(store, S.NOT_PLACED, alert_id=planned(store), part=2)
    store_order(store, alert_id=lost.alert_id, attempt=2)
    assert store.orders.unreplaced(since=BEGIN - timedelta(1)) == [lost]

    store_order(store, alert_id=lost.alert_id, attempt=2, part=2)

    assert store.orders.unreplaced(since=BEGIN - timedelta(1)) == []


def terms(**changes) -> Terms:
    return Terms(
        **{"quantity": 130, "price": Decimal("101.5"), "trigger_price": None, **changes}
    )


def test_s48_request_for_other_terms_goes_through_its_stages_one_at_a_time(
    world, store, other
):
    order = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        assert store.modifies.request(order.order_id, terms(), by="me")
        assert not store.modifies.request(order.order_id, terms(quantity=1), by="you")

    (request,) = other.modifies.waiting(ModifyStage.REQUESTED, limit=9)
    assert (request.order_id, request.terms, request.requested_by) == (
        order.order_id,
        terms(),
        "me",
    )
    assert (request.requested_at, request.result) == (world.clock.now(), None)
    with store.transaction(durable=False):
        store.modifies.pass_on(order, ModifyStage.RISK_PASSED, text="exposure 1 <= 2")
        store.modifies.pass_on(order, ModifyStage.GUARD_PASSED)
    assert other.modifies.waiting(ModifyStage.REQUESTED, limit=9) == []
    assert len(other.modifies.waiting(*ModifyStage, limit=9)) == 1
    with store.transaction(durable=False):
        store.modifies.finish(order.order_id, result="replaced")
        store.modifies.finish(order.order_id, result="said too late")
    assert other.modifies.waiting(*ModifyStage, limit=9) == []
    found = other.modifies.get(order.order_id)
    assert found is not None
    assert found.result == "replaced"
    assert triggers(store.orders.events(order_id=order.order_id))[-2:] == [
        "replace_risk_passed",
        "replace_guard_passed",
    ]
    assert store.orders.get(order.order_id) == order


def test_s49_terms_may_be_asked_for_anew_once_the_first_ones_are_settled(store):
    order = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        store.modifies.request(order.order_id, terms(), by="me")
        store.modifies.deny(order, "TRADING_HALTED")
        assert store.modifies.request(order.order_id, terms(quantity=65), by="you")

    (request,) = store.modifies.waiting(*ModifyStage, limit=9)
    assert (request.terms.quantity, request.stage, request.result) == (
        65,
        ModifyStage.REQUESTED,
        None,
    )
    assert store.orders.events(order_id=order.order_id)[-1].text == "TRADING_HALTED"


def test_s54_replaced_order_has_its_terms_and_its_request_is_done(store, other):
    order = store_order(store, S.PARTIALLY_FILLED, filled_quantity=25)
    with store.transaction(durable=True):
        store.modifies.request(order.order_id, terms(), by="me")
        asked = store.orders.record(order, T.REPLACE_REQUESTED)
        after = store.orders.replace(asked, terms())

    assert other.orders.get(order.order_id) == after
    assert (after.quantity, after.price, after.status) == (
        130,
        Decimal("101.5"),
        S.PARTIALLY_FILLED,
    )
    assert store.modifies.waiting(*ModifyStage, limit=9) == []
    assert replayed(store.orders.events(order_id=order.order_id)) is after.status


def test_s55_terms_of_an_order_at_its_end_stay(store):
    order = store_order(store, S.FILLED)

    with pytest.raises(IllegalTransition), store.transaction(durable=True):
        store.orders.replace(order, terms())

    assert store.orders.get(order.order_id) == order


def test_s56_only_what_moves_nothing_is_a_note(store):
    order = store_order(store)

    with pytest.raises(ValueError, match="record it"), store.transaction(durable=True):
        store.orders.note(order, T.FILLED, "")


def test_s43_cancel_of_an_order_that_does_not_exist_is_refused(store):
    with pytest.raises(StoreError), store.transaction(durable=False):
        store.orders.request_cancel(OrderId(999), by="somebody")


# -- positions and prices ------------------------------------------------------


def fill_order(store, quantity=65, price=100, filled_at=BEGIN, **changes):
    order = store_order(store, S.ACCEPTED, quantity=quantity, **changes)
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(quantity, price, filled_at=filled_at))


def test_s50_positions_are_each_strategys_and_products_own(store):
    fill_order(store, strategy="one")
    fill_order(store, strategy="one", product=Product.MIS, side=Side.SELL)
    fill_order(store, strategy="two")
    fill_order(store, strategy="two", side=Side.SELL)

    held = store.positions.get("one", NFO, SYMBOL)
    assert [(p.product, p.quantity) for p in held] == [
        (Product.MIS, -65),
        (Product.NRML, 65),
    ]
    assert [p.strategy for p in store.positions.open()] == ["one", "one"]
    assert [(p.strategy, p.quantity) for p in store.positions.all()] == [
        ("one", -65),
        ("one", 65),
        ("two", 0),
    ]
    assert store.positions.get("three", NFO, SYMBOL) == []


def test_s51_realised_profit_counts_from_the_time_of_the_fill(store):
    yesterday = BEGIN - timedelta(days=1)
    fill_order(store, 65, 100, yesterday)
    fill_order(store, 30, 110, yesterday, side=Side.SELL)
    fill_order(store, 35, 90, BEGIN, side=Side.SELL)

    fill_order(store, 5, 90, BEGIN)
    fill_order(store, 5, "90.05", BEGIN, side=Side.SELL)

    assert store.positions.realised_on(trading_day(yesterday)) == 300
    assert store.positions.realised() == sum(
        position.realised_pnl for position in store.positions.all()
    )
    assert store.positions.realised_on(trading_day(BEGIN)) == Decimal("-349.75")
    assert store.positions.realised_on(trading_day(BEGIN + timedelta(days=1))) == 0


def test_s52_zone_of_a_fill_does_not_change_its_day(store):
    india = timezone(timedelta(hours=5, minutes=30))
    fill_order(store, 65, 100)
    midnight = datetime(2026, 11, 25, tzinfo=india)
    before = (midnight - timedelta(seconds=1)).astimezone(UTC)
    fill_order(store, 65, 110, before, side=Side.SELL)

    assert store.positions.realised_on(date(2026, 11, 24)) == 650
    assert store.positions.realised_on(date(2026, 11, 25)) == 0


def test_s57_orders_of_a_day_count_once_they_have_passed_and_unless_denied(
    store, world
):
    world.clock.jump_to(datetime(2026, 11, 25, 18, 29, 59, tzinfo=UTC))
    for status in OrderStatus:
        store_order(store, status)
    # Past midnight in India.
    world.clock.advance(1)
    late = store_order(store, S.RISK_PASSED)

    assert store.orders.passed_on(date(2026, 11, 25)) == len(OrderStatus) - 2
    assert store.orders.passed_on(date(2026, 11, 26)) == 1
    with store.transaction(durable=False):
        store.orders.record(late, T.DENIED, reason="no")
    assert store.orders.passed_on(date(2026, 11, 26)) == 0
    assert sum(store.orders.count().values()) == len(OrderStatus) + 1


def test_s53_noted_price_is_the_last_price_of_positions_too(store, other):
    fill_order(store, 65, 100)

    with store.transaction(durable=False):
        store.positions.note_prices({(NFO, SYMBOL): Decimal("110.05")})

    assert other.positions.last_price(NFO, SYMBOL) == Decimal("110.05")
    (position,) = other.positions.open()
    assert position.last_price == Decimal("110.05")
    assert position.unrealised_pnl == Decimal("653.25")
    assert other.positions.last_price(Exchange.NSE, SYMBOL) is None


GOLD = {
    "exchange": Exchange.MCX,
    "tradingsymbol": "GOLD05FEB27",
    "price_factor": Decimal(100),
}


def test_s88_position_counts_in_rupees_by_the_factor_of_its_first_order(store, other):
    fill_order(store, 2, 150_000, **GOLD)
    fill_order(store, 1, 149_700, side=Side.SELL, **GOLD)

    (position,) = other.positions.open()
    assert (position.price_factor, position.average_price) == (100, 150_000)
    assert position.realised_pnl == position.unrealised_pnl == -30_000
    assert position.exposure == 14_970_000
    assert other.positions.realised_on(trading_day(BEGIN)) == -30_000
    assert other.positions.realised() == -30_000


def test_s89_what_is_open_keeps_its_factor_and_what_is_flat_takes_the_next(store):
    guessed = GOLD | {"price_factor": Decimal(1)}
    fill_order(store, 2, 100, **GOLD)
    fill_order(store, 1, 110, side=Side.SELL, **guessed)
    assert store.positions.realised() == 1000

    fill_order(store, 1, 110, side=Side.SELL, **guessed)
    assert store.positions.realised() == 2000
    fill_order(store, 1, 100, **guessed)
    fill_order(store, 1, 110, side=Side.SELL, **GOLD)

    assert store.positions.realised() == 2010


def test_s91_converted_position_takes_its_factor_along(store, other):
    fill_order(
        store, 2, 100, product=Product.MIS, **(GOLD | {"price_factor": Decimal(1)})
    )
    fill_order(
        store,
        2,
        100,
        product=Product.MIS,
        side=Side.SELL,
        **(GOLD | {"price_factor": Decimal(1)}),
    )
    fill_order(store, 2, 100, **GOLD)
    (held,) = store.positions.open()

    with store.transaction(durable=False):
        store.positions.convert(held, Product.MIS, 1)

    assert [(p.product, p.quantity) for p in other.positions.open()] == [
        (Product.MIS, 1),
        (Product.NRML, 1),
    ]
    assert [p.price_factor for p in other.positions.open()] == [100, 100]


def test_s90_noted_factor_values_what_is_open_from_then_on(store, other):
    fill_order(store, 2, 100, strategy="one", **(GOLD | {"price_factor": Decimal(1)}))
    fill_order(store, 1, 110, strategy="one", side=Side.SELL, **GOLD)
    fill_order(store, 1, 100, strategy="two", **GOLD)
    fill_order(store, 1, 100, strategy="two", side=Side.SELL, **GOLD)
    fill_order(store, 65, 100)

    with store.transaction(durable=False):
        store.positions.note_factor(GOLD["exchange"], GOLD["tradingsymbol"], Decimal(9))

    nifty, gold = sorted(other.positions.open(), key=lambda p: p.quantity, reverse=True)
    assert (nifty.price_factor, gold.price_factor) == (1, 9)
    assert (gold.realised_pnl, gold.last_price) == (10, 100)
    (flat,) = other.positions.flat(limit=9)
    assert flat.price_factor == 100


# -- services and trading ------------------------------------------------------


def test_s60_beat_of_a_service_replaces_its_last_one(world):
    one, two = world.open(service="risk_manager"), world.open(service="dashboard")
    for store, status, slow in ((one, "a", 4.5), (two, "b", 2.5), (one, "c", 0.0)):
        world.clock.advance(1)
        with store.transaction(durable=False):
            store.services.beat(
                pid=7, status=status, started_at=BEGIN, slow_answer_seconds=slow
            )

    beats = one.services.all()

    assert [(beat.service, beat.status) for beat in beats] == [
        ("dashboard", "b"),
        ("risk_manager", "c"),
    ]
    assert beats[1].beat_at == BEGIN + timedelta(seconds=3)
    assert (beats[1].started_at, beats[1].pid, beats[1].run_id) == (BEGIN, 7, "run-1")
    assert [beat.slow_answer_seconds for beat in beats] == [2.5, 0.0]


def begun(store):
    """Let a service begin as each of the eight does; return whether all began."""
    with store.transaction(durable=False):
        is_new = store.recovery.begin(silent_seconds=15)
        store.services.beat(pid=7, status="begins", started_at=BEGIN)
    return is_new


def test_s65_platform_starts_with_the_first_service_after_all_have_ended(world):
    names = ("order_watcher", "risk_manager")
    one, two = (world.open(service=name) for name in names)
    assert (begun(one), begun(two)) == (True, False)

    with one.transaction(durable=False):
        one.services.end()
    assert not begun(one)
    for store in (one, two):
        with store.transaction(durable=False):
            store.services.end()

    assert (begun(two), begun(one)) == (True, False)


def test_s66_platform_starts_anew_after_a_silence(world):
    store = world.open(service="risk_manager")
    assert begun(store)
    world.clock.advance(14)
    assert not begun(store)
    world.clock.advance(16)

    assert begun(store)


def test_s80_run_that_did_not_end_in_order_is_counted(world):
    def crashes(run_id, *, ends):
        store = world.open(service="risk_manager", run_id=run_id)
        with store.transaction(durable=False):
            store.services.beat(pid=7, status="a", started_at=BEGIN)
            store.services.beat(pid=7, status="b", started_at=BEGIN)
            if ends:
                store.services.end()
        return store.services.all()[0].crashes

    assert crashes("run-1", ends=True) == 0
    assert crashes("run-2", ends=False) == 0
    assert crashes("run-3", ends=False) == 1
    assert crashes("run-4", ends=True) == 2
    assert crashes("run-5", ends=True) == 2


def test_s81_what_happened_can_be_read_on_from_any_event(store):
    assert store.orders.newest_event_id() == 0
    store_order(store, S.FILLED)
    middle = store.orders.newest_event_id()
    order = store_order(store, S.DENIED)

    events = store.orders.events_after(middle, limit=100)

    assert events[-1].event_id == store.orders.newest_event_id()
    assert {event.order_id for event in events} == {None, order.order_id}
    assert store.orders.events_after(middle, limit=1) == events[:1]
    assert len(store.orders.events_after(0, limit=100)) == len(events) + middle


def test_s82_alerts_and_fills_of_a_time_can_be_read(store):
    order = store_order(store, S.FILLED)
    later = BEGIN + timedelta(seconds=1)

    (alert,) = store.alerts.received_between(BEGIN, later)
    ((order_id, fill),) = store.orders.fills_between(BEGIN, later)

    assert (alert.alert_id, order_id) == (order.alert_id, order.order_id)
    assert (fill.quantity, fill.price, fill.filled_at) == (65, Decimal(100), BEGIN)
    assert store.alerts.received_between(later, later + timedelta(days=1)) == []
    assert store.orders.fills_between(BEGIN - timedelta(days=1), BEGIN) == []
    assert store.orders.fills_of(order_id) == [fill]
    assert store.orders.fills_of(store_order(store).order_id) == []


def test_s67_reconciliation_is_awaited_until_one_succeeds_in_this_start(world):
    store = world.open(service="recovery_service")
    assert store.recovery.last() is None
    begun(store)

    def record(*, succeeded):
        with store.transaction(durable=False):
            return store.recovery.record(
                succeeded=succeeded, summary="a sentence", report="{}"
            )

    assert store.recovery.is_awaited()
    assert not record(succeeded=False)
    assert store.recovery.is_awaited()
    assert record(succeeded=True)
    assert not record(succeeded=True)
    assert not record(succeeded=False)
    assert not store.recovery.is_awaited()
    assert not begun(world.open(service="risk_manager"))
    assert not store.recovery.is_awaited()
    world.clock.advance(60)
    begun(store)

    assert store.recovery.is_awaited()
    last = store.recovery.last()
    assert last is not None
    assert (last.summary, last.report, last.run_id) == ("a sentence", "{}", "run-1")


def test_s68_profit_and_loss_of_a_minute_is_noted_once(world):
    store = world.open(service="risk_manager")
    begin = world.clock.now().replace(second=0, microsecond=0)
    samples = [
        PnlSample(
            at=begin + timedelta(minutes=minute),
            realised=Decimal(minute),
            unrealised=Decimal("-0.05"),
        )
        for minute in (0, 1, 1, 2)
    ]
    with store.transaction(durable=False):
        for sample in samples:
            store.risk.note_pnl(sample)

    assert store.risk.pnl_since(begin + timedelta(minutes=1)) == samples[2:]
    assert [sample.total for sample in store.risk.pnl_since(begin)] == [
        Decimal("-0.05"),
        Decimal("0.95"),
        Decimal("1.95"),
    ]


def test_s84_day_of_risk_is_saved_again_and_again_and_the_last_holds(store, other):
    day = RiskDay(
        day=date(2026, 11, 25),
        best_pnl=Decimal("10.50"),
        last_pnl=Decimal("-3.25"),
        warned=True,
        breached=False,
    )
    for saved in (replace(day, warned=False), day, replace(day, breached=True), day):
        with store.transaction(durable=False):
            store.risk.save(saved)
        assert other.risk.day(day.day) == saved

    assert other.risk.day(date(2026, 11, 26)) is None
    assert other.risk.days_before(date(2026, 11, 26), limit=9) == [day]
    assert other.risk.days_before(day.day, limit=9) == []


def test_s73_readings_that_lack_an_order_count_on_over_runs_and_not_over_a_boot(world):
    store = world.open(service="recovery_service")
    unknown = store_order(store, OrderStatus.OUTCOME_UNKNOWN)
    other = store_order(store, OrderStatus.ACCEPTED)

    def note(opened, order, read_at):
        with opened.transaction(durable=False):
            absence = opened.recovery.note_absence(order, read_at=read_at)
        return absence.reads, absence.first_at

    assert note(store, unknown, 100.5) == (1, 100.5)
    assert note(world.open(service="recovery_service"), unknown, 103.0) == (2, 100.5)
    assert note(store, other, 103.0) == (1, 103.0)
    with store.transaction(durable=False):
        store.recovery.forget_absence(other.order_id)
    assert note(store, other, 104.0) == (1, 104.0)
    assert note(store, unknown, 104.0) == (3, 100.5)

    # It has moved meanwhile, and is unknown once more.
    moved = replace(unknown, updated_at=unknown.updated_at + timedelta(seconds=1))
    assert note(store, moved, 105.0) == (1, 105.0)
    # The machine was booted: its clock is behind.
    assert note(store, moved, 7.0) == (1, 7.0)


def test_s61_trading_is_active_until_somebody_says_otherwise(store):
    status = store.trading.status()

    assert (status.state, status.set_by) == (TradingState.ACTIVE, "")


def test_s62_trading_state_is_set_once_with_who_and_why(world, store, other):
    with store.transaction(durable=True):
        assert store.trading.set(TradingState.HALTED, reason="trouble", by="me")
        assert not store.trading.set(TradingState.HALTED, reason="again", by="you")

    status = other.trading.status()
    assert (status.state, status.reason, status.set_by, status.set_at) == (
        TradingState.HALTED,
        "trouble",
        "me",
        BEGIN,
    )


steps = st.lists(
    st.one_of(
        # Fills and other terms have more to say than their trigger.
        st.sampled_from(
            sorted(
                set(OrderTrigger)
                - {T.FILLED, T.OVERFILLED, T.PARTIALLY_FILLED, T.REPLACED}
            )
        ),
        # A fill, by its trade's number: some come twice.
        st.tuples(st.integers(1, 6), st.integers(1, 40)),
        st.builds(
            Terms,
            quantity=st.integers(1, 130),
            price=st.just(Decimal("101.5")),
            trigger_price=st.none(),
        ),
    ),
    max_size=25,
)


def test_s57_band_counts_from_when_it_was_noted(world, store, other):
    key = (NFO, SYMBOL)
    band = PriceBand(lower=Decimal(80), upper=Decimal("120.05"))
    with store.transaction(durable=False):
        store.positions.note_bands({key: PriceBand()})
        store.positions.note_bands({key: band})
    now = world.clock.now()

    assert other.positions.band(*key, since=now) == band
    assert other.positions.band(*key, since=now + timedelta(seconds=1)) is None
    assert other.positions.band(NFO, "OTHER", since=now) is None


# -- whatever happens ----------------------------------------------------------


def test_s69_processes_that_make_the_store_at_once_all_get_it(world):
    makers = [world.spawn("claim", f"maker-{n}") for n in range(4)]

    for maker in makers:
        with maker:
            assert maker.stdout.readline() == "ready\n"
            maker.communicate("go\n", timeout=30)
            assert maker.returncode == 0


@settings(
    max_examples=60,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
@given(steps=steps, prefix=st.integers(0, 4))
def test_s70_any_sequence_of_steps_keeps_the_books(store, steps, prefix):
    order = store_order(
        store,
        (S.INITIALIZED, S.RISK_PASSED, S.SUBMITTED, S.ACCEPTED, S.OUTCOME_UNKNOWN)[
            prefix
        ],
        strategy=f"s{an_alert_id()}",
    )
    trades: dict[TradeId, int] = {}
    for step in steps:
        was_closed = order.is_closed
        before = order
        try:
            with store.transaction(durable=False):
                if isinstance(step, Terms):
                    order = store.orders.replace(order, step)
                elif isinstance(step, OrderTrigger):
                    order = store.orders.record(order, step)
                else:
                    trade_id, quantity = TradeId(f"t{step[0]}"), step[1]
                    fill = a_fill(quantity, trade_id=trade_id)
                    filled = store.orders.fill(order, fill)
                    assert (filled is None) == (trade_id in trades)
                    trades.setdefault(trade_id, quantity)
                    order = filled or order
        except (IllegalTransition, StoreError):
            # No such step, or terms below what is filled.
            assert order is before
        if was_closed and order.status is not before.status:
            # What was refused or has ended is found at the broker after all.
            assert before.status in REFUSED | {S.CANCELED, S.EXPIRED}
        assert store.orders.get(order.order_id) == order
        assert order.traded_quantity == sum(trades.values())
        assert order.filled_quantity <= order.quantity
        if order.overfilled_quantity:
            assert (order.status, order.filled_quantity) == (S.FILLED, order.quantity)
    events = store.orders.events(order_id=order.order_id)
    assert replayed(events) is order.status
    told = [
        event.text for event in events if event.trigger == T.REPLACED and event.text
    ]
    assert not told or told[-1] == terms_of(order).text
    held = store.positions.get(order.strategy, order.exchange, order.tradingsymbol)
    assert sum(position.quantity for position in held) == order.traded_quantity
    assert (T.OVERFILLED in {event.trigger for event in events}) == bool(
        order.overfilled_quantity
    )


def test_s71_times_are_kept_to_the_microsecond_and_come_back_in_utc(store):
    moment = datetime(2026, 11, 25, 4, 30, 0, 123_456, tzinfo=UTC)
    order = store_order(store, alerted_at=moment)

    stored = store.orders.get(order.order_id)

    assert stored is not None
    assert stored.alerted_at == moment
    assert stored.alerted_at.utcoffset() == timedelta(0)


def test_s72_alert_body_is_kept_without_its_secret(store):
    alert_id = store_alert(store, an_alert(**alert_body(secret_key="correct-horse")))

    stored = store.alerts.get(alert_id)

    assert stored is not None
    assert "correct-horse" not in stored.alert.body


# -- savepoints ----------------------------------------------------------------


def test_s73_savepoint_undoes_its_part_alone(store, other):
    alert_id = store_alert(store)

    def record_and_fail():
        with store.savepoint():
            store.orders.record(order, T.RISK_PASSED)
            raise Refused

    with store.transaction(durable=False):
        order = store.orders.add(a_new_order(alert_id), alerted_at=BEGIN)
        with pytest.raises(Refused):
            record_and_fail()
        with store.savepoint():
            store.trading.set(TradingState.HALTED, reason="kept", by="tests")

    assert other.orders.get(order.order_id) == order
    assert other.trading.status().state is TradingState.HALTED


# -- discrepancies -------------------------------------------------------------


def a_discrepancy(kind: K = K.POSITION_DIFFERS, text: str = "a text") -> Discrepancy:
    return Discrepancy(kind=kind, subject="NFO:X NRML", text=text, action="look")


def test_s74_discrepancy_is_new_once_and_again_when_its_text_changes(world, store):
    with store.transaction(durable=False):
        assert store.discrepancies.note(a_discrepancy())
    world.clock.advance(30)
    with store.transaction(durable=False):
        assert not store.discrepancies.note(a_discrepancy())
        assert store.discrepancies.note(a_discrepancy(text="another"))
        assert not store.discrepancies.note(a_discrepancy(text="another"))

    (found,) = store.discrepancies.open()
    assert (found.text, found.subject) == ("another", "NFO:X NRML")
    assert found.found_by == "tests"
    assert found.last_seen_at - found.first_seen_at == timedelta(seconds=30)


def test_s75_condition_ends_when_it_is_found_no_longer(store):
    with store.transaction(durable=False):
        store.discrepancies.note(a_discrepancy())
        assert store.discrepancies.resolve(K.POSITION_DIFFERS, "NFO:X NRML")
        assert not store.discrepancies.resolve(K.POSITION_DIFFERS, "NFO:X NRML")

    assert store.discrepancies.open() == []


def test_s76_incident_stays_open_until_acknowledged_and_over(store):
    with store.transaction(durable=False):
        store.discrepancies.note(a_discrepancy(K.LEG_OVERFILLED))
        store.discrepancies.note(a_discrepancy(K.DUPLICATE_ORDER))
    overfilled, duplicate = store.discrepancies.open()

    with store.transaction(durable=False):
        store.discrepancies.resolve(K.LEG_OVERFILLED, overfilled.subject)
        assert store.discrepancies.acknowledge(duplicate.discrepancy_id, by="me")

    assert store.discrepancies.unresolved(K.LEG_OVERFILLED) == []
    assert [found.kind for found in store.discrepancies.open()] == [
        K.LEG_OVERFILLED,
        K.DUPLICATE_ORDER,
    ]

    with store.transaction(durable=False):
        assert store.discrepancies.acknowledge(overfilled.discrepancy_id, by="me")
        assert not store.discrepancies.acknowledge(overfilled.discrepancy_id, by="you")
        store.discrepancies.resolve(K.DUPLICATE_ORDER, duplicate.subject)

    assert store.discrepancies.open() == []
    seen = store.discrepancies.get(overfilled.discrepancy_id)
    assert seen is not None
    assert (seen.acknowledged_by, seen.is_open) == ("me", False)


def test_s77_what_comes_back_after_its_end_is_a_discrepancy_of_its_own(store):
    with store.transaction(durable=False):
        store.discrepancies.note(a_discrepancy())
        store.discrepancies.resolve(K.POSITION_DIFFERS, "NFO:X NRML")
        assert store.discrepancies.note(a_discrepancy())

    assert [found.resolved_at for found in store.discrepancies.open()] == [None]


def test_s77_discrepancies_are_read_in_their_order_open_or_not(store):
    with store.transaction(durable=False):
        for kind in (K.POSITION_DIFFERS, K.LEG_OVERFILLED, K.ORDER_ADOPTED):
            store.discrepancies.note(a_discrepancy(kind))
        store.discrepancies.resolve(K.POSITION_DIFFERS, "NFO:X NRML")

    def ids(found):
        return [each.discrepancy_id for each in found]

    assert ids(store.discrepancies.after(0, limit=2)) == [1, 2]
    assert ids(store.discrepancies.after(2, limit=2)) == [3]
    assert ids(store.discrepancies.after(3, limit=2)) == []
    assert ids(store.discrepancies.recent(limit=2)) == [3, 2]


# -- sending -------------------------------------------------------------------


def test_s78_sender_sees_the_state_committed_last(store, other):
    with other.transaction(durable=True):
        other.trading.set(TradingState.HALTED, reason="stop", by="tests")

    with store.trading.sending() as trading:
        assert trading.state is TradingState.HALTED


def test_s79_halt_waits_for_the_order_that_is_being_sent(store, other):
    assert other.trading.wait_for_sending(0.0)

    with store.trading.sending():
        assert not other.trading.wait_for_sending(0.05)

    assert other.trading.wait_for_sending(0.0)


# -- adopted orders ------------------------------------------------------------


def test_s86_adopted_order_works_under_its_brokers_number(store):
    alert_id = store_alert(store)

    with store.transaction(durable=True):
        order = store.orders.adopt(
            a_new_order(alert_id),
            BrokerOrderId("B-7"),
            alerted_at=BEGIN,
            text="from the order book",
        )

    assert store.orders.by_broker_order_id(BrokerOrderId("B-7")) == order
    assert (order.status, order.is_number_confirmed) == (S.ACCEPTED, True)
    assert triggers(store.orders.events(order_id=order.order_id)) == ["adopted"]


def test_s87_newest_reconciliation_is_the_last_one_whatever_the_clock_says(
    world, store
):
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
        store.recovery.record(succeeded=False, summary="no answer", report="{}")
    world.clock.jump_to(BEGIN - timedelta(hours=1))

    with store.transaction(durable=False):
        store.recovery.record(succeeded=True, summary="agrees", report="{}")

    assert store.recovery.last().summary == "agrees"
