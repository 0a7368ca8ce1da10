"""What the packaged table and the exchanges' rules say where there is no list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from shoonya_platform.domain.catalogue import Catalogue, Underlying
from shoonya_platform.domain.derivatives import future_symbol, monthly_expiry
from shoonya_platform.domain.instruments import Exchange, Instrument
from shoonya_platform.domain.tickers import Ticker, spellings

#: NSE lists the next three months of a future, others some more.
_MONTHS_AHEAD = 12
_CASH = (Exchange.NSE, Exchange.BSE)


class PackagedListing:
    """
    A `Listing` without a list.

    Args:
        is_open: Returns whether an exchange trades on a day.
    """

    def __init__(
        self, catalogue: Catalogue, is_open: Callable[[Exchange, date], bool]
    ) -> None:
        self._catalogue = catalogue
        self._is_open = is_open

    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        found = self._catalogue.find(exchange, tradingsymbol)
        if found is None or exchange not in _CASH:
            return found
        return None if found.underlying in self._catalogue.defaults.indices else found

    def roots(self, exchange: Exchange, root: str) -> list[str]:
        del exchange
        if "_" not in root:
            return [root]
        return sorted(set(spellings(root)) & set(self._catalogue.defaults.signed_names))

    def futures(self, exchange: Exchange, root: str, today: date) -> list[Instrument]:
        known_as = self._catalogue.defaults.underlyings.get(f"{exchange}:{root}")
        named = known_as or Underlying()
        found = []
        for ahead in range(_MONTHS_AHEAD + 1):
            years, month = divmod(today.month - 1 + ahead, 12)
            if named.expiry_months and month + 1 not in named.expiry_months:
                continue
            expiry = monthly_expiry(
                exchange,
                today.year + years,
                month + 1,
                lambda day: self._is_open(exchange, day),
                named.expiry_day,
            )
            if expiry is None or expiry < today:
                continue
            symbol = future_symbol(exchange, root, expiry)
            known = self._catalogue.find(exchange, symbol)
            if known is not None:
                # BSE's name of a month does not say the day.
                found.append(replace(known, expiry=expiry))
        return found

    def near(
        self, exchange: Exchange, ticker: Ticker, today: date, *, limit: int
    ) -> list[Instrument]:
        # Any name of the right form is found, so none is nearer than another.
        del exchange, ticker, today, limit
        return []
