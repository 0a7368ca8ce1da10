"""The websocket's side of the simulator: log-in, subscriptions, heartbeats."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect

from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.testing.noren.faults import FEEDING, FaultKind
from shoonya_platform.testing.noren.hub import CLOSE, Connection
from shoonya_platform.testing.noren.rows import Row, money

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
        if (
            fault is None
            and frame.get("t") == kind
            and app.access.is_valid(frame.get(name))
        ):
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
    if kind in ("t", "d"):
        keys = [key for key in frame.get("k", "").split("#") if key]
        connection.scrips.update(keys)
        return [
            touchline(app, key, f"{kind}k")
            for key in keys
            if app.account.scrips.find(*key.partition("|")[::2])
        ]
    if kind in ("u", "ud"):
        connection.scrips.difference_update(frame.get("k", "").split("#"))
        return [{"t": "uk" if kind == "u" else "udk", "k": frame.get("k", "")}]
    # Heartbeats, and what Noren does not know either.
    return [{"t": "hk"}] if kind == "h" else []


def touchline(app: NorenApp, key: str, kind: str) -> Row:
    """Return a scrip's snapshot (`tk`) or change (`tf`)."""
    exchange, _, token = key.partition("|")
    symbol = app.account.scrips.find(exchange, token) or ""
    frame = {"t": kind, "e": exchange, "tk": token}
    last = app.account.last_price(Exchange(exchange), symbol)
    if last is not None:
        frame["lp"] = money(last)
    if kind == "tk":
        frame["ts"] = symbol
    return frame


def _frame(text: str) -> Row:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
