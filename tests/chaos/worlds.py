"""The eight services and a broker that misbehaves: the paper one, or Noren's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from shoonya_platform.brokers.base import BrokerOrder, BrokerPosition
from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.ctl.simulate import settings_text
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.testing.noren.server import NorenSimulator
from tests.acceptance.platform import Platform

#: Few instruments, as an account trades them; all entries have one direction, so that
#: no strategy is in another's way.
SYMBOLS = [
    f"NIFTY28DEC27{kind}{25000 + 100 * number}" for number in range(10) for kind in "CP"
]

SUPERVISOR = (sys.executable, str(Path(__file__).with_name("supervisor.py")))

_SETTINGS = """
[broker]
name = "{broker}"
timeout_seconds = 0.5
[service]
poll_seconds = 0.1
[recovery]
interval_seconds = 1.0
absent_reads = 2
absent_seconds = 1.0
replan_seconds = 3600
[guard]
max_alert_age_seconds = 3600
[risk]
max_daily_loss = 1000000000
max_exposure = 1000000000000
max_symbol_exposure = 1000000000000
max_strategy_exposure = 1000000000000
max_order_value = 1000000000000
max_orders_per_day = 1000000
max_open_positions = 100000
"""

#: How often, out of a hundred requests or reports, each fault happens.
FAULTS = (
    ("accept_then_timeout", "orders", 5),
    ("bad_gateway", "any", 2),
    ("drop_report", "any", 5),
    ("double_report", "any", 5),
)
_ALWAYS = 10**9


class World(Protocol):
    """Where a run takes place."""

    @property
    def platform(self) -> Platform: ...

    def expire_session(self) -> bool:
        """End the broker's session; return whether there is such a thing."""
        ...

    def orders(self) -> list[BrokerOrder]:
        """Return the broker's order book, past all faults."""
        ...

    def positions(self) -> list[BrokerPosition]: ...


@dataclass(frozen=True, slots=True)
class PaperWorld:
    platform: Platform
    broker: PaperBroker

    def expire_session(self) -> bool:
        return False

    def orders(self) -> list[BrokerOrder]:
        return self.broker.order_book()

    def positions(self) -> list[BrokerPosition]:
        return self.broker.positions()


@dataclass(frozen=True, slots=True)
class NorenWorld:
    platform: Platform
    simulator: NorenSimulator

    def expire_session(self) -> bool:
        self.simulator.expire_session()
        return True

    def orders(self) -> list[BrokerOrder]:
        return self.simulator.account.claims()

    def positions(self) -> list[BrokerPosition]:
        return self.simulator.account.holdings()


@contextmanager
def paper_world(folder: Path, seed: int) -> Iterator[World]:
    del seed
    platform = Platform(
        folder,
        _SETTINGS.format(broker="paper") + "[paper]\ncash = 1000000000000\n",
        SUPERVISOR,
    )
    with platform:
        broker = platform.paper()
        try:
            yield PaperWorld(platform, broker)
        finally:
            broker.close()


@contextmanager
def noren_world(folder: Path, seed: int) -> Iterator[World]:
    """Give a platform on Noren's simulator, which fails by chance from the start on."""
    market = folder / "market"
    market.mkdir()
    with NorenSimulator(
        # The generation that logs in by itself.
        "quickauth",
        step_seconds=0.2,
        seed=seed,
        folder=market,
        market=PaperSettings(seed=seed, cash=Decimal(10**12)),
    ) as simulator:
        for symbol in SYMBOLS:
            simulator.set_price(Exchange.NFO, symbol, "100")
        shoonya = {"shoonya": simulator.platform_settings()["shoonya"]}
        platform = Platform(
            folder,
            settings_text(shoonya)
            + "orders_per_second = 1000\nrequests_per_minute = 100000\n"
            + _SETTINGS.format(broker="shoonya"),
            SUPERVISOR,
        )
        for name, value in simulator.platform_secrets().items():
            credential = folder / "credentials" / name
            credential.touch(mode=0o600)
            credential.write_text(value)
        with platform:
            for kind, on, percent in FAULTS:
                simulator.add_fault(kind, _ALWAYS, on=on, share=percent / 100)
            yield NorenWorld(platform, simulator)
            simulator.clear_faults()
