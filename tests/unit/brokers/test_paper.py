"""What only the paper broker does; what every broker does is in tests/contract."""

import resource
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.brokers.paper import FaultKind, PaperBroker, PaperSettings
from shoonya_platform.brokers.paper_rows import first_number
from shoonya_platform.brokers.shoonya_limits import RateLimiter
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from shoonya_platform.errors import (
    BrokerRejected,
    BrokerUnavailable,
    NotAllowed,
    OutcomeUnknown,
)

SYMBOL = "NIFTY27JAN26C25700"
LOT = 65
BEGIN = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)  # 10:00 in India


class Clock:
    def __init__(self) -> None:
        self.time = BEGIN
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "paper.db"


@pytest.fixture
def open_broker(path, clock):
    opened = []

    def open_one(timeout_seconds: float = 5.0, **settings: object) -> PaperBroker:
        broker = PaperBroker(
            path,
            PaperSettings(**settings),  # type: ignore[arg-type]
            catalogue=Catalogue(catalogue_defaults()),
            clock=clock,
            timeout_seconds=timeout_seconds,
            sleep=clock.sleep,
        )
        opened.append(broker)
        return broker

    yield open_one
    for broker in opened:
        broker.close()


@pytest.fixture
def broker(open_broker) -> PaperBroker:
    made: PaperBroker = open_broker()
    return made


def market(client_order_id="O-1", quantity=LOT, side=Side.BUY) -> PlaceOrder:
    return PlaceOrder(
        client_order_id=ClientOrderId(client_order_id),
        exchange=Exchange.NFO,
        tradingsymbol=SYMBOL,
        side=side,
        quantity=quantity,
        order_type=OrderType.MARKET,
        price=None,
        trigger_price=None,
        product=Product.NRML,
        time_in_force=TimeInForce.DAY,
    )


def limit(price="90", client_order_id="O-1", quantity=LOT) -> PlaceOrder:
    return PlaceOrder(
        client_order_id=ClientOrderId(client_order_id),
        exchange=Exchange.NFO,
        tradingsymbol=SYMBOL,
        side=Side.BUY,
        quantity=quantity,
        order_type=OrderType.LIMIT,
        price=Decimal(price),
        trigger_price=None,
        product=Product.NRML,
        time_in_force=TimeInForce.DAY,
    )


def status(broker: PaperBroker, broker_order_id: str) -> OrderStatus:
    (order,) = (o for o in broker.order_book() if o.broker_order_id == broker_order_id)
    return order.status


def test_order_numbers_are_fourteen_digits_that_begin_with_the_day_in_india(
    broker, clock
):
    # 10:00 in India is 36,000 seconds into the day.
    assert broker.place(market()) == "26112536000001"
    assert broker.place(market()) == "26112536000002"

    clock.time = datetime(2026, 11, 25, 18, 29, 59, tzinfo=UTC)
    assert broker.place(market()) == "26112536000003"
    clock.time = datetime(2026, 11, 25, 18, 30, tzinfo=UTC)  # midnight in India
    assert broker.place(market()) == "26112600000001"


def test_book_begun_anew_on_the_same_day_gives_no_number_twice(
    open_broker, path, clock
):
    broker = open_broker()
    numbers = {broker.place(market()) for _ in range(3)}
    broker.close()
    path.unlink()
    clock.time += timedelta(seconds=1)

    again = open_broker()

    assert numbers.isdisjoint(again.place(market()) for _ in range(3))


def test_order_that_outlives_its_day_expires(broker, clock):
    placed = broker.place(limit())
    broker.reports()

    clock.time += timedelta(days=1)

    (report,) = broker.reports()
    assert report.order.broker_order_id == placed
    assert report.order.status is OrderStatus.EXPIRED
    assert broker.limits().margin_used == 0


def test_order_of_yesterday_does_not_trade_at_todays_price(broker, clock):
    broker.place(limit())
    clock.time += timedelta(days=1)

    broker.set_price(Exchange.NFO, SYMBOL, Decimal(50))

    assert broker.trade_book() == []
    assert broker.positions() == []


def test_order_of_yesterday_cannot_be_canceled(broker, clock):
    placed = broker.place(limit())
    clock.time += timedelta(days=1)

    with pytest.raises(BrokerRejected, match="expired"):
        broker.cancel(placed)


def test_books_show_the_day_and_positions_carry_over(broker, clock):
    broker.place(market())

    clock.time += timedelta(days=1)

    assert broker.order_book() == []
    assert broker.trade_book() == []
    assert [position.quantity for position in broker.positions()] == [LOT]


def test_old_rows_are_forgotten_at_start_and_the_account_is_not(
    open_broker, path, clock
):
    first = open_broker()
    first.place(market())
    first.set_price(Exchange.NFO, SYMBOL, Decimal(110))
    first.place(market(side=Side.SELL))
    cash = first.limits().cash

    clock.time += timedelta(days=30)
    again = open_broker()

    assert again.positions() == []
    assert again.limits().cash == cash == Decimal(10_000_000) + 10 * LOT
    connection = sqlite3.connect(path)
    left = connection.execute(
        "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM trades),"
        " (SELECT count(*) FROM reports)"
    ).fetchone()
    connection.close()
    assert left == (0, 0, 0)


def test_numbers_of_the_day_are_found_by_an_index(broker, path):
    query = "EXPLAIN QUERY PLAN SELECT * FROM orders WHERE number >= ? AND number < ?"
    connection = sqlite3.connect(path)
    plan = connection.execute(query, (first_number(BEGIN), 10**14)).fetchone()
    connection.close()

    assert "USING INTEGER PRIMARY KEY" in plan[3]


def test_each_look_at_the_market_fills_one_chunk_at_most(open_broker):
    broker = open_broker(max_fill_quantity=2 * LOT)
    placed = broker.place(market(quantity=5 * LOT))

    filled = []
    for _ in range(3):
        (order,) = broker.order_book()
        filled.append(order.filled_quantity // LOT)

    assert filled == [4, 5, 5]
    assert status(broker, placed) is OrderStatus.FILLED
    assert [trade.fill.quantity for trade in broker.trade_book()] == [130, 130, 65]


def test_walking_price_fills_a_resting_order_with_time(open_broker, clock):
    broker = open_broker(price_source="walk", first_price=Decimal(1000))
    placed = broker.place(limit("999.90"))

    for _ in range(1000):
        clock.time += timedelta(seconds=1)
        if status(broker, placed) is OrderStatus.FILLED:
            return
    pytest.fail("the price never came by")


def test_fault_ordered_by_one_process_befalls_another(open_broker, broker):
    open_broker().add_fault("lose_request", count=2)

    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            broker.place(market())
    broker.place(market())

    assert len(broker.order_book()) == 1
    assert broker.faults() == []


def test_refuse_is_a_rejection_with_nothing_placed(broker):
    broker.add_fault(FaultKind.REFUSE)

    with pytest.raises(BrokerRejected, match="on demand"):
        broker.place(market())

    assert broker.order_book() == []
    broker.place(market())


def test_slow_answer_comes_late_and_is_an_answer(broker, clock):
    broker.add_fault(FaultKind.SLOW, seconds=2.0)

    placed = broker.place(market())

    assert clock.slept == [2.0]
    assert status(broker, placed) is OrderStatus.FILLED


def test_answer_slower_than_the_time_out_is_none_though_the_order_is_placed(
    broker, clock
):
    broker.add_fault(FaultKind.SLOW, seconds=60.0)

    with pytest.raises(OutcomeUnknown):
        broker.place(market())

    assert clock.slept == [5.0]
    assert len(broker.order_book()) == 1


def test_dropped_report_is_missing_and_the_books_know_better(broker):
    broker.add_fault(FaultKind.DROP_REPORT, count=2)

    placed = broker.place(market())

    assert broker.reports() == []
    assert status(broker, placed) is OrderStatus.FILLED


def test_doubled_report_is_told_twice_and_traded_once(broker):
    broker.add_fault(FaultKind.DOUBLE_REPORT, count=2)

    broker.place(market())

    reports = broker.reports()
    assert [r.order.status for r in reports] == ["accepted"] * 2 + ["filled"] * 2
    assert reports[2] == reports[3]
    assert len(broker.trade_book()) == 1


def test_held_order_is_filled_once_the_faults_are_cleared(broker):
    broker.add_fault(FaultKind.HOLD_ORDERS)
    held = broker.place(market("O-held"))
    free = broker.place(market("O-free"))

    assert status(broker, held) is OrderStatus.ACCEPTED
    assert status(broker, free) is OrderStatus.FILLED

    broker.clear_faults()
    assert status(broker, held) is OrderStatus.FILLED


def test_held_order_is_filled_when_its_time_is_over(broker, clock):
    broker.add_fault(FaultKind.HOLD_ORDERS, seconds=10.0)
    held = broker.place(market())
    assert status(broker, held) is OrderStatus.ACCEPTED

    clock.time += timedelta(seconds=10)
    assert status(broker, held) is OrderStatus.FILLED


def test_held_order_can_be_canceled(broker):
    broker.add_fault(FaultKind.HOLD_ORDERS)
    held = broker.place(market())

    broker.cancel(held)
    broker.clear_faults()

    assert status(broker, held) is OrderStatus.CANCELED


def test_outage_lasts_its_seconds_however_often_it_is_met(broker, clock):
    broker.add_fault(FaultKind.UNAVAILABLE, seconds=30.0)

    for _ in range(3):
        with pytest.raises(BrokerUnavailable):
            broker.order_book()
    clock.time += timedelta(seconds=30)

    assert broker.order_book() == []
    assert broker.faults() == []


def test_faults_are_listed_in_the_order_they_were_added(broker):
    broker.add_fault(FaultKind.SLOW, seconds=1.5)
    broker.add_fault(FaultKind.DROP_REPORT, count=3)

    faults = broker.faults()

    assert [(f.kind, f.count, f.seconds) for f in faults] == [
        ("slow", 1, 1.5),
        ("drop_report", 3, 0.0),
    ]
    assert faults[0].added_at == BEGIN


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(("earthquake", 1, 0.0), id="kind"),
        pytest.param(("slow", 0, 0.0), id="count"),
        pytest.param(("slow", 1, -1.0), id="seconds"),
        pytest.param(("slow", 1, float("nan")), id="not-a-number"),
    ],
)
def test_impossible_fault_is_refused(broker, fault):
    with pytest.raises(NotAllowed):
        broker.add_fault(*fault)


CALLS = [
    pytest.param(lambda broker: broker.place(market()), id="place"),
    pytest.param(lambda broker: broker.cancel(BrokerOrderId("1")), id="cancel"),
    pytest.param(lambda broker: broker.reports(), id="reports"),
    pytest.param(lambda broker: broker.order_book(), id="order_book"),
    pytest.param(lambda broker: broker.trade_book(), id="trade_book"),
    pytest.param(lambda broker: broker.positions(), id="positions"),
    pytest.param(lambda broker: broker.limits(), id="limits"),
    pytest.param(lambda broker: broker.faults(), id="faults"),
    pytest.param(lambda broker: broker.add_fault("slow"), id="add_fault"),
    pytest.param(lambda broker: broker.clear_faults(), id="clear_faults"),
    pytest.param(
        lambda broker: broker.set_price(Exchange.NFO, SYMBOL, Decimal(1)),
        id="set_price",
    ),
    pytest.param(
        lambda broker: broker.last_price(Exchange.NFO, SYMBOL), id="last_price"
    ),
]


@pytest.mark.parametrize("call", CALLS)
def test_file_that_is_no_database_makes_the_broker_unavailable(open_broker, path, call):
    path.write_bytes(b"this is no database at all\n" * 100)
    broker = open_broker()

    with pytest.raises(BrokerUnavailable, match=r"paper\.db") as failure:
        call(broker)

    assert failure.value.hint is not None


@pytest.mark.parametrize("call", CALLS)
def test_missing_directory_makes_the_broker_unavailable(clock, path, call):
    broker = PaperBroker(
        path.parent / "missing" / "paper.db",
        PaperSettings(),
        catalogue=Catalogue(catalogue_defaults()),
        clock=clock,
        timeout_seconds=1.0,
    )

    with pytest.raises(BrokerUnavailable) as failure:
        call(broker)

    assert failure.value.hint is not None


@pytest.mark.parametrize("call", CALLS)
def test_file_that_was_taken_away_does_not_look_like_an_empty_book(broker, path, call):
    broker.place(market())
    path.unlink()

    for _ in range(2):
        with pytest.raises(BrokerUnavailable, match="has gone"):
            call(broker)


def test_broker_answers_again_once_the_file_is_back(broker, path):
    broker.place(market())
    away = path.with_name("away.db")
    path.rename(away)
    with pytest.raises(BrokerUnavailable):
        broker.order_book()

    away.rename(path)

    assert len(broker.order_book()) == 1


def test_broker_follows_to_a_new_book_and_replays_nothing_of_it(
    open_broker, broker, path, clock
):
    broker.place(market())
    for file in path.parent.iterdir():
        file.unlink()
    clock.time += timedelta(seconds=1)
    newcomer = open_broker()
    newcomer.place(market("O-new"))

    assert broker.reports() == []
    assert [order.client_order_id for order in broker.order_book()] == ["O-new"]


def test_broker_opened_on_a_damaged_file_works_once_it_is_mended(open_broker, path):
    path.write_bytes(b"x" * 5000)
    broker = open_broker()
    with pytest.raises(BrokerUnavailable, match="damaged"):
        broker.order_book()

    path.unlink()

    broker.place(market())
    assert len(broker.order_book()) == 1


def test_file_damaged_under_an_open_broker_makes_it_unavailable(broker, path):
    for n in range(50):
        broker.place(market(f"O-{n}"))
    broker.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"\0" * size)

    with pytest.raises(BrokerUnavailable) as failure:
        broker.place(market())

    assert failure.value.hint is not None


def test_locked_file_makes_the_broker_unavailable_and_nothing_is_placed(
    open_broker, path
):
    broker = open_broker(timeout_seconds=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(BrokerUnavailable, match="locked"):
        broker.place(market())
    # Reading goes on.
    assert broker.order_book() == []

    other.execute("ROLLBACK")
    other.close()
    broker.place(market())
    assert len(broker.order_book()) == 1


def test_database_of_another_program_is_left_alone(open_broker, path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.close()

    with pytest.raises(BrokerUnavailable, match="another program") as failure:
        open_broker().order_book()

    assert failure.value.hint is not None


def test_book_of_a_newer_version_is_left_alone(open_broker, broker, path):
    broker.close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()

    with pytest.raises(BrokerUnavailable, match="another version"):
        open_broker().order_book()


def test_commit_that_fails_leaves_the_outcome_unknown(broker, path):
    broker.place(market("O-before"))
    wal = path.with_name("paper.db-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, hard))
    try:
        with pytest.raises(OutcomeUnknown):
            broker.place(market("O-after"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    # Whichever it was, the book now says.
    assert [order.client_order_id for order in broker.order_book()] == ["O-before"]
    broker.place(market("O-later"))
    assert len(broker.order_book()) == 2


def test_interrupted_request_leaves_nothing_behind(broker, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(broker._prices, "last", interrupt)
    with pytest.raises(KeyboardInterrupt):
        broker.place(market())
    monkeypatch.undo()

    assert broker.order_book() == []
    broker.place(market())


# -- how often -----------------------------------------------------------------


@pytest.fixture
def limited(path, clock, tmp_path):
    """A broker that holds orders back as exchanges do."""
    limiter = RateLimiter(
        tmp_path / "paper.calls",
        clock,
        orders_per_second=10,
        requests_per_minute=100_000,
        sleep=clock.sleep,
    )
    broker = PaperBroker(
        path,
        PaperSettings(),
        catalogue=Catalogue(catalogue_defaults()),
        clock=clock,
        timeout_seconds=5.0,
        sleep=clock.sleep,
        limiter=limiter,
    )
    yield broker
    broker.close()


def test_orders_beyond_the_limit_of_their_exchange_wait(limited, clock):
    for n in range(9):
        limited.place(market(f"O-{n}"))
    assert clock.slept == []

    limited.place(market("O-10"))

    assert 0.9 < sum(clock.slept) < 1.1


def test_exit_and_cancel_do_not_wait_where_an_entry_would(limited, clock):
    resting = limited.place(limit("1", "O-rests"))
    for n in range(8):
        limited.place(market(f"O-{n}"))
    limited.cancel(resting)
    assert clock.slept == []
    clock.sleep(1.1)
    clock.slept.clear()
    for n in range(9):
        limited.place(market(f"P-{n}"))

    limited.place(replace(market("P-exit", side=Side.SELL), is_exit=True))

    assert clock.slept == []


def test_another_exchange_has_a_limit_of_its_own(limited, clock):
    for n in range(9):
        limited.place(market(f"O-{n}"))

    limited.place(
        replace(
            market("O-nse", quantity=1),
            exchange=Exchange.NSE,
            tradingsymbol="INFY-EQ",
        )
    )

    assert clock.slept == []
