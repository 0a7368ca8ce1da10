"""
How often the broker is asked: rate limits, and a circuit breaker.

The limits are the account's, so the processes share one count, in a file.  Reading
leaves room for orders, and entries leave room for exits and cancels.  An exchange
counts its own orders a second, the broker all requests a minute.
"""

from __future__ import annotations

import fcntl
import os
import time
from array import array
from collections.abc import Callable
from datetime import timedelta
from enum import IntEnum
from pathlib import Path

from shoonya_platform.clock import Clock
from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import BrokerUnavailable

_MINUTE = 60.0
_SECOND = 1.0

#: What a request was, in the count: a reading, or an order and where it went.
_READING = 0.0
_ANY_EXCHANGE = -1.0
_CODES: dict[Exchange | None, float] = {
    exchange: float(number) for number, exchange in enumerate(Exchange, start=1)
}


class Kind(IntEnum):
    """What a request is for; a higher one may use more of the limits."""

    READ = 0
    PLACE = 1
    EXIT = 2
    CANCEL = 3


class RateLimiter:
    """
    Holds requests back until the broker's limits have room for them.

    Args:
        path: The count that the account's processes share; made if needed.

        orders_per_second: To one exchange: placing, modifying and canceling together.

        sleep: Waits for a number of seconds; for tests.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        orders_per_second: int,
        requests_per_minute: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._minute_shares = {
            Kind.READ: max(1, requests_per_minute * 5 // 6),
            Kind.PLACE: max(1, requests_per_minute * 35 // 36),
            Kind.EXIT: requests_per_minute,
            Kind.CANCEL: requests_per_minute,
        }
        self._second_shares = {
            Kind.PLACE: max(1, orders_per_second - 1),
            Kind.EXIT: orders_per_second,
            Kind.CANCEL: orders_per_second,
        }
        #: No more than these can lie within a minute, so none that counts is dropped.
        self._longest = requests_per_minute
        self._file: int | None = None

    def take(
        self, kind: Kind, wait_seconds: float, exchange: Exchange | None = None
    ) -> None:
        """
        Count a request, waiting for room if there is none.

        Args:
            exchange: Where the order goes; where that is not known it counts for all.

        Raises:
            BrokerUnavailable: There will be no room for longer than `wait_seconds`;
                nothing was sent.
        """
        until = self._clock.monotonic() + wait_seconds
        while True:
            seconds = self._try(kind, exchange)
            if seconds <= 0:
                return
            if self._clock.monotonic() + seconds > until:
                raise BrokerUnavailable(
                    "the broker's rate limit is used up, there is room again in "
                    f"{seconds:.1f} s"
                )
            self._sleep(seconds)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _try(self, kind: Kind, exchange: Exchange | None) -> float:
        """Count the request and return 0, or return how long there is no room."""
        try:
            file = self._open()
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                return self._count(file, kind, exchange)
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)
        except OSError as e:
            raise BrokerUnavailable(
                f"the count of requests '{self._path}' cannot be kept: {e.strerror}",
                hint="check the owner, mode and free space of its directory",
            ) from e

    def _count(self, file: int, kind: Kind, exchange: Exchange | None) -> float:
        now = self._clock.monotonic()
        stamps = array("d")
        content = os.pread(file, os.fstat(file).st_size, 0)
        stamps.frombytes(content[: len(content) // 16 * 16])
        # Of each request when it was, and what.  After a boot the clock begins anew:
        # what lies in the future is of another life.
        recent = [
            (at, what)
            for at, what in zip(stamps[::2], stamps[1::2], strict=True)
            if now - _MINUTE < at <= now
        ]
        wait = _room([at for at, _ in recent], self._minute_shares[kind], now, _MINUTE)
        own = _READING if kind is Kind.READ else _CODES.get(exchange, _ANY_EXCHANGE)
        if kind is not Kind.READ:
            orders = [at for at, what in recent if _share_a_limit(what, own)]
            wait = max(wait, _room(orders, self._second_shares[kind], now, _SECOND))
        if wait > 0:
            return wait
        recent.append((now, own))
        kept = recent[-self._longest :]
        data = array("d", [figure for pair in kept for figure in pair]).tobytes()
        os.pwrite(file, data, 0)
        os.ftruncate(file, len(data))
        return 0.0

    def _open(self) -> int:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        return self._file


def _share_a_limit(what: float, own: float) -> bool:
    return what != _READING and (what == own or _ANY_EXCHANGE in (what, own))


def _room(stamps: list[float], share: int, now: float, window: float) -> float:
    """Return after how many seconds fewer than `share` lie within the window."""
    times = sorted(at for at in stamps if at > now - window)
    if len(times) < share:
        return 0.0
    # A little more, so that the stamp is out of the window by any rounding.
    return times[len(times) - share] + window - now + 0.001


class CircuitBreaker:
    """
    Spares a broker that does not answer, and its callers the waiting.

    After `failures` in a row it opens; once the pause is over one request tries,
    and the pause doubles if that fails too.  A broker that wants fewer requests holds
    it open for as long as it says.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        failures: int = 5,
        pause_seconds: float = 5.0,
        longest_seconds: float = 60.0,
    ) -> None:
        self._clock = clock
        self._limit = failures
        self._first_pause = pause_seconds
        self._longest = longest_seconds
        self._failures = 0
        self._pause = pause_seconds
        self._open_until = float("-inf")
        self._reason = ""
        #: How often in a row the broker wanted fewer requests, and until when.
        self._holds = 0
        self._held_until = float("-inf")
        self._held_for = ""

    def check(self) -> None:
        """
        Raises:
            BrokerUnavailable: The circuit is open; nothing was sent.
        """
        held = self._held_until - self._clock.monotonic()
        if held > 0:
            raise BrokerUnavailable(f"{self._held_for}, asking again in {held:.1f} s")
        left = self._open_until - self._clock.monotonic()
        if left <= 0:
            return
        at = (self._clock.now() + timedelta(seconds=left)).astimezone(INDIA)
        raise BrokerUnavailable(
            f"the broker did not answer {self._failures} times in a row "
            f"({self._reason}), trying again at {at:%H:%M:%S} in India"
        )

    def succeeded(self) -> None:
        self._failures = 0
        self._pause = self._first_pause
        self._open_until = float("-inf")

    def hold(self, seconds: float | None, reason: str) -> None:
        """
        Ask nothing for a while, as the broker wishes.

        Args:
            seconds: How long it said; without it from one second on, doubling.
        """
        if seconds is None:
            seconds = min(2.0**self._holds, self._longest)
            # 2 to the 6th is beyond the longest already.
            self._holds = min(self._holds + 1, 6)
        self._held_until = self._clock.monotonic() + seconds
        self._held_for = reason

    def taken(self) -> None:
        """Note that the broker has taken a request: no hold goes on."""
        self._holds = 0

    def failed(self, reason: str) -> None:
        self._failures += 1
        self._reason = reason
        if self._failures >= self._limit:
            self._open_until = self._clock.monotonic() + self._pause
            self._pause = min(self._pause * 2, self._longest)
