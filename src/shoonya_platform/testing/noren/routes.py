"""What each route does once the session is valid; the fields are Noren's."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from shoonya_platform.clock import Clock
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.testing.noren.account import Account, Refusal
from shoonya_platform.testing.noren.rows import Row, money, request_time

NO_DATA = 'Error Occurred : 5 "no data"'

Answer = Row | list[Row]
Handler = Callable[[Row], Answer]


class Routes:
    """
    The requests that change something, and those that read.

    Args:
        log_out: Ends the session.
    """

    def __init__(
        self, account: Account, clock: Clock, log_out: Callable[[], None]
    ) -> None:
        self._account = account
        self._clock = clock
        self._log_out = log_out
        self.changing: dict[str, Handler] = {
            "PlaceOrder": self._place,
            "ModifyOrder": self._modify,
            "CancelOrder": self._cancel,
        }
        self.reading: dict[str, Handler] = {
            "OrderBook": lambda _: a_list(account.order_book()),
            "TradeBook": lambda _: a_list(account.trade_book()),
            "PositionBook": lambda _: a_list(account.positions()),
            "SingleOrdHist": lambda asked: a_list(
                account.history(asked.get("norenordno", ""))
            ),
            "Limits": lambda _: account.limits(),
            "GetQuotes": self._quote,
            "GetSecurityInfo": self._security,
            "SearchScrip": self._search,
            "UserDetails": lambda _: self.ok({"uname": "SIMULATED"}),
            "Logout": self._logout,
        }

    def find(self, route: str) -> Handler | None:
        return self.changing.get(route) or self.reading.get(route)

    def ok(self, answer: Row) -> Row:
        now = request_time(self._clock.now())
        return {"request_time": now, "stat": "Ok", **answer}

    def _place(self, asked: Row) -> Answer:
        return self.ok({"norenordno": self._account.place(asked)})

    def _modify(self, asked: Row) -> Answer:
        self._account.modify(asked)
        return self.ok({"result": asked.get("norenordno", "")})

    def _cancel(self, asked: Row) -> Answer:
        number = asked.get("norenordno", "")
        self._account.cancel(number)
        return self.ok({"result": number})

    def _logout(self, asked: Row) -> Answer:
        del asked
        self._log_out()
        return self.ok({})

    def _quote(self, asked: Row) -> Answer:
        exchange, symbol = self._scrip(asked)
        last = self._account.last_price(exchange, symbol) or Decimal(0)
        band = self._account.band(exchange, symbol)
        return self.ok(
            {
                "exch": asked["exch"],
                "tsym": symbol,
                "token": asked["token"],
                "lp": money(last),
                # Where none is invented it is as wide as an option's.
                "uc": money(band.upper or last * 20),
                "lc": money(band.lower or Decimal("0.05")),
            }
        )

    def _security(self, asked: Row) -> Answer:
        exchange, symbol = self._scrip(asked)
        instrument = self._account.scrips.instrument(exchange, symbol)
        answer = {"exch": asked["exch"], "tsym": symbol, "token": asked["token"]}
        if instrument is not None:
            answer |= {
                "ls": str(instrument.lot_size),
                "ti": str(instrument.tick_size),
                "frzqty": str(instrument.freeze_quantity or 0),
            }
        return self.ok(answer)

    def _search(self, asked: Row) -> Answer:
        exchange = asked.get("exch", "")
        text = asked.get("stext", "").replace("%26", "&")
        found = self._account.scrips.search(exchange, text)
        if not found:
            raise Refusal("No Data :  ")
        values: Any = [
            {"exch": exchange, "token": token, "tsym": symbol}
            for token, symbol in found
        ]
        return self.ok({"values": values})

    def _scrip(self, asked: Row) -> tuple[Exchange, str]:
        symbol = self._account.scrips.find(
            asked.get("exch", ""), asked.get("token", "")
        )
        if symbol is None:
            raise Refusal(NO_DATA)
        return Exchange(asked["exch"]), symbol


def a_list(found: list[Row]) -> Answer:
    """Answer with a list; an empty one is a refusal's words."""
    if not found:
        raise Refusal(NO_DATA)
    return found
