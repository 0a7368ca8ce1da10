"""Positions are closed by the clock: once, and until they are closed."""

from datetime import UTC, date, datetime, time

import pytest

from shoonya_platform.domain.calendar import SpecialSession
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import Intent, OrderStatus, Side
from shoonya_platform.domain.square_off import SquareOffTimes
from shoonya_platform.risk.square_off import SquareOff
from shoonya_platform.risk.under_way import EXIT_AGAIN_SECONDS
from shoonya_platform.testing.orders import store_order

DAY = date(2026, 11, 25)
TIMES = SquareOffTimes(
    mis=time(15, 10),
    strategies={"early": time(14, 30)},
    calendar=market_calendar(),
)


def at(hour, minute, day=DAY):
    return datetime.combine(day, time(hour, minute), tzinfo=INDIA).astimezone(UTC)


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (Exchange.NSE, "15:10"),
        (Exchange.BFO, "15:10"),
        (Exchange.CDS, "16:35"),
        # It closes at 23:55 in winter.
        (Exchange.MCX, "23:30"),
    ],
)
def test_time_of_mis_is_before_the_broker_closes_it(exchange, expected):
    found = TIMES.of_mis(exchange, at(10, 0))

    assert f"{found:%H:%M}" == expected


def test_no_time_on_a_day_without_trading():
    assert TIMES.of_mis(Exchange.NSE, at(10, 0, date(2026, 11, 29))) is None


def test_special_session_has_its_own_time():
    """Muhurat trading is in the evening of a holiday."""
    evening = SpecialSession(
        day=date(2026, 11, 8),
        name="Muhurat",
        exchanges=(Exchange.NSE,),
        opens=time(18, 0),
        closes=time(19, 0),
    )
    times = SquareOffTimes(
        mis=time(15, 10), calendar=market_calendar().with_special(evening)
    )

    found = times.of_mis(Exchange.NSE, at(10, 0, evening.day))

    assert f"{found:%H:%M}" == "18:35"


@pytest.fixture
def rung():
    return []


@pytest.fixture
def square_off(store, clock, rung):
    return SquareOff(store, TIMES, clock, lambda *services: rung.extend(services))


def hold(store, **changes):
    store_order(store, OrderStatus.FILLED, **changes)


def look(square_off, store, clock, moment):
    clock.jump_to(moment)
    square_off.look(store.positions.open())


def exits(store):
    return sorted(
        (alert.strategy, leg.product, leg.quantity)
        for stored in store.alerts.recent(limit=99)
        if (alert := stored.alert).intent is Intent.EXIT
        for leg in alert.legs
    )


def test_mis_is_closed_at_its_time_and_nothing_else(square_off, store, clock, rung):
    hold(store, strategy="a", product=Product.MIS, quantity=65)
    hold(store, strategy="b", product=Product.MIS, quantity=30, side=Side.SELL)
    hold(store, strategy="c", product=Product.NRML)
    look(square_off, store, clock, at(15, 9))
    assert exits(store) == []

    look(square_off, store, clock, at(15, 10))

    assert exits(store) == [("a", "MIS", None), ("b", "MIS", None)]
    assert rung == ["trading_bot"]


def test_strategy_is_closed_at_its_own_time(square_off, store, clock):
    hold(store, strategy="early", product=Product.NRML)
    hold(store, strategy="late", product=Product.NRML)

    look(square_off, store, clock, at(14, 30))

    assert exits(store) == [("early", "NRML", None)]


def test_one_that_was_down_at_that_time_does_it_when_it_begins(
    square_off, store, clock
):
    hold(store, strategy="a", product=Product.MIS)

    look(square_off, store, clock, at(15, 25))

    assert len(exits(store)) == 1


def test_nothing_is_sent_into_a_closed_market(square_off, store, clock):
    hold(store, strategy="a", product=Product.MIS)

    look(square_off, store, clock, at(20, 0))

    assert exits(store) == []


def test_none_is_sent_twice_also_after_a_restart(square_off, store, clock, rung):
    hold(store, strategy="a", product=Product.MIS)
    look(square_off, store, clock, at(15, 10))
    clock.advance(EXIT_AGAIN_SECONDS)

    square_off.look(store.positions.open())
    again = SquareOff(store, TIMES, clock, lambda *services: None)
    again.look(store.positions.open())

    assert len(exits(store)) == 1
