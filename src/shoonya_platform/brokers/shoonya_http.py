"""
Noren over HTTP: raw `jData=` bodies, and what became of a request.

    nothing sent (unreachable, circuit open)     BrokerUnavailable
    the broker wants to be asked later           TooManyRequests, not done; no request
                                                 goes out until then
    it answered                                  as `shoonya_answers` judges it
    no answer after the first byte may have left OutcomeUnknown

Whatever bytes arrive, nothing else comes out.  After an outcome that is not known the
connections are discarded with all that they hold: see `shoonya_sockets` for what that
bounds, and what it cannot.

No message, and no error, has anything of the request in it.

It is httpcore, the engine of httpx, without httpx: that would bring its command line
along, and cost each of four processes 8 MB more.  It follows no redirect and asks no
proxy of the environment, whose address would not be the registered one.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import httpcore

from shoonya_platform.brokers.shoonya_answers import Answer, TooManyRequests, judge
from shoonya_platform.brokers.shoonya_limits import CircuitBreaker, Kind, RateLimiter
from shoonya_platform.brokers.shoonya_sockets import Attempt, PromptBackend
from shoonya_platform.clock import Clock
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import BrokerUnavailable, OutcomeUnknown

#: The four steps that httpcore limits one by one.
_STEPS = ("connect", "read", "write", "pool")
#: A day's order book of thousands of orders is some megabytes.
_MAX_BYTES = 64 << 20

#: A time to wait that is longer is not believed: a day's session may be lost by it.
_LONGEST_WAIT_SECONDS = 120.0
_SECONDS = re.compile("[0-9]{1,6}")


class Reply(NamedTuple):
    """What came back over the wire."""

    status: int
    content: bytes
    #: Seconds until the broker wants to be asked again, if it says so.
    retry_after: float | None = None


class Transport:
    """
    One HTTP client for one account.

    Args:
        bearer: The token goes into a header; else behind the body, as `jKey`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        bearer: bool,
        timeout_seconds: float,
        limiter: RateLimiter,
        breaker: CircuitBreaker,
        clock: Clock,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._bearer = bearer
        self._timeout_seconds = timeout_seconds
        self._limiter = limiter
        self._breaker = breaker
        self._timeouts = dict.fromkeys(_STEPS, timeout_seconds)
        self._attempt = Attempt(clock)
        self._pool: httpcore.ConnectionPool | None = None

    def post(
        self,
        route: str,
        fields: Mapping[str, object],
        *,
        token: str | None,
        kind: Kind = Kind.READ,
        exchange: Exchange | None = None,
    ) -> Answer:
        """
        Ask the broker.

        Raises:
            BrokerUnavailable: Nothing was sent.
            NotOk: It was refused; `SessionExpired` if for want of a session.
            OutcomeUnknown: It may have been done.
        """
        body = f"jData={encode(fields)}"
        headers = {"Content-Type": "text/plain"}
        if token is not None and self._bearer:
            headers["Authorization"] = f"Bearer {token}"
        elif token is not None:
            body += f"&jKey={token}"
        self._breaker.check()
        self._limiter.take(kind, self._timeout_seconds, exchange)
        reply = self._exchange(
            "POST", f"{self._base_url}/{route}", route, body.encode(), headers
        )
        try:
            answer = judge(route, reply.status, reply.content)
        except TooManyRequests as e:
            self._breaker.hold(reply.retry_after, e.message)
            raise
        except OutcomeUnknown as e:
            if reply.retry_after is not None:
                self._breaker.hold(reply.retry_after, e.message)
            # An answer that came early, or is another request's: what is still on
            # its way there is not to arrive, and what comes back is not read.
            self.close()
            raise
        self._breaker.taken()
        return answer

    def download(self, url: str) -> bytes:
        """
        Fetch a public file.

        Raises:
            BrokerUnavailable: It could not be had.
        """
        name = url.rpartition("/")[2]
        self._breaker.check()
        try:
            reply = self._exchange("GET", url, name, b"", {})
        except OutcomeUnknown as e:
            raise BrokerUnavailable(e.message) from e
        if reply.status != 200:
            raise BrokerUnavailable(
                f"the broker answered HTTP {reply.status} to {name}"
            )
        return reply.content

    def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _exchange(
        self, method: str, url: str, name: str, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        self._attempt.begin(2 * self._timeout_seconds)
        try:
            reply = self._send(method, url, body, headers)
        # Whatever a library raises about the bytes it got: what counts is whether the
        # request may have left.
        except Exception as e:
            self.close()
            if not self._attempt.has_written:
                self._breaker.failed("cannot be reached")
                raise BrokerUnavailable(
                    f"the broker cannot be reached for {name}: {_words(e)}"
                ) from e
            self._breaker.failed("no answer")
            raise OutcomeUnknown(f"no answer to {name}: {_words(e)}") from e
        if reply.status >= 500:
            self._breaker.failed(f"HTTP {reply.status}")
        else:
            self._breaker.succeeded()
        return reply

    def _send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        pool = self._open()
        content = bytearray()
        with pool.stream(
            method,
            url,
            headers=list(headers.items()),
            content=body,
            extensions={"timeout": self._timeouts},
        ) as response:
            for chunk in response.iter_stream():
                content += chunk
                if len(content) > _MAX_BYTES:
                    raise TimeoutError("the answer does not end")
            return Reply(
                response.status, bytes(content), _retry_after(response.headers)
            )

    def _open(self) -> httpcore.ConnectionPool:
        if self._pool is None:
            # Idle connections are given up before the other side does it: a request
            # on one that is being closed is an unknown outcome.
            self._pool = httpcore.ConnectionPool(
                max_connections=4,
                keepalive_expiry=20.0,
                network_backend=PromptBackend(self._attempt, self._timeout_seconds),
            )
        return self._pool


def encode(fields: Mapping[str, object]) -> str:
    """
    Return the fields as Noren reads them.

    The server splits the body at `&` before it reads the JSON, so none may be in
    it; `\\u0026` is the same to JSON.
    """
    text = json.dumps(fields, separators=(",", ":"))
    return text.replace("&", "\\u0026")


def encode_symbol(tradingsymbol: str) -> str:
    """Return a symbol as the order calls take it: `M%26M-EQ`."""
    return urllib.parse.quote_plus(tradingsymbol)


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Return the seconds of `Retry-After`; its other form, a date, is not used here."""
    for name, value in headers:
        text = value.decode("latin-1").strip()
        if name.lower() == b"retry-after" and _SECONDS.fullmatch(text):
            return min(float(text), _LONGEST_WAIT_SECONDS)
    return None


def _words(error: Exception) -> str:
    name = type(error).__name__
    text = str(error).strip()
    return f"{name}, {text}" if text else name
