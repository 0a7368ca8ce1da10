"""
Keeps open pages fresh: server-sent events with the parts that have changed.

Each part is rendered once for all pages that show it, and only while one does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from shoonya_platform.clock import Clock
from shoonya_platform.dashboard.fragments import Fragment
from shoonya_platform.dashboard.queries import BadRequest
from shoonya_platform.errors import NotFound

INTERVAL_SECONDS = 1.0
#: A rendering is good for all who ask within this time.
_FRESH_SECONDS = 0.5
#: Something is said at least this often, so that a dead line is found.
_SILENCE_SECONDS = 10.0

_MAX_PARTS = 12
#: Pages open at once; a page more is told to come back later.
MAX_STREAMS = 50

Get = Callable[[str], Coroutine[None, None, Fragment]]


@dataclass(slots=True)
class _Rendered:
    at: float
    fragment: asyncio.Task[Fragment]


class Live:
    """
    The handler of `/live?part=/fragments/…&part=…`.

    Args:
        get: Renders the part at an address.
    """

    def __init__(self, get: Get, clock: Clock) -> None:
        self._get_fragment = get
        self._clock = clock
        self._rendered: dict[str, _Rendered] = {}
        self._streams = 0
        self._closed = asyncio.Event()

    def routes(self) -> list[Route]:
        return [Route("/live", self.stream)]

    def close(self) -> None:
        """End every stream: a server that stops would wait for them."""
        self._closed.set()

    async def stream(self, request: Request) -> Response:
        """
        Send `data: {"part": address, "html": text}` for each part that changes.

        Raises:
            BadRequest: No part is named, or too many.
        """
        addresses = request.query_params.getlist("part")
        if not 0 < len(addresses) <= _MAX_PARTS:
            raise BadRequest(
                "PARAMETER_INVALID", f"part: expected 1 to {_MAX_PARTS} of them"
            )
        for address in addresses:
            # What cannot be shown is refused while there is a status to say so.
            await self._get(address)
        if self._streams >= MAX_STREAMS or self._closed.is_set():
            return Response(status_code=503, headers={"Retry-After": "10"})
        return StreamingResponse(
            self._events(addresses),
            media_type="text/event-stream",
            # nginx would keep it back to fill a buffer.
            headers={"X-Accel-Buffering": "no"},
        )

    async def _events(self, addresses: list[str]) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            sent: dict[str, str] = {}
            said_at = self._clock.monotonic()
            yield b"retry: 2000\n\n"
            while not self._closed.is_set():
                for address in addresses:
                    html = await self._html(address)
                    if sent.get(address) != html:
                        sent[address] = html
                        said_at = self._clock.monotonic()
                        data = json.dumps({"part": address, "html": html})
                        yield f"data: {data}\n\n".encode()
                if self._clock.monotonic() - said_at >= _SILENCE_SECONDS:
                    said_at = self._clock.monotonic()
                    # Not a comment: the page's script does not see those.
                    yield b"event: quiet\ndata: nothing new\n\n"
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), INTERVAL_SECONDS)
        finally:
            self._streams -= 1

    async def _html(self, address: str) -> str:
        try:
            return (await self._get(address)).html
        except NotFound:
            # Shown a moment ago, and gone from the store.
            return ""

    async def _get(self, address: str) -> Fragment:
        now = self._clock.monotonic()
        known = self._rendered.get(address)
        if known is None or now - known.at > _FRESH_SECONDS:
            self._rendered = {
                name: rendered
                for name, rendered in self._rendered.items()
                if now - rendered.at <= _FRESH_SECONDS
            }
            task = asyncio.create_task(self._get_fragment(address))
            known = self._rendered[address] = _Rendered(now, task)
        # Shielded: a page that is closed must not take it from the others.
        return await asyncio.shield(known.fragment)
