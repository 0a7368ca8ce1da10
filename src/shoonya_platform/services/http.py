"""Serves an ASGI application as one of the eight services."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import uvicorn

from shoonya_platform.errors import ConfigError, StoreBusy
from shoonya_platform.services.kept import KeptSockets
from shoonya_platform.services.runtime import Parts, StoreService

#: How often the loop that serves says that it is alive.
TICK_SECONDS = 1.0

#: Once nobody new is let in, those that are in have this long to say what they want.
LINGER_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Site:
    """An application, where it listens, and what it says of itself."""

    app: Any  #: ASGI; its type is a callable of three dictionaries
    host: str
    port: int
    status: Callable[[], str]
    #: Ends the answers that have no end of their own.
    close: Callable[[], None] = lambda: None


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The service's own handlers stay: they tell systemd before they stop.
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Who connected just now has not sent its request yet, and would be cut off.
        for server in self.servers:
            server.close()
        await asyncio.sleep(LINGER_SECONDS)
        await super().shutdown(sockets)


class HttpService(StoreService):
    """
    Serves until it is told to stop; every tick proves that the loop and the store work.

    Args:
        build: Makes the site; the store is to be used in the one thread given.
    """

    def __init__(
        self, name: str, build: Callable[[Parts, ThreadPoolExecutor], Site]
    ) -> None:
        super().__init__(name)
        self._build = build
        self._kept = KeptSockets(self.notifier)

    def run(self) -> None:
        with ThreadPoolExecutor(1, "store") as executor:
            site = self._build(self.parts, executor)
            listener = self._listen(site)
            server = _Server(
                uvicorn.Config(
                    site.app,
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=10,
                    ws="none",
                )
            )
            asyncio.run(self._serve(server, listener, site, executor))

    def _listen(self, site: Site) -> socket.socket:
        try:
            return self._kept.listen(site.host, site.port, self._tell_mismatch)
        except OSError as e:
            raise ConfigError(
                f"cannot listen on {site.host}:{site.port}: {e.strerror}",
                hint="see who does: ss -ltnp; or choose another port in the "
                "configuration",
            ) from e

    def _tell_mismatch(self, sentence: str) -> None:
        self.logger.warning("%s", sentence, extra={"event": "socket_mismatch"})

    async def _serve(
        self,
        server: uvicorn.Server,
        listener: socket.socket,
        site: Site,
        executor: ThreadPoolExecutor,
    ) -> None:
        ticking = asyncio.create_task(self._tick(server, site, executor))
        try:
            await server.serve(sockets=[listener])
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking

    async def _tick(
        self, server: uvicorn.Server, site: Site, executor: ThreadPoolExecutor
    ) -> None:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        loop.add_reader(self.doorbell.fileno(), rung.set)
        is_ready = False
        while not self.should_stop():
            if server.started and not is_ready:
                is_ready = True
                self.ready()
            try:
                await loop.run_in_executor(executor, self.heartbeat, site.status())
            except StoreBusy as e:
                self.logger.warning("%s, retrying", e.sentence)
                self.beat(f"waiting: {e.message}")
            with contextlib.suppress(TimeoutError):
                # A service that is not ready yet is asked soon again.
                await asyncio.wait_for(rung.wait(), TICK_SECONDS if is_ready else 0.05)
            rung.clear()
            self.doorbell.wait(0)
        site.close()
        server.should_exit = True
