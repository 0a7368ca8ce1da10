"""Runs the simulator on a port of this machine, in a thread of its own."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterable, Mapping
from datetime import time
from decimal import Decimal
from pathlib import Path

import uvicorn

from shoonya_platform.clock import Clock, SystemClock
from shoonya_platform.testing.noren import admin
from shoonya_platform.testing.noren.access import Access, Credentials, Generation
from shoonya_platform.testing.noren.account import Account, AccountRules
from shoonya_platform.testing.noren.app import HTTP_PATHS, WEBSOCKET_PATHS, NorenApp
from shoonya_platform.testing.noren.faults import FaultKind, Faults
from shoonya_platform.testing.noren.hub import Hub
from shoonya_platform.testing.noren.masters import Masters
from shoonya_platform.testing.noren.packaged import PackagedMasters
from shoonya_platform.testing.noren.prices import MarketSettings
from shoonya_platform.testing.noren.scrips import Scrips
from shoonya_platform.testing.noren.words import Row, india_day


class NorenSimulator:
    """
    The simulator as a test holds it; its state outlives an outage.

    Args:
        port: 0 takes a free one.

        folder: Where the market's book lies; None is a temporary directory.

        step_seconds: How often working orders may trade, besides when something
            is ordered or a price is set; None is never.

        masters: The symbol masters; None takes the packaged ones as of today.

        listed: More instruments for the packaged masters, `EXCHANGE:TRADINGSYMBOL`.

        seed: Makes tokens, wandering prices and faults by chance repeatable.
    """

    def __init__(
        self,
        generation: Generation = "oauth",
        *,
        port: int = 0,
        folder: Path | None = None,
        credentials: Credentials | None = None,
        market: MarketSettings | None = None,
        masters: Masters | None = None,
        listed: Iterable[str] = (),
        step_seconds: float | None = None,
        seed: int = 1,
        clock: Clock | None = None,
    ) -> None:
        self.generation = generation
        self.credentials = credentials or Credentials()
        self.faults = Faults(seed)
        self.hub = Hub(self.faults)
        self._temporary = None
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="noren-")
            folder = Path(self._temporary.name)
        clock = clock or SystemClock()
        self.account = Account(
            folder,
            market or MarketSettings(seed=seed),
            user_id=self.credentials.user_id,
            scrips=Scrips(masters or PackagedMasters(india_day(clock.now()), listed)),
            clock=clock,
            faults=self.faults,
            tell=self.hub.tell_order,
        )
        self.access = Access(self.credentials, clock, seed)
        self.app = NorenApp(
            generation,
            account=self.account,
            access=self.access,
            faults=self.faults,
            hub=self.hub,
            clock=clock,
        )
        self._step_seconds = step_seconds
        self._stopped = threading.Event()
        self._stepper: threading.Thread | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.port = port

    def __enter__(self) -> NorenSimulator:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/{HTTP_PATHS[self.generation]}/"

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/{WEBSOCKET_PATHS[self.generation]}/"

    @property
    def login_url(self) -> str:
        return f"{self.url}/OAuthlogin/authorize/oauth"

    def platform_settings(self) -> dict[str, dict[str, str]]:
        """Return the sections of the configuration that lead here."""
        return {
            "broker": {"name": "shoonya"},
            "shoonya": {
                "generation": self.generation,
                "user_id": self.credentials.user_id,
                "api_url": self.api_url,
                "websocket_url": self.websocket_url,
                "login_url": self.login_url,
                "scrip_url": f"{self.url}/",
            },
        }

    def platform_secrets(self) -> dict[str, str]:
        """Return the secrets that log in here; each is a credential file's name."""
        own = self.credentials
        if self.generation == "oauth":
            return {"broker_api_secret": own.api_secret}
        return {
            "broker_api_secret": own.api_secret,
            "broker_password": own.password,
            "broker_totp_secret": own.totp_secret,
        }

    def start(self) -> None:
        """Listen; after `go_down` on the same port, with everything as it was."""
        # asyncio turns Nagle's 40 ms off only where the protocol is spelt out.
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(1024)
        self.port = listener.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.app,
                loop="asyncio",
                http="h11",
                ws="websockets-sansio",
                lifespan="off",
                log_config=None,
                access_log=False,
                # The client's side closes idle connections first.
                timeout_keep_alive=75,
            )
        )
        server = self._server
        self._thread = threading.Thread(
            target=lambda: server.run(sockets=[listener]), name="noren", daemon=True
        )
        self._thread.start()
        if self._step_seconds is not None and self._stepper is None:
            self._stepper = threading.Thread(
                target=self._step_on, name="noren-steps", daemon=True
            )
            self._stepper.start()

    def go_down(self) -> None:
        """Close the port and all connections."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)
        self._server = self._thread = None

    def close(self) -> None:
        self._stopped.set()
        if self._stepper is not None:
            self._stepper.join(10)
        self.app.late.close()
        self.go_down()
        self.account.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def add_fault(
        self,
        kind: FaultKind | str,
        count: int = 1,
        seconds: float = 0.0,
        on: str = "orders",
        share: float = 1.0,
        words: str = "",
    ) -> None:
        self.faults.add(kind, count, seconds, on, share, words)

    def clear_faults(self) -> None:
        admin.clear_faults(self.app)

    @property
    def late(self) -> int:
        """How many requests are on their way, for longer than their senders wait."""
        return self.app.late.count

    def let_arrive(self) -> None:
        """Let all of them arrive now."""
        self.app.late.arrive()

    def expire_session(self) -> None:
        admin.expire_session(self.app)

    def expire_session_at(self, at: time) -> None:
        """End the session when it is next this time in India."""
        admin.expire_session_at(self.app, at)

    def set_price(
        self, exchange: str, tradingsymbol: str, price: Decimal | str
    ) -> None:
        admin.set_price(self.app, exchange, tradingsymbol, Decimal(price))

    def set_rules(self, **rules: bool | int | str) -> None:
        for name, value in rules.items():
            setattr(self.account.rules, name, value)

    def place_elsewhere(self, asked: Mapping[str, str]) -> str:
        """Place an order as another program would."""
        return self.account.place(asked)

    def orders(self) -> list[Row]:
        return self.account.order_book()

    def _step_on(self) -> None:
        while not self._stopped.wait(self._step_seconds):
            self.account.step()
            if self.access.end_if_due():
                self.hub.close_all()


__all__ = ["AccountRules", "Credentials", "FaultKind", "NorenSimulator"]
