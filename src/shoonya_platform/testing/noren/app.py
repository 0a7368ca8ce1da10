"""
Noren over HTTP and websocket, as an ASGI application.

The body is the raw text `jData=…[&jKey=…]`, whatever Content-Type says; it is split
at `&` and not decoded, so a raw `&` in a symbol breaks it, as it does over there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from shoonya_platform.clock import Clock
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.testing.noren.access import Access, Generation
from shoonya_platform.testing.noren.account import Account, Refusal
from shoonya_platform.testing.noren.admin import administer
from shoonya_platform.testing.noren.faults import (
    LOGGING_IN,
    ORDERING,
    Fault,
    FaultKind,
    Faults,
)
from shoonya_platform.testing.noren.feed import serve_feed
from shoonya_platform.testing.noren.hub import Hub
from shoonya_platform.testing.noren.rows import Row, money, request_time

HTTP_PATHS: dict[Generation, str] = {
    "quickauth": "NorenWClientTP",
    "oauth": "NorenWClientAPI",
}
WEBSOCKET_PATHS: dict[Generation, str] = {
    "quickauth": "NorenWSTP",
    "oauth": "NorenWSAPI",
}
EXPIRED = "Session Expired :  Invalid Session Key"
NO_DATA = 'Error Occurred : 5 "no data"'
_BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head></html>"
_SUFFIX = "_symbols.txt.zip"

Answer = Row | list[Row]
#: An answer that never comes is given up after this many seconds.
_HANG_SECONDS = 60.0


class NorenApp:
    """The application; what it does is decided by its parts."""

    def __init__(
        self,
        generation: Generation,
        *,
        account: Account,
        access: Access,
        faults: Faults,
        hub: Hub,
        clock: Clock,
    ) -> None:
        self.generation = generation
        self.account = account
        self.access = access
        self.faults = faults
        self.hub = hub
        self.clock = clock
        #: How often each route was asked.
        self.asked: dict[str, int] = {}
        self._changing: dict[str, Callable[[Row], Answer]] = {
            "PlaceOrder": self._place,
            "ModifyOrder": self._modify,
            "CancelOrder": self._cancel,
        }
        self._reading: dict[str, Callable[[Row], Answer]] = {
            "OrderBook": lambda _: self._list(account.order_book()),
            "TradeBook": lambda _: self._list(account.trade_book()),
            "PositionBook": lambda _: self._list(account.positions()),
            "SingleOrdHist": lambda asked: self._list(
                account.history(asked.get("norenordno", ""))
            ),
            "Limits": lambda _: account.limits(),
            "GetQuotes": self._quote,
            "GetSecurityInfo": self._security,
            "SearchScrip": self._search,
            "UserDetails": lambda _: self._ok({"uname": "SIMULATED"}),
            "Logout": self._logout,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(WebSocket(scope, receive, send))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        parts = [part for part in request.url.path.split("/") if part]
        try:
            body = (await request.body()).decode()
        except ClientDisconnect:
            return
        response: Response
        if parts[:1] == ["_simulator"]:
            response = administer(self, request.method, parts[1:], body)
        elif parts[:1] == ["OAuthlogin"]:
            response = self._login_page(request)
        elif len(parts) == 1 and parts[0].endswith(_SUFFIX):
            response = self._scrip_file(parts[0])
        elif len(parts) == 2 and parts[0] == HTTP_PATHS[self.generation]:
            route = parts[1]
            self.asked[route] = self.asked.get(route, 0) + 1
            fault = self.faults.take(ORDERING, route, changes=route in self._changing)
            await self._answer(route, body, request, fault, send)
            return
        else:
            # The gateway's answer for what is not there, legacy paths too.
            response = HTMLResponse(_BAD_GATEWAY, 502)
        await response(scope, receive, send)

    async def _answer(
        self,
        route: str,
        body: str,
        request: Request,
        fault: Fault | None,
        send: Send,
    ) -> None:
        kind = None if fault is None else fault.kind
        if kind is FaultKind.EXPIRE_SESSION:
            self.access.expire()
            self.hub.close_all()
        response: Response
        if kind in (
            FaultKind.LOSE_REQUEST,
            FaultKind.DISCONNECT,
            FaultKind.BAD_GATEWAY,
        ):
            response = HTMLResponse(_BAD_GATEWAY, 502)
        else:
            response = self._respond(route, body, request)
        if kind in (FaultKind.LOSE_REQUEST, FaultKind.ACCEPT_THEN_TIMEOUT):
            await _hang(request)
            return
        if kind in (FaultKind.DISCONNECT, FaultKind.BROKEN_REPLY):
            await _break_off(send)
            return
        if kind is FaultKind.BAD_GATEWAY_AFTER:
            response = HTMLResponse(_BAD_GATEWAY, 502)
        elif kind is FaultKind.SERVER_TIMEOUT:
            response = self._refused("Server Timeout :  ", 200)
        elif kind is FaultKind.SLOW and fault is not None:
            await asyncio.sleep(fault.seconds)
        await response(request.scope, request.receive, send)

    def _respond(self, route: str, body: str, request: Request) -> Response:
        fields = dict(part.partition("=")[::2] for part in body.split("&"))
        if "jData" not in fields:
            return self._refused("Invalid Input :  jData is Missing.")
        try:
            asked = json.loads(fields["jData"])
        except ValueError:
            return self._refused("Invalid Input :  jData is not valid json object")
        if not isinstance(asked, dict) or not all(
            value is None or isinstance(value, str) for value in asked.values()
        ):
            return self._refused('Error Occurred : 2 "invalid input"')
        asked = {name: value for name, value in asked.items() if value is not None}
        if route == "QuickAuth" and self.generation == "quickauth":
            return self._log_in(self.access.quick_auth, asked, "susertoken")
        if route == "GenAcsTok" and self.generation == "oauth":
            return self._log_in(self.access.exchange, asked, "access_token")
        if not self.access.is_valid(self._token(fields, request)):
            return self._refused(EXPIRED, 401)
        if asked.get("uid") != self.access.credentials.user_id:
            return self._refused("Invalid Input : Missing uid or actid or prd.")
        deed = self._changing.get(route) or self._reading.get(route)
        if deed is None:
            return HTMLResponse(_BAD_GATEWAY, 502)
        try:
            # Not starlette's: a day's book is megabytes, and others wait meanwhile.
            answer = msgspec.json.encode(deed(asked))
            return Response(answer, media_type="application/json")
        except Refusal as e:
            # Seen live: 400 for what is invalid, 200 for what is refused.
            invalid = str(e).startswith("Invalid Input")
            return self._refused(str(e), 400 if invalid else 200)

    def _token(self, fields: Mapping[str, str], request: Request) -> str | None:
        if self.generation == "quickauth":
            return fields.get("jKey")
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        return token if kind == "Bearer" else None

    def _log_in(
        self, deed: Callable[[Row], str], asked: Row, name: str
    ) -> JSONResponse:
        if self.faults.take(LOGGING_IN, changes=True) is not None:
            return self._refused("Invalid Input : User Blocked on demand")
        try:
            token = deed(asked)
        except ValueError as e:
            return self._refused(str(e))
        user_id = self.access.credentials.user_id
        answer = {"uid": user_id, "actid": user_id, "uname": "SIMULATED", name: token}
        if self.generation == "oauth":
            answer |= {"refresh_token": "simulated", "expires_in": "86400"}
        return JSONResponse(self._ok(answer))

    def _login_page(self, request: Request) -> Response:
        """Log the user in at once, as if password and TOTP had been entered."""
        if request.query_params.get("client_id") != self.access.credentials.client_id:
            return HTMLResponse("unknown client_id", 400)
        code = self.access.authorize()
        target = request.query_params.get("redirect_uri", "/OAuthlogin/done")
        if request.url.path.endswith("/done"):
            return HTMLResponse("logged in")
        return RedirectResponse(f"{target}?code={code}", 302)

    def _scrip_file(self, name: str) -> Response:
        exchange = name.removesuffix(_SUFFIX)
        if exchange not in Exchange.__members__:
            return HTMLResponse("no such file", 404)
        return Response(
            self.account.scrips.file(Exchange(exchange)), media_type="application/zip"
        )

    def _place(self, asked: Row) -> Answer:
        return self._ok({"norenordno": self.account.place(asked)})

    def _modify(self, asked: Row) -> Answer:
        self.account.modify(asked)
        return self._ok({"result": asked.get("norenordno", "")})

    def _cancel(self, asked: Row) -> Answer:
        number = asked.get("norenordno", "")
        self.account.cancel(number)
        return self._ok({"result": number})

    def _logout(self, asked: Row) -> Answer:
        del asked
        self.access.expire()
        self.hub.close_all()
        return self._ok({})

    def _quote(self, asked: Row) -> Answer:
        exchange, symbol = self._scrip(asked)
        last = self.account.last_price(exchange, symbol) or Decimal(0)
        band = self.account.band(exchange, symbol)
        return self._ok(
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
        instrument = self.account.scrips.instrument(exchange, symbol)
        answer = {"exch": asked["exch"], "tsym": symbol, "token": asked["token"]}
        if instrument is not None:
            answer |= {
                "ls": str(instrument.lot_size),
                "ti": str(instrument.tick_size),
                "frzqty": str(instrument.freeze_quantity or 0),
            }
        return self._ok(answer)

    def _search(self, asked: Row) -> Answer:
        exchange = asked.get("exch", "")
        text = asked.get("stext", "").replace("%26", "&")
        found = self.account.scrips.search(exchange, text)
        if not found:
            raise Refusal("No Data :  ")
        values: Any = [
            {"exch": exchange, "token": token, "tsym": symbol}
            for token, symbol in found
        ]
        return self._ok({"values": values})

    def _scrip(self, asked: Row) -> tuple[Exchange, str]:
        symbol = self.account.scrips.find(asked.get("exch", ""), asked.get("token", ""))
        if symbol is None:
            raise Refusal(NO_DATA)
        return Exchange(asked["exch"]), symbol

    def _list(self, found: list[Row]) -> Answer:
        if not found:
            raise Refusal(NO_DATA)
        return found

    def _ok(self, answer: Row) -> Row:
        now = request_time(self.clock.now())
        return {"request_time": now, "stat": "Ok", **answer}

    def _refused(self, emsg: str, status: int = 400) -> JSONResponse:
        now = request_time(self.clock.now())
        return JSONResponse(
            {"request_time": now, "stat": "Not_Ok", "emsg": emsg}, status
        )

    async def _websocket(self, socket: WebSocket) -> None:
        parts = [part for part in socket.url.path.split("/") if part]
        if parts != [WEBSOCKET_PATHS[self.generation]]:
            await socket.close()
            return
        await serve_feed(self, socket)


async def _hang(request: Request) -> None:
    """Say nothing until the other side has given up."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), _HANG_SECONDS)
    except TimeoutError:
        return


async def _break_off(send: Send) -> None:
    """Promise more than is sent: the server can only close the connection then."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"1000"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": b'{"stat":', "more_body": False})
