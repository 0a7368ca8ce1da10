"""
Noren over HTTP and websocket, as an ASGI application.

The body is the raw text `jData=…[&jKey=…]`, whatever Content-Type says; it is split
at `&` and not decoded, so a raw `&` in a symbol breaks it, as it does over there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from shoonya_platform.clock import Clock
from shoonya_platform.testing.noren.access import Access, Generation
from shoonya_platform.testing.noren.account import Account, Refusal
from shoonya_platform.testing.noren.admin import administer
from shoonya_platform.testing.noren.faults import (
    LOGGING_IN,
    REQUESTING,
    Faults,
)
from shoonya_platform.testing.noren.feed import serve_feed
from shoonya_platform.testing.noren.hub import Hub
from shoonya_platform.testing.noren.late import Late
from shoonya_platform.testing.noren.masters import EXCHANGES
from shoonya_platform.testing.noren.refusals import UNAUTHORIZED, Wording
from shoonya_platform.testing.noren.routes import Handler, Routes, read_asked
from shoonya_platform.testing.noren.strikes import BAD_GATEWAY, respond
from shoonya_platform.testing.noren.users import Users
from shoonya_platform.testing.noren.words import Row, request_time

HTTP_PATHS: dict[Generation, str] = {
    "quickauth": "NorenWClientTP",
    "oauth": "NorenWClientAPI",
}
WEBSOCKET_PATHS: dict[Generation, str] = {
    "quickauth": "NorenWSTP",
    "oauth": "NorenWSAPI",
}
_SUFFIX = "_symbols.txt.zip"


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
        #: The last answer of each route, the newest last.
        self.answered: dict[str, bytes] = {}
        self.late = Late()
        self.users = Users(access)
        #: How a session that has ended is refused.
        self.refusal = UNAUTHORIZED["two_blanks"]
        #: How many faults with several wordings have struck.
        self.turns = 0
        self.routes = Routes(account, clock, self.users, self.expire_session)

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
            changes = route in self.routes.changing
            fault = self.faults.take(REQUESTING, route, changes=changes)
            if fault is not None:
                await respond(self, fault, route, body, request, send)
                return
            response = self.respond(route, body, request)
        else:
            # The gateway's answer for what is not there, legacy paths too.
            response = HTMLResponse(BAD_GATEWAY, 502)
        await response(scope, receive, send)

    def expire_session(self) -> None:
        """End the session; its websockets end with it."""
        self.access.expire()
        self.hub.close_all()

    def respond(
        self, route: str, body: str, request: Request, handler: Handler | None = None
    ) -> Response:
        """
        Carry out a request and answer it.

        Args:
            handler: What is done in place of the route's own.
        """
        fields = dict(part.partition("=")[::2] for part in body.split("&"))
        if "jData" not in fields:
            return self.refused("Invalid Input :  jData is Missing.")
        try:
            asked = read_asked(json.loads(fields["jData"]), route)
            if route == "QuickAuth" and self.generation == "quickauth":
                return self._log_in(self.access.quick_auth, asked)
            if route == "GenAcsTok" and self.generation == "oauth":
                return self._log_in(self.access.exchange, asked)
            if route in self.routes.open:
                return self._answer(route, self.routes.open[route], asked)
            if not self.is_valid(self._token(fields, request)):
                return self.unauthorized(self.refusal)
            # SpanCalc and GetOptionGreek are sent with the account alone.
            user = asked.get("uid") or asked.get("actid")
            if user != self.access.credentials.user_id:
                return self.refused("Invalid Input : Missing uid or actid or prd.")
            handler = handler or self.routes.find(route)
            if handler is None:
                return HTMLResponse(BAD_GATEWAY, 502)
            return self._answer(route, handler, asked)
        except ValueError:
            return self.refused("Invalid Input :  jData is not valid json object")
        except Refusal as e:
            # Seen live: 400 for what is invalid, 200 for what is refused.
            invalid = str(e).startswith("Invalid Input")
            return self.refused(str(e), 400 if invalid else 200)

    def is_valid(self, token: str | None) -> bool:
        """Tell whether a token is the session's; end the session at its moment."""
        if self.access.end_if_due():
            self.hub.close_all()
        return self.access.is_valid(token)

    def unauthorized(self, wording: Wording) -> Response:
        """Answer as one of the refusals without a valid session."""
        if wording.emsg is None:
            return HTMLResponse(wording.text, wording.status)
        return self.refused(wording.emsg, wording.status)

    def _answer(self, route: str, handler: Handler, asked: Row) -> Response:
        with self.account.lock:
            # Not starlette's: a day's book is megabytes, and others wait meanwhile.
            answer = msgspec.json.encode(handler(asked))
        self.answered.pop(route, None)
        self.answered[route] = answer
        return Response(answer, media_type="application/json")

    def _token(self, fields: Mapping[str, str], request: Request) -> str | None:
        if self.generation == "quickauth":
            return fields.get("jKey")
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        # Charts of this generation are still asked for with the key of the other one.
        return token if kind == "Bearer" else fields.get("jKey")

    def _log_in(self, handler: Callable[[Row], str], asked: Row) -> JSONResponse:
        if self.faults.take(LOGGING_IN, changes=True) is not None:
            return self.refused("Invalid Input : User Blocked on demand")
        try:
            token = handler(asked)
        except ValueError as e:
            return self.refused(str(e))
        self.refusal = UNAUTHORIZED["two_blanks"]
        answer = self.users.login_fields(self.account.rules) | {"susertoken": token}
        if self.generation == "oauth":
            answer |= {
                "access_token": token,
                "refresh_token": "simulated",
                "expires_in": "86400",
                "USERID": answer["actid"],
            }
        else:
            now = int(self.clock.now().timestamp())
            answer["lastaccesstime"] = str(now)
        return JSONResponse(self.routes.ok(answer))

    def _login_page(self, request: Request) -> Response:
        """Log the user in at once, as if password and TOTP had been entered."""
        if request.url.path.endswith("/done"):
            return HTMLResponse("logged in")
        if request.query_params.get("client_id") != self.access.credentials.client_id:
            return HTMLResponse("unknown client_id", 400)
        code = self.access.authorize()
        target = request.query_params.get("redirect_uri", "/OAuthlogin/done")
        return RedirectResponse(f"{target}?code={code}", 302)

    def _scrip_file(self, name: str) -> Response:
        exchange = name.removesuffix(_SUFFIX)
        content = None
        if exchange in EXCHANGES:
            content = self.account.scrips.file(exchange)
        if content is None:
            return HTMLResponse("no such file", 404)
        return Response(content, media_type="application/zip")

    def refused(self, emsg: str, status: int = 400) -> JSONResponse:
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
