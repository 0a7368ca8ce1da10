"""
How a fault strikes a request: what is carried out, and what comes back.

Either another handler takes the place of the route's own (`altered`), or the answer is
another one, comes late, or never (`respond`).
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Send

from shoonya_platform.testing.noren.account import Refusal
from shoonya_platform.testing.noren.faults import Fault, FaultKind
from shoonya_platform.testing.noren.refusals import TOO_MANY, UNAUTHORIZED, wording
from shoonya_platform.testing.noren.routes import Answer, Handler, a_list
from shoonya_platform.testing.noren.words import Row, request_time

if TYPE_CHECKING:
    from shoonya_platform.testing.noren.app import NorenApp

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head></html>"
#: An answer that never comes is given up after this many seconds.
_HANG_SECONDS = 60.0
#: Deeper than any parser goes.
_DEPTH = 200_000
#: The index that Shoonya's own quotes are of when they are wrong.
_WRONG_QUOTE = {"exch": "NSE", "token": "26000", "tsym": "Nifty 50", "lp": "24391.00"}
_UNDONE = (
    FaultKind.LOSE_REQUEST,
    FaultKind.DISCONNECT,
    FaultKind.BAD_GATEWAY,
    FaultKind.LATE_ARRIVAL,
    FaultKind.LONE_SURROGATE,
    FaultKind.TOO_MANY_REQUESTS,
)
_SILENT = (
    FaultKind.LOSE_REQUEST,
    FaultKind.ACCEPT_THEN_TIMEOUT,
    FaultKind.LATE_ARRIVAL,
)


async def respond(
    app: NorenApp, fault: Fault, route: str, body: str, request: Request, send: Send
) -> None:
    """Carry out a request as the fault lets it, and answer it or not."""
    kind = fault.kind
    if kind is FaultKind.EXPIRE_SESSION:
        app.expire_session()
    if kind is FaultKind.UNAUTHORIZED:
        app.expire_session()
        app.refusal = wording(UNAUTHORIZED, fault.words, app.turns)
        app.turns += 1
    if kind is FaultKind.LATE_ARRIVAL:
        app.late.send(fault.seconds, lambda: app.respond(route, body, request))
    response: Response = HTMLResponse(BAD_GATEWAY, 502)
    if kind not in _UNDONE:
        response = app.respond(route, body, request, altered(app, fault, route))
    if kind is FaultKind.DUPLICATE_REQUEST:
        app.respond(route, body, request)
    if kind in _SILENT:
        await hang(request)
        return
    if kind in (FaultKind.DISCONNECT, FaultKind.BROKEN_REPLY):
        await break_off(send)
        return
    if kind is FaultKind.SLOW:
        await asyncio.sleep(fault.seconds)
    if kind is FaultKind.TOO_MANY_REQUESTS:
        response = app.unauthorized(wording(TOO_MANY, fault.words, app.turns))
        app.turns += 1
    response = _another(app, kind, route, response)
    await response(request.scope, request.receive, send)


def altered(app: NorenApp, fault: Fault, route: str) -> Handler | None:
    """Return what is done in place of the route's own handler, None if that is done."""
    own = app.routes.find(route)
    if own is None:
        return None
    if fault.kind is FaultKind.WRONG_NUMBER:
        return lambda asked: _with_another_number(app, own(asked))
    if fault.kind is FaultKind.IGNORE_CANCEL:
        return lambda asked: app.routes.ok({"result": asked.get("norenordno", "")})
    if fault.kind is FaultKind.EMPTY_BOOK:
        return lambda _: a_list([])
    if fault.kind is FaultKind.STALE_BOOK:
        seconds = fault.seconds
        return lambda _: a_list(app.account.book_before(route, seconds))
    if fault.kind is FaultKind.FOREIGN_ROW:
        return lambda asked: [*_rows(own, asked), foreign_row(app, route)]
    if fault.kind is FaultKind.WRONG_QUOTE:
        return lambda _: app.routes.ok(_WRONG_QUOTE)
    return None


def foreign_row(app: NorenApp, route: str) -> Row:
    """Return a row of a margin-funded trade, as another program has it."""
    row = {
        "stat": "Ok",
        "uid": app.account.user_id,
        "actid": app.account.user_id,
        "exch": "NSE",
        "tsym": "SBIN-EQ",
        "token": "3045",
        "prd": "F",
    }
    if route == "PositionBook":
        return row | {"netqty": "100", "netavgprc": "812.40", "lp": "815.00"}
    return row | {
        "norenordno": "99000000000001",
        "prc": "812.40",
        "qty": "100",
        "status": "COMPLETE",
        "trantype": "B",
        "prctyp": "LMT",
        "ret": "DAY",
        "fillshares": "100",
        "avgprc": "812.40",
        "norentm": request_time(app.clock.now()),
    }


def _another(
    app: NorenApp, kind: FaultKind, route: str, response: Response
) -> Response:
    """Return the answer that the fault puts in the place of the right one."""
    if kind is FaultKind.BAD_GATEWAY_AFTER:
        return HTMLResponse(BAD_GATEWAY, 502)
    if kind is FaultKind.SERVER_TIMEOUT:
        return app.refused("Server Timeout :  ", 200)
    if kind is FaultKind.OTHER_REPLY:
        others = [body for name, body in app.answered.items() if name != route]
        body = (
            others[-1]
            if others
            else json.dumps(app.routes.reading["Limits"]({})).encode()
        )
        return Response(body, media_type="application/json")
    if kind is FaultKind.DEEP_JSON:
        deep = "[" * _DEPTH + "]" * _DEPTH
        return Response(deep, media_type="application/json")
    if kind is FaultKind.TRUNCATED_JSON:
        half = bytes(response.body)[: len(response.body) // 2]
        return Response(half, media_type="application/json")
    if kind is FaultKind.LONE_SURROGATE:
        # Written by hand: as an escape, which any encoder of ours would refuse.
        body = b'{"stat":"Not_Ok","emsg":"Rejected : \\ud800 on demand"}'
        return Response(body, media_type="application/json")
    return response


def _with_another_number(app: NorenApp, answer: Answer) -> Answer:
    if not isinstance(answer, dict):
        return answer
    own = answer["norenordno"]
    others = [row["norenordno"] for row in app.account.order_book()]
    others = [number for number in others if number != own]
    # Without another order it is the number that the next one will get.
    return answer | {"norenordno": others[-1] if others else f"{int(own) + 1:014d}"}


def _rows(own: Handler, asked: Row) -> list[Row]:
    try:
        answer = own(asked)
    except Refusal:
        return []
    return answer if isinstance(answer, list) else [answer]


async def hang(request: Request) -> None:
    """Say nothing until the other side has given up."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), _HANG_SECONDS)
    except TimeoutError:
        return


async def break_off(send: Send) -> None:
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
