"""
The network between a client and the broker: real bytes, and all that befalls them.

It takes the place of httpcore's connection pool, so everything above it (what an
answer proves, which row can be read) is the platform's own code.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore

from shoonya_platform.testing.noren.rows import Row
from tests.simulation.exchange import Refused
from tests.simulation.faults import Fault, Faults
from tests.simulation.ledger import Ledger, Sent
from tests.simulation.noren import Noren, NotLoggedIn
from tests.simulation.world import World

_READS = ("OrderBook", "TradeBook", "PositionBook")
_CHANGES = ("PlaceOrder", "ModifyOrder", "CancelOrder")
#: A reading from which the others are far more frequent than orders.
_SHARE = {"GetQuotes": 0.3, "SearchScrip": 0.1, "QuickAuth": 0.1}


@dataclass(slots=True)
class Response:
    """What httpcore hands out."""

    status: int
    content: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def iter_stream(self) -> Iterator[bytes]:
        yield self.content


@dataclass(slots=True)
class Request:
    """One request on its way."""

    client: str
    route: str
    fields: Row
    token: str

    @property
    def text(self) -> str:
        """What a scripted fault is chosen by."""
        detail = self.fields.get("remarks") or self.fields.get("norenordno") or ""
        side = self.fields.get("trantype", "")
        return f"{self.client} {self.route} {detail} {side}"


class Network:
    """Carries requests to the broker, and answers back."""

    def __init__(
        self, world: World, noren: Noren, faults: Faults, ledger: Ledger
    ) -> None:
        self._world = world
        self._noren = noren
        self._faults = faults
        self._ledger = ledger
        self._last_answer: tuple[int, bytes] = (200, b'{"stat":"Ok"}')
        #: While the broker is slow: until when.
        self._slow_until = -1.0
        self._slow_seconds = 0.0
        self.before_send: Callable[[Request], None] = lambda request: None
        self.in_flight = 0

    def pool(self, *_: Any, network_backend: Any = None, **__: Any) -> Pool:
        """Return what `httpcore.ConnectionPool` would; for the current process."""
        task = self._world.current
        attempt = network_backend._attempt

        def written() -> None:
            attempt.has_written = True

        return Pool(self, "nobody" if task is None else task.name, written)

    def exchange(
        self,
        client: str,
        url: str,
        body: bytes,
        timeout: float,
        written: Callable[[], None],
    ) -> Response:
        """Carry a request to the broker, and its answer back."""
        route = url.rpartition("/")[2]
        fields, token = _parsed(body)
        request = Request(client, route, fields, token)
        self.before_send(request)
        world, faults = self._world, self._faults
        share = _SHARE.get(route, 1.0)

        def hit(kind: Fault, more: float = 1.0) -> bool:
            return faults.happens(kind, request.text, share=share * more)

        if hit(Fault.REFUSED):
            self._tell(request, "is refused by the network")
            world.sleep(0.01)
            raise httpcore.ConnectError("refused")
        written()
        sent = None
        if route == "PlaceOrder":
            sent = Sent(
                name=fields.get("remarks", ""),
                at=world.time,
                restores=self._ledger.restores,
            )
            self._ledger.sent.append(sent)
        if hit(Fault.SLOW, 0.2):
            self._slow_until = world.time + faults.figure(Fault.SLOW, 20, 180)
            self._slow_seconds = world.random.uniform(1.0, timeout * 0.98)
            self._tell(request, f"meets a slow broker, {self._slow_seconds:.1f} s each")
        there = world.random.uniform(0.005, 0.04)
        back = there
        if world.time < self._slow_until and not faults.is_over:
            back += self._slow_seconds
        if hit(Fault.RESET_BEFORE):
            self._tell(request, "is cut off on its way")
            world.sleep(there)
            raise httpcore.WriteError("reset")
        if hit(Fault.RESET_DURING):
            # All bytes may have left before the writer learns of the reset.
            is_whole = world.random.random() < 0.5
            word = "after" if is_whole else "before"
            self._tell(request, f"is cut off, {word} it is whole")
            if is_whole:
                self._deliver_later(request, there)
            world.sleep(there)
            raise httpcore.WriteError("reset")
        if hit(Fault.LATE):
            seconds = faults.figure(Fault.LATE, 0.5, world.random.choice((8, 40, 600)))
            self._tell(request, f"arrives late, after {seconds:.1f} s")
            self._deliver_later(request, seconds)
            world.sleep(timeout)
            raise httpcore.ReadTimeout("timed out")
        if route in _CHANGES and hit(Fault.DUPLICATED):
            seconds = faults.figure(Fault.DUPLICATED, 0.0, 60.0)
            self._tell(request, f"is duplicated, {seconds:.1f} s later")
            self._deliver_later(request, seconds + there)
        if hit(Fault.TOKEN_EXPIRES, 0.05):
            self._tell(request, "meets a session that has just ended")
            self._noren.end_session()
        # From here on it is on the wire: who dies now has sent it.
        arrived: list[tuple[int, bytes, bool]] = []
        self.in_flight += 1
        world.after(there, lambda: self._arrive(request, arrived))
        world.sleep(there + back)
        status, content, was_done = arrived[0]
        if sent is not None and not was_done:
            sent.is_ambiguous = False
        if hit(Fault.RESET_AFTER):
            self._tell(request, "was done, its answer is cut off")
            raise httpcore.ReadError("reset")
        answer = self._spoiled(request, hit, status, content)
        self._last_answer = (status, content)
        return Response(*answer)

    def _arrive(self, request: Request, arrived: list[tuple[int, bytes, bool]]) -> None:
        self.in_flight -= 1
        arrived.append(self._done(request))

    def _deliver_later(self, request: Request, seconds: float) -> None:
        self.in_flight += 1

        def arrive() -> None:
            self.in_flight -= 1
            self._world.note("network", f"{request.text} arrives now")
            self._done(request)

        self._world.after(seconds, arrive)

    def _done(self, request: Request) -> tuple[int, bytes, bool]:
        """Have the broker do it; return its answer, and whether it was done."""
        try:
            answer = self._noren.answer(request.route, request.fields, request.token)
            self._note_read(request)
        except NotLoggedIn:
            refusal = "Session Expired :  Invalid Session Key"
            return 401, _json({"stat": "Not_Ok", "emsg": refusal}), False
        except Refused as e:
            # "no data" is how an empty book is answered.
            self._note_read(request)
            return 200, _json({"stat": "Not_Ok", "emsg": str(e)}), False
        return 200, _json(answer), True

    def _note_read(self, request: Request) -> None:
        if request.route in _READS and request.client == "recovery_service":
            self._ledger.read_at[request.route] = self._world.time

    def _spoiled(
        self,
        request: Request,
        hit: Callable[[Fault], bool],
        status: int,
        content: bytes,
    ) -> tuple[int, bytes]:
        random = self._world.random
        if hit(Fault.HTTP_502):
            self._tell(request, "is answered with HTTP 502")
            return 502, b"<html><body>Bad Gateway</body></html>"
        if hit(Fault.HTML):
            self._tell(request, "is answered with a page")
            return 200, b"<!DOCTYPE html><title>Maintenance</title>"
        if hit(Fault.TRUNCATED):
            self._tell(request, "has a truncated answer")
            return status, content[: random.randrange(len(content))]
        if hit(Fault.DEEP):
            self._tell(request, "has an answer nested too deep")
            return status, b'{"stat":' + b"[" * 20_000
        if hit(Fault.SURROGATE):
            self._tell(request, "has a lone surrogate in its emsg")
            return 500, b'{"stat":"Not_Ok","emsg":"Rejected : \\ud83d"}'
        if hit(Fault.SWAPPED):
            self._tell(request, "gets the answer of another request")
            return self._last_answer
        if request.route == "PlaceOrder" and hit(Fault.WRONG_NUMBER):
            numbers = [*self._noren.market.orders, self._noren.market.next_number()]
            number = random.choice(numbers[-4:])
            self._tell(request, f"is answered with a wrong number, {number}")
            return 200, _json({"stat": "Ok", "norenordno": number})
        return status, content

    def _tell(self, request: Request, what: str) -> None:
        self._world.note("FAULT", f"{request.text} {what}")


class Pool:
    """Takes the place of `httpcore.ConnectionPool`."""

    def __init__(
        self, network: Network, client: str, written: Callable[[], None]
    ) -> None:
        self._network = network
        self._client = client
        self._written = written

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Any = None,
        content: bytes = b"",
        extensions: Any = None,
    ) -> Iterator[Response]:
        timeouts = (extensions or {}).get("timeout", {})
        timeout = float(timeouts.get("read") or 5.0)
        yield self._network.exchange(self._client, url, content, timeout, self._written)

    def close(self) -> None:
        """No connection is held."""


def _parsed(body: bytes) -> tuple[Row, str]:
    """Return the fields and the token of a body as Noren reads it."""
    data, _, token = body.decode().removeprefix("jData=").partition("&jKey=")
    fields = json.loads(data) if data else {}
    if "tsym" in fields:
        fields["tsym"] = urllib.parse.unquote_plus(fields["tsym"])
    return fields, token


def _json(answer: object) -> bytes:
    return json.dumps(answer).encode()
