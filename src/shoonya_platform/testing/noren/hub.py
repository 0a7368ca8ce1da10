"""The open websockets, and what goes out on them."""

from __future__ import annotations

import asyncio
import json
import threading

from shoonya_platform.testing.noren.faults import REPORTING, FaultKind, Faults
from shoonya_platform.testing.noren.words import Row

#: Queued as the sign to close.
CLOSE = ""


class Connection:
    """One websocket that has logged in."""

    def __init__(self, port: int) -> None:
        self.port = port
        #: `EXCH|TOKEN` of touchline and of depth subscriptions.
        self.scrips: set[str] = set()
        self.depths: set[str] = set()
        self.has_orders = False
        self.sent = 0
        self._loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[str] = asyncio.Queue()

    def send(self, frame: Row) -> None:
        """Send from any thread, in the order of calling."""
        self.sent += 1
        self._put(json.dumps(frame))

    def close(self) -> None:
        self._put(CLOSE)

    def _put(self, text: str) -> None:
        # A loop that is closed has closed its connections too.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.queue.put_nowait, text)


class Hub:
    """Sends to all who asked for it; the faults of reports happen here."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._held: Row | None = None

    def add(self, connection: Connection) -> None:
        with self._lock:
            self._connections.append(connection)

    def remove(self, connection: Connection) -> None:
        with self._lock:
            self._connections.remove(connection)

    def connections(self) -> list[Connection]:
        with self._lock:
            return list(self._connections)

    def tell_order(self, frame: Row) -> None:
        fault = self._faults.take(REPORTING)
        kind = None if fault is None else fault.kind
        frames = [frame]
        if kind is FaultKind.DROP_REPORT:
            frames = []
        elif kind is FaultKind.DOUBLE_REPORT:
            frames = [frame, frame]
        elif kind is FaultKind.SWAP_REPORTS:
            held, self._held = self._held, frame
            frames = [] if held is None else [held]
        elif kind is FaultKind.DROP_FEED:
            self.close_all()
            return
        elif self._held is not None:
            frames, self._held = [frame, self._held], None
        for connection in self.connections():
            for each in frames:
                if connection.has_orders:
                    connection.send(each)

    def tell_price(self, key: str, touchline: Row, depth: Row | None = None) -> None:
        """Send a change to those who watch `EXCH|TOKEN`."""
        for connection in self.connections():
            if key in connection.scrips:
                connection.send(touchline)
            if depth is not None and key in connection.depths:
                connection.send(depth)

    def close_all(self) -> None:
        for connection in self.connections():
            connection.close()
