"""
Masters that are made here, in the form of the real ones.

They are not the broker's files: the figures of a few dozen instruments (`figures`),
with the expiries that follow a given day.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal

from shoonya_platform.errors import ConfigError
from shoonya_platform.testing.noren.figures import (
    DERIVATIVES,
    INDICES,
    SHARES,
    UNDERLYINGS,
    Derivative,
)
from shoonya_platform.testing.noren.masters import EXCHANGES, HEADINGS
from shoonya_platform.testing.noren.words import plain, read_day

_WEEKS = 5
_MONTHS = 3
#: BSE's weekly options have one letter for the month.
_MONTH_LETTERS = "123456789OND"
_NAME = re.compile(
    r"(?P<root>[A-Z0-9&-]+?)(?P<day>\d\d[A-Z]{3}\d\d)"
    r"(?P<kind>F|[CP])?(?P<strike>\d+(?:\.\d+)?)?"
)


class PackagedMasters:
    """
    The packaged instruments as of a day.

    Args:
        day: Expiries begin here.

        listed: More of them, as `EXCHANGE:TRADINGSYMBOL`; the figures are those of the
            underlying.

    Raises:
        ConfigError: A name cannot be read.
    """

    def __init__(self, day: date, listed: Iterable[str] = ()) -> None:
        self._rows: dict[str, dict[str, str]] = {each: {} for each in EXCHANGES}
        for exchange, name, row in (*_cash_rows(), *_derivative_rows(day)):
            self._rows[exchange][name] = row
        for each in listed:
            exchange, _, name = each.partition(":")
            if exchange not in EXCHANGES or not name:
                raise ConfigError(f"expected EXCHANGE:TRADINGSYMBOL, was '{each}'")
            self._rows[exchange].setdefault(name, _row_of_name(exchange, name))
        self._texts: dict[str, str] = {}

    def text(self, exchange: str) -> str:
        known = self._texts.get(exchange)
        if known is None:
            known = "\n".join((HEADINGS[exchange], *self._rows[exchange].values()))
            known = self._texts[exchange] = known + "\n"
        return known


def first_price(exchange: str, root: str) -> Decimal | None:
    """Return where the price of a share or an underlying begins."""
    for derivative in DERIVATIVES:
        if (derivative.exchange, derivative.root) == (exchange, root):
            return Decimal(derivative.price)
    for share in SHARES:
        if share[0] == root:
            return Decimal(share[5])
    for symbol, name, _, price in INDICES:
        if root in (symbol, name):
            return Decimal(price)
    return None


def _cash_rows() -> Iterator[tuple[str, str, str]]:
    for symbol, name, token, _ in INDICES:
        yield "NSE", name, f"NSE,{token},1,{symbol},{name},INDEX,0,"
    for symbol, nse, nse_tick, bse, bse_tick, _ in SHARES:
        name = f"{symbol}-EQ"
        yield "NSE", name, f"NSE,{nse},1,{symbol},{name},EQ,{nse_tick},"
        yield "BSE", symbol, f"BSE,{bse},1,{symbol},{symbol},A,{bse_tick},"
    for symbol, token in UNDERLYINGS:
        yield "CDS", symbol, f"CDS,{token},1,4,1000,{symbol},{symbol},,UNDCUR,,,"


def _derivative_rows(day: date) -> Iterator[tuple[str, str, str]]:
    for each in DERIVATIVES:
        for expiry in expiries(each, day):
            if each.exchange != "BFO" or _is_monthly(each, expiry):
                yield _row(each, expiry, "XX", None)
            if not each.kinds[0]:
                continue
            step = Decimal(each.step)
            middle = (Decimal(each.price) / step).to_integral_value() * step
            for n in range(-each.strikes, each.strikes + 1):
                strike = middle + n * step
                if strike > 0:
                    yield _row(each, expiry, "CE", strike)
                    yield _row(each, expiry, "PE", strike)


def expiries(of: Derivative, day: date) -> list[date]:
    """Return the next expiries from a day on."""
    found: set[date] = set()
    year, month = day.year, day.month
    while len(found) < _MONTHS:
        expiry = _of_month(of, year, month)
        if expiry >= day:
            found.add(expiry)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    if of.expiries == "weekly":
        first = day + timedelta((of.day - day.weekday()) % 7)
        found |= {first + timedelta(7 * n) for n in range(_WEEKS)}
    return sorted(found)


def _of_month(of: Derivative, year: int, month: int) -> date:
    next_month = date(year + month // 12, month % 12 + 1, 1)
    if of.exchange == "MCX":
        expiry = date(year, month, of.day)
        return expiry - timedelta(max(0, expiry.weekday() - 4))
    last = next_month - timedelta(1)
    if of.exchange == "CDS":
        # Two working days before the month's last one.
        working = [last - timedelta(n) for n in range(10)]
        return [each for each in working if each.weekday() < 5][2]
    return last - timedelta((last.weekday() - of.day) % 7)


def _is_monthly(of: Derivative, expiry: date) -> bool:
    return expiry == _of_month(of, expiry.year, expiry.month)


def _row(
    of: Derivative, expiry: date, right: str, strike: Decimal | None
) -> tuple[str, str, str]:
    name = _name(of, expiry, right, strike)
    is_option = strike is not None
    which = 0 if is_option else 1
    cells = [of.exchange, _token(of.exchange, name), str(of.lot)]
    if of.exchange == "MCX":
        cells.append(of.factor)
    if of.exchange == "CDS":
        cells += ["4", of.factor]
    none = {"NFO": "-0.01", "CDS": "-1e-07"}.get(of.exchange, "0")
    cells += [
        *(of.symbols[which], name, f"{expiry:%d-%b-%Y}".upper(), of.kinds[which]),
        *(right, none if strike is None else plain(strike), of.ticks[which]),
    ]
    # The lines of CDS end without the comma that its headings end with.
    end = "" if of.exchange == "CDS" else ","
    return of.exchange, name, ",".join(cells) + end


def _name(of: Derivative, expiry: date, right: str, strike: Decimal | None) -> str:
    if of.exchange == "BFO":
        when = f"{expiry:%y%b}".upper()
        if not _is_monthly(of, expiry):
            when = f"{expiry:%y}{_MONTH_LETTERS[expiry.month - 1]}{expiry:%d}"
        end = "FUT" if strike is None else f"{plain(strike)}{right}"
        return f"{of.root}{when}{end}"
    when = f"{expiry:%d%b%y}".upper()
    if strike is None:
        return f"{of.root}{when}" + ("" if of.exchange == "MCX" else "F")
    return f"{of.root}{when}{right[0]}{plain(strike)}"


def _token(exchange: str, name: str) -> str:
    """Return a token that stays the same from day to day."""
    return str(100_000 + zlib.crc32(f"{exchange}:{name}".encode()) % 10**8)


def _row_of_name(exchange: str, name: str) -> str:
    if exchange in ("NSE", "BSE"):
        kind = "EQ" if exchange == "NSE" else "A"
        symbol = name.partition("-")[0]
        token = _token(exchange, name)
        return f"{exchange},{token},1,{symbol},{name},{kind},0.05,"
    match = _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(f"expected a future or an option, was '{exchange}:{name}'")
    root = match["root"]
    known = [
        each for each in DERIVATIVES if (each.exchange, each.root) == (exchange, root)
    ]
    # What is not among the figures is an underlying of its own with a lot of 1.
    of = (
        known[0]
        if known
        else Derivative(
            *(exchange, root, (root, root), ("OPTSTK", "FUTSTK"), 1, ("0.05", "0.05")),
            *("100", "5"),
        )
    )
    try:
        expiry = read_day(match["day"], "%d%b%y")
    except ValueError as e:
        raise ConfigError(f"'{name}' has no expiry: {e}") from e
    if match["strike"] is None:
        return _row(of, expiry, "XX", None)[2]
    right = "CE" if match["kind"] == "C" else "PE"
    return _row(of, expiry, right, Decimal(match["strike"]))[2]
