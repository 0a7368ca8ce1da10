"""What is told, in words, with its ids; and nothing twice."""

from datetime import timedelta
from decimal import Decimal

import pytest

from shoonya_platform.domain.orders import OrderStatus, OrderTrigger
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.notify.news import Kind
from shoonya_platform.store.base import RiskDay
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import store_alert, store_order

S, T = OrderStatus, OrderTrigger


def told(reader, cursor, *kinds):
    """Return the texts of those kinds, all if none is named, and the next cursor."""
    news, after = reader.read(cursor)
    return [n.text for n in news if not kinds or n.kind in kinds], after


def test_history_is_not_told(reader, store):
    store_order(store, S.FILLED)

    assert told(reader, reader.begin())[0] == []


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (S.FILLED, Kind.ORDER, "filled at 100.00"),
        (S.REJECTED, Kind.ORDER, "rejected by the broker"),
        (S.CANCELED, Kind.ORDER, "canceled"),
        (S.EXPIRED, Kind.ORDER, "expired"),
        (S.NOT_PLACED, Kind.ORDER, "was never placed"),
        (S.OUTCOME_UNKNOWN, Kind.ORDER, "has an unknown outcome"),
        (S.DENIED, Kind.DENIAL, "denied"),
    ],
)
def test_orders_end_is_told_with_its_ids(reader, store, status, kind, words):
    cursor = reader.begin()
    order = store_order(store, status)

    texts, after = told(reader, cursor, kind)

    assert texts[-1].startswith(f"order {order.order_id} {words}")
    assert order.summary in texts[-1]
    assert order.client_order_id in texts[-1]
    assert told(reader, after)[0] == []


def test_steps_on_the_way_are_not_told(reader, store):
    cursor = reader.begin()
    store_order(store, S.ACCEPTED)

    assert told(reader, cursor, Kind.ORDER, Kind.DENIAL)[0] == []


def test_alert_is_told_as_it_comes(reader, store):
    cursor = reader.begin()
    alert_id = store_alert(store)

    assert told(reader, cursor)[0] == [
        f"alert {alert_id} received: entry for 'straddle', 1 leg"
    ]


def test_trading_state_is_told_with_who_and_why(reader, store):
    cursor = reader.begin()
    with store.transaction(durable=False):
        store.trading.set(TradingState.HALTED, reason="enough", by="operator")

    texts, after = told(reader, cursor)

    assert texts == ["trading is HALTED: enough (by operator)"]
    assert told(reader, after)[0] == []


def test_warning_and_breach_of_a_day_are_told_once_each(reader, store):
    cursor = reader.begin()
    texts = []
    for warned, breached in ((True, False), (True, False), (True, True), (True, True)):
        with store.transaction(durable=False):
            store.risk.save(
                RiskDay(
                    day=BEGIN.date(),
                    best_pnl=Decimal(0),
                    last_pnl=Decimal(-900),
                    warned=warned,
                    breached=breached,
                )
            )
        found, cursor = told(reader, cursor, Kind.BREACH)
        texts += found

    assert texts == [
        "the loss limit is near: the day's P&L is -900.00",
        "the loss limit is reached: the day's P&L is -900.00",
    ]


def test_start_and_ready_are_told_once_each_start(reader, store):
    cursor = reader.begin()
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    texts, cursor = told(reader, cursor)
    assert texts == ["Shoonya starts"]

    with store.transaction(durable=False):
        store.recovery.record(succeeded=True, summary="all well", report="{}")
    texts, cursor = told(reader, cursor)
    assert texts == ["Shoonya is ready: all well"]

    assert told(reader, cursor)[0] == []


def test_difference_with_the_broker_is_told_when_it_changes(reader, store):
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    cursor = reader.begin()
    texts = []
    held = '{"differences":[{"tradingsymbol":"X","ours":65,"brokers":0}]}'
    for report in ("{}", held, held, "{}", '{"stuck":[{"order_id":7}]}'):
        with store.transaction(durable=False):
            store.recovery.record(succeeded=True, summary="s", report=report)
        found, cursor = told(reader, cursor, Kind.DIFFERENCE)
        texts += found

    assert texts == [
        "reconciliation: X: we hold 65, the broker says 0 (shoonyactl recovery)",
        "reconciliation: 1 orders stuck (7) (shoonyactl recovery)",
    ]


def test_books_that_cannot_be_read_are_told_once_whatever_the_reason_counts(
    reader, store
):
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    cursor = reader.begin()
    texts = []
    for why in ("refused, not again for 15 s", "refused, not again for 9 s", "ended"):
        with store.transaction(durable=False):
            store.recovery.record(succeeded=False, summary=why, report="{}")
        found, cursor = told(reader, cursor, Kind.DIFFERENCE)
        texts += found

    assert texts == [
        "reconciliation: refused, not again for 15 s (shoonyactl recovery)",
        "reconciliation: ended (shoonyactl recovery)",
    ]


def test_death_and_silence_of_a_service_are_told(reader, store, clock, tmp_path):
    def beat(run_id):
        other = SqliteOrderStore(
            tmp_path / "orders.db", service="risk_manager", run_id=run_id, clock=clock
        )
        with other.transaction(durable=False):
            other.services.beat(pid=7, status="works", started_at=BEGIN)
        return other

    cursor = reader.begin()
    beat("run-1").close()
    assert told(reader, cursor, Kind.FAILURE)[0] == []
    beat("run-2").close()
    texts, cursor = told(reader, cursor, Kind.FAILURE)
    assert texts == [
        "risk_manager died and was started again (shoonyactl why risk_manager)"
    ]
    clock.advance(90)
    assert told(reader, cursor, Kind.FAILURE)[0] == [
        "risk_manager is silent for 90 s (shoonyactl why risk_manager)"
    ]
    assert told(reader, cursor, Kind.FAILURE)[0] == []
    last = beat("run-2")
    assert told(reader, cursor, Kind.FAILURE)[0] == []
    with last.transaction(durable=False):
        last.services.end()
    last.close()
    beat("run-3").close()

    assert told(reader, cursor, Kind.FAILURE)[0] == []


def test_day_is_reported_once_after_its_time(reader, store, clock):
    cursor = reader.begin()
    store_order(store, S.FILLED)
    store_order(store, S.DENIED)
    assert told(reader, cursor, Kind.DAILY)[0] == []
    # 15:45 in India.
    clock.advance(5.75 * 3600)

    texts, after = told(reader, cursor, Kind.DAILY)

    assert texts == [
        "the day 2026-11-25 in figures\n"
        "P&L today 0.00: 0.00 realised, 0.00 unrealised\n"
        "2 orders: 1 denied, 1 filled\n"
        "1 open positions, trading is ACTIVE"
    ]
    clock.advance(3600)
    assert told(reader, after, Kind.DAILY)[0] == []
    clock.advance(24 * 3600)
    assert len(told(reader, after, Kind.DAILY)[0]) == 1


def test_quiet_sunday_is_not_reported(reader, clock):
    cursor = reader.begin()
    clock.jump_to(BEGIN + timedelta(days=4, hours=8))

    assert told(reader, cursor, Kind.DAILY)[0] == []
