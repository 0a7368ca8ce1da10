"""How derivatives are spelled, and which of a month's expiries is the monthly one."""

from datetime import date
from decimal import Decimal

import pytest

from shoonya_platform.domain.derivatives import (
    future_symbol,
    monthly,
    monthly_expiry,
    option_symbols,
)
from shoonya_platform.domain.instruments import Exchange, Instrument, Kind, Right

CLOSED = {date(2026, 12, 29), date(2026, 12, 28)}


def futures(*days: date) -> list[Instrument]:
    return [
        Instrument(
            exchange=Exchange.CDS,
            tradingsymbol=future_symbol(Exchange.CDS, "USDINR", day),
            kind=Kind.FUTURE,
            expiry=day,
        )
        for day in days
    ]


def test_weekly_futures_of_currencies_are_not_monthly_ones():
    # As the exchange lists them: the month ends on the 28th, a week on the 30th.
    listed = futures(
        date(2026, 10, 9), date(2026, 10, 28), date(2026, 10, 30), date(2026, 11, 26)
    )

    assert monthly(Exchange.CDS, listed) == [listed[1], listed[3]]
    # In its last days only a week is left of October.
    assert monthly(Exchange.CDS, listed[2:]) == [listed[3]]


def test_monthly_future_of_a_currency_may_end_before_a_holiday():
    listed = futures(date(2026, 10, 23), date(2026, 10, 27), date(2026, 10, 30))

    assert monthly(Exchange.CDS, listed) == [listed[1]]


@pytest.mark.parametrize(
    ("exchange", "day_of_month", "expiry"),
    [
        (Exchange.NFO, None, date(2026, 12, 25)),
        (Exchange.BFO, None, date(2026, 12, 31)),
        (Exchange.CDS, None, date(2026, 12, 25)),
        (Exchange.MCX, 19, date(2026, 12, 19)),
        (Exchange.MCX, 28, date(2026, 12, 27)),
        (Exchange.MCX, 31, date(2026, 12, 31)),
        (Exchange.MCX, None, None),
    ],
)
def test_expiry_by_rule_moves_before_days_without_trading(
    exchange, day_of_month, expiry
):
    closed = CLOSED | ({date(2026, 12, 27), date(2026, 12, 26)} - {expiry})

    found = monthly_expiry(
        exchange, 2026, 12, lambda day: day not in closed, day_of_month
    )

    assert found == expiry


@pytest.mark.parametrize(
    ("exchange", "month", "week"),
    [
        (Exchange.NFO, "NIFTY08DEC26P25950.5", "NIFTY08DEC26P25950.5"),
        (Exchange.BFO, "NIFTY26DEC25950.5PE", "NIFTY26D0825950.5PE"),
    ],
)
def test_option_is_spelled_as_the_exchange_does(exchange, month, week):
    found = option_symbols(
        exchange, "NIFTY", date(2026, 12, 8), Decimal("25950.50"), Right.PUT
    )

    assert found == (month, week)
