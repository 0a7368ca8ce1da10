"""The websocket's side of the simulator: log-in, subscriptions, heartbeats."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect

from shoonya_platform.testing.noren.faults import FEEDING, FaultKind
from shoonya_platform.testing.noren.hub import CLOSE, Connection
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.quotes import depth, touchline
from shoonya_platform.testing.noren.words import Row

if TYPE_CHECKING:
    from shoonya_platform.testing.noren.app import NorenApp


async def serve_feed(app: NorenApp, socket: WebSocket) -> None:
    await socket.accept()
    connection: Connection | None = None
    writer: asyncio.Task[None] | None = None
    try:
        connection = await _log_in(app, socket)
        app.hub.add(connection)
        writer = asyncio.create_task(_write(socket, connection))
        while True:
            frame = _frame(await socket.receive_text())
            for answer in _answers(app, connection, frame):
                connection.send(answer)
    except (WebSocketDisconnect, RuntimeError):
        # A RuntimeError is starlette's word for "closed by ourselves".
        return
    finally:
        if connection is not None and connection in app.hub.connections():
            app.hub.remove(connection)
        if writer is not None:
            writer.cancel()


async def _log_in(app: NorenApp, socket: WebSocket) -> Connection:
    kind, name = ("c", "susertoken")
    if app.generation == "oauth":
        kind, name = ("a", "accesstoken")
    while True:
        frame = _frame(await socket.receive_text())
        fault = app.faults.take(FEEDING)
        if fault is not None and fault.kind is FaultKind.SILENT_FEED:
            continue
        if fault is None and frame.get("t") == kind and app.is_valid(frame.get(name)):
            break
        # The socket stays open and silent after it.
        await socket.send_text(json.dumps({"t": f"{kind}k", "s": "NOT_OK"}))
    connection = Connection(0 if socket.client is None else socket.client.port)
    await socket.send_text(
        json.dumps({"t": f"{kind}k", "uid": app.account.user_id, "s": "OK"})
    )
    return connection


async def _write(socket: WebSocket, connection: Connection) -> None:
    while (text := await connection.queue.get()) != CLOSE:
        await socket.send_text(text)
    await socket.close()


def _answers(app: NorenApp, connection: Connection, frame: Row) -> list[Row]:
    kind = frame.get("t")
    if kind == "o":
        connection.has_orders = True
        return [{"t": "ok"}]
    if kind == "uo":
        connection.has_orders = False
        return [{"t": "uok"}]
    keys = [key for key in frame.get("k", "").split("#") if key]
    found = [scrip for key in keys if (scrip := _scrip(app, key)) is not None]
    if kind == "t":
        connection.scrips.update(keys)
        return [{"t": "tk", **_touchline(app, scrip)} for scrip in found]
    if kind == "d":
        connection.depths.update(keys)
        return [{"t": "dk", **_depth(app, scrip)} for scrip in found]
    if kind == "u":
        connection.scrips.difference_update(keys)
        return [{"t": "uk", "k": frame.get("k", "")}]
    if kind == "ud":
        connection.depths.difference_update(keys)
        return [{"t": "udk", "k": frame.get("k", "")}]
    # Heartbeats, and what Noren does not know either.
    return [{"t": "hk"}] if kind == "h" else []


def tell_price(app: NorenApp, exchange: str, tradingsymbol: str) -> None:
    """Send an instrument's last price to all who subscribed to it."""
    scrip = app.account.scrips.named(exchange, tradingsymbol)
    if scrip is None:
        return
    # A change has fewer fields than what a subscription begins with.
    kept = ("e", "tk", "lp", "pc", "h", "l", "bp1", "sp1", "bq1", "sq1", "ft")
    levels = tuple(f"{side}p{level}" for side in "bs" for level in range(2, 6))
    first, whole = _touchline(app, scrip), _depth(app, scrip)
    app.hub.tell_price(
        f"{exchange}|{scrip.token}",
        {"t": "tf", **{name: first[name] for name in kept if name in first}},
        {
            "t": "df",
            **{name: whole[name] for name in (*kept, *levels) if name in whole},
        },
    )


def _scrip(app: NorenApp, key: str) -> Scrip | None:
    exchange, _, token = key.partition("|")
    return app.account.scrips.numbered(exchange, token)


def _touchline(app: NorenApp, scrip: Scrip) -> Row:
    with app.account.lock:
        return touchline(scrip, app.account.market.prices, app.clock.now())


def _depth(app: NorenApp, scrip: Scrip) -> Row:
    with app.account.lock:
        return depth(scrip, app.account.market.prices, app.clock.now())


def _frame(text: str) -> Row:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
