"""What an open page is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from shoonya_platform.clock import SystemClock
from shoonya_platform.dashboard import live as live_module
from shoonya_platform.dashboard.fragments import Fragment
from shoonya_platform.dashboard.live import Live
from shoonya_platform.dashboard.queries import BadRequest
from shoonya_platform.errors import NotFound


class Parts:
    """Stands in for the fragments; counts how often each is rendered."""

    def __init__(self) -> None:
        self.html = {"/fragments/a": "a1", "/fragments/b": "b1"}
        self.rendered: list[str] = []

    async def get(self, address: str) -> Fragment:
        self.rendered.append(address)
        if address not in self.html:
            raise NotFound("no part")
        return Fragment(self.html[address], is_readable=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(live_module, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(live_module, "_FRESH_SECONDS", 0.0)


def asked(*parts: str) -> Request:
    query = "&".join(f"part={part}" for part in parts)
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


async def opened(live: Live, *parts: str) -> Any:
    answer = await live.stream(asked(*parts))
    assert isinstance(answer, StreamingResponse)
    return answer.body_iterator


async def sent(stream: AsyncIterator[bytes]) -> Any:
    """Return the next part that is sent."""
    async for chunk in stream:
        if chunk.startswith(b"data: "):
            return json.loads(chunk.removeprefix(b"data: "))
    raise AssertionError("the stream ended")


def test_parts_are_sent_once_and_again_when_they_change():
    async def main() -> None:
        parts = Parts()
        stream = await opened(
            Live(parts.get, SystemClock()), "/fragments/a", "/fragments/b"
        )
        assert await sent(stream) == {"part": "/fragments/a", "html": "a1"}
        assert await sent(stream) == {"part": "/fragments/b", "html": "b1"}

        parts.html["/fragments/b"] = "b2\n\ndata: forged"

        assert await sent(stream) == {
            "part": "/fragments/b",
            "html": "b2\n\ndata: forged",
        }

    asyncio.run(main())


def test_silence_is_broken_so_that_a_dead_line_is_found(monkeypatch):
    monkeypatch.setattr(live_module, "_SILENCE_SECONDS", 0.0)

    async def main() -> None:
        stream = await opened(Live(Parts().get, SystemClock()), "/fragments/a")
        await sent(stream)
        assert (await anext(stream)).startswith(b"event: quiet\ndata: ")

    asyncio.run(main())


def test_end_of_the_server_ends_every_stream():
    async def main() -> None:
        live = Live(Parts().get, SystemClock())
        stream = await opened(live, "/fragments/a")
        await sent(stream)

        live.close()

        assert [chunk async for chunk in stream] == []
        assert (await live.stream(asked("/fragments/a"))).status_code == 503

    asyncio.run(main())


def test_many_pages_share_a_rendering(monkeypatch):
    monkeypatch.setattr(live_module, "_FRESH_SECONDS", 60.0)

    async def main() -> None:
        parts = Parts()
        live = Live(parts.get, SystemClock())
        for _ in range(5):
            await sent(await opened(live, "/fragments/a"))
        assert parts.rendered == ["/fragments/a"]

    asyncio.run(main())


def test_one_page_too_many_is_told_to_come_back(monkeypatch):
    monkeypatch.setattr(live_module, "MAX_STREAMS", 1)

    async def main() -> None:
        live = Live(Parts().get, SystemClock())
        stream = await opened(live, "/fragments/a")
        await sent(stream)
        refused = await live.stream(asked("/fragments/a"))
        assert refused.status_code == 503
        await stream.aclose()
        assert (await live.stream(asked("/fragments/a"))).status_code == 200

    asyncio.run(main())


def test_part_that_goes_away_is_empty_and_the_others_go_on():
    async def main() -> None:
        parts = Parts()
        stream = await opened(
            Live(parts.get, SystemClock()), "/fragments/a", "/fragments/b"
        )
        await sent(stream)
        await sent(stream)

        del parts.html["/fragments/a"]
        parts.html["/fragments/b"] = "b2"

        assert await sent(stream) == {"part": "/fragments/a", "html": ""}
        assert await sent(stream) == {"part": "/fragments/b", "html": "b2"}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ((), BadRequest),
        (("/fragments/a",) * 13, BadRequest),
        (("/fragments/nowhere",), NotFound),
    ],
)
def test_unusable_request_is_refused_before_the_stream(parts, error):
    async def main() -> None:
        with pytest.raises(error):
            await Live(Parts().get, SystemClock()).stream(asked(*parts))

    asyncio.run(main())
