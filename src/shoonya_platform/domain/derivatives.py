"""How the broker spells derivatives, and which of a month's expiries is the monthly."""

from __future__ import annotations

import calendar
import itertools
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal

from shoonya_platform.domain.catalogue import BSE_MONTHS, MONTHS
from shoonya_platform.domain.instruments import Exchange, Instrument, Right

_TUESDAY, _THURSDAY = 1, 3
#: Where an exchange's monthly contracts end on the last such day of their month.
_WEEKDAYS = {Exchange.NFO: _TUESDAY, Exchange.BFO: _THURSDAY}
_FRIDAY = 4


def future_symbol(exchange: Exchange, root: str, expiry: date) -> str:
    """Return a monthly future's name in the broker's spelling."""
    if exchange is Exchange.BFO:
        return f"{root}{expiry:%y}{MONTHS[expiry.month - 1]}FUT"
    day = f"{expiry:%d}{MONTHS[expiry.month - 1]}{expiry:%y}"
    return f"{root}{day}" if exchange is Exchange.MCX else f"{root}{day}F"


def option_symbols(
    exchange: Exchange, root: str, expiry: date, strike: Decimal, right: Right
) -> tuple[str, str]:
    """Return an option's name for a monthly expiry, and for a weekly one."""
    price = format(strike.normalize(), "f")
    if exchange is Exchange.BFO:
        month, week = bse_periods(expiry)
        return f"{root}{month}{price}{right}", f"{root}{week}{price}{right}"
    day = f"{expiry:%d}{MONTHS[expiry.month - 1]}{expiry:%y}"
    name = f"{root}{day}{right[0]}{price}"
    return name, name


def bse_periods(expiry: date) -> tuple[str, str]:
    """Return how BSE writes a monthly expiry and a weekly one: `26SEP`, `26903`."""
    month = expiry.month - 1
    return f"{expiry:%y}{MONTHS[month]}", f"{expiry:%y}{BSE_MONTHS[month]}{expiry:%d}"


def monthly(exchange: Exchange, futures: Iterable[Instrument]) -> list[Instrument]:
    """
    Return the monthly ones of an underlying's futures, by expiry.

    Currencies have weekly futures as well, and TradingView's count months.
    """
    found = []
    dated = sorted(
        (each.expiry, each.tradingsymbol, each) for each in futures if each.expiry
    )
    for (year, month), group in itertools.groupby(
        dated, key=lambda each: (each[0].year, each[0].month)
    ):
        of_month = [each for _, _, each in group]
        last = of_month[-1]
        if exchange is Exchange.CDS:
            nominal = _third_last_weekday(year, month)
            last = (
                next((each for each in reversed(of_month) if _by(each, nominal)), None)
                or of_month[0]
            )
            # What is left of a month in which the monthly one has ended is weekly.
            if last.expiry is not None and last.expiry > nominal:
                continue
        found.append(last)
    return found


def monthly_expiry(
    exchange: Exchange,
    year: int,
    month: int,
    is_open: Callable[[date], bool],
    day_of_month: int | None = None,
) -> date | None:
    """
    Return when a month's contracts end, by rule.

    Args:
        day_of_month: Of a commodity, each has its own; 31 is the last day.
    """
    if exchange is Exchange.MCX and day_of_month is not None:
        last = _last_day(year, month)
        day = last.replace(day=min(day_of_month, last.day))
    elif exchange is Exchange.CDS:
        day = _third_last_weekday(year, month)
    elif exchange in _WEEKDAYS:
        day = _last_day(year, month)
        day -= timedelta((day.weekday() - _WEEKDAYS[exchange]) % 7)
    else:
        return None
    while not is_open(day):
        day -= timedelta(1)
    return day


def _by(instrument: Instrument, day: date) -> bool:
    return instrument.expiry is not None and instrument.expiry <= day


def _third_last_weekday(year: int, month: int) -> date:
    """Return the day two working days before a month's last, holidays not counted."""
    day = _last_day(year, month)
    weekdays = 0
    while True:
        weekdays += day.weekday() <= _FRIDAY
        if weekdays == 3:
            return day
        day -= timedelta(1)


def _last_day(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])
