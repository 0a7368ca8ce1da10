"""What each route does once the session is valid; the fields are Noren's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shoonya_platform.clock import Clock
from shoonya_platform.testing.noren import margins
from shoonya_platform.testing.noren.account import Account
from shoonya_platform.testing.noren.books import holding_row
from shoonya_platform.testing.noren.information import Information
from shoonya_platform.testing.noren.reading import INVALID, Refusal
from shoonya_platform.testing.noren.users import Users
from shoonya_platform.testing.noren.watchlists import NO_DATA, Watchlists
from shoonya_platform.testing.noren.words import request_time

__all__ = ["NO_DATA", "Answer", "Handler", "Routes", "a_list"]

Answer = Any
Asked = dict[str, Any]
Handler = Callable[[Asked], Answer]


class Routes:
    """
    The requests that change something, and those that read.

    Args:
        log_out: Ends the session.
    """

    def __init__(
        self, account: Account, clock: Clock, users: Users, log_out: Callable[[], None]
    ) -> None:
        self._account = account
        self._clock = clock
        self._log_out = log_out
        self._watchlists = Watchlists(account.scrips)
        self._information = Information(account, clock)
        #: Those that trade; what befalls "orders" befalls these.
        self.changing: dict[str, Handler] = {
            "PlaceOrder": self._place,
            "ModifyOrder": self._modify,
            "CancelOrder": self._cancel,
            "ExitSNOOrder": self._exit,
            "ProductConversion": self._convert,
        }
        self.reading: dict[str, Handler] = {
            "OrderBook": self._order_book,
            "TradeBook": lambda _: a_list(account.trade_book()),
            "PositionBook": lambda _: a_list(account.positions()),
            "SingleOrdHist": lambda asked: a_list(
                account.history(asked.get("norenordno", ""))
            ),
            "SingleOrdStatus": lambda asked: a_list(
                account.history(asked.get("norenordno", ""))[:1]
            ),
            "Holdings": self._holdings,
            "Limits": lambda asked: self.ok(margins.limits(account, asked)),
            "GetOrderMargin": lambda asked: self.ok(
                margins.order_margin(account, asked, clock.now())
            ),
            "GetBasketMargin": lambda asked: self.ok(
                margins.basket_margin(account, asked, clock.now())
            ),
            "SpanCalc": lambda asked: self.ok(margins.span(account, asked)),
            "MWList": lambda _: self.ok({"values": self._watchlists.names()}),
            "MarketWatch": self._watch,
            "AddMultiScripsToMW": self._add_to_watch,
            "DeleteMultiMWScrips": self._remove_from_watch,
            "UserDetails": lambda _: self.ok(users.details(account.rules)),
            "ClientDetails": lambda _: self.ok(users.client()),
            "Logout": self._logout,
        }
        for name, handler in self._information.handlers().items():
            self.reading[name] = self._answering(handler)
        #: Those that need no session.
        self.open: dict[str, Handler] = {
            "ForgotPassword": lambda asked: self.ok(users.forgot(asked)),
            "FgtPwdOTP": lambda asked: self.ok(users.send_otp(asked)),
            "Changepwd": lambda asked: self.ok(users.change_password(asked)),
        }

    def find(self, route: str) -> Handler | None:
        return self.changing.get(route) or self.reading.get(route)

    def ok(self, answer: Mapping[str, Any]) -> Answer:
        now = request_time(self._clock.now())
        return {"request_time": now, "stat": "Ok", **answer}

    def _answering(self, handler: Handler) -> Handler:
        def answer(asked: Asked) -> Answer:
            found = handler(asked)
            return a_list(found) if isinstance(found, list) else self.ok(found)

        return answer

    def _place(self, asked: Asked) -> Answer:
        return self.ok({"norenordno": self._account.place(asked)})

    def _modify(self, asked: Asked) -> Answer:
        self._account.modify(asked)
        return self.ok({"result": asked.get("norenordno", "")})

    def _cancel(self, asked: Asked) -> Answer:
        number = asked.get("norenordno", "")
        self._account.cancel(number)
        return self.ok({"result": number})

    def _exit(self, asked: Asked) -> Answer:
        self._account.exit(asked.get("norenordno", ""), asked.get("prd", ""))
        return self.ok({"dmsg": "Exit request is placed"})

    def _convert(self, asked: Asked) -> Answer:
        self._account.convert(asked)
        return self.ok({})

    def _order_book(self, asked: Asked) -> Answer:
        wanted = asked.get("prd")
        rows = self._account.order_book()
        return a_list([row for row in rows if not wanted or row["prd"] == wanted])

    def _holdings(self, asked: Asked) -> Answer:
        if not {"uid", "actid", "prd"} <= asked.keys():
            raise Refusal("Invalid Input : Missing uid or actid or prd.")
        found = []
        for name, (quantity, price) in self._account.settings.holdings.items():
            exchange, _, symbol = name.partition(":")
            scrip = self._account.scrips.named(exchange, symbol)
            if scrip is not None:
                found.append(holding_row(scrip, quantity, price))
        return a_list(found)

    def _watch(self, asked: Asked) -> Answer:
        return self.ok({"values": self._watchlists.rows(asked.get("wlname", ""))})

    def _add_to_watch(self, asked: Asked) -> Answer:
        self._watchlists.add(asked.get("wlname", ""), asked.get("scrips", ""))
        return self.ok({})

    def _remove_from_watch(self, asked: Asked) -> Answer:
        self._watchlists.remove(asked.get("wlname", ""), asked.get("scrips", ""))
        return self.ok({})

    def _logout(self, asked: Asked) -> Answer:
        del asked
        self._log_out()
        return self.ok({})


def a_list(found: list[Any]) -> Answer:
    """Answer with a list; an empty one is a refusal's words."""
    if not found:
        raise Refusal(NO_DATA)
    return found


def read_asked(asked: object, route: str) -> Asked:
    """
    Return a request's fields; all are text, but for lists of positions and orders.

    Raises:
        Refusal: One is something else.
    """
    if not isinstance(asked, dict):
        raise Refusal(INVALID)
    found = {name: value for name, value in asked.items() if value is not None}
    lists = {"SpanCalc": "pos", "GetBasketMargin": "basketlists"}
    if not all(
        isinstance(value, str) or lists.get(route) == name
        for name, value in found.items()
    ):
        raise Refusal(INVALID)
    return found
