"""Each release of the SDKs, logged in at a simulator of its generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from shoonya_platform.clock import SystemClock
from shoonya_platform.testing.noren.access import totp
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.prices import MarketSettings
from shoonya_platform.testing.noren.server import NorenSimulator
from shoonya_platform.testing.waiting import eventually
from tests.sdks.environments import RELEASES, CannotInstall, Driver, Release

HELD = {"NSE:INFY-EQ": (10, Decimal("1402.50"))}


class Sdk:
    """A release, as a test holds it."""

    def __init__(
        self, release: Release, driver: Driver, simulator: NorenSimulator
    ) -> None:
        self.release = release
        self.simulator = simulator
        self._driver = driver
        self._events: list[dict[str, str]] = []

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self._driver.call(name, *args, **kwargs)

    def log_in(self) -> Any:
        own = self.simulator.credentials
        if self.release.generation == "oauth":
            code = self.simulator.access.authorize()
            return self.call(
                "getAccessToken", code, own.api_secret, own.client_id, own.user_id
            )
        return self.call(
            "login",
            userid=own.user_id,
            password=own.password,
            twoFA=totp(own.totp_secret, SystemClock().now().timestamp()),
            vendor_code=own.client_id,
            api_secret=own.api_secret,
            imei="x",
        )

    def order(self, **changes: Any) -> Any:
        """Place an order: a bid for one share of SBIN below the market."""
        fields = {
            "buy_or_sell": "B",
            "product_type": "C",
            "exchange": "NSE",
            "tradingsymbol": "SBIN-EQ",
            "quantity": 1,
            "discloseqty": 0,
            "price_type": "LMT",
            "price": 790.0,
            "remarks": "sdk",
        }
        return self.call("place_order", **{**fields, **changes})

    def rows(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.call("get_order_book")
        return found

    def option(self) -> Scrip:
        """Return the first call option of NIFTY that is listed."""
        scrips = self.simulator.account.scrips.search("NFO", "NIFTY CE")
        return next(scrip for scrip in scrips if scrip.root == "NIFTY")

    def wait_for(self, fits: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Return the first frame that fits, from now on or unread."""

        def found() -> dict[str, str] | None:
            self._events += self.call("events")
            return next((event for event in self._events if fits(event)), None)

        frame = eventually(found, 10, message=f"a frame, there are {self._events}")
        assert frame is not None
        self._events.remove(frame)
        return frame

    def seen(self) -> list[dict[str, str]]:
        """Return and forget the frames that have come."""
        self._events += self.call("events")
        found, self._events = self._events, []
        return found


@pytest.fixture(scope="session")
def drivers() -> Iterator[Callable[[Release], Driver]]:
    """One process for each release, for all tests of it."""
    started: dict[Release, Driver] = {}

    def get(release: Release) -> Driver:
        if release not in started:
            try:
                started[release] = Driver(release)
            except CannotInstall as e:
                pytest.fail(str(e), pytrace=False)
        return started[release]

    yield get
    for driver in started.values():
        driver.close()


@pytest.fixture(params=RELEASES, ids=str)
def release(request: pytest.FixtureRequest) -> Release:
    found: Release = request.param
    return found


@pytest.fixture
def simulator(release) -> Iterator[NorenSimulator]:
    with NorenSimulator(
        release.generation, market=MarketSettings(holdings=HELD)
    ) as running:
        running.set_price("NSE", "SBIN-EQ", "800")
        yield running


@pytest.fixture
def stranger(release, drivers, simulator) -> Sdk:
    """The SDK before its log-in."""
    driver = drivers(release)
    driver.call("open", simulator.api_url, simulator.websocket_url)
    return Sdk(release, driver, simulator)


@pytest.fixture
def sdk(stranger) -> Iterator[Sdk]:
    assert stranger.log_in() is not None
    yield stranger
    stranger.call("end")
