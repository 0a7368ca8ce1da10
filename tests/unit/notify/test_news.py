"""What is told, in words, with its ids; and nothing twice."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.domain.orders import OrderStatus, OrderTrigger
from shoonya_platform.domain.refused_alerts import RefusedAlert
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.notify.news import Cursor, Kind
from shoonya_platform.store.base import RiskDay
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import store_alert, store_order

K, S, T = DiscrepancyKind, OrderStatus, OrderTrigger


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


def test_refused_alert_is_told_and_the_same_mistake_is_the_same_news(reader, store):
    refuse(store, "of before")
    cursor = reader.begin()
    refuse(store, "stoploss: there is no such key", times=2)

    news, after = reader.read(cursor)

    assert [each.kind for each in news] == [Kind.REFUSED, Kind.REFUSED]
    assert "stoploss" in news[0].text
    assert news[0].key == news[1].key
    assert told(reader, after)[0] == []


def refuse(store, reason, times=1):
    refused = RefusedAlert(
        code="KEY_UNKNOWN",
        reason=reason,
        hint="",
        http_status=400,
        client="127.0.0.1",
        body="{}",
    )
    with store.transaction(durable=False):
        for _ in range(times):
            store.refusals.add(refused, at=BEGIN)


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


def test_stuck_orders_are_told_when_they_change(reader, store):
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    cursor = reader.begin()
    texts = []
    old = '{"old":[{"order_id":5}],"differences":[{"tradingsymbol":"X"}]}'
    for report in ("{}", old, old, "{}", '{"stuck":[{"order_id":7}]}'):
        with store.transaction(durable=False):
            store.recovery.record(succeeded=True, summary="s", report=report)
        found, cursor = told(reader, cursor, Kind.DIFFERENCE)
        texts += found

    assert texts == [
        "reconciliation: 1 orders at work for long (5) (shoonyactl recovery)",
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


# -- discrepancies -------------------------------------------------------------


def note(store, kind, text="it differs"):
    with store.transaction(durable=False):
        store.discrepancies.note(
            Discrepancy(kind=kind, subject="X", text=text, action="look")
        )


def resolve(store, kind):
    with store.transaction(durable=False):
        store.discrepancies.resolve(kind, "X")


def acknowledge(store, number=1):
    with store.transaction(durable=False):
        store.discrepancies.acknowledge(number, by="priya")


def read(reader, cursor):
    """Return the texts and the next cursor, as a restart would read it back."""
    texts, after = told(reader, cursor, Kind.DIFFERENCE)
    return texts, msgspec.json.decode(msgspec.json.encode(after), type=Cursor)


def test_condition_is_reported_as_it_begins_changes_and_ends(reader, store):
    cursor = reader.begin()
    note(store, K.POSITION_DIFFERS, "-65")
    texts, cursor = read(reader, cursor)
    assert texts == ["discrepancy 1: -65 (look)"]
    note(store, K.POSITION_DIFFERS, "-65")
    texts, cursor = read(reader, cursor)
    assert texts == []
    note(store, K.POSITION_DIFFERS, "-130")
    texts, cursor = read(reader, cursor)
    assert texts == ["discrepancy 1: -130 (look)"]

    resolve(store, K.POSITION_DIFFERS)

    texts, cursor = read(reader, cursor)
    assert texts == ["discrepancy 1 is over: -130"]
    assert read(reader, cursor)[0] == []


def test_incident_is_loud_until_it_is_acknowledged(reader, store):
    cursor = reader.begin()
    note(store, K.LEG_OVERFILLED)
    news, cursor = reader.read(cursor)
    assert [(each.text, each.is_loud) for each in news] == [
        ("INCIDENT: discrepancy 1: it differs (look)", True)
    ]
    resolve(store, K.LEG_OVERFILLED)
    texts, cursor = read(reader, cursor)
    assert texts == [
        "INCIDENT: discrepancy 1 is over, not acknowledged "
        "(shoonyactl discrepancy acknowledge 1)"
    ]
    assert read(reader, cursor)[0] == []

    acknowledge(store)

    texts, cursor = read(reader, cursor)
    assert texts == ["discrepancy 1 is acknowledged by priya: it differs"]
    assert read(reader, cursor)[0] == []


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        (
            K.ORDER_MISSING,
            ["discrepancy 1: it differs", "discrepancy 1 is over: it differs"],
        ),
        (
            K.OUTCOME_LOST,
            [
                "INCIDENT: discrepancy 1: it differs",
                "INCIDENT: discrepancy 1 is over, not acknowledged "
                "(shoonyactl discrepancy acknowledge 1)",
            ],
        ),
    ],
)
def test_what_began_and_ended_between_two_looks_is_reported(reader, store, kind, ends):
    cursor = reader.begin()
    note(store, kind)
    resolve(store, kind)

    texts, cursor = read(reader, cursor)

    assert texts == ends
    assert read(reader, cursor)[0] == []


def test_what_is_open_at_the_first_start_of_notifications_is_reported(reader, store):
    note(store, K.ORDER_MISSING)
    resolve(store, K.ORDER_MISSING)
    note(store, K.POSITION_DIFFERS)

    texts, cursor = read(reader, reader.begin())

    assert texts == ["discrepancy 2: it differs (look)"]
    assert read(reader, cursor)[0] == []


def test_cursor_of_an_earlier_version_reports_all_there_is(reader, store):
    note(store, K.POSITION_DIFFERS)

    cursor = msgspec.json.decode(b'{"event_id": 0}', type=Cursor)

    assert read(reader, cursor)[0] == ["discrepancy 1: it differs (look)"]


def test_flood_is_read_bit_by_bit_and_whole(reader, store):
    cursor = reader.begin()
    with store.transaction(durable=False):
        for number in range(450):
            store.discrepancies.note(
                Discrepancy(
                    kind=K.ORDER_MISSING, subject=f"O{number}", text="t", action="look"
                )
            )
    texts = []
    for _ in range(4):
        found, cursor = read(reader, cursor)
        texts += found

    assert len(texts) == len(set(texts)) == 450
