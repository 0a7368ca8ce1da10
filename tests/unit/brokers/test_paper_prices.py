import itertools
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.brokers.paper_prices import (
    STEPS_A_BLOCK,
    PaperSettings,
    Prices,
    to_tick,
    walked,
)
from shoonya_platform.brokers.paper_session import PaperSession
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.instruments import Exchange, Instrument
from shoonya_platform.errors import ConfigError, NotAllowed

TICK = Decimal("0.05")
NIFTY = Instrument(exchange=Exchange.NFO, tradingsymbol="NIFTY27JAN26F")
OTHER = Instrument(exchange=Exchange.NFO, tradingsymbol="BANKNIFTY27JAN26F")
NOON = datetime(2026, 11, 25, 6, 30, tzinfo=UTC)


@pytest.fixture
def connection(tmp_path):
    session = PaperSession(
        tmp_path / "paper.db",
        clock=SystemClock(),
        timeout_seconds=5.0,
        on_open=lambda connection: None,
    )
    with session.connected() as connection:
        connection.execute("UPDATE account SET opened_at = ?", (NOON.isoformat(),))
        yield connection
    session.close()


def path(prices: Prices, connection: sqlite3.Connection, instrument=NIFTY, steps=200):
    return [
        prices.last(connection, instrument, NOON + timedelta(seconds=n))
        for n in range(steps)
    ]


def test_price_nobody_named_is_the_first_price(connection):
    prices = Prices(PaperSettings(first_price=Decimal(250)))

    assert prices.last(connection, NIFTY, NOON) == 250


def test_price_that_was_heard_of_stands(connection):
    prices = Prices(PaperSettings())
    prices.set(connection, NIFTY.exchange, NIFTY.tradingsymbol, Decimal("99.5"), NOON)

    assert prices.last(connection, NIFTY, NOON + timedelta(days=3)) == Decimal("99.5")
    assert prices.last(connection, OTHER, NOON) == 100


def test_fixed_price_stands_whatever_is_heard_of(connection):
    prices = Prices(PaperSettings(prices={"NFO:NIFTY27JAN26F": Decimal(25700)}))
    prices.set(connection, NIFTY.exchange, NIFTY.tradingsymbol, Decimal(1), NOON)

    assert prices.last(connection, NIFTY, NOON) == 25700


def test_price_off_the_tick_is_moved_to_the_nearest(connection):
    prices = Prices(PaperSettings())
    prices.set(connection, NIFTY.exchange, NIFTY.tradingsymbol, Decimal("99.53"), NOON)

    assert prices.last(connection, NIFTY, NOON) == Decimal("99.55")


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity", "1E+20"])
def test_what_is_no_price_is_refused(connection, price):
    with pytest.raises(NotAllowed):
        Prices(PaperSettings()).set(
            connection, NIFTY.exchange, NIFTY.tradingsymbol, Decimal(price), NOON
        )


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        pytest.param({"first_price": Decimal(0)}, "first_price", id="first-price"),
        pytest.param({"prices": {"NFO:X": Decimal(-1)}}, "NFO:X", id="fixed-price"),
        pytest.param({"max_fill_quantity": -1}, "max_fill_quantity", id="fill"),
    ],
)
def test_impossible_setting_is_a_config_error_that_names_it(settings, name):
    with pytest.raises(ConfigError, match=name):
        PaperSettings(**settings)


def test_walk_is_the_same_for_every_process_and_however_often_it_is_asked(connection):
    settings = PaperSettings(price_source="walk")

    asked_all_along = path(Prices(settings), connection, steps=3000)[-1]
    asked_once = Prices(settings).last(
        connection, NIFTY, NOON + timedelta(seconds=2999)
    )

    assert asked_all_along == asked_once


def test_walk_asked_for_an_earlier_moment_answers_as_if_asked_first(connection):
    settings = PaperSettings(price_source="walk")
    earlier = NOON + timedelta(seconds=STEPS_A_BLOCK + 100)
    asked_later = Prices(settings)
    asked_later.last(connection, NIFTY, NOON + timedelta(seconds=9 * STEPS_A_BLOCK))

    # Another process, or a wall clock that was set back.
    assert asked_later.last(connection, NIFTY, earlier) == Prices(settings).last(
        connection, NIFTY, earlier
    )


def test_walk_moves_with_the_seed_and_the_instrument(connection):
    one = path(Prices(PaperSettings(price_source="walk", seed=1)), connection)
    two = path(Prices(PaperSettings(price_source="walk", seed=2)), connection)
    other = path(Prices(PaperSettings(price_source="walk", seed=1)), connection, OTHER)

    assert len(set(one)) > 5
    assert one != two
    assert one != other


def test_walk_moves_at_most_one_stride_a_second_across_blocks_too(connection):
    prices = path(
        Prices(PaperSettings(price_source="walk", first_price=Decimal(1000))),
        connection,
        steps=2 * STEPS_A_BLOCK + 10,
    )

    strides = {abs(b - a) for a, b in itertools.pairwise(prices)}
    assert strides == {Decimal("0.00"), Decimal("0.10")}


def test_walk_begins_anew_at_a_price_that_is_heard_of(connection):
    prices = Prices(PaperSettings(price_source="walk"))
    later = NOON + timedelta(hours=1)
    prices.set(connection, NIFTY.exchange, NIFTY.tradingsymbol, Decimal(500), later)

    assert prices.last(connection, NIFTY, later) == 500
    # A wall clock set back must not walk backwards.
    assert prices.last(connection, NIFTY, NOON) == 500


@given(
    begin=st.decimals(min_value="0.05", max_value=100_000, places=2),
    moved=st.integers(min_value=-1_000_000, max_value=1_000_000),
)
def test_walked_price_is_on_the_tick_and_above_nothing(begin, moved):
    price = walked(to_tick(begin, TICK), TICK, moved)

    assert price >= TICK
    assert price % TICK == 0


@given(price=st.decimals(min_value="0.001", max_value=100_000, places=3))
def test_price_on_the_tick_is_the_nearest_and_never_nothing(price):
    on_tick = to_tick(price, TICK)

    assert on_tick % TICK == 0
    assert abs(on_tick - price) <= TICK / 2 or on_tick == TICK
