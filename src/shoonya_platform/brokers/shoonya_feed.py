"""
Noren's websocket: order messages and prices, in a thread that holds nobody up.

Nothing is replayed after a reconnection: `take_reread` says once for each that the
books have to be read.  A refused token is not tried again; the feed waits until the
session has another one.

A frame that cannot be used is passed over and listed, and the books are read, as it
may have been an order message.  A thread that ends without being asked to is reported
and started again by the next `begin`.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from shoonya_platform.brokers.shoonya_account import ShoonyaAccount
from shoonya_platform.brokers.shoonya_bytes import NotJson, decode
from shoonya_platform.brokers.shoonya_words import Row, Unreadable, price_of

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

#: Between two attempts, doubling from the first to the last, less some jitter.
BACKOFF_SECONDS = (0.5, 30.0)
#: A thread that ends over and over is started again after 0, 1, 3, 7, 15, 31 seconds.
_MAX_DOUBLINGS = 5
#: A connection that lasted this long was a good one.
_GOOD_SECONDS = 30.0
_HEARTBEAT_SECONDS = 15.0
#: A token that was refused here may still be good elsewhere: it is tried again.
_REFUSED_SECONDS = 60.0
#: How long the thread listens before it looks at what else there is to do.
_TURN_SECONDS = 1.0
#: Messages that nobody has asked for yet; beyond that the books have to be read.
_MAX_WAITING = 10_000
#: A connection on which no price arrives for this long may be mute: after the nightly
#: rollover the server leaves it open and sends nothing.
_SILENT_SECONDS = 120.0
#: Scrips in one frame, as the broker advises.
_BATCH = 100

# Its debug lines show frames, and the first frame is the token.
_SILENT = logging.getLogger("shoonya_platform.brokers.feed.silent")
_SILENT.disabled = True


class Feed:
    """
    Follows the account's order messages and the prices that were asked for.

    Args:
        token: Returns the session's token, or None if there is none.

        tell: Gets a sentence for the operator; called in the thread of `begin`.

        pass_over: Gets a frame that could not be used, and why; called in the feed's
            own thread.
    """

    def __init__(
        self,
        account: ShoonyaAccount,
        token: Callable[[], str | None],
        *,
        tell: Callable[[str], None],
        pass_over: Callable[[object, Exception | str], None],
    ) -> None:
        self._account = account
        self._token = token
        self._tell = tell
        self._pass_over = pass_over
        self._failure: BaseException | None = None
        self._started_at = 0.0
        self._restarts = 0
        self._stopping = threading.Event()
        self._changed = threading.Event()
        self._up = threading.Event()
        self._tried = threading.Event()
        self._thread: threading.Thread | None = None
        self._socket: ClientConnection | None = None
        self._messages: deque[Row] = deque(maxlen=_MAX_WAITING)
        self._reread = threading.Event()
        self._wanted: set[str] = set()
        self._subscribed: set[str] = set()
        self._prices: dict[str, Decimal] = {}
        #: When any price last arrived.
        self._priced_at = 0.0
        self._is_oauth = account.generation == "oauth"
        #: The token that the server refused, if it did.
        self.refused_token: str | None = None
        self._refused_at = 0.0
        #: Frames received on the connection that stands.
        self.received = 0

    @property
    def is_up(self) -> bool:
        """Whether order messages arrive at this moment, as far as is known."""
        return self._up.is_set()

    @property
    def has_begun(self) -> bool:
        return self._thread is not None

    @property
    def local_port(self) -> int | None:
        socket = self._socket
        return None if socket is None else int(socket.local_address[1])

    def begin(self, wait_seconds: float) -> None:
        """
        Start the thread, and wait for its first connection or failure.

        A thread that has ended by itself is reported and started again.
        """
        if self._thread is not None:
            if self._thread.is_alive() or not self._may_start_again():
                return
            self._tell(
                "the broker's feed of order messages had ended "
                f"({_words(self._failure)}), starting it again"
            )
            self._failure = None
            # What came meanwhile was heard by no thread.
            self._reread.set()
        self._started_at = time.monotonic()
        self._thread = threading.Thread(
            target=self._guard, name="shoonya-feed", daemon=True
        )
        self._thread.start()
        self._tried.wait(wait_seconds)

    def _may_start_again(self) -> bool:
        """Return whether a thread that has ended may be followed by another now."""
        lasted = time.monotonic() - self._started_at
        if lasted > BACKOFF_SECONDS[1]:
            self._restarts = 0
        if self._stopping.is_set() or lasted < 2**self._restarts - 1:
            return False
        self._restarts = min(self._restarts + 1, _MAX_DOUBLINGS)
        return True

    def session_changed(self) -> None:
        """Try again at once: there is another token."""
        self._changed.set()

    def take_reread(self) -> bool:
        """Return whether there was a connection since the last call."""
        reread = self._reread.is_set()
        self._reread.clear()
        return reread

    def ask_reread(self) -> None:
        """Let the next `take_reread` say so once more."""
        self._reread.set()

    def drain(self) -> list[Row]:
        """Return the order messages since the last call, oldest first."""
        found = []
        while self._messages:
            found.append(self._messages.popleft())
        return found

    def watch(self, key: str) -> None:
        """Ask for the prices of `EXCH|TOKEN`."""
        self._wanted.add(key)

    def last_price(self, key: str) -> Decimal | None:
        """Return the last price told, None if the feed cannot vouch for one."""
        if not self.is_up or time.monotonic() - self._priced_at > _SILENT_SECONDS:
            return None
        return self._prices.get(key)

    def close(self) -> None:
        self._stopping.set()
        self._changed.set()
        socket = self._socket
        if socket is not None:
            socket.close()
        if self._thread is not None:
            self._thread.join(2 * self._account.timeout_seconds)

    def _guard(self) -> None:
        """Run, and leave a failure where the next `begin` finds it."""
        try:
            self._run()
        except BaseException as e:  # noqa: BLE001 it ends the thread all the same
            self._failure = e
        finally:
            self._up.clear()
            self._tried.set()

    def _run(self) -> None:
        # Only one process of four listens; the others are spared its 8 MB.
        from websockets.exceptions import WebSocketException

        pause, longest = BACKOFF_SECONDS
        while not self._stopping.is_set():
            token = self._token()
            if token is None or self._is_refused(token):
                self._tried.set()
                self._changed.wait(_TURN_SECONDS)
                self._changed.clear()
                continue
            began = time.monotonic()
            try:
                self._follow(token)
            except (OSError, WebSocketException):
                # The callers see that it is down, and read the books instead.
                pass
            finally:
                self._up.clear()
                self._socket = None
                self._prices.clear()
                self._tried.set()
            if time.monotonic() - began > _GOOD_SECONDS:
                pause = BACKOFF_SECONDS[0]
            # Jitter, so that many processes do not come back at the same moment.
            self._changed.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311
            self._changed.clear()
            pause = min(2 * pause, longest)

    def _is_refused(self, token: str) -> bool:
        return (
            token == self.refused_token
            and time.monotonic() - self._refused_at < _REFUSED_SECONDS
        )

    def _follow(self, token: str) -> None:
        from websockets.sync.client import connect

        account = self._account
        with connect(
            account.websocket_url,
            open_timeout=account.timeout_seconds,
            close_timeout=1.0,
            ping_interval=_HEARTBEAT_SECONDS,
            ping_timeout=_HEARTBEAT_SECONDS,
            compression=None,
            proxy=None,
            logger=_SILENT,
        ) as socket:
            self._socket = socket
            self.received = 0
            if self._stopping.is_set() or not self._log_in(socket, token):
                return
            self._send(socket, {"t": "o", "actid": account.user_id})
            self._subscribed = set()
            beat_at = time.monotonic()
            while not self._stopping.is_set():
                # A connection belongs to the session that it logged in with.
                if self._token() not in (None, token):
                    self._reread.set()
                    return
                self._subscribe(socket)
                if time.monotonic() - beat_at > _HEARTBEAT_SECONDS:
                    beat_at = time.monotonic()
                    self._send(socket, {"t": "h"})
                try:
                    # As bytes: text that is not UTF-8 would end the connection.
                    self._take(socket.recv(timeout=_TURN_SECONDS, decode=False))
                except TimeoutError:
                    continue

    def _log_in(self, socket: ClientConnection, token: str) -> bool:
        kind, name = ("a", "accesstoken") if self._is_oauth else ("c", "susertoken")
        user_id = self._account.user_id
        self._send(
            socket,
            {
                "t": kind,
                "uid": user_id,
                "actid": user_id,
                name: token,
                "source": "API",
            },
        )
        # A server that refuses may say nothing at all, and leave the socket open.
        until = time.monotonic() + self._account.timeout_seconds
        while (left := until - time.monotonic()) > 0:
            try:
                frame = self._frame(socket.recv(timeout=left, decode=False))
            except TimeoutError:
                break
            if frame is not None and frame.get("t") in ("ck", "ak"):
                if str(frame.get("s")).upper() == "OK":
                    return True
                self.refused_token = token
                self._refused_at = time.monotonic()
                return False
        return False

    def _take(self, content: bytes) -> None:
        frame = self._frame(content)
        if frame is None:
            self.received += 1
            self._reread.set()
            return
        kind = frame.get("t")
        if kind == "ok":
            # From here on nothing is missed; what was before, the books tell.
            self._reread.set()
            self._up.set()
            self._tried.set()
            return
        self.received += 1
        if kind == "om":
            if len(self._messages) == _MAX_WAITING:
                self._reread.set()
            self._messages.append(frame)
        elif kind in ("tk", "tf", "dk", "df"):
            self._take_price(frame)

    def _take_price(self, frame: Row) -> None:
        key = f"{frame.get('e')}|{frame.get('tk')}"
        if key not in self._wanted:
            return
        try:
            price = price_of(frame, "lp")
        except Unreadable as e:
            # Better none than the one before: the next question asks GetQuotes.
            self._prices.pop(key, None)
            self._pass_over(frame, e)
            return
        if price is not None:
            self._prices[key] = price
            self._priced_at = time.monotonic()

    def _frame(self, content: bytes) -> Row | None:
        """Read a frame; None, and listed, if it cannot be used."""
        try:
            frame = decode(content)
        except NotJson as e:
            self._pass_over(content, f"a frame that is not JSON: {e}")
            return None
        if not isinstance(frame, dict) or not isinstance(frame.get("t"), str):
            self._pass_over(content, "a frame without 't'")
            return None
        return frame

    def _subscribe(self, socket: ClientConnection) -> None:
        if not self._up.is_set():
            return
        new = sorted(set(self._wanted) - self._subscribed)
        for keys in _batches(new):
            self._send(socket, {"t": "t", "k": "#".join(keys)})
        self._subscribed.update(new)

    def _send(self, socket: ClientConnection, frame: dict[str, str]) -> None:
        socket.send(json.dumps(frame))


def _batches(keys: list[str]) -> Iterable[list[str]]:
    for begin in range(0, len(keys), _BATCH):
        yield keys[begin : begin + _BATCH]


def _words(error: BaseException | None) -> str:
    """Name an error without its text, which may show a frame."""
    return "for no known reason" if error is None else type(error).__name__
