"""The broker's front: Noren's routes and its feed over the simulated exchange."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from websockets.exceptions import ConnectionClosedError

from tests.simulation.exchange import (
    FOREIGN_SYMBOL,
    INDEX,
    INSTRUMENTS,
    TICK,
    Market,
    Refused,
)
from tests.simulation.faults import Fault, Faults
from tests.simulation.rows import Row, money
from tests.simulation.world import Task, World

_SYMBOLS = {token: symbol for symbol, (token, _) in INSTRUMENTS.items()}


class NotLoggedIn(Exception):
    """The token is not the session's."""


class Noren:
    """Answers requests; what it says of the books may be wrong, its deeds are not."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self.market = Market(world, self._tell)
        self._session = 0
        self._token = "none"
        self.sockets: list[Socket] = []
        self._last_message: Row | None = None

    def end_session(self) -> None:
        self._token = "none"
        for socket in list(self.sockets):
            socket.drop()

    def answer(self, route: str, fields: Mapping[str, str], token: str) -> object:
        """
        Do what is asked.

        Raises:
            NotLoggedIn: The token is dead.
            Refused: The broker says no.
        """
        if route == "QuickAuth":
            self._session += 1
            self._token = f"token{self._session}"
            return {"stat": "Ok", "susertoken": self._token}
        if token != self._token:
            raise NotLoggedIn(token)
        market = self.market
        if route == "PlaceOrder":
            number = market.place(fields)
            if self._faults.happens(Fault.EXCHANGE_REJECTS, fields["trantype"]):
                self._world.note("FAULT", f"the exchange will reject {number}")
                market.reject(number, "RED:Margin Shortfall")
            return {"stat": "Ok", "norenordno": number}
        if route == "ModifyOrder":
            market.modify(fields)
            return {"stat": "Ok", "result": fields["norenordno"]}
        if route == "CancelOrder":
            number = fields["norenordno"]
            placed = market.orders.get(number)
            if placed is not None and self._faults.happens(
                Fault.CANCEL_IGNORED, number
            ):
                self._world.note("FAULT", f"the cancel of {number} is ignored")
                return {"stat": "Ok", "result": number}
            market.cancel(number)
            if self._faults.happens(Fault.FILL_AFTER_END, number):
                seconds = self._faults.figure(Fault.FILL_AFTER_END, 0.1, 20)
                self._world.note("FAULT", f"{number} will fill after its cancel")
                self._world.after(seconds, lambda: market.fill_after_end(number))
            return {"stat": "Ok", "result": number}
        if route in ("OrderBook", "TradeBook", "PositionBook"):
            return self._book(route)
        if route == "GetQuotes":
            return self._quote(fields["token"])
        if route == "SearchScrip":
            return {"stat": "Ok", "values": []}
        raise Refused(f"Invalid Input : no such route {route}")

    def _book(self, route: str) -> list[Row]:
        faults, world = self._faults, self._world
        index = ("OrderBook", "TradeBook", "PositionBook").index(route)
        at = world.time
        if faults.happens(Fault.BOOK_STALE, route):
            at -= faults.figure(Fault.BOOK_STALE, 1, 60)
            world.note("FAULT", f"{route} is as of {at:.1f}")
        found = list(self.market.book(at)[index])
        if faults.happens(Fault.BOOK_EMPTY, route):
            world.note("FAULT", f"{route} is empty")
            found = []
        if found and faults.happens(Fault.BOOK_LACKS_NEWEST, route):
            world.note("FAULT", f"{route} lacks its newest row")
            found = found[:-1]
        if faults.happens(Fault.BOOK_SHUFFLED, route):
            world.random.shuffle(found)
        if index == 0 and faults.happens(Fault.ROW_UNKNOWN_PRODUCT):
            world.note("FAULT", "OrderBook has a row of an unknown product")
            found.insert(0, _alien("9001", prd="F"))
        if index == 0 and faults.happens(Fault.ROW_LACKS_FIELD):
            world.note("FAULT", "OrderBook has a row without its symbol")
            found.append({k: v for k, v in _alien("9002").items() if k != "tsym"})
        if not found:
            raise Refused('Error Occurred : 5 "no data"')
        return found

    def _quote(self, token: str) -> Row:
        symbol = _SYMBOLS.get(token)
        if symbol is None:
            raise Refused('Error Occurred : 5 "no data"')
        price = self.market.prices[symbol]
        if self._faults.happens(Fault.QUOTE_OF_ANOTHER, symbol):
            self._world.note("FAULT", f"the quote of {symbol} is the index's")
            token, symbol, price = INDEX, "Nifty 50", price * 200
            return {
                "stat": "Ok",
                "exch": "NSE",
                "tsym": symbol,
                "token": token,
                "lp": money(price),
                "lc": "0.05",
                "uc": money(price * 2),
            }
        return {
            "stat": "Ok",
            "exch": "NFO",
            "tsym": symbol,
            "token": token,
            "lp": money(price),
            "ti": str(TICK),
            "ls": "65",
            "lc": "0.05",
            "uc": money(price * 4),
        }

    # -- the feed --------------------------------------------------------------

    def connect(self, *_: Any, **__: Any) -> Socket:
        """Take the place of websockets' `connect`."""
        if self._faults.happens(Fault.FEED_BROKEN, share=0.2):
            raise OSError("refused")
        return Socket(self._world, self)

    def takes(self, token: str) -> bool:
        return token == self._token

    def tick(self, symbol: str) -> None:
        """Tell a price to all who asked for it."""
        token, _ = INSTRUMENTS[symbol]
        price = money(self.market.prices[symbol])
        for socket in self.sockets:
            if f"NFO|{token}" in socket.wanted:
                socket.push({"t": "tf", "e": "NFO", "tk": token, "lp": price})

    def _tell(self, message: Row) -> None:
        faults, world = self._faults, self._world
        number = message["norenordno"]
        if faults.happens(Fault.REPORT_LOST, number):
            world.note("FAULT", f"a report of {number} is lost")
            return
        delay = world.random.uniform(0.005, 0.05)
        if faults.happens(Fault.REPORT_LATE, number):
            delay = faults.figure(Fault.REPORT_LATE, 0.2, 30)
            world.note("FAULT", f"a report of {number} comes {delay:.1f} s late")
        times = [delay]
        if faults.happens(Fault.REPORT_DOUBLED, number):
            world.note("FAULT", f"a report of {number} comes twice")
            times.append(delay + world.random.uniform(0, 5))
        for each in times:
            world.after(each, lambda: self._broadcast(message))

    def _broadcast(self, message: Row) -> None:
        for socket in list(self.sockets):
            socket.push(message)

    def spoil_feed(self, fault: Fault) -> None:
        """Break the connections, or send what no client can read."""
        for socket in list(self.sockets):
            if fault is Fault.FEED_BROKEN:
                socket.drop()
            else:
                socket.push_text("[" * 20_000)


def _alien(number: str, **changes: str) -> Row:
    row = {
        "stat": "Ok",
        "exch": "NFO",
        "tsym": FOREIGN_SYMBOL,
        "norenordno": number,
        "prc": "1.00",
        "qty": "65",
        "prd": "M",
        "status": "OPEN",
        "trantype": "B",
        "prctyp": "LMT",
        "ret": "DAY",
    }
    return {**row, **changes}


class Socket:
    """Takes the place of a websocket's client connection."""

    local_address = ("127.0.0.1", 40_000)

    def __init__(self, world: World, noren: Noren) -> None:
        self._world = world
        self._noren = noren
        self._frames: deque[str] = deque()
        self._reader: Task | None = None
        self._is_closed = False
        self.wanted: set[str] = set()

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, text: str) -> None:
        if self._is_closed:
            raise ConnectionClosedError(None, None)
        frame = json.loads(text)
        kind = frame.get("t")
        if kind == "c":
            good = self._noren.takes(frame.get("susertoken", ""))
            self.push({"t": "ck", "s": "OK" if good else "NOT_OK"})
        elif kind == "o":
            self._noren.sockets.append(self)
            self.push({"t": "ok"})
        elif kind == "t":
            for key in frame["k"].split("#"):
                self.wanted.add(key)
                symbol = _SYMBOLS.get(key.partition("|")[2])
                if symbol is not None:
                    self._noren.tick(symbol)

    def push(self, frame: Mapping[str, str]) -> None:
        self.push_text(json.dumps(frame))

    def push_text(self, text: str) -> None:
        if self._is_closed:
            return
        self._frames.append(text)
        self._wake()

    def recv(self, timeout: float | None = None, *, decode: bool = True) -> bytes:
        assert not decode
        if not self._frames and not self._is_closed:
            self._reader = self._world.current
            self._world.sleep(1.0 if timeout is None else timeout)
            self._reader = None
        if self._is_closed:
            raise ConnectionClosedError(None, None)
        if not self._frames:
            raise TimeoutError
        return self._frames.popleft().encode()

    def drop(self) -> None:
        """Let the connection break."""
        self._is_closed = True
        if self in self._noren.sockets:
            self._noren.sockets.remove(self)
        self._wake()

    def close(self) -> None:
        self.drop()

    def _wake(self) -> None:
        if self._reader is not None:
            self._reader.wake(0.0005)
