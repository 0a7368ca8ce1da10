"""
Noren over HTTP: raw `jData=` bodies, and what an answer proves.

    nothing sent (refused, unreachable, circuit open)   BrokerUnavailable
    {"stat": "Not_Ok"} below 500, or 401/403            it was not done: NotOk
    "Session Expired", whatever the HTTP status         SessionExpired, not done
    all else after the first byte may have left         OutcomeUnknown

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
from collections.abc import Mapping

import httpcore

from shoonya_platform.brokers.shoonya_bytes import NotJson, decode, printable
from shoonya_platform.brokers.shoonya_limits import CircuitBreaker, Kind, RateLimiter
from shoonya_platform.brokers.shoonya_sockets import Attempt, PromptBackend
from shoonya_platform.clock import Clock
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import BrokerUnavailable, OutcomeUnknown

_SESSION_EXPIRED = re.compile(r"session\s+expired|invalid\s+session", re.IGNORECASE)
_NO_DATA = re.compile(r"no\s+data", re.IGNORECASE)
#: The front took the request, and does not know what became of it behind.
_AMBIGUOUS = re.compile(r"time[\s-]?out|timed[\s-]out", re.IGNORECASE)
#: The four steps that httpcore limits one by one.
_STEPS = ("connect", "read", "write", "pool")
#: A day's order book of thousands of orders is some megabytes.
_MAX_BYTES = 64 << 20

#: How much of an emsg is passed on.
_EMSG_LENGTH = 300

#: Of a list the rows may be anything: `shoonya_books` sorts them.
Answer = dict[str, object] | list[object]


class NotOk(Exception):
    """The broker said no; what was asked was not done."""

    def __init__(self, emsg: str) -> None:
        super().__init__(emsg)
        self.emsg = emsg

    @property
    def is_no_data(self) -> bool:
        return _NO_DATA.search(self.emsg) is not None


class SessionExpired(NotOk):
    """The token is dead; what was asked was not done."""


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
        fields: Mapping[str, str],
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
        status, content = self._exchange(
            "POST", f"{self._base_url}/{route}", route, body.encode(), headers
        )
        try:
            return judge(route, status, content)
        except OutcomeUnknown:
            # An answer that came early, or is another request's: what is still on
            # its way there is not to arrive, and what comes back is not read.
            self.close()
            raise

    def download(self, url: str) -> bytes:
        """
        Fetch a public file.

        Raises:
            BrokerUnavailable: It could not be had.
        """
        name = url.rpartition("/")[2]
        self._breaker.check()
        try:
            status, content = self._exchange("GET", url, name, b"", {})
        except OutcomeUnknown as e:
            raise BrokerUnavailable(e.message) from e
        if status != 200:
            raise BrokerUnavailable(f"the broker answered HTTP {status} to {name}")
        return content

    def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _exchange(
        self, method: str, url: str, name: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        self._attempt.begin(2 * self._timeout_seconds)
        try:
            answer = self._send(method, url, body, headers)
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
        if answer[0] >= 500:
            self._breaker.failed(f"HTTP {answer[0]}")
        else:
            self._breaker.succeeded()
        return answer

    def _send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
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
            return response.status, bytes(content)

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


def judge(route: str, status: int, content: bytes) -> Answer:
    """
    Return the answer to a request that has left.

    Raises:
        NotOk: It was refused; `SessionExpired` if for want of a session.
        BrokerUnavailable: The gateway refused it.
        OutcomeUnknown: The answer proves nothing.
    """
    try:
        answer = decode(content)
    except NotJson:
        answer = None
    emsg = None
    if isinstance(answer, dict) and word(answer, "stat") == "not_ok":
        emsg = printable(str(answer.get("emsg") or ""), _EMSG_LENGTH)
        emsg = emsg or f"refused, HTTP {status}"
    if emsg is not None and _SESSION_EXPIRED.search(emsg):
        raise SessionExpired(emsg)
    if status >= 500:
        raise OutcomeUnknown(f"the broker answered HTTP {status} to {route}")
    if emsg is not None:
        if _AMBIGUOUS.search(emsg):
            raise OutcomeUnknown(f"the broker answered '{emsg}' to {route}")
        raise NotOk(emsg)
    if status in (401, 403):
        # The gate refused it; there is no saying why.
        raise BrokerUnavailable(
            f"the broker's gateway refused {route} with HTTP {status}",
            hint="is this machine's address registered for the API key, and the "
            "session alive? see: shoonyactl broker status",
        )
    if status == 200 and isinstance(answer, dict | list):
        return answer
    raise OutcomeUnknown(
        f"the broker answered {route} with HTTP {status} and nothing readable"
    )


def word(answer: Mapping[str, object], name: str) -> str:
    """Return a field that is one word, in lower case; empty if it is not text."""
    value = answer.get(name)
    return value.strip().lower() if isinstance(value, str) else ""


def encode(fields: Mapping[str, str]) -> str:
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


def _words(error: Exception) -> str:
    name = type(error).__name__
    text = str(error).strip()
    return f"{name}, {text}" if text else name
