"""The routes that tell of instruments and prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoonya_platform.clock import Clock
from shoonya_platform.testing.noren import chains, series
from shoonya_platform.testing.noren.account import Account
from shoonya_platform.testing.noren.greeks import option_greek
from shoonya_platform.testing.noren.masters import EXCHANGES, Scrip
from shoonya_platform.testing.noren.quotes import quote, search_row, security_info
from shoonya_platform.testing.noren.reading import INVALID, Refusal
from shoonya_platform.testing.noren.watchlists import NO_DATA
from shoonya_platform.testing.noren.words import Row, india_day, request_time

Handler = Callable[[dict[str, Any]], Any]


class Information:
    """Searches, quotes, chains, charts, greeks and the exchanges' messages."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._account = account
        self._scrips = account.scrips
        self._clock = clock

    def handlers(self) -> dict[str, Handler]:
        return {
            "SearchScrip": self.search,
            "GetQuotes": self.quote,
            "GetSecurityInfo": lambda asked: security_info(self.scrip(asked)),
            "GetOptionChain": lambda asked: {
                "values": chains.option_chain(self._scrips, asked)
            },
            "GetLinkedScrips": lambda asked: chains.linked_scrips(
                self._scrips, self.scrip(asked)
            ),
            "GetOptionGreek": self._greek,
            "TPSeries": self._candles,
            "EODChartData": self._days,
            "ExchMsg": self._messages,
        }

    def search(self, asked: Row) -> dict[str, Any]:
        # The SDKs send blanks as a URL would have them.
        text = asked.get("stext", "").replace("+", " ").replace("%26", "&")
        found = self._scrips.search(asked.get("exch", ""), text)
        if not found:
            raise Refusal("No Data :  ")
        return {"values": [search_row(scrip) for scrip in found]}

    def quote(self, asked: Row) -> Row:
        prices = self._account.market.prices
        return quote(self.scrip(asked), prices, self._clock.now())

    def scrip(self, asked: Row) -> Scrip:
        """
        Find what a request names by its token.

        Raises:
            Refusal: There is no such scrip.
        """
        found = self._scrips.numbered(asked.get("exch", ""), asked.get("token", ""))
        if found is None:
            raise Refusal(NO_DATA)
        return found

    def _greek(self, asked: Row) -> Row:
        try:
            return option_greek(asked, india_day(self._clock.now()))
        except ValueError as e:
            raise Refusal(INVALID) from e

    def _candles(self, asked: Row) -> list[Row]:
        scrip = self.scrip(asked)
        last = self._account.market.prices.last(scrip)
        try:
            return series.candles(scrip, last, asked, self._clock.now())
        except ValueError as e:
            raise Refusal(INVALID) from e

    def _days(self, asked: Row) -> list[str]:
        exchange, _, symbol = asked.get("sym", "").partition(":")
        scrip = self._scrips.named(exchange, symbol.replace("%26", "&"))
        if scrip is None:
            raise Refusal(NO_DATA)
        last = self._account.market.prices.last(scrip)
        try:
            return series.days(scrip, last, asked, self._clock.now())
        except ValueError as e:
            raise Refusal(INVALID) from e

    def _messages(self, asked: Row) -> list[Row]:
        exchange = asked.get("exch", "")
        if exchange not in EXCHANGES:
            raise Refusal(INVALID)
        now = request_time(self._clock.now())
        words = f"The simulated {exchange} wishes a good day"
        return [{"stat": "Ok", "exchmsg": words, "exchtm": now}]
