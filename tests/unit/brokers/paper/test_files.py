"""The book is a file, and files break."""

import resource
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.config.settings import InstrumentLimits
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import BrokerOrderId, OrderType, Side
from shoonya_platform.errors import BrokerUnavailable, OutcomeUnknown
from tests.unit.brokers.paper.conftest import SYMBOL, market

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


def gold(client_order_id, side=Side.BUY):
    return replace(
        market(client_order_id, quantity=1, side=side),
        exchange=Exchange.MCX,
        tradingsymbol="GOLD05FEB27",
    )


def test_book_of_an_earlier_version_goes_on_and_counts_by_the_factor_once_flat(
    open_broker, path
):
    with closing(open_broker()) as broker:
        broker.place(gold("O-1"))
    with closing(sqlite3.connect(path)) as connection:
        # As that version left it: without factors, and with what it had blocked.
        connection.execute("DROP TABLE price_factors")
        connection.execute("UPDATE account SET position_margin = '100.00'")
        connection.commit()

    broker = open_broker()
    broker.place(gold("O-2"))
    assert broker.limits().margin_used == 200
    for name in ("O-3", "O-4"):
        broker.place(gold(name, Side.SELL))
    assert broker.limits().margin_used == 0

    broker.place(gold("O-5"))
    assert broker.limits().margin_used == 100 * 100
    assert [held.price_factor for held in broker.positions()] == [100]


def test_factor_stays_while_the_instrument_is_held_or_an_order_works(
    path, clock, open_broker
):
    def count(factor):
        figures = InstrumentLimits(price_factor=Decimal(factor))
        return PaperBroker(
            path,
            PaperSettings(),
            catalogue=Catalogue(catalogue_defaults(), {"MCX:GOLD": figures}),
            clock=clock,
            timeout_seconds=5.0,
        )

    resting = replace(gold("O-1"), order_type=OrderType.LIMIT, price=Decimal(90))
    with closing(count(100)) as broker:
        number = broker.place(resting)
    with closing(count(10)) as broker:
        broker.place(gold("O-2"))
        assert broker.limits().margin_used == 100 * (90 + 100)
        broker.cancel(number)
        broker.place(gold("O-3", Side.SELL))
        assert broker.limits().margin_used == 0
        broker.place(gold("O-4"))
        assert broker.limits().margin_used == 10 * 100
