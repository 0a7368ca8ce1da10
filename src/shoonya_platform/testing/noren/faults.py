"""Faults on demand: what happens between us and the broker at the worst moment."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shoonya_platform.errors import NotAllowed
from shoonya_platform.testing.noren.refusals import TOO_MANY, UNAUTHORIZED


class FaultKind(StrEnum):
    #: The request is carried out, and the answer never comes.
    ACCEPT_THEN_TIMEOUT = "accept_then_timeout"
    #: Nothing is carried out, and the answer never comes.
    LOSE_REQUEST = "lose_request"
    #: The request is carried out, and the connection breaks within the answer.
    BROKEN_REPLY = "broken_reply"
    #: Nothing is carried out, and the connection breaks within the answer.
    DISCONNECT = "disconnect"
    #: The gateway answers with a page of HTML and 502; nothing is carried out.
    BAD_GATEWAY = "bad_gateway"
    #: The same, of a request that was carried out.
    BAD_GATEWAY_AFTER = "bad_gateway_after"
    #: The OMS says "Server Timeout" of a request that was carried out.
    SERVER_TIMEOUT = "server_timeout"
    #: The answer takes `seconds`.
    SLOW = "slow"
    #: There is no answer, and the request is carried out `seconds` later.
    LATE_ARRIVAL = "late_arrival"
    #: The request is carried out twice, and answered once.
    DUPLICATE_REQUEST = "duplicate_request"
    #: Carried out, and answered with the reply to another request.
    OTHER_REPLY = "other_reply"
    #: Carried out, and answered with JSON that is nested too deep to be read.
    DEEP_JSON = "deep_json"
    #: Carried out, and the answer's JSON ends in the middle.
    TRUNCATED_JSON = "truncated_json"
    #: Refused with a lone surrogate in `emsg`; nothing is carried out.
    LONE_SURROGATE = "lone_surrogate"
    #: PlaceOrder is carried out, and answered with another order's number.
    WRONG_NUMBER = "wrong_number"
    #: CancelOrder is answered with Ok, and nothing happens.
    IGNORE_CANCEL = "ignore_cancel"
    #: A book is "no data", whatever is in it.
    EMPTY_BOOK = "empty_book"
    #: A book is as it was `seconds` ago.
    STALE_BOOK = "stale_book"
    #: A book has a row of another program, of a product that we do not know.
    FOREIGN_ROW = "foreign_row"
    #: GetQuotes answers with another instrument.
    WRONG_QUOTE = "wrong_quote"
    #: Placing is refused at once.
    REFUSE = "refuse"
    #: The order is accepted, and rejected by the RMS afterwards.
    REJECT = "reject"
    #: The order is accepted, and rejected by the exchange for its tick afterwards.
    REJECT_TICK = "reject_tick"
    #: The order gets a number that another order of the day has already.
    DUPLICATE_NUMBER = "duplicate_number"
    #: New terms are taken, and refused by the exchange afterwards.
    REJECT_REPLACE = "reject_replace"
    #: The order is accepted, and filled only after `seconds`, or when all faults go.
    HOLD_ORDERS = "hold_orders"
    #: The session ends: this request is answered with "Session Expired".
    EXPIRE_SESSION = "expire_session"
    #: The session ends, and is refused in a wording of its own (`words`).
    UNAUTHORIZED = "unauthorized"
    #: Too many requests, or a gateway that is overloaded (`words`); nothing is done.
    TOO_MANY_REQUESTS = "too_many_requests"
    #: Logging in is refused.
    REFUSE_LOGIN = "refuse_login"
    #: An order message is never sent.
    DROP_REPORT = "drop_report"
    #: An order message is sent twice.
    DOUBLE_REPORT = "double_report"
    #: An order message is sent after the one that follows it.
    SWAP_REPORTS = "swap_reports"
    #: A websocket is accepted, and its log-in never answered.
    SILENT_FEED = "silent_feed"
    #: A websocket's log-in is refused.
    REFUSE_FEED = "refuse_feed"
    #: All websockets are closed at the next order message, which is lost.
    DROP_FEED = "drop_feed"


#: What may befall requests that change something, and others if so ordered.
ORDERING = (
    FaultKind.ACCEPT_THEN_TIMEOUT,
    FaultKind.LOSE_REQUEST,
    FaultKind.BROKEN_REPLY,
    FaultKind.DISCONNECT,
    FaultKind.BAD_GATEWAY,
    FaultKind.BAD_GATEWAY_AFTER,
    FaultKind.SERVER_TIMEOUT,
    FaultKind.SLOW,
    FaultKind.EXPIRE_SESSION,
    FaultKind.LATE_ARRIVAL,
    FaultKind.DUPLICATE_REQUEST,
    FaultKind.OTHER_REPLY,
    FaultKind.DEEP_JSON,
    FaultKind.TRUNCATED_JSON,
    FaultKind.LONE_SURROGATE,
    FaultKind.UNAUTHORIZED,
    FaultKind.TOO_MANY_REQUESTS,
)
_BOOKS = ("OrderBook", "TradeBook", "PositionBook")
#: Faults that certain requests alone can have; "orders" and "any" are these then.
ROUTES = {
    FaultKind.WRONG_NUMBER: ("PlaceOrder",),
    FaultKind.IGNORE_CANCEL: ("CancelOrder",),
    FaultKind.EMPTY_BOOK: _BOOKS,
    FaultKind.STALE_BOOK: _BOOKS,
    FaultKind.FOREIGN_ROW: ("OrderBook", "PositionBook"),
    FaultKind.WRONG_QUOTE: ("GetQuotes",),
}
#: What may befall a request, whichever it is.
REQUESTING = (*ORDERING, *ROUTES)
#: The wordings of faults that have several.
WORDINGS = {
    FaultKind.UNAUTHORIZED: UNAUTHORIZED,
    FaultKind.TOO_MANY_REQUESTS: TOO_MANY,
}
LOGGING_IN = (FaultKind.REFUSE_LOGIN,)
REPORTING = (
    FaultKind.DROP_REPORT,
    FaultKind.DOUBLE_REPORT,
    FaultKind.SWAP_REPORTS,
    FaultKind.DROP_FEED,
)
FEEDING = (FaultKind.SILENT_FEED, FaultKind.REFUSE_FEED)


@dataclass(slots=True, kw_only=True)
class Fault:
    """
    A fault that waits for its moment.

    `count` is how often it will still happen, `seconds` its duration where it has
    one.  `on` is "orders" for requests that change something, "any" for all, or the
    name of one route; a fault of certain requests strikes those in any case.  `share`
    is the chance that it happens when it could.  `words` chooses one of the wordings
    of a fault that has several (`refusals`); without it each has its turn.
    """

    kind: FaultKind
    count: int = 1
    seconds: float = 0.0
    on: str = "orders"
    share: float = 1.0
    words: str = ""


class Faults:
    """
    The faults that are still to come, oldest first.

    Args:
        seed: Makes repeatable which moments chance takes.
    """

    def __init__(self, seed: int = 1) -> None:
        self._waiting: list[Fault] = []
        self._chance = random.Random(seed)  # noqa: S311 repeatable, not secret

    def add(
        self,
        kind: str,
        count: int = 1,
        seconds: float = 0.0,
        on: str = "orders",
        share: float = 1.0,
        words: str = "",
    ) -> None:
        """
        Order a fault.

        Raises:
            NotAllowed: The kind, the count, the seconds, the share or the words
                cannot be.
        """
        if kind not in list(FaultKind):
            raise NotAllowed(f"expected one of {', '.join(FaultKind)}, was '{kind}'")
        if count < 1 or not 0 <= seconds <= 86_400:
            raise NotAllowed(
                "expected a count of at least 1 and 0 to 86400 seconds, was "
                f"{count} and {seconds:g}"
            )
        routes = ROUTES.get(FaultKind(kind))
        if routes is not None and on not in ("orders", "any", *routes):
            raise NotAllowed(f"'{kind}' is of {' and '.join(routes)}, was '{on}'")
        if not 0 < share <= 1:
            raise NotAllowed(f"expected a share above 0 and up to 1, was {share:g}")
        known = WORDINGS.get(FaultKind(kind), {})
        if words and words not in known:
            expected = f"one of {', '.join(known)}" if known else "no words"
            raise NotAllowed(f"expected {expected} of '{kind}', was '{words}'")
        self._waiting.append(
            Fault(
                kind=FaultKind(kind),
                count=count,
                seconds=seconds,
                on=on,
                share=share,
                words=words,
            )
        )

    def take(
        self, kinds: Iterable[FaultKind], route: str = "", *, changes: bool = True
    ) -> Fault | None:
        """Use up one count of the oldest fault of these kinds, if there is one."""
        wanted = set(kinds)
        for fault in self._waiting:
            if fault.kind not in wanted or not _fits(fault, route, changes):
                continue
            if fault.share < 1 and self._chance.random() >= fault.share:
                continue
            fault.count -= 1
            if not fault.count:
                self._waiting.remove(fault)
            return fault
        return None

    def waiting(self) -> list[Fault]:
        return list(self._waiting)

    def forget(self, kinds: Iterable[FaultKind]) -> None:
        """Let no fault of these kinds happen any more."""
        gone = set(kinds)
        self._waiting = [each for each in self._waiting if each.kind not in gone]

    def clear(self) -> None:
        self._waiting.clear()


def _fits(fault: Fault, route: str, changes: bool) -> bool:
    routes = ROUTES.get(fault.kind)
    if routes is not None:
        return route in routes and fault.on in ("orders", "any", route)
    return fault.on in ("any", route) or (fault.on == "orders" and changes)
