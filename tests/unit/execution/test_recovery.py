"""recovery_service finds out what happened, and claims nothing it has not proven."""

import logging
from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import BrokerPosition, PlaceOrder
from shoonya_platform.brokers.paper import FaultKind, PaperBroker, PaperSettings
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    IN_FLIGHT,
    BrokerOrderId,
    ClientOrderId,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.execution.outcomes import RecoveryRules
from shoonya_platform.execution.recovery import (
    STUCK_SECONDS,
    RecoveryService,
)
from shoonya_platform.execution.recovery_report import ReportFolder, decode
from shoonya_platform.testing.orders import store_order

S, T = OrderStatus, OrderTrigger
RULES = RecoveryRules(interval_seconds=30.0, absent_reads=3, absent_seconds=8.0)


@pytest.fixture
def store(store):
    """A store whose platform has just been started."""
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    return store


@pytest.fixture
def recovery(store, broker, clock, rings):
    return RecoveryService(store, broker, RULES, clock, rings)


@pytest.fixture
def events(caplog):
    """Return the names of what was logged: what operators and alarms go by."""
    caplog.set_level(logging.DEBUG, "RECOVERY_SERVICE")

    def names():
        return [getattr(record, "event", "") for record in caplog.records]

    return names


def at_broker(broker, order, number=None):
    return broker.accept(
        PlaceOrder.of(order),
        number,
    ).broker_order_id


def state(store, order):
    found = store.orders.get(order.order_id)
    return found.status, found.filled_quantity


# -- unknown outcomes that are found -------------------------------------------


def test_order_found_at_the_broker_is_accepted_under_its_number(
    recovery, store, broker, rings
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    number = at_broker(broker, order)

    recovery.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.broker_order_id) == (S.ACCEPTED, number)
    assert "order_watcher" in rings


def test_order_found_filled_is_filled_with_its_position(recovery, store, broker):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    number = at_broker(broker, order)
    broker.fill(number, 25, 100)
    broker.fill(number, 40, 101)

    recovery.step()

    assert state(store, order) == (S.FILLED, 65)
    assert [position.quantity for position in store.positions.open()] == [65]


@pytest.mark.parametrize("status", [S.REJECTED, S.CANCELED, S.EXPIRED])
def test_order_found_at_its_end_is_at_its_end(recovery, store, broker, rings, status):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    broker.end(at_broker(broker, order), status, "why")

    recovery.step()

    after = store.orders.get(order.order_id)
    assert (after.status, after.reason) == (status, "why")
    assert "trading_bot" in rings


def test_order_found_late_in_the_search_is_still_believed(
    recovery, store, broker, clock
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    recovery.step()
    clock.advance(5)
    recovery.step()

    clock.advance(5)
    at_broker(broker, order)
    recovery.step()

    assert state(store, order) == (S.ACCEPTED, 0)


def test_order_that_moved_meanwhile_is_left_to_who_moved_it(
    recovery, store, broker, clock
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    number = at_broker(broker, order)
    original = broker.trade_book

    def trade_book():
        broker.trade_book = original
        with store.transaction(durable=False):
            store.orders.record(
                store.orders.get(order.order_id), T.CANCELED, broker_order_id=number
            )
        return original()

    broker.trade_book = trade_book

    recovery.step()

    assert state(store, order) == (S.CANCELED, 0)


def test_broker_is_seldom_asked_while_nothing_is_unknown(
    recovery, store, broker, clock
):
    for status in S:
        if status is not S.OUTCOME_UNKNOWN:
            store_order(store, status)

    for _ in range(3):
        clock.advance(1)
        recovery.step()

    assert broker.readings["order_book"] == 1


# -- and those that are not ----------------------------------------------------


def search(recovery, clock, *pauses):
    """Look once, then again after each pause."""
    recovery.step()
    for seconds in pauses:
        clock.advance(seconds)
        recovery.step()


@pytest.mark.parametrize(
    ("pauses", "status"),
    [
        pytest.param((), S.OUTCOME_UNKNOWN, id="one-reading"),
        pytest.param((20,), S.OUTCOME_UNKNOWN, id="too-few-readings"),
        pytest.param((2, 5.9), S.OUTCOME_UNKNOWN, id="too-short"),
        pytest.param((1,) * 7, S.OUTCOME_UNKNOWN, id="many-readings-too-short"),
        pytest.param((4, 4), S.NOT_PLACED, id="just-enough"),
        pytest.param((1,) * 8, S.NOT_PLACED, id="many-readings"),
    ],
)
def test_absence_is_proven_by_enough_readings_over_enough_time(
    recovery, store, clock, pauses, status
):
    order = store_order(store, S.OUTCOME_UNKNOWN)

    search(recovery, clock, *pauses)

    assert state(store, order) == (status, 0)


def test_order_proven_absent_says_how_and_trading_bot_is_rung(
    recovery, store, clock, rings
):
    order = store_order(store, S.OUTCOME_UNKNOWN)

    search(recovery, clock, 4, 6)

    after = store.orders.get(order.order_id)
    assert after.reason == "absent from 3 readings of the order book over 10 s"
    assert "trading_bot" in rings


def test_service_that_is_killed_again_and_again_proves_an_absence_all_the_same(
    store, broker, clock, rings
):
    order = store_order(store, S.OUTCOME_UNKNOWN)

    for _ in range(3):
        # Each lives for one reading only.
        RecoveryService(store, broker, RULES, clock, rings).step()
        clock.advance(5)

    assert state(store, order) == (S.NOT_PLACED, 0)


@pytest.mark.parametrize("book", ["order_book", "trade_book"])
def test_reading_that_fails_proves_nothing(recovery, store, broker, clock, book):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    recovery.step()
    original = getattr(broker, book)

    def fail():
        raise BrokerUnavailable("away")

    setattr(broker, book, fail)
    for _ in range(5):
        clock.advance(10)
        with pytest.raises(BrokerUnavailable):
            recovery.step()
    setattr(broker, book, original)
    assert state(store, order) == (S.OUTCOME_UNKNOWN, 0)
    recovery.step()

    # The second reading that worked; it takes a third.
    assert state(store, order) == (S.OUTCOME_UNKNOWN, 0)
    recovery.step()
    assert state(store, order) == (S.NOT_PLACED, 0)


def test_order_that_is_found_by_another_during_the_last_reading_is_not_lost(
    recovery, store, broker, clock
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    search(recovery, clock, 4)
    clock.advance(4)
    original = broker.trade_book

    def trade_book():
        broker.trade_book = original
        with store.transaction(durable=False):
            store.orders.record(store.orders.get(order.order_id), T.ACCEPTED)
        return original()

    broker.trade_book = trade_book

    recovery.step()

    assert state(store, order) == (S.ACCEPTED, 0)


def test_each_order_has_a_search_of_its_own(recovery, store, clock):
    first = store_order(store, S.OUTCOME_UNKNOWN)
    search(recovery, clock, 4)
    second = store_order(store, S.OUTCOME_UNKNOWN)
    clock.advance(4)

    recovery.step()

    assert state(store, first) == (S.NOT_PLACED, 0)
    assert state(store, second) == (S.OUTCOME_UNKNOWN, 0)


def test_orders_of_others_do_not_stand_in_for_ours(recovery, store, broker, clock):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    other = store_order(store, S.ACCEPTED)
    broker.accept(
        PlaceOrder(
            client_order_id=other.client_order_id,
            exchange=order.exchange,
            tradingsymbol=order.tradingsymbol,
            side=order.side,
            quantity=order.quantity,
            order_type=order.order_type,
            price=None,
            trigger_price=None,
            product=order.product,
            time_in_force=order.time_in_force,
        ),
        BrokerOrderId("E1"),
    )

    search(recovery, clock, 4, 4)

    assert state(store, order) == (S.NOT_PLACED, 0)


# -- with a broker that really answers -----------------------------------------


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param(FaultKind.ACCEPT_THEN_TIMEOUT, S.FILLED, id="it-had-arrived"),
        pytest.param(FaultKind.LOSE_REQUEST, S.NOT_PLACED, id="it-was-lost"),
    ],
)
def test_timed_out_order_ends_as_it_really_did_and_is_placed_at_most_once(
    tmp_path, store, clock, rings, fault, status
):
    paper = PaperBroker(
        tmp_path / "paper.db",
        PaperSettings(),
        catalogue=Catalogue(catalogue_defaults()),
        clock=clock,
        timeout_seconds=5.0,
    )
    paper.add_fault(fault)
    order = store_order(store, S.GUARD_PASSED)
    CommandService(store, paper, clock, rings).step()
    assert state(store, order) == (S.OUTCOME_UNKNOWN, 0)

    search(RecoveryService(store, paper, RULES, clock, rings), clock, 4, 4)

    assert state(store, order)[0] is status
    placed = [o.client_order_id for o in paper.order_book()]
    assert placed == [order.client_order_id] * (status is S.FILLED)
    paper.close()


# -- stuck rows ----------------------------------------------------------------


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


# -- differences ---------------------------------------------------------------


def broker_holds(order, quantity):
    return BrokerPosition(
        exchange=order.exchange,
        tradingsymbol=order.tradingsymbol,
        product=order.product,
        quantity=quantity,
        average_price=Decimal(100),
        last_price=None,
        realised_pnl=Decimal(0),
    )


def test_difference_with_the_broker_is_told_once_for_each_change_and_its_end(
    recovery, store, broker, clock, events
):
    order = store_order(store, S.FILLED)
    for quantity in (0, 0, 130, 130, 65, 65):
        broker.held = [broker_holds(order, quantity)]
        recovery.step()
        clock.advance(RULES.interval_seconds)

    told = [name for name in events() if name.startswith("position_")]
    assert told == ["position_differs", "position_differs", "position_agrees"]


def test_strategies_holdings_are_compared_together(
    recovery, store, broker, clock, events
):
    order = store_order(store, S.FILLED, strategy="one")
    store_order(store, S.FILLED, strategy="two", quantity=130)
    broker.held = [broker_holds(order, 195)]

    recovery.step()

    assert "position_differs" not in events()


def test_difference_is_not_looked_for_while_answers_are_outstanding(
    recovery, store, broker, events
):
    store_order(store, S.FILLED)
    store_order(store, S.SUBMITTED)

    recovery.step()

    assert "position_differs" not in events()
    assert not decode(store.recovery.last().report).positions_compared


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


# -- the books -----------------------------------------------------------------


def report(store):
    return decode(store.recovery.last().report)


def placed(store, broker, status=S.ACCEPTED, **changes):
    """Return an order that both sides know as open."""
    order = store_order(store, status, **changes)
    at_broker(broker, order, BrokerOrderId(f"B{order.order_id}"))
    return order


def test_what_happened_while_nobody_looked_is_caught_up_at_the_start(
    recovery, store, broker, rings, events
):
    order = placed(store, broker)
    broker.fill(f"B{order.order_id}", 65, 101)

    recovery.begin()

    assert state(store, order) == (S.FILLED, 65)
    assert "trading_bot" in rings
    assert events() == ["order_caught_up", "position_differs", "reconciled"]
    assert [note.text for note in report(store).caught_up] == [
        "accepted becomes filled"
    ]


def test_fill_that_only_the_trade_book_has_is_booked(recovery, store, broker):
    order = placed(store, broker, S.CANCELED)
    broker.fill(f"B{order.order_id}", 25)
    claim = broker.book[BrokerOrderId(f"B{order.order_id}")]
    broker.book[claim.broker_order_id] = replace(
        claim, status=S.CANCELED, filled_quantity=0
    )

    recovery.begin()

    assert state(store, order) == (S.CANCELED, 25)


def test_row_touched_a_moment_ago_is_left_to_order_watcher(
    recovery, store, broker, clock
):
    recovery.begin()
    order = placed(store, broker)
    broker.fill(f"B{order.order_id}", 65)

    clock.advance(5)
    recovery._look()
    assert state(store, order) == (S.ACCEPTED, 0)
    clock.advance(5)
    recovery._look()

    assert state(store, order) == (S.FILLED, 65)


def test_order_of_another_program_is_in_the_report_and_nowhere_else(
    recovery, store, broker
):
    order = store_order(store, S.FILLED)
    at_broker(
        broker, replace(order, client_order_id=ClientOrderId("of-another-program"))
    )

    recovery.begin()

    assert [note.summary for note in report(store).external] == [
        f"BUY 65 NFO:{order.tradingsymbol}"
    ]
    assert store.orders.recent(limit=9) == [order]
    assert broker.canceled == []


def test_order_that_the_book_lacks_is_told_and_left_open(
    recovery, store, clock, events
):
    order = store_order(store, S.ACCEPTED)
    for _ in range(5):
        clock.advance(RULES.interval_seconds)
        recovery.step()

    assert events().count("order_missing") == 1
    assert state(store, order) == (S.ACCEPTED, 0)
    assert [note.order_id for note in report(store).missing] == [order.order_id]


def test_day_order_of_yesterday_that_the_book_lacks_is_expired(
    recovery, store, clock, rings
):
    order = store_order(store, S.ACCEPTED)
    clock.advance(24 * 3600)
    for _ in range(RULES.absent_reads):
        assert state(store, order) == (S.ACCEPTED, 0)
        recovery.step()
        clock.advance(RULES.interval_seconds)

    after = store.orders.get(order.order_id)
    assert after.status is S.EXPIRED
    assert after.reason == (
        "a day order of 2026-11-25, absent from the order book of 2026-11-26"
    )
    assert "trading_bot" in rings


def test_order_of_yesterday_is_not_expired_by_readings_that_fail(
    recovery, store, broker, clock
):
    order = store_order(store, S.ACCEPTED)
    clock.advance(24 * 3600)
    broker.is_down = True
    for _ in range(2 * RULES.absent_reads):
        with pytest.raises(BrokerUnavailable):
            recovery.step()
        clock.advance(RULES.interval_seconds)

    assert state(store, order) == (S.ACCEPTED, 0)


def test_order_sent_by_nobody_is_told_and_left(recovery, store, broker, events):
    order = store_order(store, S.RISK_PASSED)
    at_broker(broker, order)

    recovery.begin()

    assert "broker_contradicts" in events()
    assert state(store, order) == (S.RISK_PASSED, 0)


def test_order_that_works_for_long_is_told_once(store, broker, clock, rings, events):
    rules = replace(RULES, old_order_seconds=600.0)
    recovery = RecoveryService(store, broker, rules, clock, rings)
    order = placed(store, broker)
    recovery.begin()
    assert "order_old" not in events()

    for _ in range(2):
        clock.advance(600)
        recovery.step()

    assert events().count("order_old") == 1
    assert [note.order_id for note in report(store).old] == [order.order_id]
    assert broker.canceled == []


def test_difference_where_an_order_works_is_told_at_the_second_look(
    recovery, store, broker, clock, events
):
    order = placed(store, broker)
    broker.held = [broker_holds(order, 65)]

    recovery.begin()
    assert "position_differs" not in events()
    clock.advance(RULES.interval_seconds)
    recovery.step()

    assert events().count("position_differs") == 1


# -- the first reconciliation --------------------------------------------------


@pytest.mark.parametrize("book", ["order_book", "trade_book", "positions"])
def test_start_waits_until_each_book_was_read(
    recovery, store, broker, book, monkeypatch
):
    def away():
        raise BrokerUnavailable("nobody answers")

    store_order(store, S.FILLED)
    with monkeypatch.context() as patch:
        patch.setattr(broker, book, away)
        with pytest.raises(BrokerUnavailable):
            recovery.begin()

        assert store.recovery.is_awaited()
        assert store.recovery.last().summary.endswith("nobody answers")
        # Unread is not flat.
        assert report(store).differences == []

    recovery.begin()

    assert not store.recovery.is_awaited()
    assert store.recovery.last().succeeded


def test_report_that_cannot_be_written_does_not_keep_entries_back(
    store, broker, clock, rings, events
):
    def keep(_):
        raise OSError("disk full")

    recovery = RecoveryService(store, broker, RULES, clock, rings, keep=keep)
    recovery.begin()

    assert not store.recovery.is_awaited()
    assert "report_unwritten" in events()


def test_report_is_a_file_for_people_and_changes_are_kept(
    tmp_path, store, broker, clock, rings
):
    folder = tmp_path / "recovery"
    keep = ReportFolder(folder).keep
    recovery = RecoveryService(
        store, broker, RULES, clock, rings, run_id="run-7", keep=keep
    )
    order = store_order(store, S.FILLED)
    for quantity in (65, 65, 130):
        broker.held = [broker_holds(order, quantity)]
        recovery.step()
        clock.advance(RULES.interval_seconds)

    text = (folder / "report.txt").read_text()
    assert "reconciliation succeeded at 2026-11-25 10:01:00 (run run-7)" in text
    assert "NRML: we hold 65, the broker says 130" in text
    assert decode((folder / "report.json").read_text()) == report(store)
    assert len(list(folder.glob("2*.txt"))) == 2
