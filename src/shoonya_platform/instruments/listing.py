"""Where TradingView's tickers are looked up: the broker's lists, or else the table."""

from __future__ import annotations

import difflib
from datetime import date

from shoonya_platform.domain.derivatives import monthly
from shoonya_platform.domain.instruments import Exchange, Instrument, Kind
from shoonya_platform.domain.packaged import PackagedListing
from shoonya_platform.domain.tickers import Ticker, spellings
from shoonya_platform.instruments.file import InstrumentFile, InstrumentsUnavailable
from shoonya_platform.instruments.lookup import ListedInstruments

#: Names of underlyings that a mistyped one is compared with.
_CLOSE_NAMES = 3


class MasterListing:
    """
    A `Listing` of the file.

    Args:
        instruments: Finds single names, with the operator's figures.

        packaged: Used while there is no list of an exchange.
    """

    def __init__(
        self,
        file: InstrumentFile,
        instruments: ListedInstruments,
        packaged: PackagedListing,
    ) -> None:
        self._file = file
        self._instruments = instruments
        self._packaged = packaged

    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        return self._instruments.find(exchange, tradingsymbol)

    def roots(self, exchange: Exchange, root: str) -> list[str]:
        if not self._has_list(exchange):
            return self._packaged.roots(exchange, root)
        return spellings(root)

    def futures(self, exchange: Exchange, root: str, today: date) -> list[Instrument]:
        try:
            if self._file.has_list(exchange):
                return self._futures(exchange, root, today)
        except InstrumentsUnavailable:
            pass
        return self._packaged.futures(exchange, root, today)

    def near(
        self, exchange: Exchange, ticker: Ticker, today: date, *, limit: int
    ) -> list[Instrument]:
        try:
            return self._near(exchange, ticker, today, limit)
        except InstrumentsUnavailable:
            return []

    def _near(
        self, exchange: Exchange, ticker: Ticker, today: date, limit: int
    ) -> list[Instrument]:
        found: list[Instrument] = []
        for root in spellings(ticker.root):
            found += self._of_root(exchange, root, ticker, today, limit)
        if not found:
            roots = self._file.underlyings_of(exchange)
            for root in difflib.get_close_matches(ticker.root, roots, n=_CLOSE_NAMES):
                found += self._of_root(exchange, root, ticker, today, limit)
        return found[:limit]

    def _futures(self, exchange: Exchange, root: str, today: date) -> list[Instrument]:
        return [
            each.instrument
            for each in self._file.futures(exchange, root)
            if not each.instrument.has_expired(today)
        ]

    def _of_root(
        self, exchange: Exchange, root: str, ticker: Ticker, today: date, limit: int
    ) -> list[Instrument]:
        if ticker.kind is Kind.OPTION and ticker.expiry and ticker.strike:
            found = self._file.options_near(
                exchange, root, ticker.expiry, ticker.strike, limit=4 * limit
            )
            options = [
                each.instrument
                for each in found
                if each.instrument.right is ticker.right
                and not each.instrument.has_expired(today)
            ]
            return options[:limit]
        if ticker.kind is Kind.FUTURE:
            return monthly(exchange, self._futures(exchange, root, today))
        return [
            each.instrument
            for each in self._file.shares_like(exchange, root, limit=limit)
        ]

    def _has_list(self, exchange: Exchange) -> bool:
        try:
            return self._file.has_list(exchange)
        except InstrumentsUnavailable:
            return False
