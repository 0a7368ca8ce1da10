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
from shoonya_platform.brokers.paper import PaperBroker
from shoonya_platform.brokers.shoonya_words import order_of, position_of
from shoonya_platform.ctl.simulate import settings_text
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.testing.noren.faults import FaultKind
from shoonya_platform.testing.noren.prices import MarketSettings
from shoonya_platform.testing.noren.server import NorenSimulator
from shoonya_platform.testing.waiting import eventually
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
#: Out of a hundred requests that change something, so many arrive late or twice.
LATE_PERCENT = 2.0
DUPLICATE_PERCENT = 1.0
#: Late ones are spread over so many delays, up to the longest.
_DELAYS = 5


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the network does to requests, besides losing them."""

    late_seconds: float = 0.0  #: the longest that one is on its way; 0: none is late
    duplicates: bool = False

    @property
    def repeats(self) -> bool:
        """Whether one intention may become two orders."""
        return self.late_seconds > 0 or self.duplicates


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

    @property
    def delivery(self) -> Delivery: ...

    def deliver_all(self) -> None:
        """Let nothing more be late or doubled; wait for what is on its way."""
        ...


@dataclass(frozen=True, slots=True)
class PaperWorld:
    platform: Platform
    broker: PaperBroker
    delivery: Delivery = Delivery()

    def expire_session(self) -> bool:
        return False

    def orders(self) -> list[BrokerOrder]:
        return self.broker.order_book()

    def positions(self) -> list[BrokerPosition]:
        return self.broker.positions()

    def deliver_all(self) -> None:
        """It is a file: nothing is ever on its way."""


@dataclass(frozen=True, slots=True)
class NorenWorld:
    platform: Platform
    simulator: NorenSimulator
    delivery: Delivery

    def expire_session(self) -> bool:
        self.simulator.expire_session()
        return True

    def orders(self) -> list[BrokerOrder]:
        now = self.simulator.app.clock.now()
        return [order_of(row, now=now) for row in self.simulator.orders()]

    def positions(self) -> list[BrokerPosition]:
        return [position_of(row) for row in self.simulator.account.positions()]

    def deliver_all(self) -> None:
        self.simulator.faults.forget(
            (FaultKind.LATE_ARRIVAL, FaultKind.DUPLICATE_REQUEST)
        )
        eventually(
            lambda: not self.simulator.late,
            self.delivery.late_seconds + 30,
            message="the arrival of all requests",
        )


@contextmanager
def paper_world(
    folder: Path, seed: int, delivery: Delivery = Delivery()
) -> Iterator[World]:
    del seed
    assert not delivery.repeats, "the paper broker has no network"
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
def noren_world(
    folder: Path, seed: int, delivery: Delivery = Delivery()
) -> Iterator[World]:
    """Give a platform on Noren's simulator, which fails by chance from the start on."""
    market = folder / "market"
    market.mkdir()
    with NorenSimulator(
        # The generation that logs in by itself.
        "quickauth",
        step_seconds=0.2,
        seed=seed,
        folder=market,
        market=MarketSettings(seed=seed, cash=Decimal(10**12)),
        listed=[f"NFO:{symbol}" for symbol in SYMBOLS],
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
            _delay(simulator, delivery)
            yield NorenWorld(platform, simulator, delivery)
            simulator.clear_faults()


def _delay(simulator: NorenSimulator, delivery: Delivery) -> None:
    if delivery.late_seconds:
        for n in range(1, _DELAYS + 1):
            simulator.add_fault(
                "late_arrival",
                _ALWAYS,
                seconds=delivery.late_seconds * n / _DELAYS,
                share=LATE_PERCENT / 100 / _DELAYS,
            )
    if delivery.duplicates:
        share = DUPLICATE_PERCENT / 100
        simulator.add_fault("duplicate_request", _ALWAYS, share=share)
