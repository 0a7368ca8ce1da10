"""
Maps TradingView's `{{ticker}}` and `{{exchange}}` to the broker's instrument.

TradingView's exchange is the market, not the segment: an option of NSE is on NFO here,
a currency on CDS.  The broker's own spelling passes unchanged.  What closes or changes
a position goes to what is held: a future that was bought as `NIFTY1!` is sold, though
`NIFTY1!` is the next one by now.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Protocol

from shoonya_platform.domain.catalogue import parse_symbol
from shoonya_platform.domain.derivatives import (
    future_symbol,
    monthly,
    option_symbols,
)
from shoonya_platform.domain.instruments import (
    Exchange,
    Instrument,
    Kind,
    Source,
)
from shoonya_platform.domain.tickers import Ticker, read_ticker, tradingview_root
from shoonya_platform.errors import AlertRefused

#: The series in which a company's shares trade, the usual one first: equity, trade for
#: trade, SME, and the units of REITs and InvITs.
_SERIES = ("EQ", "BE", "BZ", "SM", "ST", "SZ", "RR", "IV")
_CURRENCY = re.compile(r"(?:USD|EUR|GBP|JPY)(?:INR|USD|JPY)(?=[0-9FGHJKMNQUVXZ])")
#: What a list of NSE writes behind the name of a share.
_WITH_SERIES = re.compile(r"[A-Z0-9&.-]+-[A-Z][A-Z0-9]?")
_BSE_SHARE = re.compile(r"[A-Z0-9&.-]+")
_MOST_NEAR = 5

Holding = tuple[Exchange, str]


class Listing(Protocol):
    """Where instruments are looked up."""

    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        """Return what is known; its `source` says whether that is a guess."""
        ...

    def roots(self, exchange: Exchange, root: str) -> list[str]:
        """Return how the broker may write a root in which `_` replaces a sign."""
        ...

    def futures(self, exchange: Exchange, root: str, today: date) -> list[Instrument]:
        """Return an underlying's futures that have not expired, by expiry."""
        ...

    def near(
        self, exchange: Exchange, ticker: Ticker, today: date, *, limit: int
    ) -> list[Instrument]:
        """Return what is nearest to a ticker that names nothing."""
        ...


class TickerMap:
    """
    Finds the instrument of an alert.

    Args:
        roll_days: On so many last days of a future, `NIFTY1!` is the next one already;
            0 trades it to its end.
    """

    def __init__(self, listing: Listing, *, roll_days: int = 0) -> None:
        self._listing = listing
        self._roll_days = roll_days

    def resolve(
        self,
        exchange: Exchange,
        text: str,
        today: date,
        held: Collection[Holding] = (),
    ) -> Holding:
        """
        Return exchange and tradingsymbol as the broker writes them.

        Args:
            exchange: The market or the segment, as the alert names it.

            text: The ticker, TradingView's or the broker's.

            held: What the strategy holds, if the alert may close or change it.

        Raises:
            AlertRefused: Nothing has this name; the hint names what is near.
        """
        places = _places(exchange, text)
        ticker = read_ticker(text)
        for place in places:
            if (place, text) in held or self._is_listed(place, text):
                return place, text
        fitting = [
            each for each in held if each[0] in places and _fits(each, ticker, today)
        ]
        if len(fitting) == 1:
            return fitting[0]
        for place in places:
            if self._is_brokers(place, text, ticker):
                return place, text
        found = self._first(places, ticker, today)
        if fitting and (found is None or found not in fitting):
            return min(fitting, key=_by_expiry)
        if found is None:
            raise self._unknown(exchange, text, places, ticker, today)
        return found

    def _is_listed(self, place: Exchange, text: str) -> bool:
        found = self._listing.find(place, text)
        return found is not None and found.source.is_broker and found.is_tradable

    def _is_brokers(self, place: Exchange, text: str, ticker: Ticker) -> bool:
        """Return whether a name has the form of the broker's own, listed or not."""
        found = self._listing.find(place, text)
        if found is None:
            return False
        if place is Exchange.NSE:
            return _WITH_SERIES.fullmatch(text) is not None
        if place is Exchange.BSE:
            # Its names of shares are TradingView's too: listed, or no name at all.
            return (
                ticker.kind is Kind.CASH
                and _BSE_SHARE.fullmatch(text) is not None
                and found.source is not Source.UNLISTED
            )
        return parse_symbol(place, text) is not None

    def _first(
        self, places: Iterable[Exchange], ticker: Ticker, today: date
    ) -> Holding | None:
        for place in places:
            for root in self._listing.roots(place, ticker.root):
                found = self._of_root(place, root, ticker, today)
                if found is not None:
                    return found.exchange, found.tradingsymbol
        return None

    def _of_root(
        self, place: Exchange, root: str, ticker: Ticker, today: date
    ) -> Instrument | None:
        if place in (Exchange.NSE, Exchange.BSE):
            return self._share(place, root) if ticker.kind is Kind.CASH else None
        if ticker.kind is Kind.OPTION:
            return self._option(place, root, ticker, today)
        if ticker.kind is Kind.FUTURE:
            return self._future(place, root, ticker, today)
        return None

    def _share(self, place: Exchange, root: str) -> Instrument | None:
        endings = [f"-{each}" for each in _SERIES] if place is Exchange.NSE else [""]
        return self._known(place, (f"{root}{ending}" for ending in endings))

    def _known(self, place: Exchange, symbols: Iterable[str]) -> Instrument | None:
        """Return the first that is listed; without a list, the first of such a form."""
        for symbol in symbols:
            found = self._listing.find(place, symbol)
            if (
                found is not None
                and found.source is not Source.UNLISTED
                and found.is_tradable
            ):
                return found
        return None

    def _option(
        self, place: Exchange, root: str, ticker: Ticker, today: date
    ) -> Instrument | None:
        if ticker.expiry is None or ticker.strike is None or ticker.right is None:
            return None
        if ticker.expiry < today:
            return None
        month, week = option_symbols(
            place, root, ticker.expiry, ticker.strike, ticker.right
        )
        found = self._known(place, [month])
        if found is not None and (
            found.expiry == ticker.expiry
            # BSE writes no day for a month's last expiry, which is its futures' too.
            or (
                found.expiry is None
                and ticker.expiry
                in {each.expiry for each in self._listing.futures(place, root, today)}
            )
        ):
            return found
        found = self._known(place, [week])
        return found if found is not None and found.expiry == ticker.expiry else None

    def _future(
        self, place: Exchange, root: str, ticker: Ticker, today: date
    ) -> Instrument | None:
        futures = monthly(place, self._listing.futures(place, root, today))
        if ticker.number is not None:
            left = [
                each
                for each in futures
                if each.expiry and (each.expiry - today).days >= self._roll_days
            ]
            return left[ticker.number - 1] if ticker.number <= len(left) else None
        for each in futures:
            if each.expiry and (each.expiry.year, each.expiry.month) == ticker.month:
                return each
        return None

    def _unknown(
        self,
        exchange: Exchange,
        text: str,
        places: Sequence[Exchange],
        ticker: Ticker,
        today: date,
    ) -> AlertRefused:
        why = ""
        if ticker.expiry is not None and ticker.expiry < today:
            why = f": it expired on {ticker.expiry}"
        near = self._near(places, ticker, today)
        return AlertRefused(
            "INSTRUMENT_UNKNOWN",
            f"'{exchange}:{text}' names no instrument{why}",
            hint=(
                f"the nearest: {', '.join(near)}"
                if near
                else "find the name with: shoonyactl instrument NAME"
            ),
        )

    def _near(
        self, places: Sequence[Exchange], ticker: Ticker, today: date
    ) -> list[str]:
        found: dict[str, None] = {}
        if ticker.kind is not Kind.OPTION:
            for place in places:
                for root in self._listing.roots(place, ticker.root):
                    futures = self._listing.futures(place, root, today)
                    found |= dict.fromkeys(map(_name, monthly(place, futures)))
        for place in places:
            near = self._listing.near(place, ticker, today, limit=_MOST_NEAR)
            found |= dict.fromkeys(map(_name, near))
        return list(found)[:_MOST_NEAR]


_CASH = (Exchange.NSE, Exchange.BSE)


def _places(exchange: Exchange, text: str) -> tuple[Exchange, ...]:
    """Return the segments of a market in which a ticker may be."""
    if exchange is Exchange.NSE:
        if _CURRENCY.match(text):
            return (Exchange.CDS,)
        return (Exchange.NSE, Exchange.NFO)
    if exchange is Exchange.BSE:
        return (Exchange.BSE, Exchange.BFO)
    return (exchange,)


def _name(instrument: Instrument) -> str:
    return f"{instrument.exchange}:{instrument.tradingsymbol}"


def _fits(held: Holding, ticker: Ticker, today: date) -> bool:
    """
    Return whether what is held is what a ticker asks for.

    A continuous future may be of any month that has not ended.
    """
    exchange, name = held
    symbol = parse_symbol(exchange, name)
    if (
        symbol is None
        or symbol.kind is not ticker.kind
        or tradingview_root(symbol.root) != tradingview_root(ticker.root)
    ):
        return False
    if ticker.expiry and ticker.strike and ticker.right:
        return name in option_symbols(
            exchange, symbol.root, ticker.expiry, ticker.strike, ticker.right
        )
    if ticker.month is not None and symbol.expiry is not None:
        return (symbol.expiry.year, symbol.expiry.month) == ticker.month
    if ticker.month is not None:
        return name == future_symbol(exchange, symbol.root, date(*ticker.month, 1))
    return symbol.expiry is None or symbol.expiry >= today


def _by_expiry(held: Holding) -> tuple[date, str]:
    symbol = parse_symbol(*held)
    return (symbol and symbol.expiry) or date.max, held[1]
