"""What the broker's books say at the start, and the report about it."""

from dataclasses import replace

import pytest

from shoonya_platform.domain.discrepancies import DiscrepancyKind as K
from shoonya_platform.domain.orders import BrokerOrderId, ClientOrderId
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.reconciling import STALE_SECONDS
from shoonya_platform.execution.recovery import RecoveryService
from shoonya_platform.execution.recovery_report import ReportFolder, decode
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.recovery.conftest import RULES, at_broker
from tests.unit.execution.rows import INSTRUMENTS, S, broker_holds, state


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
    assert events() == ["order_caught_up", "reconciled"]
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


def test_what_was_filled_beyond_the_order_is_booked_and_told_once(
    recovery, store, broker, clock, events
):
    order = placed(store, broker)
    number = BrokerOrderId(f"B{order.order_id}")
    broker.fill(number, 65)
    broker.fill(number, 15)

    recovery.begin()

    assert state(store, order) == (S.FILLED, 65)
    assert [position.quantity for position in store.positions.open()] == [80]
    (note,) = report(store).caught_up
    assert note.text == "accepted becomes filled: 15 more than was ordered"
    assert "order_overfilled" in events()
    clock.advance(60)
    recovery._look()
    assert report(store).caught_up == []
    assert report(store).contradicted == []
    assert [position.quantity for position in store.positions.open()] == [80]


def test_overfill_that_only_the_order_book_claims_is_told_and_not_booked(
    recovery, store, broker, clock
):
    order = placed(store, broker)
    number = BrokerOrderId(f"B{order.order_id}")
    broker.fill(number, 65)
    broker.book[number] = replace(broker.book[number], filled_quantity=80)

    recovery.begin()

    assert state(store, order) == (S.FILLED, 65)
    assert store.orders.get(order.order_id).overfilled_quantity == 0
    assert [position.quantity for position in store.positions.open()] == [65]
    # The fills are news themselves: the next look finds what they do not explain.
    assert report(store).contradicted == []
    clock.advance(60)
    recovery._look()
    assert [note.order_id for note in report(store).contradicted] == [order.order_id]


def test_trade_book_that_lags_behind_a_whole_fill_contradicts_nothing(
    recovery, store, broker, clock
):
    order = placed(store, broker)
    broker.fill(BrokerOrderId(f"B{order.order_id}"), 65)
    broker.trades.clear()

    for _ in range(2):
        recovery._look()
        clock.advance(60)

    assert report(store).contradicted == []
    assert state(store, order) == (S.ACCEPTED, 0)


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

    assert events().count("discrepancy") == 1
    assert [found.kind for found in store.discrepancies.open()] == [K.ORDER_MISSING]
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


@pytest.mark.parametrize(
    "status", [S.INITIALIZED, S.RISK_PASSED, S.GUARD_PASSED, S.DENIED]
)
def test_order_that_the_store_took_for_unsent_is_adopted_with_its_fills(
    recovery, store, broker, status
):
    order = store_order(store, status)
    broker.fill(at_broker(broker, order), 65)

    recovery.begin()

    assert state(store, order) == (S.FILLED, 65)
    assert [found.kind for found in store.discrepancies.open()] == [K.ORDER_ADOPTED]


def test_order_that_works_for_long_is_told_once(store, broker, clock, rings, events):
    rules = replace(RULES, old_order_seconds=600.0)
    recovery = RecoveryService(
        store, broker, rules, clock, rings, instruments=INSTRUMENTS
    )
    order = placed(store, broker)
    recovery.begin()
    assert "order_old" not in events()

    for _ in range(2):
        clock.advance(600)
        recovery.step()

    assert events().count("order_old") == 1
    assert [note.order_id for note in report(store).old] == [order.order_id]
    assert broker.canceled == []


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

    recovery = RecoveryService(
        store, broker, RULES, clock, rings, instruments=INSTRUMENTS, keep=keep
    )
    recovery.begin()

    assert not store.recovery.is_awaited()
    assert "report_unwritten" in events()


def test_report_is_a_file_for_people_and_changes_are_kept(
    tmp_path, store, broker, clock, rings
):
    folder = tmp_path / "recovery"
    keep = ReportFolder(folder).keep
    recovery = RecoveryService(
        store,
        broker,
        RULES,
        clock,
        rings,
        instruments=INSTRUMENTS,
        run_id="run-7",
        keep=keep,
    )
    order = store_order(store, S.FILLED)
    clock.advance(STALE_SECONDS)
    for quantity in (65, 65, 130):
        broker.held = [broker_holds(order, quantity)]
        recovery.step()
        clock.advance(RULES.interval_seconds)

    text = (folder / "report.txt").read_text()
    assert "reconciliation succeeded at 2026-11-25 10:02:30 (run run-7)" in text
    assert "NRML: we hold 65, the broker says 130" in text
    assert decode((folder / "report.json").read_text()) == report(store)
    assert len(list(folder.glob("2*.txt"))) == 2
