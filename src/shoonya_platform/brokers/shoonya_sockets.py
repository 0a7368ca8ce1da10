"""
Connections on which a request arrives within its time, or never.

A request that was written lies in our kernel until the other side acknowledges it.
After a plain `close()` the kernel goes on sending it, so that an order which was
given up after five seconds can arrive when the route is back, minutes later.  Here:

    SO_LINGER 0        closing discards what was not delivered, also when the process
                       is killed; the other side gets a reset
    TCP_USER_TIMEOUT   the kernel gives up by itself what is not acknowledged in time,
                       also while the process is stopped
    a deadline         for the whole attempt, not only for each read and write

What it bounds is our own kernel.  Proxies, load balancers and the broker's own queues
may still hold a request that they have acknowledged: nothing here proves that an
order which is absent now will not arrive later.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterable

import httpcore

from shoonya_platform.clock import Clock

#: Longer than a request waits, so that it is the one who gives up while it runs.
_KERNEL_EXTRA_SECONDS = 1.0


def prompt_options(timeout_seconds: float) -> list[httpcore.SOCKET_OPTION]:
    """Return the socket options of a connection that carries orders."""
    options: list[httpcore.SOCKET_OPTION] = [
        (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),
    ]
    # Linux alone has it; elsewhere the deadline and the reset bound it.
    user_timeout = getattr(socket, "TCP_USER_TIMEOUT", None)
    if user_timeout is not None:
        milliseconds = int(1000 * (timeout_seconds + _KERNEL_EXTRA_SECONDS))
        options.append((socket.IPPROTO_TCP, user_timeout, milliseconds))
    return options


class Attempt:
    """One request and its answer: when it has to be over, and whether it has left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = float("inf")
        #: Whether any of the request may have left since `begin`.
        self.has_written = False

    def begin(self, seconds: float) -> None:
        self._until = self._clock.monotonic() + seconds
        self.has_written = False

    def left(self, timeout: float | None) -> float:
        """Return how long the next step may take; 0 or less is too late."""
        left = self._until - self._clock.monotonic()
        return left if timeout is None else min(left, timeout)


class PromptBackend(httpcore.NetworkBackend):
    """
    Opens TCP connections with these options, all under one attempt's deadline.

    Args:
        attempt: The request at hand; begun before each.
    """

    def __init__(self, attempt: Attempt, timeout_seconds: float) -> None:
        self._attempt = attempt
        self._options = prompt_options(timeout_seconds)
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        del socket_options
        left = self._attempt.left(timeout)
        if left <= 0:
            raise httpcore.ConnectTimeout("no time is left to connect")
        stream = self._inner.connect_tcp(
            host,
            port,
            timeout=left,
            local_address=local_address,
            socket_options=self._options,
        )
        return _Stream(stream, self._attempt)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, attempt: Attempt) -> None:
        self._inner = inner
        self._attempt = attempt

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._attempt.left(timeout)
        if left <= 0:
            raise httpcore.ReadTimeout("the answer does not end")
        return self._inner.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._attempt.left(timeout)
        if left <= 0:
            raise httpcore.WriteTimeout("no time is left to send")
        self._attempt.has_written = True
        self._inner.write(buffer, left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._attempt.left(timeout)
        if left <= 0:
            raise httpcore.ConnectTimeout("no time is left to connect")
        stream = self._inner.start_tls(ssl_context, server_hostname, left)
        return _Stream(stream, self._attempt)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)
